"""Rows that many tests start from, and the rules that many tests end with."""

from itertools import count
from typing import Any

from django.db.models import Count, F, Q
from django.utils import timezone
from model_bakery import baker

from crm_project.webhooks.models import Attempt, Delivery
from distribution.intake import Intake, register_contact
from distribution.models import Checkpoint, Decision, DrawCount, Event, LoadChange, RosterVersion, SettingChange
from distribution.selectors import next_in_queue
from leads.models import Contact, Identity, IdentityKind, Lead, Merge, Source, SourceEvent
from operators.models import Operator, Weight

_numbers = count(1)


def make_operator(**fields: Any) -> Operator:
    """Store an operator, active and with room unless told otherwise."""
    return baker.make(Operator, **{"name": f"Operator {next(_numbers)}", **fields})


def make_source(weights: dict[Operator, int] | None = None, **fields: Any) -> Source:
    """Store a source with these weights."""
    source = baker.make(Source, **{"code": f"source_{next(_numbers)}", "is_active": True, **fields})
    for operator, weight in (weights or {}).items():
        baker.make(Weight, source=source, operator=operator, weight=weight)
    return source


def make_lead(external_id: str = "", kind: str = IdentityKind.EXTERNAL_ID) -> Lead:
    """Store a lead who is known by this, something new unless told otherwise."""
    lead = baker.make(Lead, external_id=external_id or f"lead_{next(_numbers)}")
    baker.make(Identity, lead=lead, kind=kind, value=lead.external_id)
    return lead


def arrive(source: Source, external_id: str = "", **fields: Any) -> Contact:
    """Register a contact of a lead, a new one unless named, and return it as the database has it."""
    external_id = external_id or f"lead_{next(_numbers)}"
    registration = register_contact(Intake(source_code=source.code, external_id=external_id, **fields))
    return Contact.objects.get(pk=registration.contact.pk)


def make_contacts(count: int, source: Source, **fields: Any) -> list[Contact]:
    """Store many contacts of one lead at once, without a draw, waiting unless told otherwise."""
    lead = make_lead()
    return Contact.objects.bulk_create(
        Contact(**{"lead": lead, "source": source, "external_id": lead.external_id, **fields}) for _ in range(count)
    )


def make_active_contacts(count: int, source: Source, operator: Operator, **fields: Any) -> list[Contact]:
    """Store many contacts that the operator has in work, and count their load."""
    now = timezone.now()
    contacts = make_contacts(count, source, operator=operator, status="active", assigned_at=now, **fields)
    Operator.objects.filter(pk=operator.pk).update(load=F("load") + count)
    return contacts


def empty_the_house() -> None:
    """Remove every row of the distribution, what is kept for ever included."""
    told = [Attempt, Delivery, Event]
    records = [*told, Decision, LoadChange, RosterVersion, DrawCount, Checkpoint, SettingChange]
    models: list[Any] = [*records, SourceEvent, Contact, Identity, Merge, Lead, Weight, Source, Operator]
    for model in models:
        rows = model.objects.all()
        rows._raw_delete(rows.db)


def assert_loads_are_true() -> None:
    """Check that every operator's load is the number of their active contacts."""
    counted = Operator.objects.annotate(counted=Count("contacts", filter=Q(contacts__status="active")))
    assert {o.pk: o.load for o in counted} == {o.pk: o.counted for o in counted}


def assert_no_limit_is_broken() -> None:
    """Check that nobody has more than their limit; for tests that lower no limit."""
    assert [o for o in Operator.objects.all() if o.load > o.max_load] == []


def assert_nobody_waits_beside_a_free_operator() -> None:
    """Check that the queue holds only what nobody can take."""
    assert next_in_queue(Source.objects.all()) is None


def assert_rules_hold() -> None:
    """Check the load, the limit and the queue."""
    assert_loads_are_true()
    assert_no_limit_is_broken()
    assert_nobody_waits_beside_a_free_operator()
