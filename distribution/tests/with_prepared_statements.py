"""The application with plans kept by PostgreSQL: the control of the tests through PgBouncer."""

from django.conf import settings

from crm_project.wsgi import application

settings.DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 0

__all__ = ["application"]
