"""Why a contact is where it is, and its place in the queue, as the API tells it."""

from typing import Any

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from crm_project.testing.api import errors
from crm_project.testing.clients import key_for
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import handling, roster
from distribution.models import Decision
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def decisions_of(client: APIClient, contact: Contact) -> dict[str, Any]:
    response = client.get(f"/api/contacts/{contact.pk}/decisions")
    assert response.status_code == 200, response.json()
    body: dict[str, Any] = response.json()
    return body


@pytest.fixture
def full() -> Operator:
    return make_operator(name="Anna", max_load=0)


@pytest.fixture
def source(full: Operator) -> Source:
    return make_source({full: 1})


class TestDecisions:
    def test_are_told_in_words_and_in_numbers(self, api: APIClient, full: Operator) -> None:
        free = make_operator(name="Boris", max_load=5)
        contact = arrive(make_source({full: 10, free: 30}))

        body = decisions_of(api, contact)

        decision = Decision.objects.get()
        [row] = body.pop("decisions")
        assert body == {
            "contact_id": contact.pk,
            "status": "active",
            "queue_position": None,
            "waiting_because": None,
        }
        assert parse_datetime(row.pop("at")) == decision.at
        [round_] = row.pop("rounds")
        assert row == {
            "id": decision.pk,
            "trigger": "arrival",
            "kind": "draw",
            "strategy": "weighted_random",
            "operator_id": free.pk,
            "operator_name": "Boris",
            "actor": "",
            "reason": "",
            "passed_queue": None,
            "sentence": "Boris was drawn: weight 30 of 30 (100%). Anna was passed over: 0 of 0.",
            "preferred": None,
            "by_hand": None,
        }
        chances = round_.pop("operators")
        assert 0 <= round_.pop("ticket") < 30
        assert round_ == {"tickets": 30, "drawn": free.pk, "outcome": "taken", "operator_count": 2}
        assert chances[0] == {
            "operator_id": full.pk,
            "operator_name": "Anna",
            "weight": 10,
            "load": 0,
            "max_load": 0,
            "probability": None,
            "obstacle": "at_limit",
        }
        assert (chances[1]["operator_id"], chances[1]["probability"], chances[1]["obstacle"]) == (free.pk, 1.0, None)

    def test_are_signed_by_whoever_asked(self, full: Operator, source: Source) -> None:
        free = make_operator(name="Boris")
        contact = arrive(source)
        client = key_for("manage")
        client.post(f"/api/contacts/{contact.pk}/reassign", {"operator_id": free.pk})

        last = decisions_of(client, contact)["decisions"][-1]

        assert (last["kind"], last["trigger"], last["strategy"]) == ("by_hand", "reassignment", "")
        assert (last["actor"], last["passed_queue"], last["rounds"]) == ("Client 1", False, [])
        assert (last["by_hand"]["operator_name"], last["by_hand"]["load"]) == ("Boris", 0)
        assert last["sentence"].startswith("By hand (Client 1). Boris was named and got the contact: load 0 of 10.")

    def test_name_the_operator_whom_the_lead_had_before(self, api: APIClient) -> None:
        operator = make_operator()
        source = make_source({operator: 1}, prefer_same_operator=True)
        arrive(source, "lead")

        [row] = decisions_of(api, arrive(source, "lead"))["decisions"]

        assert row["preferred"] == {"operator_id": operator.pk, "operator_name": operator.name, "obstacle": None}
        assert (row["rounds"][0]["ticket"], row["rounds"][0]["tickets"]) == (None, None)

    def test_come_the_newest_last_and_at_most_a_hundred(self, api: APIClient) -> None:
        contact = arrive(make_source({make_operator(): 1, make_operator(): 1}))
        for _ in range(104):
            handling.reassign_by_draw(contact.pk)

        ids = [row["id"] for row in decisions_of(api, contact)["decisions"]]

        assert ids == sorted(Decision.objects.values_list("pk", flat=True))[-100:]

    @pytest.mark.parametrize("moves", [1, 30])
    def test_take_as_many_queries_however_many_there_are(
        self, api: APIClient, moves: int, django_assert_max_num_queries: Any
    ) -> None:
        contact = arrive(make_source({make_operator(): 1 for _ in range(60)}))
        for _ in range(moves):
            handling.reassign_by_draw(contact.pk)

        with django_assert_max_num_queries(6):  # the session and its user, the contact, and three for the decisions
            decisions_of(api, contact)

    def test_are_no_page_of_a_list(self, api: APIClient) -> None:
        contact = arrive(make_source({make_operator(): 1}))

        assert "results" not in decisions_of(api, contact)
        assert api.head(f"/api/contacts/{contact.pk}/decisions").status_code == 200

    @pytest.mark.parametrize("contact_id", ["0", "999999", "9" * 18, "9" * 30, "abc", "-1", "1.5"])
    def test_of_a_contact_that_is_not_there_are_not_found(self, api: APIClient, contact_id: str) -> None:
        assert api.get(f"/api/contacts/{contact_id}/decisions").status_code == 404

    @pytest.mark.parametrize("parameter", ["page", "limit", "status"])
    def test_take_no_parameter(self, api: APIClient, source: Source, parameter: str) -> None:
        response = api.get(f"/api/contacts/{arrive(source).pk}/decisions?{parameter}=1")

        assert (response.status_code, errors(response)) == (400, [("unknown_filter", parameter)])

    def test_are_read_only(self, api: APIClient, source: Source) -> None:
        assert api.post(f"/api/contacts/{arrive(source).pk}/decisions", {}).status_code == 405

    def test_of_a_row_that_was_tampered_with_say_so(self, api: APIClient, source: Source) -> None:
        contact = arrive(source)
        Decision.objects.update(details={"rounds": [{"roster": 5}]})

        [row] = decisions_of(api, contact)["decisions"]

        assert (row["sentence"], row["rounds"]) == ("The record of this decision cannot be read.", [])


class TestAKeyForOneSource:
    def test_does_not_see_those_of_another(self, source: Source) -> None:
        contact = arrive(make_source())

        assert key_for("read", sources=[source]).get(f"/api/contacts/{contact.pk}/decisions").status_code == 404

    def test_learns_no_name_of_an_operator_of_another(self) -> None:
        arrive(make_source({make_operator(name="Secret"): 1}), "lead")
        ours = make_source({make_operator(): 1}, prefer_same_operator=True)
        contact = arrive(ours, "lead")

        [row] = decisions_of(key_for("read", sources=[ours]), contact)["decisions"]

        assert row["preferred"]["obstacle"] == "not_listed"
        assert "Secret" not in str(row)
        assert "Secret" in str(decisions_of(key_for("read"), contact))

    def test_does_not_learn_who_made_room_on_another(self, full: Operator, source: Source) -> None:
        contact = arrive(source)
        key_for("manage").patch(f"/api/operators/{full.pk}", {"max_load": 1})

        assert decisions_of(key_for("read"), contact)["decisions"][-1]["actor"] == "Client 1"
        assert decisions_of(key_for("read", sources=[source]), contact)["decisions"][-1]["actor"] == ""


class TestTheQueue:
    def test_is_counted_from_the_oldest_of_the_source(self, api: APIClient, source: Source) -> None:
        arrive(make_source())
        first, second, third = arrive(source), arrive(source), arrive(source)

        assert [decisions_of(api, contact)["queue_position"] for contact in (first, second, third)] == [1, 2, 3]
        handling.close_contact(first.pk)
        assert decisions_of(api, third)["queue_position"] == 2
        assert decisions_of(api, first)["queue_position"] is None

    def test_counts_by_number_within_one_instant(self, api: APIClient, source: Source) -> None:
        first, second = arrive(source), arrive(source)
        Contact.objects.update(created_at=timezone.now())

        assert [api.get(f"/api/contacts/{row.pk}").json()["queue_position"] for row in (second, first)] == [2, 1]

    def test_stands_on_the_contact_itself_but_not_in_a_list(self, api: APIClient, source: Source) -> None:
        contact = arrive(source)

        assert api.get(f"/api/contacts/{contact.pk}").json()["queue_position"] == 1
        assert "queue_position" not in api.get("/api/contacts").json()["results"][0]
        assert "queue_position" not in api.post(f"/api/contacts/{contact.pk}/close").json()
        assert api.get(f"/api/contacts/{contact.pk}").json()["queue_position"] is None

    def test_waits_for_whoever_is_at_the_limit(self, api: APIClient, source: Source) -> None:
        assert decisions_of(api, arrive(source))["waiting_because"] == "Nobody available – at the limit: Anna (0 of 0)."

    def test_tells_why_as_things_stand_now(self, api: APIClient, full: Operator, source: Source) -> None:
        contact = arrive(source)
        roster.change_operator(full.pk, is_active=False)

        assert decisions_of(api, contact)["waiting_because"] == "Nobody available – inactive: Anna."

    def test_waits_for_a_list_of_operators(self, api: APIClient) -> None:
        because = decisions_of(api, arrive(make_source()))["waiting_because"]

        assert because == "The source has no operators on its list."

    def test_rests_with_its_source(self, api: APIClient, source: Source) -> None:
        contact = arrive(source)
        roster.change_source(source.pk, is_active=False)

        assert decisions_of(api, contact)["waiting_because"] == "The source is switched off, and its queue rests."

    def test_is_given_soon_when_somebody_is_available(self, api: APIClient, full: Operator, source: Source) -> None:
        contact = arrive(source)
        Operator.objects.filter(pk=full.pk).update(max_load=1)  # as in the moment before a drain

        assert decisions_of(api, contact)["waiting_because"] == (
            "Somebody is available: the queue is given within seconds, the oldest contact first."
        )
