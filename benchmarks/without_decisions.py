"""The application that records nothing beside the contact and the load: what decisions are compared with."""

from unittest.mock import patch

from crm_project.wsgi import application
from distribution import assignment, ledger

patch.object(assignment, "record").start()
patch.object(ledger, "_insert_change").start()

__all__ = ["application"]
