"""The history of the settings: every change of an operator, a source or a weight, with who made it and why.

A table of our own and no library that listens to signals: weights are set many at a time, which sends no signals;
callers with a key and commands are no users; and proof and simulation need the values, not copies of whole rows.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db.models import Max, Model, QuerySet

from crm_project.access.acting import actor, reason
from distribution.models import SettingChange
from distribution.selectors import Cell
from leads.models import Source
from operators.models import Operator

WEIGHT = "weight"
EXISTS = "exists"
RECORDED = {
    Operator: ("name", "external_id", "is_active", "is_paused", "max_load"),
    Source: (
        "name",
        "code",
        "is_active",
        "reuse_open_contact",
        "strategy",
        "prefer_same_operator",
        "identified_by",
        "link_template",
    ),
}
NAMED_BY = {Operator: "operator_id", Source: "source_id"}

type Values = dict[str, Any]


def settings_of(row: Model) -> Values:
    """Return the settings of an operator or a source as they were read."""
    return {name: getattr(row, name) for name in RECORDED[type(row)]}


def record_new(row: Model) -> None:
    """Record every setting of a row that was just stored."""
    record_changes(row, dict.fromkeys(RECORDED[type(row)]))


def record_changes(row: Model, before: Values) -> None:
    """Record what differs on the row, stored by now, from its settings `before`."""
    after = settings_of(row)
    key = {NAMED_BY[type(row)]: row.pk}
    _store(_change(name, before[name], after[name], **key) for name in after if after[name] != before[name])


def record_weights(source_id: int, before: Mapping[int, int], after: Mapping[int, int]) -> None:
    """Record what differs between the weights of a source, by operator id; whoever is not there has None."""
    _store(
        _change(WEIGHT, before.get(operator_id), after.get(operator_id), operator_id=operator_id, source_id=source_id)
        for operator_id in sorted(before.keys() | after.keys())
        if before.get(operator_id) != after.get(operator_id)
    )


def record_deletion(row: Model) -> None:
    """Record that an operator or a source is gone, under the name it had."""
    if type(row) in NAMED_BY:
        _store([_change(EXISTS, str(row), None, **{NAMED_BY[type(row)]: row.pk})])


def changes_of(row: Model) -> QuerySet[SettingChange]:
    """Return every change of an operator or a source, weights included, the newest first."""
    return SettingChange.objects.filter(**{NAMED_BY[type(row)]: row.pk}).order_by("-pk")


def newest_ids(changes: QuerySet[SettingChange]) -> set[int]:
    """Return the ids of the newest change of each setting among `changes`."""
    each = changes.order_by().values("operator_id", "source_id", "setting").annotate(newest=Max("pk"))
    return set(each.values_list("newest", flat=True))


def newest_weight_changes(cells: Collection[Cell]) -> dict[Cell, SettingChange]:
    """Return the newest change of each weight that was ever changed."""
    changes = SettingChange.objects.filter(
        setting=WEIGHT,
        source_id__in={cell.source_id for cell in cells},
        operator_id__in={cell.operator_id for cell in cells},
    )
    newest = changes.order_by().values("source_id", "operator_id").annotate(newest=Max("pk")).values("newest")
    found = {(row.source_id, row.operator_id): row for row in SettingChange.objects.filter(pk__in=newest)}
    return {cell: found[cell] for cell in cells if cell in found}


def _change(setting: str, before: Any, after: Any, **of: int) -> SettingChange:
    who = actor()
    return SettingChange(
        setting=setting, before=before, after=after, actor=who.identity, actor_name=who.name, reason=reason(), **of
    )


def _store(changes: Iterable[SettingChange]) -> None:
    SettingChange.objects.bulk_create(changes, batch_size=500)
