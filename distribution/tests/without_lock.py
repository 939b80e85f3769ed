"""The application with the locks on operators taken out: the control of the tests under load."""

from collections.abc import Collection

from crm_project.wsgi import application
from distribution import intake, rosters
from distribution.availability import can_take
from operators.models import Operator


def look_without_lock(operator_id: int) -> Operator | None:
    """Return the operator if they could take a contact, locking nothing."""
    return Operator.objects.filter(can_take(), pk=operator_id).first()


def look_at_all_without_lock(source_ids: Collection[int]) -> dict[int, Operator]:
    """Return the operators of the sources by id, locking nothing."""
    return Operator.objects.filter(weights__source__in=source_ids).in_bulk()


intake.lock_operator_with_room = look_without_lock
rosters.lock_operators_of = look_at_all_without_lock

__all__ = ["application"]
