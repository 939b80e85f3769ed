"""A history made by one client comes out of an unchanged simulation as it was, contact by contact."""

from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from crm_project.api.refusals import Refusal
from crm_project.testing.rows import empty_the_house
from distribution import handling, roster
from distribution.intake import Intake, register_contact
from distribution.period import Period
from distribution.simulation.history import read_history
from distribution.simulation.house import House
from distribution.strategy import STRATEGIES
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

places = st.sampled_from([0, 1, 2, 8, 20])
weights = st.sampled_from([0, 1, 3, 7])
choices = st.integers(0, 1_000)
strategies = st.sampled_from(sorted(STRATEGIES))


class Recorded(RuleBasedStateMachine):
    """A small house where one client does everything, and two moments from which it is simulated."""

    def __init__(self) -> None:
        super().__init__()
        self.begins = [timezone.now() - timedelta(days=1)]

    @initialize(limits=st.lists(places, min_size=2, max_size=3), seed=st.integers(0, 1_000), chosen=st.data())
    def open_the_house(self, limits: list[int], seed: int, chosen: Any) -> None:
        self.draws = patch("distribution.assignment.secrets.randbelow", Random(seed).randrange)
        self.draws.start()
        operators = [roster.create_operator(name="Operator", max_load=limit) for limit in limits]
        for code in ("first", "second", "third"):
            strategy, prefer = chosen.draw(strategies), chosen.draw(st.booleans())
            source = roster.create_source(name=code, code=code, strategy=strategy, prefer_same_operator=prefer)
            sharing = operators[:1] if code == "third" else operators
            roster.set_weights(source.pk, {operator.pk: chosen.draw(weights) for operator in sharing})

    @rule()
    def from_now_on(self) -> None:
        self.begins[1:] = [timezone.now()]

    @rule(choice=choices, leads=st.lists(st.sampled_from("ab"), min_size=3, max_size=8))
    def leads_write(self, choice: int, leads: list[str]) -> None:
        for lead in leads:
            self.attempt(register_contact, Intake(source_code=self.one_of(Source, choice).code, external_id=lead))

    @precondition(lambda self: Contact.objects.exists())
    @rule(chosen=st.lists(choices, min_size=1, max_size=4))
    def close(self, chosen: list[int]) -> None:
        for choice in chosen:
            handling.close_contact(self.one_of(Contact, choice).pk)

    @precondition(lambda self: Contact.objects.exists())
    @rule(choice=choices)
    def reopen(self, choice: int) -> None:
        handling.reopen_contact(self.one_of(Contact, choice).pk)

    @precondition(lambda self: Contact.objects.exists())
    @rule(choice=choices, whom=choices)
    def give_to_somebody(self, choice: int, whom: int) -> None:
        contact, operator = self.one_of(Contact, choice), self.one_of(Operator, whom)
        self.attempt(handling.reassign_to_operator, contact.pk, operator.pk)

    @precondition(lambda self: Contact.objects.exists())
    @rule(choice=choices)
    def draw_anew(self, choice: int) -> None:
        self.attempt(handling.reassign_by_draw, self.one_of(Contact, choice).pk)

    @precondition(lambda self: Contact.objects.filter(operator__isnull=False).exists())
    @rule(choice=choices)
    def put_back_in_the_queue(self, choice: int) -> None:
        held = Contact.objects.filter(operator__isnull=False).order_by("pk")
        contact = held[choice % held.count()]
        assert contact.operator_id is not None
        self.attempt(handling.return_to_queue, contact.pk, from_operator_id=contact.operator_id)

    @rule(
        choice=choices,
        change=st.fixed_dictionaries(
            {}, optional={"is_active": st.booleans(), "is_paused": st.booleans(), "max_load": places}
        ),
    )
    def change_an_operator(self, choice: int, change: dict[str, Any]) -> None:
        roster.change_operator(self.one_of(Operator, choice).pk, **change)

    @rule(
        choice=choices,
        change=st.fixed_dictionaries(
            {},
            optional={"is_active": st.booleans(), "strategy": strategies, "prefer_same_operator": st.booleans()},
        ),
    )
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
        self.attempt(roster.delete_operator, self.one_of(Operator, choice).pk)

    def teardown(self) -> None:
        try:
            for source in Source.objects.order_by("pk"):
                for begins in self.begins:
                    assert_comes_out_the_same(source.pk, begins)
        finally:
            self.draws.stop()
            empty_the_house()

    def attempt(self, service: Any, *arguments: Any, **options: Any) -> None:
        with suppress(Refusal):
            service(*arguments, **options)

    def one_of[M: (Contact, Operator, Source)](self, model: type[M], choice: int) -> M:
        rows = model.objects.order_by("pk")
        return rows[choice % rows.count()]


def assert_comes_out_the_same(source_id: int, begins: Any) -> None:
    history = read_history(source_id, Period.in_the_past(begins, timezone.now()))
    house = House(history.opening, {}, seed=1)
    for _ in house.run(history.events, history.period):
        pass
    assert house.steps == history.steps
    assert (house.impossible, house.drawn_anew) == (0, 0)


def test_an_unchanged_simulation_repeats_what_was_recorded() -> None:
    bounded = settings(
        max_examples=20,
        stateful_step_count=25,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=False,
    )
    run_state_machine_as_test(Recorded, settings=bounded)
