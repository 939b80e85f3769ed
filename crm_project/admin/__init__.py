"""What the admin pages of all apps share, and the pages of users and groups."""

from crm_project.admin import accounts, api_clients

__all__ = ["accounts", "api_clients"]
