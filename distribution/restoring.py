"""Going back: setting a setting to what it was before a change, through the services that every change goes through."""

from django.db import IntegrityError
from django.utils.translation import gettext as _

from crm_project.access.acting import LONGEST_REASON, because, reason
from distribution.errors import CannotGoBack, SettingChanged, ValueTaken
from distribution.history import RECORDED, WEIGHT
from distribution.models import SettingChange
from distribution.roster import change_operator, change_source, change_weights
from distribution.selectors import Cell
from distribution.strategy import STRATEGIES
from leads.models import Source
from operators.models import Operator

MAY_BE_NONE = {WEIGHT, "external_id"}
UNIQUE = {"external_id", "code"}


def can_go_back(change: SettingChange) -> bool:
    """Return whether there was a value before the change that the setting could have again."""
    if change.setting == WEIGHT:
        return change.operator_id is not None and change.source_id is not None
    if change.setting not in RECORDED[Source if change.operator_id is None else Operator]:
        return False
    if change.setting == "strategy" and change.before not in STRATEGIES:
        return False
    return change.before is not None or change.setting in MAY_BE_NONE


def go_back(change: SettingChange) -> None:
    """Set the setting to what it was before the change; the new change names the old one in its reason.

    Raises CannotGoBack; SettingChanged or WeightsChanged when the setting has been changed since; ValueTaken;
    OperatorNotFound or SourceNotFound.
    """
    if not can_go_back(change):
        raise CannotGoBack
    if _changed_since(change):
        raise SettingChanged
    try:
        with because(_reason(change)):
            _set_back(change)
    except IntegrityError as error:
        if change.setting in UNIQUE:
            raise ValueTaken from error
        raise CannotGoBack from error


def _changed_since(change: SettingChange) -> bool:
    of = {"operator_id": change.operator_id, "source_id": change.source_id, "setting": change.setting}
    return SettingChange.objects.filter(**of, pk__gt=change.pk).exists()


def _set_back(change: SettingChange) -> None:
    before, seen = {change.setting: change.before}, {change.setting: change.after}
    if change.operator_id is None:
        change_source(change.source_id or 0, seen=seen, **before)
    elif change.source_id is None:
        change_operator(change.operator_id, seen=seen, **before)
    else:
        cell = Cell(change.source_id, change.operator_id)
        change_weights({cell: change.before}, {cell: change.after})


def _reason(change: SettingChange) -> str:
    back = _("Back to what it was before change No. %(number)s") % {"number": change.pk}
    return f"{back}: {reason()}"[:LONGEST_REASON] if reason() else back
