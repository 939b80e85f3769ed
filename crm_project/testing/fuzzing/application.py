"""The application with a quick password hash: a good one takes a quarter of a second at every call of a supervisor."""

from crm_project.wsgi import application  # noqa: I001

from django.conf import settings

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

__all__ = ["application"]
