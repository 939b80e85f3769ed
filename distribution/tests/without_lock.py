"""The application with the lock on the operator taken out: the control of the tests under load."""

from crm_project.wsgi import application  # noqa: I001

from distribution import intake
from distribution.availability import can_take
from operators.models import Operator


def look_without_lock(operator_id: int) -> Operator | None:
    """Return the operator if they could take a contact, locking nothing."""
    return Operator.objects.filter(can_take(), pk=operator_id).first()


intake.lock_operator_with_room = look_without_lock

__all__ = ["application"]
