"""The application with pages of five contacts and steps of one row, so that a few rows are what thousands are."""

from crm_project.wsgi import application  # noqa: I001

from distribution import runs
from leads.admin.contacts import ContactAdmin

runs.SECONDS_A_STEP = 0
ContactAdmin.list_per_page = 5

__all__ = ["application"]
