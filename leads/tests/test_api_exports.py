"""Exports by the API: what the lists show, whole, as CSV."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from rest_framework.test import APIClient

from crm_project import exports
from crm_project.testing.api import errors
from crm_project.testing.clients import key_for
from crm_project.testing.rows import arrive, make_contacts, make_operator, make_source
from distribution import handling
from distribution.models import Decision
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

KINDS = ["operators", "weights", "contacts", "decisions"]

each_kind = pytest.mark.parametrize("kind", KINDS)


def rows(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200, response.getvalue()
    return list(csv.DictReader(io.StringIO(response.getvalue().decode(), newline=""), strict=True))


def exported(client: APIClient, kind: str, **query: Any) -> list[dict[str, str]]:
    return rows(client.get(f"/api/exports/{kind}", query))


def as_cells(row: dict[str, Any]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in row.items()}


class TestRows:
    def test_of_contacts_are_those_of_the_list(self, api: APIClient) -> None:
        operator = make_operator(name="Анна", external_id="crm-1")
        source = make_source({operator: 1})
        contacts = [arrive(source, name="Ира", phone="+7 900", text="a,\r\n«б»", data={"имя": 1}), arrive(source)]
        handling.close_contact(contacts[1].pk)

        listed = api.get("/api/contacts").json()["results"]

        expected = [{**as_cells(row), "data": '{"имя": 1}' if row["data"] else "{}"} for row in reversed(listed)]
        expected[0]["phone"] = "'+7 900"
        assert exported(api, "contacts") == expected

    def test_of_operators_are_those_of_the_list(self, api: APIClient) -> None:
        make_operator(name="Анна", external_id="crm-1"), make_operator(is_active=False)

        listed = api.get("/api/operators").json()["results"]

        words = {"True": "true", "False": "false"}
        expected = [{name: words.get(cell, cell) for name, cell in as_cells(row).items()} for row in listed]
        assert exported(api, "operators") == expected

    def test_of_weights_name_the_operator_and_the_source(self, api: APIClient) -> None:
        operator = make_operator(name="Анна", external_id="crm-1")
        source = make_source({operator: 7})

        assert exported(api, "weights") == [
            {
                "source_id": str(source.pk),
                "source_code": source.code,
                "operator_id": str(operator.pk),
                "operator_name": "Анна",
                "operator_external_id": "crm-1",
                "weight": "7",
            }
        ]

    def test_of_decisions_are_told_as_with_the_contact(self, api: APIClient) -> None:
        source = make_source({make_operator(max_load=1): 1})
        first, second = arrive(source), arrive(source)
        api.post(f"/api/contacts/{first.pk}/close", {})

        told = [
            {**decision, "contact_id": contact.pk, "source_id": source.pk, "source_code": source.code}
            for contact in (first, second)
            for decision in api.get(f"/api/contacts/{contact.pk}/decisions").json()["decisions"]
        ]

        found = exported(api, "decisions")
        assert len(found) == len(told) == 3
        assert found == [as_cells({name: row[name] for name in found[0]}) for row in told]

    def test_are_named_by_the_day(self, api: APIClient) -> None:
        response = api.get("/api/exports/contacts")

        assert response["Content-Disposition"] == f'attachment; filename="contacts-{datetime.now(UTC).date()}.csv"'
        assert response["Content-Type"] == "text/csv; charset=utf-8"


class TestFilters:
    def test_narrow_contacts_as_they_narrow_the_list(self, api: APIClient) -> None:
        source = make_source()
        [wanted] = make_contacts(1, source)
        make_contacts(1, make_source())

        for query in ({"source": source.pk}, {"source_code": source.code, "status": "waiting"}):
            assert [row["id"] for row in exported(api, "contacts", **query)] == [str(wanted.pk)]

    def test_narrow_operators(self, api: APIClient) -> None:
        make_operator(is_active=False), make_operator(name="Anna")

        assert [row["name"] for row in exported(api, "operators", is_active="true")] == ["Anna"]

    def test_narrow_weights(self, api: APIClient) -> None:
        anna, boris = make_operator(), make_operator()
        source, other = make_source({anna: 1, boris: 2}), make_source({anna: 3})

        def weights(**query: Any) -> list[str]:
            return [row["weight"] for row in exported(api, "weights", **query)]

        assert weights(source=source.pk) == ["1", "2"]
        assert weights(source_code=other.code) == ["3"]
        assert weights(operator=anna.pk) == ["1", "3"]

    def test_narrow_decisions(self, api: APIClient) -> None:
        operator = make_operator()
        source = make_source({operator: 1})
        given, waiting = arrive(source), arrive(make_source())
        first, second = Decision.objects.order_by("pk")

        def contacts(**query: Any) -> list[str]:
            return [row["contact_id"] for row in exported(api, "decisions", **query)]

        for query in ({"contact": given.pk}, {"source": source.pk}, {"source_code": source.code}):
            assert contacts(**query) == [str(given.pk)]
        assert contacts(operator=operator.pk) == [str(given.pk)]
        assert contacts(after=second.at.isoformat()) == [str(waiting.pk)]
        assert contacts(before=second.at.isoformat()) == [str(first.contact_id)]

    @each_kind
    @pytest.mark.parametrize("query", ["page=1", "page_size=5", "cursor=start", "statu=waiting"])
    def test_that_are_none_are_refused(self, api: APIClient, kind: str, query: str) -> None:
        response = api.get(f"/api/exports/{kind}?{query}")

        assert (response.status_code, errors(response)) == (400, [("unknown_filter", query.partition("=")[0])])

    def test_that_cannot_be_read_are_refused(self, api: APIClient) -> None:
        response = api.get("/api/exports/contacts?source=x")

        assert (response.status_code, errors(response)) == (400, [("invalid", "source")])


class TestAccess:
    @each_kind
    def test_a_key_for_reading_is_enough(self, kind: str) -> None:
        assert key_for("read").get(f"/api/exports/{kind}").status_code == 200

    @pytest.mark.parametrize(("kind", "status"), [("contacts", 200), ("operators", 403), ("decisions", 403)])
    def test_a_bot_may_export_what_it_may_list(self, kind: str, status: int) -> None:
        assert key_for("register").get(f"/api/exports/{kind}").status_code == status

    @each_kind
    def test_a_key_for_some_sources_gets_what_is_theirs(self, kind: str) -> None:
        mine, theirs = make_source({make_operator(): 1}), make_source({make_operator(): 1})
        arrive(mine), arrive(theirs)
        names = {"operators": "id", "weights": "source_id", "contacts": "source_id", "decisions": "source_id"}
        expected = Operator.objects.get(weights__source=mine).pk if kind == "operators" else mine.pk

        assert [row[names[kind]] for row in exported(key_for("read", sources=[mine]), kind)] == [str(expected)]

    def test_a_key_for_some_sources_is_told_no_more_of_a_decision_than_with_the_contact(self) -> None:
        operator = make_operator(max_load=1)
        source = make_source({operator: 1})
        first, second = arrive(source), arrive(source)
        handling.close_contact(first.pk)
        Weight.objects.filter(operator=operator).delete()
        Decision.objects.filter(trigger="drain").update(actor_name="Somebody else")

        found = exported(key_for("read", sources=[source]), "decisions", contact=second.pk)

        assert [(row["operator_id"], row["operator_name"]) for row in found] == [("", ""), (str(operator.pk), "")]
        assert [row["actor"] for row in found] == ["", ""]


class TestMediaTypes:
    @pytest.mark.parametrize("accepted", ["text/csv", "text/*", "*/*", "text/html,application/xml;q=0.9,*/*;q=0.8"])
    def test_that_admit_a_table_are_answered_with_one(self, api: APIClient, accepted: str) -> None:
        response = api.get("/api/exports/contacts", headers={"Accept": accepted})

        assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")

    def test_need_not_be_named(self, api: APIClient) -> None:
        assert api.get("/api/exports/contacts").status_code == 200

    @pytest.mark.parametrize("accepted", ["text/csv", "*/*"])
    def test_of_a_refusal_is_json(self, api: APIClient, accepted: str) -> None:
        response = api.get("/api/exports/contacts?source=x", headers={"Accept": accepted})

        assert (response.status_code, response["Content-Type"]) == (400, "application/json")

    def test_that_admit_no_table_are_refused(self, api: APIClient) -> None:
        response = api.get("/api/exports/contacts", headers={"Accept": "application/json"})

        assert (response.status_code, errors(response)) == (406, [("not_acceptable", None)])


class TestFailures:
    def test_of_the_database_at_the_beginning_are_503(self, api: APIClient) -> None:
        make_contacts(1, make_source())
        api.raise_request_exception = False
        with patch.object(exports, "cells", side_effect=OperationalError):
            response = api.get("/api/exports/contacts")

        assert (response.status_code, errors(response)) == (503, [("try_again_later", None)])

    def test_a_third_long_export_is_429_with_the_time_to_wait(self, api: APIClient) -> None:
        make_contacts(4, make_source())
        with patch.object(exports, "ROWS_AT_ONCE", 1):
            running = [api.get("/api/exports/contacts") for _number in range(2)]
            response = api.get("/api/exports/contacts")
            counts = [len(rows(one)) for one in running]

        assert (response.status_code, errors(response)) == (429, [("too_many_exports", None)])
        assert response["Retry-After"] == "30"
        assert counts == [4, 4]

    def test_writing_is_405(self, api: APIClient) -> None:
        assert api.post("/api/exports/contacts").status_code == 405

    def test_head_answers_with_the_headers(self, api: APIClient) -> None:
        make_contacts(1, make_source())
        response = api.head("/api/exports/contacts")

        assert (response.status_code, response.getvalue()) == (200, b"")
        assert "contacts-" in response["Content-Disposition"]
