"""What the admin pages of all apps share, and the pages of what has no floor above this one."""

from crm_project.admin import accounts, api_clients, bulk_runs, decisions, deliveries, setting_changes, webhooks

__all__ = ["accounts", "api_clients", "bulk_runs", "decisions", "deliveries", "setting_changes", "webhooks"]
