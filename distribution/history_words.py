"""The history of settings in words: what was set, from what to what."""

from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from distribution.history import EXISTS, RECORDED, WEIGHT
from distribution.models import SettingChange
from distribution.strategy import STRATEGIES
from leads.models import Source
from operators.models import Operator

NOTHING = "–"


def setting_told(change: SettingChange) -> str:
    """Return the name of the setting; the code of one that is no longer known."""
    if change.setting == WEIGHT:
        return _("Weight")
    if change.setting == EXISTS:
        return _("Deleted")
    model = Source if change.operator_id is None else Operator
    if change.setting not in RECORDED[model]:
        return change.setting
    field: Any = model._meta.get_field(change.setting)
    return capfirst(str(field.verbose_name))


def value_told(setting: str, value: Any) -> str:
    """Return a value as people read it: yes or no, the name of a strategy, a number, a text."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return number_format(value, force_grouping=True)
    if setting == "strategy" and value in STRATEGIES:
        return str(STRATEGIES[value].name)
    return NOTHING if value is None or value == "" else str(value)


def source_named(source_id: int, names: Mapping[int, str]) -> str:
    """Return the name of the source, else the number."""
    return names.get(source_id) or _("Source #%(id)s") % {"id": source_id}
