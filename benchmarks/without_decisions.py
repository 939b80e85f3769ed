"""The application that records nothing beside the contact and the load: what decisions are compared with."""

from unittest.mock import patch

from crm_project.wsgi import application
from distribution import assignment, ledger

for module, names in ((assignment, ("record", "record_all")), (ledger, ("_insert_change", "_insert_changes"))):
    for name in names:
        patch.object(module, name).start()

__all__ = ["application"]
