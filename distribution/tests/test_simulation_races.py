"""A history that 32 clients made at once: simulated unchanged, the rules hold and the shares lie where they must."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count, groupby
from math import sqrt

import pytest
from django.utils import timezone

from crm_project.testing.concurrency import run_concurrently
from distribution import roster
from distribution.handling import close_contact
from distribution.intake import Intake, register_contact
from distribution.period import Period
from distribution.simulation.events import Step
from distribution.simulation.figures import figures_of
from distribution.simulation.history import History, read_history
from distribution.simulation.house import House
from leads.models import ContactStatus, Source

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 32
CONTACTS_OF_EACH = 6
LIMIT = 20
WEIGHTS = (10, 20, 30, 40)
STANDARD_ERRORS = 5


def client(source: Source, leads: Iterator[int]) -> Callable[[], None]:
    """Return a client who registers contacts, and closes two of three as soon as somebody has them."""

    def run() -> None:
        for number in range(CONTACTS_OF_EACH):
            intake = Intake(source_code=source.code, external_id=f"lead_{next(leads)}")
            contact = register_contact(intake).contact
            if number % 3:
                close_contact(contact.pk)

    return run


@pytest.fixture
def history() -> History:
    """Return what 32 clients did to four operators, who together have room for less than all that stays open."""
    operators = [roster.create_operator(name=f"Operator {weight}", max_load=LIMIT) for weight in WEIGHTS]
    source = roster.create_source(name="Bot", code="bot")
    roster.set_weights(source.pk, {operator.pk: weight for operator, weight in zip(operators, WEIGHTS, strict=True)})
    run_concurrently(client(source, count()), times=CLIENTS)
    return read_history(source.pk, Period.in_the_past(timezone.now() - timedelta(days=1), timezone.now()))


def test_the_rules_hold_in_a_simulation_of_what_happened_at_once(history: History) -> None:
    house = replayed(history)

    assert_rules_hold(house.steps)
    contacts = {step.contact_id for step in house.steps}
    assert len(contacts) == CLIENTS * CONTACTS_OF_EACH
    assert contacts == {step.contact_id for step in history.steps}


def test_the_shares_lie_within_the_band(history: History) -> None:
    [source_id] = history.sources
    roomy = replayed(history, limit=10_000)

    given = figures_of(roomy.steps, history.appeals, [], history.period).given
    total = given.total()
    assert total == CLIENTS * CONTACTS_OF_EACH
    for operator_id, weight in zip(sorted(history.operators), WEIGHTS, strict=True):
        expected = total * weight / sum(WEIGHTS)
        band = STANDARD_ERRORS * sqrt(expected * (1 - weight / sum(WEIGHTS)))
        assert abs(given[source_id, operator_id] - expected) <= band


def replayed(history: History, limit: int | None = None) -> House:
    keys = [key for key in history.opening.values if key.setting == "max_load"]
    keys += [key for event in history.events for key in getattr(event, "values", {}) if key.setting == "max_load"]
    house = House(history.opening, {} if limit is None else dict.fromkeys(keys, limit), seed=1)
    for _step in house.run(history.events, history.period):
        pass
    return house


def assert_rules_hold(steps: list[Step]) -> None:
    """Check the limit after every step, and after every moment that nobody waits beside an operator with room."""
    holders: dict[int, int | None] = {}
    for _moment, at_once in groupby(steps, key=lambda step: step.at):
        for step in at_once:
            holders[step.contact_id] = step.operator_id if step.status is ContactStatus.ACTIVE else None
            if step.status is ContactStatus.CLOSED:
                del holders[step.contact_id]
            assert max(loads(holders).values(), default=0) <= LIMIT
        if None in holders.values():
            assert list(loads(holders).values()) == [LIMIT] * len(WEIGHTS)


def loads(holders: dict[int, int | None]) -> Counter[int]:
    return Counter(holder for holder in holders.values() if holder is not None)


def test_the_check_of_the_rules_finds_a_contact_that_waits_beside_room(history: History) -> None:
    first, *_others = history.steps

    with pytest.raises(AssertionError):
        assert_rules_hold([first._replace(status=ContactStatus.WAITING, operator_id=None)])
