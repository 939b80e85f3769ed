"""Many contacts by one call."""

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient

from crm_project.access.idempotency import REPLAYED
from crm_project.access.models import KeptAnswer
from crm_project.testing.api import errors
from crm_project.testing.clients import key_for
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from distribution.intake_in_bulk import register_chunk
from distribution.verification import verify
from leads import bulk
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

CODE = "bot_telegram"


@pytest.fixture(autouse=True)
def _answers_to_errors(api: APIClient) -> None:
    api.raise_request_exception = False


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(max_load=10_000): 1, make_operator(max_load=10_000): 3}, code=CODE)


def row(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"external_id": f"lead_{number}", "source_code": CODE, **fields}


def rows(number: int, **fields: Any) -> list[dict[str, Any]]:
    return [row(place, **fields) for place in range(number)]


def send(client: APIClient, contacts: Any, key: str = "") -> Any:
    return client.post("/api/contacts/bulk", {"contacts": contacts}, headers={"Idempotency-Key": key} if key else {})


def results(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.json()
    told: list[dict[str, Any]] = response.json()["results"]
    return told


def statuses(response: Any) -> Counter[int]:
    return Counter(result["status"] for result in results(response))


class TestTheAnswer:
    def test_tells_of_each_contact_what_it_would_be_told_alone(self, api: APIClient, source: Source) -> None:
        [result] = results(send(api, [row(text="Здравствуйте!")]))

        contact = api.get(f"/api/contacts/{Contact.objects.get().pk}").json()
        del contact["queue_position"]
        assert result == {"index": 0, "status": 201, "contact": {**contact, "created": True}}

    def test_is_in_the_order_of_the_call(self, api: APIClient, source: Source) -> None:
        told = results(send(api, rows(1_000)))

        assert [result["index"] for result in told] == list(range(1_000))
        assert [result["contact"]["external_id"] for result in told] == [f"lead_{place}" for place in range(1_000)]

    def test_keeps_the_good_when_others_are_bad(self, api: APIClient, source: Source) -> None:
        bad: list[Any] = [{}, 5, row(source_code="nowhere"), row(data=[]), row(shoe_size=43)]

        response = send(api, [row(1), *bad, row(2)])

        told = results(response)
        assert [result["status"] for result in told] == [201, 400, 400, 400, 400, 400, 201]
        assert [error["code"] for result in told[1:6] for error in result["errors"]] == [
            *("required", "required"),
            *("invalid", "source_not_found", "not_a_dict", "unknown_field"),
        ]
        assert Contact.objects.count() == 2

    def test_names_the_field_and_says_what_to_do_in_the_language_of_the_caller(
        self, api: APIClient, source: Source
    ) -> None:
        response = api.post(
            "/api/contacts/bulk", {"contacts": [row(source_code="nowhere")]}, headers={"Accept-Language": "ru"}
        )

        [error] = results(response)[0]["errors"]
        assert (error["attr"], error["code"]) == ("source_code", "source_not_found")
        assert error["detail"] == "Такого источника нет. Проверьте код или сначала создайте источник."

    def test_of_a_source_that_rests_is_409(self, api: APIClient, source: Source) -> None:
        make_source(code="resting", is_active=False)

        assert statuses(send(api, [row(1), row(2, source_code="resting")])) == {201: 1, 409: 1}

    def test_of_what_was_sent_before_is_200(self, api: APIClient, source: Source) -> None:
        first = results(send(api, [row(event_id="update_1")]))

        [again] = results(send(api, [row(event_id="update_1")]))

        assert again == {"index": 0, "status": 200, "contact": {**first[0]["contact"], "created": False}}

    def test_waits_for_whom_there_is_no_room(self, api: APIClient) -> None:
        make_source({make_operator(max_load=150): 1}, code=CODE)

        told = results(send(api, rows(220)))

        assert Counter(result["contact"]["status"] for result in told) == {"active": 150, "waiting": 70}
        assert_rules_hold()
        assert list(verify()) == []


class TestWhatIsRefusedAsAWhole:
    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({}, ("required", "contacts")),
            ({"contacts": []}, ("min_length", "contacts")),
            ({"contacts": None}, ("null", "contacts")),
            ({"contacts": {"0": {}}}, ("not_a_list", "contacts")),
            ({"contacts": [{}] * 1001}, ("max_length", "contacts")),
            ({"contacts": [{}], "more": 1}, ("unknown_field", "more")),
        ],
        ids=["nothing", "an empty list", "null", "an object", "too many", "an unknown field"],
    )
    def test_is_a_body_that_is_no_list_of_contacts(self, body: Any, error: Any, api: APIClient) -> None:
        response = api.post("/api/contacts/bulk", body)

        assert (response.status_code, errors(response)) == (400, [error])

    def test_is_more_than_a_megabyte(self, api: APIClient, source: Source) -> None:
        response = send(api, rows(20, text="x" * 60_000))

        assert (response.status_code, errors(response)) == (413, [("body_too_large", None)])
        assert not Contact.objects.exists()


class TestAKey:
    def test_without_the_scope_is_refused(self, source: Source) -> None:
        assert send(key_for("read"), rows(1)).status_code == 403

    def test_of_another_source_finds_no_such_source(self, source: Source) -> None:
        client = key_for("register", sources=[make_source({make_operator(): 1}, code="mine")])

        told = results(send(client, [row(1), row(2, source_code="mine")]))

        assert [result["status"] for result in told] == [400, 201]
        assert told[0]["errors"][0]["code"] == "source_not_found"


class TestTheSameCallAgain:
    def test_gets_the_first_answer_and_does_nothing(self, api: APIClient, source: Source) -> None:
        first, second = send(api, rows(130), "key"), send(api, rows(130), "key")

        assert first.json() == second.json()
        assert (first.headers.get(REPLAYED), second.headers.get(REPLAYED)) == (None, "true")
        assert Contact.objects.count() == 130

    def test_with_another_body_is_refused(self, api: APIClient, source: Source) -> None:
        send(api, rows(2), "key")

        response = send(api, rows(3), "key")

        assert (response.status_code, errors(response)) == (422, [("idempotency_key_reused", None)])

    @pytest.mark.parametrize("broken", [1, 2, 3])
    def test_goes_on_behind_the_last_hundred(self, broken: int, api: APIClient, source: Source) -> None:
        with breaking_off_at(broken):
            assert send(api, rows(250), "key").status_code == 503
        stored = Contact.objects.count()

        told = results(send(api, rows(250), "key"))

        assert stored == 100 * (broken - 1)
        assert [result["contact"]["external_id"] for result in told] == [f"lead_{place}" for place in range(250)]
        assert {result["status"] for result in told} == {201}
        assert Contact.objects.count() == 250
        assert KeptAnswer.objects.get().status == 200

    def test_tells_again_what_was_wrong_before_it_broke_off(self, api: APIClient, source: Source) -> None:
        contacts = [*rows(99), {}, *rows(60)]
        with breaking_off_at(2):
            send(api, contacts, "key")

        told = results(send(api, contacts, "key"))

        assert [result["index"] for result in told if result["status"] == 400] == [99]
        assert len(told) == 160

    def test_while_somebody_goes_on_with_it_is_told_to_wait(self, api: APIClient, source: Source) -> None:
        def overtaken(*arguments: Any, **options: Any) -> Any:
            with patch.object(bulk, "register_chunk", register_chunk):
                assert statuses(send(api, rows(150), "key")) == {201: 150}
            return register_chunk(*arguments, **options)

        with patch.object(bulk, "register_chunk", overtaken):
            response = send(api, rows(150), "key")

        # The other has done all of it by then: its answer is the answer.
        assert response.headers[REPLAYED] == "true"
        assert Contact.objects.count() == 150

    def test_overtaken_in_between_is_told_to_wait(self, api: APIClient, source: Source) -> None:
        def overtaken(*arguments: Any, **options: Any) -> Any:
            with patch.object(bulk, "register_chunk", breaks_off(register_chunk, 2)):
                assert send(api, rows(250), "key").status_code == 503
            return register_chunk(*arguments, **options)

        with patch.object(bulk, "register_chunk", overtaken):
            response = send(api, rows(250), "key")

        assert (response.status_code, errors(response)) == (409, [("still_running", None)])
        assert Contact.objects.count() == 100


def breaking_off_at(chunk: int) -> Any:
    """Return the patch with which the database fails at a chunk."""
    return patch.object(bulk, "register_chunk", breaks_off(register_chunk, chunk))


def breaks_off[**P, T](service: Callable[P, T], at: int) -> Callable[P, T]:
    calls = iter(range(1, at))

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if next(calls, None) is None:
            raise OperationalError
        return service(*args, **kwargs)

    return call


class TestSideBySide:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_bulk_and_single_calls_break_no_limit(self) -> None:
        operators = [make_operator(max_load=20) for _ in range(6)]
        make_source(dict.fromkeys(operators[:4], 1), code=CODE)
        other = make_source(dict.fromkeys(operators[2:], 2))

        def in_bulk() -> Any:
            return statuses(send(client, [row(place, source_code=code) for place in range(60) for code in both]))

        def alone() -> None:
            for place in range(15):
                arrive(other, f"lead_{place}")

        client, both = key_for("register"), (CODE, other.code)
        told = run_concurrently(in_bulk, *[alone] * 6, times=2)

        assert [one for one in told if one] == [{201: 120}] * 2
        assert Operator.objects.filter(load=20).count() == 6
        assert_rules_hold()
        assert list(verify()) == []

    def test_the_same_call_at_once_is_carried_out_once(self) -> None:
        make_source({make_operator(max_load=10_000): 1}, code=CODE)
        clients = [key_for("register")] * 4

        told = run_concurrently(*[partial(send, client, rows(150), "key") for client in clients])

        assert {response.status_code for response in told} <= {200, 409}
        assert Contact.objects.count() == 150


def test_a_kept_answer_is_what_was_answered(api: APIClient, source: Source) -> None:
    response = send(api, rows(3), "key")

    assert json.loads(KeptAnswer.objects.get().body) == response.json()
