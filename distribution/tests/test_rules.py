"""Every operation in any order: the rules that always hold, after each step."""

from itertools import islice
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from crm_project.api.refusals import Refusal
from crm_project.testing.rows import (
    assert_loads_are_true,
    assert_nobody_waits_beside_a_free_operator,
    empty_the_house,
)
from distribution import handling, merging, roster
from distribution.audit import broken_limits
from distribution.contact_pruning import in_batches, remove_contacts
from distribution.erasing import erase_lead
from distribution.intake import Intake, register_contact
from distribution.models import Decision, Event
from distribution.pruning import Pruning, prune
from distribution.strategy import STRATEGIES
from distribution.verification import verify
from leads.models import Contact, Lead, Merge, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

places = st.integers(0, 3)
weights = st.integers(0, 3)
choices = st.integers(0, 1_000)

SETTINGS_OF_AN_OPERATOR: dict[str, st.SearchStrategy[Any]] = {
    "is_active": st.booleans(),
    "is_paused": st.booleans(),
    "max_load": places,
}
SETTINGS_OF_A_SOURCE: dict[str, st.SearchStrategy[Any]] = {
    "is_active": st.booleans(),
    "reuse_open_contact": st.booleans(),
    "prefer_same_operator": st.booleans(),
    "strategy": st.sampled_from(sorted(STRATEGIES)),
    "identified_by": st.sampled_from(["external_id", "phone"]),
}
EXTERNAL_IDS = ["a", "b", "+79123456789", "8 (912) 345-67-89"]


class Distribution(RuleBasedStateMachine):
    """A small house where everything happens."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: set[int] = set()
        self.waiting: list[tuple[int, int]] = []
        self.loads: dict[int, int] = {}
        self.may_pass_the_queue = False

    @initialize(limits=st.lists(places, min_size=1, max_size=3), seed=st.integers(0, 1_000))
    def open_the_house(self, limits: list[int], seed: int) -> None:
        # Hypothesis repeats a run to make it shorter, so the draws must repeat too.
        self.draws = patch("distribution.assignment.secrets.randbelow", Random(seed).randrange)
        self.draws.start()
        operators = [roster.create_operator(name="Operator", max_load=limit) for limit in limits]
        for code in ("first", "second"):
            source = roster.create_source(name=code, code=code)
            roster.set_weights(source.pk, {operator.pk: 1 for operator in operators})

    @rule(choice=choices, external_id=st.sampled_from(EXTERNAL_IDS))
    def a_lead_writes(self, choice: int, external_id: str) -> None:
        source = self.one_of(Source, choice)
        try:
            registration = register_contact(Intake(source_code=source.code, external_id=external_id))
        except Refusal as refusal:
            unreadable = source.identified_by == "phone" and len(external_id) == 1
            assert refusal.code == ("phone_unreadable" if unreadable else "source_inactive")
            assert unreadable or not source.is_active
        else:
            assert registration.created == (registration.contact.pk not in self.accepted)
            self.accepted.add(registration.contact.pk)

    @precondition(lambda self: self.accepted)
    @rule(choice=choices)
    def close(self, choice: int) -> None:
        assert handling.close_contact(self.one_of(Contact, choice).pk).is_closed

    @precondition(lambda self: self.accepted)
    @rule(choice=choices)
    def reopen(self, choice: int) -> None:
        self.may_pass_the_queue = True
        assert not handling.reopen_contact(self.one_of(Contact, choice).pk).is_closed

    @precondition(lambda self: self.accepted)
    @rule(choice=choices, whom=choices)
    def give_to_somebody(self, choice: int, whom: int) -> None:
        self.may_pass_the_queue = True
        contact, operator = self.one_of(Contact, choice), self.one_of(Operator, whom)
        try:
            assert handling.reassign_to_operator(contact.pk, operator.pk).operator == operator
        except Refusal as refusal:
            assert refusal.code in {"contact_closed", "operator_unavailable"}

    @precondition(lambda self: self.accepted)
    @rule(choice=choices)
    def draw_anew(self, choice: int) -> None:
        self.may_pass_the_queue = True
        contact = self.one_of(Contact, choice)
        try:
            assert handling.reassign_by_draw(contact.pk).operator_id != contact.operator_id
        except Refusal as refusal:
            assert refusal.code in {"contact_closed", "nobody_available"}

    @precondition(lambda self: self.accepted)
    @rule(choice=choices)
    def put_back_in_the_queue(self, choice: int) -> None:
        contact = self.one_of(Contact, choice)
        if contact.operator is None:
            return
        try:
            handling.return_to_queue(contact.pk, from_operator_id=contact.operator.pk)
        except Refusal as refusal:
            assert refusal.code in {"contact_closed", "operator_still_active"}

    @rule(choice=choices, change=st.fixed_dictionaries({}, optional=SETTINGS_OF_AN_OPERATOR))
    def change_an_operator(self, choice: int, change: dict[str, Any]) -> None:
        roster.change_operator(self.one_of(Operator, choice).pk, **change)

    @rule(choice=choices, change=st.fixed_dictionaries({}, optional=SETTINGS_OF_A_SOURCE))
    def change_a_source(self, choice: int, change: dict[str, Any]) -> None:
        roster.change_source(self.one_of(Source, choice).pk, **change)

    @rule(choice=choices, drawn=st.lists(weights, min_size=3, max_size=3), replace=st.booleans())
    def set_weights(self, choice: int, drawn: list[int], replace: bool) -> None:
        operators = Operator.objects.order_by("pk")[:3]
        among = {operator.pk: weight for operator, weight in zip(operators, drawn, strict=False)}
        roster.set_weights(self.one_of(Source, choice).pk, among, replace=replace)

    @precondition(lambda self: Operator.objects.count() < 4)
    @rule(limit=places, choice=choices)
    def hire(self, limit: int, choice: int) -> None:
        operator = roster.create_operator(name="New", max_load=limit)
        roster.set_weights(self.one_of(Source, choice).pk, {operator.pk: 1})

    @precondition(lambda self: Operator.objects.count() > 1)
    @rule(choice=choices)
    def delete_an_operator(self, choice: int) -> None:
        self.delete(roster.delete_operator, self.one_of(Operator, choice))

    @precondition(lambda self: Source.objects.count() > 1)
    @rule(choice=choices)
    def delete_a_source(self, choice: int) -> None:
        self.delete(roster.delete_source, self.one_of(Source, choice))

    @precondition(lambda self: Lead.objects.exists())
    @rule(choice=choices)
    def delete_a_lead(self, choice: int) -> None:
        self.delete(roster.delete_lead, self.one_of(Lead, choice))

    @precondition(lambda self: Lead.objects.count() > 1)
    @rule(choice=choices, other=choices)
    def merge_leads(self, choice: int, other: int) -> None:
        survivor, lead = self.one_of(Lead, choice), self.one_of(Lead, other)
        written = set(Contact.objects.filter(lead__in=[survivor, lead]).values_list("pk", flat=True))
        try:
            merging.merge_leads(survivor.pk, lead.pk)
        except Refusal as refusal:
            is_erased = survivor.erased_at is not None or lead.erased_at is not None
            assert refusal.code == ("same_lead" if survivor == lead else "lead_erased")
            assert survivor == lead or is_erased
        else:
            assert set(survivor.contacts.values_list("pk", flat=True)) == written
            assert merging.survivor_of(lead.pk) == survivor.pk

    @precondition(lambda self: Merge.objects.exists())
    @rule(choice=choices)
    def undo_a_merge(self, choice: int) -> None:
        merge = self.one_of(Merge, choice)
        can_undo = merging.can_undo(merge)
        try:
            lead = merging.undo_merge(merge.pk)
        except Refusal as refusal:
            assert (refusal.code, can_undo) == ("cannot_undo_merge", False)
        else:
            assert (lead.pk, [one.pk for one in lead.contacts.order_by("pk")]) == (merge.lead_id, merge.contacts)

    @precondition(lambda self: Lead.objects.exists())
    @rule(choice=choices)
    def erase_a_lead(self, choice: int) -> None:
        lead = erase_lead(self.one_of(Lead, choice).pk)
        assert not lead.identities.exists()

    @rule(size=st.integers(1, 5))
    def prune_contacts(self, size: int) -> None:
        now = timezone.now()
        for batch in in_batches(now, size):
            assert all(contact.is_closed for contact in batch)
            assert remove_contacts([contact.pk for contact in batch], now).contacts == len(batch)
            self.accepted -= {contact.pk for contact in batch}

    @rule()
    def forget_events(self) -> None:
        rows = Event.objects.all()
        rows._raw_delete(rows.db)

    @rule(batch=st.integers(1, 5), steps=st.integers(0, 8))
    def prune_and_stop_in_between(self, batch: int, steps: int) -> None:
        for step in islice(prune(Pruning(before=timezone.now(), batch=batch)), steps):
            assert step.kept == ()

    @invariant()
    def loads_are_true(self) -> None:
        assert_loads_are_true()

    @invariant()
    def nobody_was_given_more_than_the_limit(self) -> None:
        operators = list(Operator.objects.all())
        assert [o for o in operators if o.load > max(o.max_load, self.loads.get(o.pk, 0))] == []
        self.loads = {operator.pk: operator.load for operator in operators}

    @invariant()
    def no_contact_came_at_the_limit(self) -> None:
        assert broken_limits() == []

    @invariant()
    def nothing_is_lost(self) -> None:
        assert set(Contact.objects.values_list("pk", flat=True)) == self.accepted

    @invariant()
    def every_lead_is_known_by_something_or_erased(self) -> None:
        assert not Lead.objects.filter(identities=None, erased_at=None).exists()

    @invariant()
    def nobody_waits_beside_a_free_operator(self) -> None:
        assert_nobody_waits_beside_a_free_operator()

    @invariant()
    def the_oldest_of_a_source_left_the_queue_first(self) -> None:
        now = list(Contact.objects.waiting().oldest_first().values_list("source", "pk"))
        if not self.may_pass_the_queue:
            active = set(Contact.objects.active().values_list("pk", flat=True))
            for source in {source for source, _contact in self.waiting}:
                were = [contact for of, contact in self.waiting if of == source]
                taken = [place for place, contact in enumerate(were) if contact in active]
                still = [place for place, contact in enumerate(were) if (source, contact) in now]
                assert not (taken and still) or max(taken) < min(still)
        self.waiting, self.may_pass_the_queue = now, False

    def teardown(self) -> None:
        # Records stay, so what is wrong with one shows at the end as well as after its step.
        recorded_wrongly = list(verify())
        self.draws.stop()
        empty_the_house()
        assert recorded_wrongly == []

    def one_of[M: (Contact, Lead, Merge, Operator, Source)](self, model: type[M], choice: int) -> M:
        rows = model.objects.order_by("pk")
        return rows[choice % rows.count()]

    def delete(self, delete: Any, row: Lead | Operator | Source) -> None:
        has_contacts = row.contacts.exists() or (isinstance(row, Operator) and is_named_by_a_decision(row))
        try:
            delete(row.pk)
        except Refusal as refusal:
            assert refusal.code == "has_contacts"
        assert type(row).objects.filter(pk=row.pk).exists() == has_contacts


def is_named_by_a_decision(operator: Operator) -> bool:
    return Decision.objects.filter(operator=operator).exists()


def test_the_rules_hold_after_every_step() -> None:
    bounded = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        phases=[Phase.generate],  # the steps are few enough to read as they are
        suppress_health_check=list(HealthCheck),
        derandomize=False,
    )
    run_state_machine_as_test(Distribution, settings=bounded)
