import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from crm_project.testing.api import errors
from crm_project.testing.rows import arrive, make_operator, make_source
from leads.models import Contact, Lead, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def ids(response: Any) -> list[int]:
    assert response.status_code == 200, response.json()
    return [row["id"] for row in response.json()["results"]]


class TestRegistering:
    def test_answers_with_the_contact_and_its_operator(self, api: APIClient) -> None:
        operator = make_operator(name="Оператор 1", external_id="crm-1")
        source = make_source({operator: 1}, code="bot_telegram")

        response = api.post("/api/contacts", {"external_id": "user_123", "source_code": "bot_telegram"})

        contact = Contact.objects.get()
        body = response.json()
        assert response.status_code == 201
        assert parse_datetime(body.pop("created_at")) == contact.created_at
        assert parse_datetime(body.pop("assigned_at")) == contact.assigned_at
        assert body == {
            "id": contact.pk,
            "external_id": "user_123",
            "lead_id": contact.lead_id,
            "source_id": source.pk,
            "source_code": "bot_telegram",
            "operator_id": operator.pk,
            "operator_name": "Оператор 1",
            "operator_external_id": "crm-1",
            "status": "active",
            "closed_at": None,
            "name": "",
            "phone": "",
            "email": "",
            "text": "",
            "data": {},
            "created": True,
        }

    def test_without_a_free_operator_it_waits_and_is_still_201(self, api: APIClient) -> None:
        source = make_source()

        response = api.post("/api/contacts", {"external_id": "user_123", "source_code": source.code})

        body = response.json()
        assert (response.status_code, body["status"], body["operator_id"], body["operator_name"]) == (
            201,
            "waiting",
            None,
            None,
        )

    def test_what_the_lead_wrote_is_given_back_as_sent(self, api: APIClient) -> None:
        sent = {
            "name": " Анна ",
            "phone": "8 (912)",
            "email": "not an e-mail",
            "text": "a\n b ",
            "data": {"b": [1, None]},
        }

        body = api.post("/api/contacts", {"external_id": "u", "source_code": make_source().code, **sent}).json()

        assert {name: body[name] for name in sent} == sent
        assert api.get(f"/api/contacts/{body['id']}").json()["data"] == {"b": [1, None]}

    def test_an_external_id_is_trimmed_and_otherwise_literal(self, api: APIClient) -> None:
        source = make_source()

        body = api.post("/api/contacts", {"external_id": "  +7 912  ", "source_code": source.code}).json()

        assert (body["external_id"], Lead.objects.get().external_id) == ("+7 912", "+7 912")

    @pytest.mark.parametrize("field", ["external_id", "phone", "event_id"])
    def test_a_whole_number_is_taken_for_an_id_or_a_phone(self, api: APIClient, field: str) -> None:
        body = {"external_id": "u", "source_code": make_source().code, field: 123456}

        response = api.post("/api/contacts", body)

        assert response.status_code == 201
        assert response.json().get(field, "123456") == "123456"

    def test_an_open_contact_that_is_reused_is_200(self, api: APIClient) -> None:
        source = make_source({make_operator(): 1}, reuse_open_contact=True)
        body = {"external_id": "u", "source_code": source.code}

        first, second = api.post("/api/contacts", body), api.post("/api/contacts", body)

        assert (first.status_code, second.status_code) == (201, 200)
        assert second.json() == {**first.json(), "created": False}

    def test_an_inactive_source_is_409(self, api: APIClient) -> None:
        source = make_source(is_active=False)

        response = api.post("/api/contacts", {"external_id": "u", "source_code": source.code})

        assert (response.status_code, errors(response)) == (409, [("source_inactive", None)])

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"source_code": "nowhere"}, ("source_not_found", "source_code")),
            ({"source_code": None}, ("null", "source_code")),
            ({"external_id": ""}, ("blank", "external_id")),
            ({"external_id": "   "}, ("blank", "external_id")),
            ({"external_id": "x" * 256}, ("max_length", "external_id")),
            ({"external_id": "a\x00"}, ("null_characters_not_allowed", "external_id")),
            ({"external_id": "\ud800"}, ("surrogate_characters_not_allowed", "external_id")),
            ({"text": "ends with half of a pair: \udfff"}, ("surrogate_characters_not_allowed", "text")),
            ({"external_id": {}}, ("invalid", "external_id")),
            ({"external_id": True}, ("invalid", "external_id")),
            ({"external_id": 1.5}, ("invalid", "external_id")),
            ({"source_code": 7}, ("invalid", "source_code")),
            ({"text": 7}, ("invalid", "text")),
            ({"name": "x" * 201}, ("max_length", "name")),
            ({"text": 1e400}, None),
            ({"data": []}, ("not_a_dict", "data")),
            ({"data": "{}"}, ("not_a_dict", "data")),
            ({"data": {"a": "x" * 16_400}}, ("too_large", "data")),
            ({"data": {"a": "\x00"}}, ("unstorable", "data")),
            ({"data": {"\x00": 1}}, ("unstorable", "data")),
            ({"data": {"a": ["\udfff"]}}, ("unstorable", "data")),
            ({"operator_id": 1}, ("unknown_field", "operator_id")),
            ({"status": "closed"}, ("unknown_field", "status")),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_named_and_nothing_stored(
        self, api: APIClient, change: dict[str, Any], expected: tuple[str, str] | None
    ) -> None:
        response = send(api, {"external_id": "u", "source_code": make_source().code, **change})

        assert response.status_code == 400
        assert expected is None or errors(response) == [expected]
        assert not Lead.objects.exists()
        assert not Contact.objects.exists()

    def test_a_backslash_before_u0000_is_no_nul(self, api: APIClient) -> None:
        data = {"path": r"C:\u0000"}

        response = api.post("/api/contacts", {"external_id": "u", "source_code": make_source().code, "data": data})

        assert response.json()["data"] == data


def send(api: APIClient, body: Any) -> Any:
    """Post what DRF's client would refuse to encode."""

    return api.generic("POST", "/api/contacts", json.dumps(body), content_type="application/json")


class TestListing:
    def test_the_newest_come_first(self, api: APIClient) -> None:
        source = make_source()
        first, second = arrive(source), arrive(source)

        assert ids(api.get("/api/contacts")) == [second.pk, first.pk]

    def test_each_filter_narrows(self, api: APIClient) -> None:
        operator = make_operator()
        wanted = arrive(make_source({operator: 1}), "wanted")
        arrive(make_source(), "other")
        Contact.objects.exclude(pk=wanted.pk).update(created_at=wanted.created_at - timedelta(days=2))
        moment = (wanted.created_at - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

        for filters in (
            "status=active",
            f"source={wanted.source_id}",
            f"source_code={wanted.source.code}",
            f"operator={operator.pk}",
            f"lead={wanted.lead_id}",
            "external_id=wanted",
            f"created_after={moment}",
        ):
            assert ids(api.get(f"/api/contacts?{filters}")) == [wanted.pk], filters
        assert wanted.pk not in ids(api.get(f"/api/contacts?created_before={moment}"))

    @pytest.mark.parametrize(
        ("moment", "is_later"),
        [
            ("0001-01-01T00:00:00+14:00", False),
            ("2026-01-01T00:00:00-21:54", False),
            ("7153-09-22T22:08:36.54+17:28", True),
            ("9999-12-31T23:59:59-14:00", True),
        ],
    )
    def test_a_moment_may_be_told_in_any_zone_and_year(self, api: APIClient, moment: str, is_later: bool) -> None:
        contact = arrive(make_source())

        before, after = (ids(api.get("/api/contacts", {name: moment})) for name in ("created_before", "created_after"))

        assert (before, after) == (([contact.pk], []) if is_later else ([], [contact.pk]))

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("stat=active", ("unknown_filter", "stat")),
            ("status=asleep", ("invalid_choice", "status")),
            ("operator=abc", ("invalid", "operator")),
            ("operator=", ("empty_filter", "operator")),
            ("status=", ("empty_filter", "status")),
            ("operator=1.5", ("invalid", "operator")),
            ("operator=-1", ("min_value", "operator")),
            (f"operator={10**30}", ("max_value", "operator")),
            ("external_id=%00", ("null_characters_not_allowed", "external_id")),
            ("created_after=yesterday", ("invalid", "created_after")),
            ("page_size=0", ("page_size_out_of_range", "page_size")),
            ("page_size=501", ("page_size_out_of_range", "page_size")),
            ("page_size=x", ("page_size_out_of_range", "page_size")),
        ],
    )
    def test_a_filter_that_is_wrong_is_named(self, api: APIClient, query: str, expected: tuple[str, str]) -> None:
        response = api.get(f"/api/contacts?{query}")

        assert (response.status_code, errors(response)) == (400, [expected])

    @pytest.mark.parametrize("page", ["0", "2", "x", "9" * 30])
    def test_a_page_that_is_not_there_is_404(self, api: APIClient, page: str) -> None:
        response = api.get(f"/api/contacts?page={page}")

        assert (response.status_code, errors(response)) == (404, [("not_found", None)])

    def test_the_number_of_statements_does_not_grow(self, api: APIClient, django_assert_max_num_queries: Any) -> None:
        source = make_source({make_operator(max_load=100): 1})
        for _ in range(20):
            arrive(source)

        with django_assert_max_num_queries(4):
            assert len(ids(api.get("/api/contacts"))) == 20


class TestClosingAndReopening:
    def test_closing_twice_is_200_and_changes_nothing(self, api: APIClient) -> None:
        contact = arrive(make_source({make_operator(): 1}))

        first = api.post(f"/api/contacts/{contact.pk}/close")
        second = api.post(f"/api/contacts/{contact.pk}/close/", {})

        assert (first.status_code, first.json()["status"]) == (200, "closed")
        assert (second.status_code, second.json()) == (200, first.json())

    def test_reopening_gives_it_back_to_its_operator(self, api: APIClient) -> None:
        operator = make_operator()
        contact = arrive(make_source({operator: 1}))
        api.post(f"/api/contacts/{contact.pk}/close")

        response = api.post(f"/api/contacts/{contact.pk}/reopen")

        assert (response.status_code, response.json()["status"], response.json()["operator_id"]) == (
            200,
            "active",
            operator.pk,
        )

    @pytest.mark.parametrize("step", ["close", "reopen", "reassign"])
    def test_an_unknown_contact_is_404(self, api: APIClient, step: str) -> None:
        response = api.post(f"/api/contacts/404/{step}")

        assert (response.status_code, errors(response)) == (404, [("not_found", None)])

    @pytest.mark.parametrize("step", ["close", "reopen", "reassign"])
    def test_unknown_fields_are_refused(self, api: APIClient, step: str) -> None:
        contact = arrive(make_source())

        response = api.post(f"/api/contacts/{contact.pk}/{step}", {"comment": "x"})

        assert (response.status_code, errors(response)) == (400, [("unknown_field", "comment")])


class TestReassigning:
    def test_to_the_operator_named(self, api: APIClient) -> None:
        contact, operator = arrive(make_source({make_operator(): 1})), make_operator(name="Анна")

        response = api.post(f"/api/contacts/{contact.pk}/reassign", {"operator_id": operator.pk})

        assert (response.status_code, response.json()["operator_name"]) == (200, "Анна")

    def test_by_draw(self, api: APIClient) -> None:
        contact = arrive(make_source({make_operator(): 1, make_operator(): 1}))

        response = api.post(f"/api/contacts/{contact.pk}/reassign", {})

        assert response.json()["operator_id"] not in {None, contact.operator_id}

    @pytest.mark.parametrize(
        ("state", "status", "expected"),
        [
            ("full", 409, ("operator_unavailable", None)),
            ("closed", 409, ("contact_closed", None)),
            ("unknown", 400, ("operator_not_found", "operator_id")),
        ],
    )
    def test_what_cannot_be_done_changes_nothing(
        self, api: APIClient, state: str, status: int, expected: tuple[str, str]
    ) -> None:
        contact = arrive(make_source({make_operator(): 1}))
        operator = make_operator(max_load=0 if state == "full" else 5)
        if state == "closed":
            api.post(f"/api/contacts/{contact.pk}/close")
        before = Contact.objects.filter(pk=contact.pk).values().get()

        wanted = 10**15 if state == "unknown" else operator.pk
        response = api.post(f"/api/contacts/{contact.pk}/reassign", {"operator_id": wanted})

        assert (response.status_code, errors(response)) == (status, [expected])
        assert Contact.objects.filter(pk=contact.pk).values().get() == before

    def test_with_nobody_else_is_409(self, api: APIClient) -> None:
        contact = arrive(make_source({make_operator(): 1}))

        response = api.post(f"/api/contacts/{contact.pk}/reassign")

        assert (response.status_code, errors(response)) == (409, [("nobody_available", None)])

    @pytest.mark.parametrize("operator_id", [0, -1, 2**63, "x", 1.5, [], True, None])
    def test_an_operator_id_that_is_none_is_refused(self, api: APIClient, operator_id: Any) -> None:
        contact = arrive(make_source({make_operator(): 1}))

        assert api.post(f"/api/contacts/{contact.pk}/reassign", {"operator_id": operator_id}).status_code == 400


class TestLeads:
    def test_read_and_list(self, api: APIClient) -> None:
        lead = arrive(make_source(), "tg:1").lead
        arrive(make_source(), "tg:2")

        assert api.get(f"/api/leads/{lead.pk}").json().keys() == {"id", "external_id", "created_at"}
        assert ids(api.get("/api/leads?external_id=tg:1")) == [lead.pk]

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_leads_are_only_read(self, api: APIClient, method: str) -> None:
        assert getattr(api, method)("/api/leads").status_code == 405


def test_the_example_of_existing_bots_works_to_the_letter(api: APIClient) -> None:
    first = api.post("/api/operators", {"name": "Оператор 1", "is_active": True, "max_load": 10}).json()["id"]
    second = api.post("/api/operators", {"name": "Оператор 2", "is_active": True, "max_load": 10}).json()["id"]
    source = api.post("/api/sources", {"name": "Telegram бот", "code": "bot_telegram"}).json()["id"]
    weights = [{"operator_id": first, "weight": 10}, {"operator_id": second, "weight": 30}]
    shares = api.post(f"/api/sources/{source}/operators", {"operator_weights": weights}).json()["operator_weights"]
    contact = api.post("/api/contacts", {"external_id": "user_123", "source_code": "bot_telegram"}).json()

    assert [row["share"] for row in shares] == [0.25, 0.75]
    assert (contact["status"], contact["created"]) == ("active", True)
    assert Operator.objects.get(pk=contact["operator_id"]).load == 1
    assert Source.objects.count() == 1
