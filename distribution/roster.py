"""Changing operators, sources and weights, and draining what a change makes room for."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.db.models import Model, ProtectedError
from django.utils import timezone

from distribution.availability import can_take_as_read
from distribution.counts import start_anew
from distribution.errors import HasContacts, OperatorNotFound, SettingChanged, WeightsChanged
from distribution.events import record_at_limit
from distribution.history import record_changes, record_deletion, record_new, record_weights, settings_of
from distribution.ledger import note_limit
from distribution.locks import lock_for_deletion, lock_leads_for_deletion, lock_operator, lock_source, lock_sources
from distribution.queue import drain_after_commit
from distribution.selectors import Cells, on_list_of, sources_of_operator, weights_in, weights_of
from distribution.shares import Share, shares
from distribution.transactions import in_transaction
from leads.models import Source
from operators.models import Operator, Weight


@in_transaction
def create_operator(**fields: Any) -> Operator:
    """Store a new operator, who has no weight anywhere yet, and return them."""
    operator = Operator.objects.create(**fields)
    record_new(operator)
    return operator


@in_transaction
def change_operator(operator_id: int, *, seen: Mapping[str, Any] | None = None, **changes: Any) -> Operator:
    """Set the fields given, give the room this makes to whoever waits, and return the operator.

    A limit below the present load is allowed: nothing is taken away, nothing new comes. `seen` are settings that must
    still be as the caller saw them. Raises OperatorNotFound, and SettingChanged when they are not.
    """
    operator = lock_operator(operator_id)
    before = settings_of(operator)
    _check_as_seen(before, seen)
    changed_fields = _set(operator, changes)
    if operator.max_load != before["max_load"]:
        operator.limit_set_at = timezone.now()
        changed_fields.append("limit_set_at")
    operator.save(update_fields=changed_fields)
    if operator.max_load != before["max_load"]:
        note_limit(operator_id)
        if 0 < operator.max_load <= operator.load < before["max_load"]:
            record_at_limit(operator_id)
    record_changes(operator, before)
    if can_take_as_read(operator) and changes.keys() & {"is_active", "is_paused", "max_load"}:
        drain_after_commit(sources_of_operator(operator_id))
    return operator


@in_transaction
def create_source(**fields: Any) -> Source:
    """Store a new source, which has no weights yet, and return it."""
    source = Source.objects.create(**fields)
    record_new(source)
    return source


@in_transaction
def change_source(source_id: int, *, seen: Mapping[str, Any] | None = None, **changes: Any) -> Source:
    """Set the fields given, drain the queue of a source that became active, and return it.

    `seen` are settings that must still be as the caller saw them. Raises SourceNotFound, and SettingChanged when they
    are not.
    """
    source = lock_source(source_id)
    before = settings_of(source)
    _check_as_seen(before, seen)
    source.save(update_fields=_set(source, changes))
    record_changes(source, before)
    if source.strategy != before["strategy"]:
        start_anew(source_id)
    if changes.get("is_active"):
        drain_after_commit(Source.objects.filter(pk=source_id))
    return source


@in_transaction
def set_weights(
    source_id: int,
    weights: Mapping[int, int],
    *,
    replace: bool = False,
    among: Collection[int] | None = None,
    expected: Callable[[Mapping[int, int]], bool] | None = None,
) -> list[Share]:
    """Set the weights, by operator id, on the source, and give the room this makes to whoever waits.

    The weights of other operators stay, or go when `replace` is true. `among` are the sources that exist for the
    caller, None for all: whoever is on the list of none of them does not exist for the caller either. `expected` says
    of all the weights of the source whether they are those that the caller saw, None for whatever they are.
    Raises SourceNotFound, OperatorNotFound, and WeightsChanged when they are not as expected; then nothing changes.
    """
    lock_source(source_id)
    _check_operators(weights, among)
    before = weights_of(source_id)
    if expected is not None and not expected(before):
        raise WeightsChanged
    _store_weights(source_id, before, {**({} if replace else before), **weights})
    drain_after_commit(Source.objects.filter(pk=source_id))
    return shares(source_id)


@in_transaction
def change_weights(wanted: Cells, seen: Cells) -> None:
    """Set the weights of several sources, all or none, and give the room this makes to whoever waits.

    None takes the operator off the list of the source; `seen` is what the caller saw of the same cells, None where
    there was no weight. Weights of others may have changed.
    Raises SourceNotFound, OperatorNotFound, and WeightsChanged when a cell is neither as seen nor as wanted.
    """
    sources = lock_sources(sorted({cell.source_id for cell in wanted}))
    _check_operators({cell.operator_id: weight for cell, weight in wanted.items() if weight is not None}, None)
    present = weights_in(wanted)
    if any(present.get(cell) not in {seen.get(cell), weight} for cell, weight in wanted.items()):
        raise WeightsChanged
    for source_id in sources:
        _store_weights(source_id, _of_source(source_id, present), _of_source(source_id, wanted))
    drain_after_commit(Source.objects.filter(pk__in=sources))


@in_transaction
def remove_weight(source_id: int, operator_id: int) -> None:
    """Take the operator off the source's list; contacts they have stay with them. Raises SourceNotFound."""
    lock_source(source_id)
    before = weights_of(source_id)
    after = {one: weight for one, weight in before.items() if one != operator_id}
    _store_weights(source_id, before, after)


def delete_operator(operator_id: int) -> None:
    """Delete the operator and their weights. Raises HasContacts; one that is gone already is fine."""
    _delete(lambda: lock_for_deletion(Operator.objects.filter(pk=operator_id)))


def delete_source(source_id: int) -> None:
    """Delete the source and its weights. Raises HasContacts; one that is gone already is fine."""
    _delete(lambda: lock_for_deletion(Source.objects.filter(pk=source_id)))


def delete_lead(lead_id: int) -> None:
    """Delete the lead. Raises HasContacts; one that is gone already is fine."""
    _delete(lambda: lock_leads_for_deletion([lead_id]).get(lead_id))


def _check_as_seen(settings: Mapping[str, Any], seen: Mapping[str, Any] | None) -> None:
    if seen is not None and any(settings[name] != value for name, value in seen.items()):
        raise SettingChanged


def _of_source(source_id: int, cells: Cells) -> dict[int, int]:
    return {
        cell.operator_id: weight for cell, weight in cells.items() if cell.source_id == source_id and weight is not None
    }


def _store_weights(source_id: int, before: Mapping[int, int], after: Mapping[int, int]) -> None:
    """Let the weights `before`, by operator id, become those `after`, and record what differs."""
    if removed := before.keys() - after.keys():
        Weight.objects.filter(source=source_id, operator__in=removed).delete()
    Weight.objects.bulk_create(
        [
            Weight(source_id=source_id, operator_id=operator_id, weight=after[operator_id])
            for operator_id in sorted(after)
            if after[operator_id] != before.get(operator_id)
        ],
        update_conflicts=True,
        unique_fields=["source", "operator"],
        update_fields=["weight"],
    )
    record_weights(source_id, before, after)


def _check_operators(weights: Mapping[int, int], among: Collection[int] | None) -> None:
    known = set(Operator.objects.filter(on_list_of(among), pk__in=weights).values_list("pk", flat=True))
    for place, operator_id in enumerate(weights):
        if operator_id not in known:
            raise OperatorNotFound(field=f"operator_weights.{place}.operator_id")


@in_transaction
def _delete(lock: Callable[[], Model | None]) -> None:
    row = lock()
    try:
        if row is not None:
            record_deletion(row)
            row.delete()
    except ProtectedError as error:
        raise HasContacts from error


def _set(row: Model, changes: Mapping[str, Any]) -> list[str]:
    for name, value in changes.items():
        setattr(row, name, value)
    return list(changes)
