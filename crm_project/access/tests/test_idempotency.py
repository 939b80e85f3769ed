"""Safe retries: the same call with the same Idempotency-Key is carried out once."""

import json
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections
from django.utils import timezone
from model_bakery import baker
from rest_framework.test import APIClient

from crm_project.access.idempotency import KEPT_FOR, REPLAYED, _answers_to_many, change_answers
from crm_project.access.keys import make_key
from crm_project.access.models import KeptAnswer
from crm_project.router import router
from crm_project.testing.api import errors
from crm_project.testing.clients import key_for, make_client, with_key
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.plans import kept_plan
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import intake
from distribution.handling import close_contact
from distribution.roster import change_operator
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

BODY = {"external_id": "lead", "source_code": "code"}


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(): 1}, code="code")


def call(client: APIClient, key: str = "key", body: Any = None, address: str = "/api/contacts") -> Any:
    return client.post(address, BODY if body is None else body, headers={"Idempotency-Key": key})


class TestTheSameCallAgain:
    def test_gets_the_first_answer_and_does_nothing(self, api: APIClient, source: Source) -> None:
        first, second = call(api), call(api)

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.content == second.content
        assert (first.headers.get(REPLAYED), second.headers.get(REPLAYED)) == (None, "true")
        assert second.headers["Content-Type"] == "application/json"
        assert Contact.objects.count() == 1

    def test_is_answered_as_it_was_then(self, api: APIClient) -> None:
        operator = make_operator(max_load=0)
        make_source({operator: 1}, code="code")
        first = call(api)
        change_operator(operator.pk, max_load=1)
        assert Contact.objects.get().status == "active"

        assert call(api).json() == first.json()
        assert first.json()["status"] == "waiting"

    def test_after_a_day_is_a_new_call(self, api: APIClient, source: Source) -> None:
        first = call(api)
        KeptAnswer.objects.update(created_at=timezone.now() - KEPT_FOR + timedelta(minutes=1))
        assert call(api).headers.get(REPLAYED) == "true"
        KeptAnswer.objects.update(created_at=timezone.now() - KEPT_FOR)

        second = call(api)

        assert second.json()["id"] != first.json()["id"]
        assert KeptAnswer.objects.get().created_at > timezone.now() - timedelta(minutes=1)

    def test_another_key_is_another_call(self, api: APIClient, source: Source) -> None:
        assert call(api, "one").json()["id"] != call(api, "other").json()["id"]

    def test_without_a_key_nothing_is_kept(self, api: APIClient, source: Source) -> None:
        api.post("/api/contacts", BODY)

        assert not KeptAnswer.objects.exists()

    def test_a_key_on_another_method_is_no_matter(self, api: APIClient, source: Source) -> None:
        for name in ("first", "second"):
            response = api.patch(f"/api/sources/{source.pk}", {"name": name}, headers={"Idempotency-Key": "key"})
            assert response.json()["name"] == name
        assert not KeptAnswer.objects.exists()


class TestTheSameKeyOnAnotherCall:
    @pytest.mark.parametrize(
        ("address", "body"),
        [
            ("/api/contacts", {**BODY, "text": "another"}),
            ("/api/contacts?page=1", BODY),
            ("/api/sources", {"name": "Bot", "code": "bot"}),
            ("/api/contacts", {"nonsense": 1}),
        ],
        ids=["another body", "another query", "another address", "a body that is refused"],
    )
    def test_is_422_and_does_nothing(self, api: APIClient, source: Source, address: str, body: Any) -> None:
        call(api)

        response = call(api, body=body, address=address)

        assert (response.status_code, errors(response)) == (422, [("idempotency_key_reused", None)])
        assert (Contact.objects.count(), Source.objects.count()) == (1, 1)

    @pytest.mark.parametrize("key", ["", " ", "a b", "ключ", "x" * 256, "tab\there"])
    def test_a_key_that_cannot_be_kept_is_400(self, api: APIClient, source: Source, key: str) -> None:
        response = call(api, key.encode().decode("latin-1"))

        assert (response.status_code, errors(response)) == (400, [("bad_idempotency_key", None)])
        assert not Contact.objects.exists()

    def test_the_longest_key_is_kept(self, api: APIClient, source: Source) -> None:
        assert call(api, "x" * 255).status_code == 201


class TestCallers:
    def test_each_has_keys_of_their_own(self, api: APIClient, source: Source) -> None:
        other = APIClient()
        other.force_login(User.objects.create_superuser("other"))
        callers = [api, other, key_for(), key_for()]

        assert len({call(caller).json()["id"] for caller in callers}) == 4

    def test_a_client_keeps_them_across_the_rotation_of_its_api_key(self, source: Source) -> None:
        client = make_client()
        old, new = with_key(make_key(client)), with_key(make_key(client))

        assert call(old).content == call(new).content

    def test_a_caller_without_the_right_is_refused_before(self, source: Source) -> None:
        assert call(key_for("read")).status_code == 403
        assert not KeptAnswer.objects.exists()


class TestWhatIsKept:
    @pytest.mark.parametrize(
        "body",
        [{"external_id": "lead"}, {**BODY, "text": 1.5, "none": 1}, "text"],
        ids=["field", "fields", "no object"],
    )
    def test_a_refusal_of_the_body(self, api: APIClient, body: Any) -> None:
        first, second = call(api, body=body), call(api, body=body)

        assert (first.status_code, second.status_code) == (400, 400)
        assert first.content == second.content
        assert second.headers[REPLAYED] == "true"

    def test_a_refusal_in_the_language_it_was_first_said_in(self, api: APIClient) -> None:
        russian = api.post("/api/contacts", {}, headers={"Idempotency-Key": "key", "Accept-Language": "ru"})
        english = api.post("/api/contacts", {}, headers={"Idempotency-Key": "key", "Accept-Language": "en"})

        assert english.content == russian.content

    def test_not_a_refusal_that_may_pass(self, api: APIClient, source: Source) -> None:
        Source.objects.update(is_active=False)
        assert call(api).status_code == 409
        Source.objects.update(is_active=True)

        assert call(api).status_code == 201

    def test_not_a_source_that_may_be_made_yet(self, api: APIClient) -> None:
        assert errors(call(api)) == [("source_not_found", "source_code")]
        make_source(code="code")

        assert call(api).status_code == 201

    def test_not_an_address_that_is_not_there(self, api: APIClient) -> None:
        assert call(api, address="/api/contacts/1/close", body={}).status_code == 404
        assert not KeptAnswer.objects.exists()

    def test_not_an_error_of_ours(self, api: APIClient, source: Source) -> None:
        api.raise_request_exception = False
        with patch.object(intake, "give", side_effect=ZeroDivisionError):
            assert call(api).status_code == 500
        assert not KeptAnswer.objects.exists()

        assert call(api).status_code == 201

    def test_a_refused_body_and_a_good_one_at_once_are_two_calls(self, api: APIClient, source: Source) -> None:
        call(api, body={"external_id": "lead"})

        assert errors(call(api)) == [("idempotency_key_reused", None)]


def addresses() -> dict[str, tuple[str, Any]]:
    """Return a body for each call of the router that takes POST, by the name of its action."""
    return {
        "operators create": ("/api/operators", {"name": "Anna", "external_id": "unique"}),
        "sources create": ("/api/sources", {"name": "Bot", "code": "unique"}),
        "sources set_operators": ("/api/sources/{source}/operators", {"operator_weights": []}),
        "leads erase": ("/api/leads/{lead}/erase", {}),
        "contacts create": ("/api/contacts", BODY),
        "contacts bulk": ("/api/contacts/bulk", {"contacts": [BODY]}),
        "contacts close": ("/api/contacts/{contact}/close", {}),
        "contacts reopen": ("/api/contacts/{contact}/reopen", {}),
        "contacts reassign": ("/api/contacts/{contact}/reassign", {"operator_id": "{operator}"}),
    }


def test_every_call_of_the_router_that_takes_post_is_tried_here() -> None:
    posts = {
        f"{str(pattern.pattern).strip('^').split('/')[0]} {pattern.callback.actions['post']}"  # type: ignore[union-attr]
        for pattern in router.urls
        if "post" in pattern.callback.actions  # type: ignore[union-attr]
    }

    assert posts == addresses().keys()


@pytest.mark.parametrize("name", addresses())
def test_every_post_is_answered_again_and_done_once(api: APIClient, source: Source, name: str) -> None:
    contact, free = arrive(source), make_operator()
    if name == "contacts reopen":
        close_contact(contact.pk)
    address, body = addresses()[name]
    url = address.format(source=source.pk, contact=contact.pk, lead=contact.lead_id)
    filled = {field: free.pk if value == "{operator}" else value for field, value in body.items()}

    first = call(api, body=filled, address=url)
    loads = list(Operator.objects.order_by("pk").values_list("load", flat=True))
    second = call(api, body=filled, address=url)

    assert first.status_code in {200, 201}
    assert (first.content, second.headers.get(REPLAYED)) == (second.content, "true")
    assert list(Operator.objects.order_by("pk").values_list("load", flat=True)) == loads


def test_what_is_drained_after_the_work_is_no_part_of_the_answer(api: APIClient, source: Source) -> None:
    Operator.objects.update(max_load=1)
    active, _waiting = arrive(source), arrive(source)

    first = call(api, address=f"/api/contacts/{active.pk}/close", body={})

    assert first.json()["status"] == "closed"
    assert KeptAnswer.objects.count() == 1
    assert Contact.objects.filter(status="active").count() == 1


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_64_calls_make_one_contact_and_get_one_answer(self) -> None:
        make_source({make_operator(max_load=100): 1}, code="code")
        key = make_key(make_client())

        def until_answered() -> bytes:
            while (response := call(with_key(key))).status_code == 409:
                assert errors(response) == [("still_running", None)]
                assert int(response.headers["Retry-After"]) > 0
            return bytes(response.content)

        answers = run_concurrently(until_answered, times=64)

        assert len(set(answers)) == 1
        assert Contact.objects.count() == 1
        assert Operator.objects.get().load == 1

    def test_without_the_key_each_call_makes_one(self) -> None:
        make_source({make_operator(max_load=100): 1}, code="code")
        key = make_key(make_client())

        run_concurrently(lambda: with_key(key).post("/api/contacts", BODY), times=16)

        assert Contact.objects.count() == 16

    @pytest.mark.postgresql
    def test_while_the_first_runs_the_second_is_409_at_once(self, api: APIClient) -> None:
        operator = make_operator()
        make_source({operator: 1}, code="code")
        answers: list[Any] = []
        give = intake.give

        def call_again_meanwhile(*arguments: Any) -> None:
            answers.extend(run_concurrently(lambda: call(api)))
            give(*arguments)

        with patch.object(intake, "give", call_again_meanwhile):
            first = call(api)

        assert (answers[0].status_code, errors(answers[0])) == (409, [("still_running", None)])
        assert answers[0].headers["Retry-After"] == "1"
        assert (first.status_code, call(api).content) == (201, first.content)

    @pytest.mark.postgresql
    def test_a_body_that_is_refused_meanwhile_does_not_take_the_key_from_the_call_that_runs(
        self, api: APIClient
    ) -> None:
        make_source({make_operator(): 1}, code="code")
        answers: list[Any] = []
        give = intake.give

        def call_wrongly_meanwhile(*arguments: Any) -> None:
            answers.extend(run_concurrently(lambda: call(api, body={"external_id": "lead"})))
            give(*arguments)

        with patch.object(intake, "give", call_wrongly_meanwhile):
            first = call(api)

        assert errors(answers[0]) == [("still_running", None)]
        assert (first.status_code, call(api).content) == (201, first.content)

    @pytest.mark.postgresql
    def test_a_lock_dies_with_its_transaction(self, api: APIClient) -> None:
        make_source({make_operator(): 1}, code="code")
        with patch.object(intake, "give", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            call(api)

        assert call(api).status_code == 201
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            assert cursor.fetchone() == (0,)

    def test_the_answer_is_rolled_back_with_the_work(self, api: APIClient) -> None:
        make_source({make_operator(): 1}, code="code")

        api.raise_request_exception = False
        with patch.object(connections["default"], "commit", side_effect=OperationalError("gone")):
            assert call(api).status_code == 503

        assert not KeptAnswer.objects.exists()
        assert not Contact.objects.exists()


def test_an_answer_that_somebody_changed_meanwhile_is_changed_as_it_is_now() -> None:
    baker.make(KeptAnswer, body='{"lead_id":5,"name":"a","note":"b"}')

    def forget_the_name(answer: Any) -> Any:
        KeptAnswer.objects.filter(body__contains='"b"').update(body='{"lead_id":5,"name":"a","note":""}')
        return answer | {"name": ""}

    change_answers('"lead_id":5,', forget_the_name)

    assert json.loads(KeptAnswer.objects.get().body) == {"lead_id": 5, "name": "", "note": ""}


@pytest.mark.postgresql
def test_answers_to_many_calls_are_found_in_the_index_among_many_answers() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO access_keptanswer (caller, key, fingerprint, status, body, created_at)"
            " SELECT 'key:1', 'key_' || number, '', 201, repeat('x', 400), now()"
            " FROM generate_series(1, 20000) AS number"
        )
        cursor.execute("ANALYZE access_keptanswer")

    plan = kept_plan(_answers_to_many, "'key:1'", "'[]'")
    assert "Seq Scan" not in plan
    assert "kept_answer_once_per_caller_and_key" in plan
