from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from crm_project.testing.api import errors
from crm_project.testing.rows import arrive, assert_loads_are_true, make_operator, make_source
from operators.models import Operator

pytestmark = pytest.mark.django_db


class TestCreating:
    def test_answers_with_the_operator(self, api: APIClient) -> None:
        response = api.post("/api/operators", {"name": "Оператор 1", "is_active": True, "max_load": 10})

        operator = Operator.objects.get()
        assert response.status_code == 201
        assert response.json() == {
            "id": operator.pk,
            "name": "Оператор 1",
            "is_active": True,
            "is_paused": False,
            "max_load": 10,
            "load": 0,
            "external_id": None,
        }

    def test_a_name_is_enough(self, api: APIClient) -> None:
        body = api.post("/api/operators/", {"name": "Анна"}).json()

        assert (body["is_active"], body["max_load"]) == (True, 10)

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, ("required", "name")),
            ({"name": ""}, ("blank", "name")),
            ({"name": None}, ("null", "name")),
            ({"name": "x" * 201}, ("max_length", "name")),
            ({"name": "a\x00b"}, ("null_characters_not_allowed", "name")),
            ({"name": ["x"]}, ("invalid", "name")),
            ({"name": "x", "max_load": -1}, ("min_value", "max_load")),
            ({"name": "x", "max_load": 10_001}, ("max_value", "max_load")),
            ({"name": "x", "max_load": 10**30}, ("max_value", "max_load")),
            ({"name": "x", "max_load": "many"}, ("invalid", "max_load")),
            ({"name": "x", "max_load": 1.5}, ("invalid", "max_load")),
            ({"name": "x", "max_load": True}, ("invalid", "max_load")),
            ({"name": "x", "max_load": "10"}, ("invalid", "max_load")),
            ({"name": "x", "is_active": "maybe"}, ("invalid", "is_active")),
            ({"name": "x", "is_active": "true"}, ("invalid", "is_active")),
            ({"name": "x", "is_active": 1}, ("invalid", "is_active")),
            ({"name": 7}, ("invalid", "name")),
            ({"name": "x", "external_id": 7}, ("invalid", "external_id")),
            ({"name": "x", "external_id": ""}, ("blank", "external_id")),
            ({"name": "x", "load": 3}, ("unknown_field", "load")),
            ({"name": "x", "id": 3}, ("unknown_field", "id")),
            ({"name": "x", "colour": "red"}, ("unknown_field", "colour")),
            (["x"], ("invalid", "non_field_errors")),
            ("x", ("invalid", "non_field_errors")),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_named_and_nothing_stored(
        self, api: APIClient, body: Any, expected: tuple[str, str]
    ) -> None:
        response = api.post("/api/operators", body)

        assert response.status_code == 400
        assert errors(response) == [expected]
        assert not Operator.objects.exists()

    def test_a_whole_number_may_be_written_with_a_point(self, api: APIClient) -> None:
        assert api.post("/api/operators", {"name": "x", "max_load": 10.0}).json()["max_load"] == 10

    def test_an_external_id_belongs_to_one_operator(self, api: APIClient) -> None:
        make_operator(external_id="crm-7")

        response = api.post("/api/operators", {"name": "x", "external_id": "crm-7"})

        assert (response.status_code, errors(response)) == (400, [("unique", "external_id")])


class TestReading:
    def test_one(self, api: APIClient) -> None:
        operator = make_operator(max_load=3, external_id="crm-7")
        arrive(make_source({operator: 1}))

        body = api.get(f"/api/operators/{operator.pk}").json()

        assert (body["load"], body["max_load"], body["external_id"]) == (1, 3, "crm-7")

    def test_all_in_pages(self, api: APIClient) -> None:
        for _ in range(3):
            make_operator()

        body = api.get("/api/operators?page_size=2&page=2").json()

        assert (body["count"], len(body["results"]), body["next"]) == (3, 1, None)
        assert body["previous"].endswith("/api/operators?page_size=2")

    def test_filters(self, api: APIClient) -> None:
        make_operator(is_active=False, is_paused=True)
        active = make_operator(external_id="crm-7")

        for filters in ("is_active=true", "is_paused=false", "external_id=crm-7"):
            assert [row["id"] for row in api.get(f"/api/operators?{filters}").json()["results"]] == [active.pk]

    @pytest.mark.parametrize(("word", "found"), [("true", 1), ("1", 1), ("false", 0), ("0", 0)])
    def test_the_switch_of_a_filter(self, api: APIClient, word: str, found: int) -> None:
        make_operator()

        assert api.get(f"/api/operators?is_active={word}").json()["count"] == found

    def test_a_switch_with_another_word_is_refused(self, api: APIClient) -> None:
        response = api.get("/api/operators?is_active=banana")

        assert (response.status_code, errors(response)) == (400, [("invalid_choice", "is_active")])

    @pytest.mark.parametrize("address", ["404", "0", "abc", "999999999999999999", "9" * 40])
    def test_an_address_without_an_operator_is_404(self, api: APIClient, address: str) -> None:
        response = api.get(f"/api/operators/{address}")

        assert (response.status_code, errors(response)) == (404, [("not_found", None)])


class TestChanging:
    def test_only_what_is_sent_changes(self, api: APIClient) -> None:
        operator = make_operator(name="Анна", max_load=5)

        response = api.patch(f"/api/operators/{operator.pk}", {"max_load": 7})

        assert response.status_code == 200
        assert (response.json()["name"], response.json()["max_load"]) == ("Анна", 7)

    def test_the_room_it_makes_goes_to_whoever_waits(self, api: APIClient) -> None:
        operator = make_operator(max_load=0)
        contact = arrive(make_source({operator: 1}))

        api.patch(f"/api/operators/{operator.pk}", {"max_load": 1})

        contact.refresh_from_db()
        assert contact.operator == operator

    def test_the_end_of_a_pause_gives_them_what_waits(self, api: APIClient) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        assert api.patch(f"/api/operators/{operator.pk}", {"is_paused": True}).json()["is_paused"] is True
        contact = arrive(source)
        assert contact.is_waiting

        assert api.patch(f"/api/operators/{operator.pk}", {"is_paused": False}).json()["is_paused"] is False

        contact.refresh_from_db()
        assert contact.operator == operator

    def test_the_load_stays_true_and_no_statement_sets_it(self, api: APIClient) -> None:
        operator = make_operator()
        arrive(make_source({operator: 1}))

        with CaptureQueriesContext(connection) as queries:
            response = api.patch(f"/api/operators/{operator.pk}", {"name": "Анна"})

        updates = [q["sql"] for q in queries if q["sql"].startswith('UPDATE "operators_operator"')]
        assert len(updates) == 1
        assert "load" not in updates[0].split("WHERE")[0].replace("max_load", "").split("RETURNING")[0]
        assert response.json()["load"] == 1
        assert_loads_are_true()

    @pytest.mark.parametrize("body", [{"load": 0}, {"max_load": None}, {"is_active": None}, {"name": ""}], ids=str)
    def test_what_cannot_be_set_is_refused(self, api: APIClient, body: dict[str, Any]) -> None:
        operator = make_operator()

        assert api.patch(f"/api/operators/{operator.pk}", body).status_code == 400

    @pytest.mark.parametrize("method", ["put", "delete"])
    def test_operators_are_neither_replaced_nor_deleted(self, api: APIClient, method: str) -> None:
        response = getattr(api, method)(f"/api/operators/{make_operator().pk}")

        assert (response.status_code, errors(response)) == (405, [("method_not_allowed", None)])
