"""A house with as many rows of every kind as wanted, stored at once and without a draw.

The newest row of each kind is the one with the most of everything beside it: the newest operator has a weight on every
source, the newest lead wrote most contacts, the newest contact was decided upon most often. The ten newest sources have
everybody on their list, and the oldest as many as the page «What if …» takes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate, count

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from crm_project.access.models import ApiClient, ApiKey
from crm_project.admin.simulation import MOST_OPERATORS_ON_A_PAGE
from crm_project.webhooks.models import Attempt, Delivery, Endpoint, EventKind, Secret, Subscription
from distribution.models import BulkRow, BulkRun, Decision, Event, LoadChange, RosterVersion, SettingChange
from distribution.records import Account, rows, written
from distribution.rounds import Outcome, Round
from distribution.standing import Standing
from leads.models import Contact, ContactStatus, Identity, IdentityKind, Lead, Source
from operators.models import Operator, Weight

ROWS_AT_ONCE = 2_000
LIMIT = 5_000
LENGTH = timedelta(days=30)
WITH_EVERYBODY = 10
MOST_LOGGED = 200  # for each kind of row: more than a page of a history
NAMES = ("Анна", "Борис", "Вера", "Глеб", "Дарья", "Егор", "Жанна", "Игорь", "Ксения", "Лев")
TEXT = "Здравствуйте! Когда привезут заказ?"


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How many rows of each kind there are; `each` is how many of what has no number of its own."""

    operators: int
    sources: int
    leads: int
    waiting: int
    active: int
    closed: int
    each: int

    @classmethod
    def of(cls, number: int) -> "Extent":
        """Return the extent with so many rows of every kind."""
        kinds = ("operators", "sources", "leads", "waiting", "active", "closed", "each")
        return cls(**dict.fromkeys(kinds, number))


class FullHouse:
    """What is stored, for a user who looks at it: the account of the newest operator, and who began the bulk runs."""

    def __init__(self, extent: Extent, user: User) -> None:
        self.extent = extent
        self.user = user
        self.now = timezone.now()

    def fill(self) -> None:
        """Store everything."""
        self._fill_access()
        self._fill_work()
        self._fill_contacts()
        self._fill_records()
        self._fill_runs()
        self._fill_webhooks()
        self._fill_logs()
        count_rows()

    def _fill_access(self) -> None:
        numbers = range(self.extent.each)
        store(User(username=f"colleague_{number}", is_staff=True) for number in numbers)
        groups = store(Group(name=f"Group {number}") for number in numbers)
        newest = User.objects.latest("pk")
        newest.groups.set(groups)

    def _fill_work(self) -> None:
        self.operators = store(
            Operator(name=f"{NAMES[number % 10]} {number}", max_load=LIMIT) for number in range(self.extent.operators)
        )
        Operator.objects.filter(pk=self.operators[-1].pk).update(user=self.user)
        self.sources = store(
            Source(name=f"Source {number}", code=f"source_{number}") for number in range(self.extent.sources)
        )
        store(self._weights())
        clients = store(ApiClient(name=f"Client {number}", may_read=True) for number in range(self.extent.each))
        clients[-1].sources.set(self.sources)
        owners = [*clients, *[clients[-1]] * self.extent.each]
        store(
            ApiKey(client=client, place=1, prefix=f"{number:08}", digest="0", revoked_at=self.now)
            for number, client in enumerate(owners)
        )

    def _weights(self) -> Iterator[Weight]:
        for source in self.sources:
            for number, operator in enumerate(self._list_of(source), 1):
                yield Weight(source=source, operator=operator, weight=number)

    def _list_of(self, source: Source) -> list[Operator]:
        if source in self.sources[-WITH_EVERYBODY:]:
            return self.operators
        return self.operators[-MOST_OPERATORS_ON_A_PAGE:] if source is self.sources[0] else self.operators[-1:]

    def _fill_contacts(self) -> None:
        leads = store_leads(f"lead_{number}" for number in range(self.extent.leads))
        statuses = [
            *[ContactStatus.CLOSED] * self.extent.closed,
            *[ContactStatus.ACTIVE] * self.extent.active,
            *[ContactStatus.WAITING] * self.extent.waiting,
        ]
        moments = self._moments(len(statuses))
        self.contacts = store(
            self._contact(status, created_at, lead=leads[number % len(leads)], number=number)
            for number, (status, created_at) in enumerate(zip(statuses, moments, strict=True))
        )
        [newest] = store_leads(["newest"])
        self.contacts += store(
            self._contact(ContactStatus.ACTIVE, self.now, lead=newest, number=number, operator=self.operators[-1])
            for number in range(self.extent.each)
        )
        self._count_loads()

    def _count_loads(self) -> None:
        loads = Counter(contact.operator_id for contact in self.contacts if contact.status == ContactStatus.ACTIVE)
        for operator in self.operators:
            operator.load = loads[operator.pk]
        Operator.objects.bulk_update(self.operators, ["load"], ROWS_AT_ONCE)

    def _moments(self, number: int) -> list[datetime]:
        return [self.now - LENGTH * (1 - place / number) for place in range(number)]

    def _contact(
        self, status: str, created_at: datetime, *, lead: Lead, number: int, operator: Operator | None = None
    ) -> Contact:
        is_given = status != ContactStatus.WAITING
        # Of each source in turn, and within each source to each operator in turn.
        in_turn = self.operators[(number + number // len(self.sources)) % len(self.operators)]
        return Contact(
            lead=lead,
            external_id=lead.external_id,
            source=self.sources[-1 - number % len(self.sources)],
            operator=operator or in_turn if is_given else None,
            status=status,
            name=f"{NAMES[number % 10]} {number}",
            phone=f"+7 900 {number:07}",
            email=f"lead{number}@example.com",
            text=TEXT,
            created_at=created_at,
            assigned_at=created_at if is_given else None,
            closed_at=created_at if status == ContactStatus.CLOSED else None,
        )

    def _fill_records(self) -> None:
        given = [contact for contact in self.contacts if contact.operator_id]
        given += [self.contacts[-1]] * self.extent.each
        ledgers = {operator.pk: count(1) for operator in self.operators}
        numbers = [next(ledgers[contact.operator_id or 0]) for contact in given]
        self._note_standings()
        store(self._decision(contact, number) for contact, number in zip(given, numbers, strict=True))
        store(self._load_change(contact, number) for contact, number in zip(given, numbers, strict=True))
        store(self._setting_changes())

    def _note_standings(self) -> None:
        """Keep how everybody stands where everybody is on the list, and the first ticket of each."""
        self.everybody = [Standing(one.pk, number, 0, LIMIT, True) for number, one in enumerate(self.operators, 1)]
        before = accumulate((standing.weight for standing in self.everybody), initial=0)
        self.tickets = {standing.operator_id: first for standing, first in zip(self.everybody, before, strict=False)}
        self.versions = store(
            RosterVersion(source=source, roster=rows(self.everybody)) for source in self.sources[-WITH_EVERYBODY:]
        )

    def _decision(self, contact: Contact, ledger_number: int) -> Decision:
        version = next((one for one in self.versions if one.source_id == contact.source_id), None)
        winner = contact.operator_id or 0
        roster = self.everybody if version else [Standing(winner, 1, 0, LIMIT, True)]
        ticket = self.tickets[winner] if version else 0
        round_ = Round(roster=roster, outcome=Outcome.TAKEN, ticket=ticket, drawn=winner)
        return Decision(
            contact=contact,
            source_id=contact.source_id,
            operator_id=winner,
            ledger_number=ledger_number,
            trigger="arrival",
            kind="draw",
            strategy="weighted_random",
            roster=version,
            details=written(Account(rounds=[round_]), roster if version else None),
            at=contact.created_at,
        )

    def _load_change(self, contact: Contact, number: int) -> LoadChange:
        return LoadChange(
            operator_id=contact.operator_id or 0,
            number=number,
            cause=LoadChange.Cause.GIVEN,
            load=1,
            max_load=LIMIT,
            contact=contact,
            at=contact.created_at,
        )

    def _setting_changes(self) -> Iterator[SettingChange]:
        weight = partial(SettingChange, setting="weight", before=1, after=2, actor_name="somebody", reason="because")
        newest_source, newest_operator = self.sources[-1].pk, self.operators[-1].pk
        for _number, source in zip(range(self.extent.each), self.sources, strict=False):
            yield weight(source_id=source.pk, operator_id=newest_operator)
        for _number, operator in zip(range(self.extent.each), self.operators, strict=False):
            yield weight(source_id=newest_source, operator_id=operator.pk)

    def _fill_runs(self) -> None:
        runs = store(BulkRun(work="close", identity=f"user:{self.user.pk}") for _number in range(self.extent.each))
        outcomes = [one for one in BulkRow.Outcome.values if one]
        store(
            BulkRow(
                run=runs[-1],
                work="close",
                target_id=contact.pk,
                outcome=outcomes[number % len(outcomes)],
                receiver_id=contact.operator_id,
                explanation=f"Because of {number}",
            )
            for number, contact in zip(range(self.extent.each), self.contacts, strict=False)
        )

    def _fill_webhooks(self) -> None:
        numbers = range(self.extent.each)
        endpoints = store(Endpoint(name=f"Endpoint {number}", url="https://example.com/") for number in numbers)
        newest, contact = endpoints[-1], self.contacts[-1]
        store(Subscription(endpoint=endpoint, kind=EventKind.ASSIGNED) for endpoint in endpoints)
        store(Subscription(endpoint=newest, kind=EventKind.CLOSED, source=source) for source in self.sources)
        store(Secret(endpoint=newest, value="secret") for _number in numbers)
        told = {"kind": EventKind.ASSIGNED, "contact": contact, "source_id": contact.source_id}
        events = store(Event(**told, operator_id=contact.operator_id, sequence=number) for number in numbers)
        deliveries = store(Delivery(event=event, endpoint=newest, contact=contact) for event in events)
        store(Attempt(delivery=deliveries[-1], milliseconds=number, status=500) for number in numbers)

    def _fill_logs(self) -> None:
        for model in admin.site._registry:
            newest = model._default_manager.latest("pk")
            entry = partial(LogEntry, user=self.user, content_type=ContentType.objects.get_for_model(model))
            entry = partial(entry, object_id=newest.pk, object_repr=str(newest), action_flag=CHANGE)
            store(entry(change_message="Changed.") for _number in range(min(self.extent.each, MOST_LOGGED)))


def store[Row: Model](rows_to_store: Iterable[Row]) -> list[Row]:
    """Store the rows, in the order of their keys, and return them."""
    made = list(rows_to_store)
    return type(made[0])._default_manager.bulk_create(made, batch_size=ROWS_AT_ONCE) if made else []


def store_leads(external_ids: Iterable[str]) -> list[Lead]:
    """Store leads, each known by this, and return them."""
    leads = store(Lead(external_id=external_id) for external_id in external_ids)
    store(Identity(lead=lead, kind=IdentityKind.EXTERNAL_ID, value=lead.external_id) for lead in leads)
    return leads


def count_rows() -> None:
    """Let PostgreSQL know how many rows there are, as it would by itself after a while: it plans by what it knows."""
    if connection.vendor == "postgresql":
        connection.cursor().execute("ANALYZE")
