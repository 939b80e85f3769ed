"""Contacts, leads and sources in the back office."""

from leads.admin.contacts import ContactAdmin
from leads.admin.leads import LeadAdmin
from leads.admin.sources import SourceAdmin

__all__ = ["ContactAdmin", "LeadAdmin", "SourceAdmin"]
