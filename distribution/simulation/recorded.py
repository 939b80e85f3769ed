"""The settings of a period, and whether what stood at its beginning was recorded at all."""

from collections.abc import Iterator, Set
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from distribution.history import EXISTS, WEIGHT
from distribution.models import Checkpoint, LoadChange, SettingChange
from distribution.period import Period
from distribution.simulation.errors import PeriodNotRecorded
from distribution.simulation.events import Key, Present
from distribution.simulation.lives import SETTINGS, Order
from leads.models import ContactStatus, Source
from operators.models import Operator, Weight

OF_OPERATOR = ("is_active", "is_paused", "max_load")
OF_SOURCE = ("is_active", "strategy", "prefer_same_operator")
REPLAYED = {*OF_OPERATOR, *OF_SOURCE, WEIGHT, EXISTS}


class Change(NamedTuple):
    """A setting that got another value."""

    order: Order
    key: Key
    before: Any
    after: Any


class Settings:
    """The settings at the beginning of a period and their changes within it, of all operators and sources."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self._values: dict[Key, Any] = {}
        self._changes: list[Change] = []
        self._first: dict[Key, Change] = {}
        for change in _recorded(period):
            self._first.setdefault(change.key, change)
            if change.order.at > period.start:
                self._changes.append(change)
            else:
                self._begin_with(change)

    def values(self, operators: Set[int], sources: Set[int]) -> dict[Key, Any]:
        """Return what was set at the beginning, of these alone."""
        return {key: value for key, value in self._values.items() if _concerns(key, operators, sources)}

    def changes(self, operators: Set[int], sources: Set[int]) -> list[Change]:
        """Return what was changed, in its order, of these alone."""
        return [change for change in self._changes if _concerns(change.key, operators, sources)]

    def pairs(self) -> set[tuple[int, int]]:
        """Return each (operator id, source id) that had a weight above 0 at some time of the period."""
        return {(key.operator_id or 0, key.source_id or 0) for key in self._ever_set(WEIGHT)}

    def ever(self, setting: str) -> set[int]:
        """Return the ids of the sources for which a setting was true at some time of the period."""
        return {key.source_id or 0 for key in self._ever_set(setting)}

    def check(self, operators: Set[int], sources: Set[int]) -> None:
        """Raise PeriodNotRecorded when the settings of one of these at the beginning are not known."""
        begins = self._period.start
        known: list[tuple[Any, str]] = [
            *((row, "max_load") for row in Operator.objects.filter(pk__in=operators, created_at__lt=begins)),
            *((row, "strategy") for row in Source.objects.filter(pk__in=sources, created_at__lt=begins)),
        ]
        for row, setting in known:
            if _key_of(row, setting) not in self._values:
                raise not_recorded(str(row))
        later = self._first_set_later(sources)
        for weight in Weight.objects.filter(source__in=sources).select_related("source", "operator"):
            key = Key(WEIGHT, weight.operator_id, weight.source_id)
            if key not in later and not self._is_recorded(key):
                raise not_recorded(str(weight))

    def _ever_set(self, setting: str) -> Iterator[Key]:
        """Yield the keys of the setting that were anything but nothing at some time of the period."""
        values = [*self._values.items(), *((change.key, change.after) for change in self._changes)]
        return (key for key, value in values if key.setting == setting and value)

    def _begin_with(self, change: Change) -> None:
        if change.key.setting == EXISTS:
            self._values = {key: value for key, value in self._values.items() if not _is_part_of(key, change.key)}
        elif change.after is None:
            self._values.pop(change.key, None)
        else:
            self._values[change.key] = change.after

    def _is_recorded(self, key: Key) -> bool:
        """Whether the first record of a weight says how it stood at the beginning, be it that there was none."""
        first = self._first.get(key)
        return first is not None and (first.before is None or first.order.at <= self._period.start)

    def _first_set_later(self, sources: Set[int]) -> set[Key]:
        """Return the weights that were first set after the end of the period, and have no bearing on it."""
        rows = SettingChange.objects.filter(setting=WEIGHT, source_id__in=sources, at__gte=self._period.end)
        columns = ("setting", "operator_id", "source_id", "before")
        return {Key(*key) for *key, before in rows.values_list(*columns) if before is None}


def check_ledgers(operators: Set[int], present: list[Present], begins: datetime) -> None:
    """Raise PeriodNotRecorded when a ledger begins later, or counts other contacts than those known to be active."""
    for checkpoint in Checkpoint.objects.filter(operator__in=operators, at__gt=begins).select_related("operator"):
        raise not_recorded(str(checkpoint.operator))
    active = dict.fromkeys(operators, 0)
    for contact in present:
        if contact.status is ContactStatus.ACTIVE and contact.operator_id is not None:
            active[contact.operator_id] += 1
    for operator in _with_load_at(begins).filter(pk__in=operators):
        recorded = operator.load_then if operator.load_then is not None else operator.load_at_checkpoint
        if (recorded or 0) != active[operator.pk]:
            raise not_recorded(str(operator))


def not_recorded(what: str) -> PeriodNotRecorded:
    """Return the refusal that names what is not known."""
    return PeriodNotRecorded(
        _("How %(what)s stood at the beginning of this period is not recorded. Choose a later beginning.")
        % {"what": what}
    )


def _with_load_at(moment: datetime) -> Any:
    rows = LoadChange.objects.filter(operator=OuterRef("pk"), at__lt=moment).order_by("-number")
    checkpoints = Checkpoint.objects.filter(operator=OuterRef("pk"))
    return Operator.objects.annotate(
        load_then=Subquery(rows.values("load")[:1]), load_at_checkpoint=Subquery(checkpoints.values("load"))
    )


def _recorded(period: Period) -> Iterator[Change]:
    rows = SettingChange.objects.filter(setting__in=REPLAYED, at__lt=period.end).order_by("id")
    columns = ("at", "id", "setting", "operator_id", "source_id", "before", "after")
    for at, number, setting, operator_id, source_id, before, after in rows.values_list(*columns).iterator():
        yield Change(Order(at, SETTINGS, number), Key(setting, operator_id, source_id), before, after)


def _concerns(key: Key, operators: Set[int], sources: Set[int]) -> bool:
    return key.operator_id in operators | {None} and key.source_id in sources | {None}


def _key_of(row: Operator | Source, setting: str) -> Key:
    return Key(setting, row.pk, None) if isinstance(row, Operator) else Key(setting, None, row.pk)


def _is_part_of(key: Key, gone: Key) -> bool:
    of_operator = gone.operator_id is not None and key.operator_id == gone.operator_id
    return of_operator or (gone.source_id is not None and key.source_id == gone.source_id)
