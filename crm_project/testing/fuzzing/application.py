"""The application with a quick password hash, and without a count of wrong passwords.

A good hash takes a quarter of a second at every call of a supervisor; and wrong passwords are sent on purpose.
"""

from crm_project.wsgi import application  # noqa: I001

from django.conf import settings

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

settings.AXES_ENABLED = False

__all__ = ["application"]
