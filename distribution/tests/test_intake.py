from datetime import timedelta
from math import sqrt
from typing import Any
from unittest.mock import patch

import pytest
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution import queue
from distribution.errors import ContactNotFound, SourceInactive, SourceNotFound
from distribution.intake import Intake, register_contact
from leads.models import Contact, Lead
from operators.models import Operator

pytestmark = pytest.mark.django_db


def test_a_contact_goes_to_the_operator_who_is_available() -> None:
    operator = make_operator()

    contact = arrive(make_source({operator: 1}))

    assert (contact.operator, contact.status) == (operator, "active")


def test_a_new_lead_is_stored_once_for_all_their_contacts() -> None:
    source = make_source({make_operator(): 1})

    contacts = [arrive(source, "tg:1"), arrive(source, "tg:1")]

    assert {contact.lead for contact in contacts} == {Lead.objects.get(external_id="tg:1")}


def test_what_the_lead_wrote_is_stored_as_sent() -> None:
    sent: dict[str, Any] = {
        "name": "Анна",
        "phone": "8 (912) 345",
        "email": "a@b",
        "text": " hi ",
        "data": {"utm": ["ad"]},
    }

    contact = arrive(make_source(), **sent)

    assert {name: getattr(contact, name) for name in sent} == sent


def test_a_contact_counts_as_load() -> None:
    operator = make_operator()
    source = make_source({operator: 1})

    arrive(source)
    arrive(source)

    operator.refresh_from_db()
    assert operator.load == 2


@pytest.mark.parametrize(
    ("operator_fields", "weight"),
    [({"is_active": False}, 1), ({}, 0), ({"max_load": 0}, 1)],
    ids=["inactive", "zero weight", "at the limit"],
)
def test_an_operator_who_is_not_available_gets_nothing(operator_fields: dict[str, object], weight: int) -> None:
    contact = arrive(make_source({make_operator(**operator_fields): weight}))

    assert (contact.status, contact.operator) == ("waiting", None)


def test_an_operator_without_a_weight_on_the_source_gets_nothing() -> None:
    operator = make_operator()
    make_source({operator: 1})

    assert arrive(make_source()).is_waiting


def test_a_full_house_lets_the_next_contact_wait() -> None:
    source = make_source({make_operator(max_load=2): 1, make_operator(max_load=1): 5})

    statuses = [arrive(source).status for _ in range(5)]

    assert statuses == ["active"] * 3 + ["waiting"] * 2
    assert_rules_hold()


def test_an_unknown_source_is_refused_and_nothing_stored() -> None:
    with pytest.raises(SourceNotFound):
        register_contact(Intake(source_code="nowhere", external_id="tg:1"))

    assert not Lead.objects.exists()


def test_an_inactive_source_refuses_new_contacts_and_stores_nothing() -> None:
    source = make_source({make_operator(): 1}, is_active=False)

    with pytest.raises(SourceInactive):
        register_contact(Intake(source_code=source.code, external_id="tg:1"))

    assert not Lead.objects.exists()


def test_shares_follow_the_weights_within_four_standard_deviations() -> None:
    light, heavy = make_operator(max_load=10_000), make_operator(max_load=10_000)
    source = make_source({light: 10, heavy: 30})
    draws = 400

    for _ in range(draws):
        arrive(source)

    light.refresh_from_db()
    assert abs(light.load - draws * 0.25) < 4 * sqrt(draws * 0.25 * 0.75)


def test_an_arrival_waits_behind_somebody_who_already_waits_for_the_operator() -> None:
    operator = make_operator(max_load=0)
    source = make_source({operator: 1})
    first = arrive(source)
    Operator.objects.filter(pk=operator.pk).update(max_load=1)

    with patch("distribution.intake.drain_after_commit_if_room"):
        second = arrive(source)

    first.refresh_from_db()
    assert first.is_waiting
    assert second.is_waiting


def test_an_arrival_waits_behind_somebody_of_another_source_who_waits_for_the_same_operator() -> None:
    operator = make_operator(max_load=0)
    first = arrive(make_source({operator: 1}))
    Operator.objects.filter(pk=operator.pk).update(max_load=1)

    second = arrive(make_source({operator: 1}))

    first.refresh_from_db()
    assert (first.operator, second.operator) == (operator, None)


def test_an_arrival_does_not_wait_for_a_source_that_rests() -> None:
    operator = make_operator(max_load=0)
    resting = make_source({operator: 1})
    arrive(resting)
    type(resting).objects.filter(pk=resting.pk).update(is_active=False)
    Operator.objects.filter(pk=operator.pk).update(max_load=1)

    assert arrive(make_source({operator: 1})).operator == operator


def test_an_arrival_that_joins_the_queue_has_it_drained() -> None:
    operator = make_operator(max_load=0)
    source = make_source({operator: 1})
    first = arrive(source)
    Operator.objects.filter(pk=operator.pk).update(max_load=2)

    second = arrive(source)

    first.refresh_from_db()
    assert (first.operator, second.operator) == (operator, operator)


def test_the_answer_shows_what_its_own_transaction_committed() -> None:
    operator = make_operator(max_load=0)
    source = make_source({operator: 1})
    arrive(source)
    Operator.objects.filter(pk=operator.pk).update(max_load=2)

    registration = register_contact(Intake(source_code=source.code, external_id="tg:2"))

    assert registration.contact.is_waiting
    assert Contact.objects.get(pk=registration.contact.pk).operator == operator


@pytest.mark.parametrize("failing", ["anybody_available", "next_in_queue"])
@pytest.mark.parametrize("failure", [OperationalError("gone"), InterfaceError("gone"), ContactNotFound()])
def test_a_database_that_fails_while_draining_does_not_take_back_what_was_accepted(
    failing: str, failure: Exception
) -> None:
    source = make_source()

    with (
        patch.object(queue, "anybody_available", return_value=True),
        patch.object(queue, failing, side_effect=failure) as look,
    ):
        assert arrive(source).is_waiting

    assert look.called


class TestReusingTheOpenContact:
    def test_a_lead_with_an_open_contact_gets_that_one_back(self) -> None:
        source = make_source({make_operator(): 1}, reuse_open_contact=True)
        first = register_contact(Intake(source_code=source.code, external_id="tg:1"))

        second = register_contact(Intake(source_code=source.code, external_id="tg:1", text="again"))

        assert (first.created, second.created) == (True, False)
        assert second.contact == first.contact
        assert second.contact.text == ""

    def test_a_waiting_contact_is_open_too(self) -> None:
        source = make_source(reuse_open_contact=True)

        assert arrive(source, "tg:1") == arrive(source, "tg:1")

    def test_a_closed_contact_is_not_given_back(self) -> None:
        source = make_source(reuse_open_contact=True)
        first = arrive(source, "tg:1")
        Contact.objects.filter(pk=first.pk).update(status="closed", closed_at=timezone.now())

        assert arrive(source, "tg:1") != first

    def test_an_open_contact_of_another_source_is_not_given_back(self) -> None:
        first = arrive(make_source(reuse_open_contact=True), "tg:1")

        assert arrive(make_source(reuse_open_contact=True), "tg:1") != first

    def test_it_is_off_by_default(self) -> None:
        source = make_source()

        assert arrive(source, "tg:1") != arrive(source, "tg:1")


def test_age_counts_from_the_arrival() -> None:
    before = timezone.now()

    contact = arrive(make_source({make_operator(): 1}))

    assert contact.assigned_at is not None
    assert before <= contact.created_at <= contact.assigned_at <= before + timedelta(seconds=30)
