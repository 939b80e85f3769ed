"""`event_id`: what a source sends twice makes one contact."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from crm_project.testing.api import errors
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution.handling import close_contact
from leads.models import Contact, Source, SourceEvent

pytestmark = pytest.mark.django_db


def send(api: APIClient, source: Source, event_id: Any = "update_1", **fields: Any) -> Any:
    body = {"external_id": "lead", "source_code": source.code, "event_id": event_id, **fields}
    return api.post("/api/contacts", body)


def test_the_same_event_again_is_answered_with_its_contact(api: APIClient) -> None:
    source = make_source({make_operator(): 1})

    first, second = send(api, source, text="first"), send(api, source, text="second")

    assert (first.status_code, first.json()["created"]) == (201, True)
    assert (second.status_code, second.json()) == (200, {**first.json(), "created": False})
    assert Contact.objects.get().text == "first"


def test_the_answer_shows_the_contact_as_it_is_now(api: APIClient) -> None:
    source = make_source({make_operator(): 1})
    close_contact(send(api, source).json()["id"])

    assert send(api, source).json()["status"] == "closed"


def test_another_event_makes_another_contact(api: APIClient) -> None:
    source = make_source()

    assert send(api, source, "1").json()["id"] != send(api, source, "2").json()["id"]


def test_each_source_counts_its_own_events(api: APIClient) -> None:
    assert [send(api, make_source()).status_code for _ in range(2)] == [201, 201]


def test_contacts_without_an_event_are_not_mixed_up(api: APIClient) -> None:
    source = make_source()
    body = {"external_id": "lead", "source_code": source.code}

    assert [api.post("/api/contacts", body).status_code for _ in range(2)] == [201, 201]
    assert not SourceEvent.objects.exists()


def test_a_source_that_was_switched_off_still_answers_for_what_it_took(api: APIClient) -> None:
    source = make_source()
    first = send(api, source)
    Source.objects.update(is_active=False)

    assert send(api, source).json()["id"] == first.json()["id"]
    assert send(api, source, "another").status_code == 409


def test_a_message_that_joined_an_open_contact_is_known_when_that_is_closed(api: APIClient) -> None:
    source = make_source(reuse_open_contact=True)
    contact = arrive(source, "lead")
    assert send(api, source).json()["id"] == contact.pk
    close_contact(contact.pk)

    assert send(api, source).json()["id"] == contact.pk
    assert send(api, source, "another").status_code == 201


@pytest.mark.parametrize("number", [12345, 2**62])
def test_a_number_is_an_id_too(api: APIClient, number: int) -> None:
    source = make_source()

    assert send(api, source, number).json()["id"] == send(api, source, str(number)).json()["id"]


@pytest.mark.parametrize(
    ("event_id", "code"),
    [("", "blank"), ("x" * 256, "max_length"), ([], "invalid"), ("\0", "null_characters_not_allowed")],
)
def test_what_is_no_id_is_400(api: APIClient, event_id: Any, code: str) -> None:
    response = send(api, make_source(), event_id)

    assert (response.status_code, errors(response)) == (400, [(code, "event_id")])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("reuse", [False, True])
def test_the_same_event_32_times_at_once_makes_one_contact(api: APIClient, reuse: bool) -> None:
    source = make_source({make_operator(max_load=100): 1, make_operator(max_load=100): 1}, reuse_open_contact=reuse)

    answers = run_concurrently(lambda: send(api, source), times=32)

    assert sorted(answer.status_code for answer in answers) == [200] * 31 + [201]
    assert len({answer.json()["id"] for answer in answers}) == Contact.objects.count() == 1
    assert_rules_hold()


def test_null_counts_as_left_out(api: APIClient) -> None:
    source = make_source()
    nothing = dict.fromkeys(["name", "phone", "email", "text", "data"])

    first, second = (send(api, source, None, **nothing) for _ in range(2))

    assert first.json()["id"] != second.json()["id"]
    assert {name: first.json()[name] for name in nothing} == {
        **dict.fromkeys(["name", "phone", "email", "text"], ""),
        "data": {},
    }
