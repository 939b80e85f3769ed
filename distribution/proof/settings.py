"""Holding the settings as they are to the history of how they were set."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Max, QuerySet

from distribution.history import EXISTS, NAMED_BY, WEIGHT, settings_of
from distribution.models import SettingChange
from distribution.proof.findings import Finding, WrongSetting
from distribution.proof.texts import as_text, parsed
from distribution.selectors import weights_of
from leads.models import Source
from operators.models import Operator

ROWS_AT_A_TIME = 1_000
NO_OTHER = {Operator: {"source_id": None}, Source: {"operator_id": None}}
# What settings are while no change was recorded, of rows that were recorded before these settings existed.
UNRECORDED: dict[type[Operator | Source], dict[str, Any]] = {
    Operator: {"is_paused": False},
    Source: {"link_template": "", "identified_by": "external_id"},
}


def examined_settings() -> Iterator[Finding | None]:
    """Look at one operator and one source after another; yield what is wrong with each setting, or None."""
    for operator in Operator.objects.order_by("pk").iterator(ROWS_AT_A_TIME):
        yield from _examined(operator)
    for source in Source.objects.order_by("pk").iterator(ROWS_AT_A_TIME):
        yield from _examined(source)
        yield from _examined_weights(source.pk)


def _examined(row: Operator | Source) -> Iterator[Finding | None]:
    key = {NAMED_BY[type(row)]: row.pk}
    now = settings_of(row)
    changes = _last_set("setting", **key, **NO_OTHER[type(row)])
    recorded = {setting: parsed(text) for setting, text in changes if setting in now}
    if recorded:
        recorded = {**UNRECORDED[type(row)], **recorded}
    for setting, value in recorded.items():
        yield None if value == now[setting] else WrongSetting(setting, **key)


def _examined_weights(source_id: int) -> Iterator[Finding | None]:
    now = weights_of(source_id)
    for operator_id, text in _last_set("operator_id", source_id=source_id, setting=WEIGHT):
        holds = parsed(text) == now.get(operator_id) or _went(operator_id)
        yield None if holds else WrongSetting(WEIGHT, operator_id, source_id)


def _last_set(of_each: str, **of: Any) -> QuerySet[Any, Any]:
    """Return (`of_each`, the value as text) of the last change of each."""
    changes = SettingChange.objects.filter(**of).order_by()
    last = changes.values(of_each).annotate(last=Max("pk")).values("last")
    rows = SettingChange.objects.filter(pk__in=last).annotate(text=as_text("after"))
    return rows.order_by("pk").values_list(of_each, "text")


def _went(operator_id: int) -> bool:
    """Return whether the operator was deleted, and their weights with them."""
    return SettingChange.objects.filter(operator_id=operator_id, setting=EXISTS).exists()
