"""The OpenAPI document: valid, complete, true, and in both languages. The plugin holds every answer to it besides."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator
from jsonschema_rs import validator_for
from rest_framework.test import APIClient

from crm_project.api.filters import NOT_BLANK
from crm_project.router import router
from crm_project.testing.openapi import (
    JSON,
    codes,
    document,
    faults,
    fresh_document,
    operations,
    responses,
    undocumented,
)
from crm_project.testing.rows import arrive, make_operator, make_source

READING = {400, 401, 403, 406, 411, 429, 500, 503}
WRITING = READING | {413, 415}
POSTING = WRITING | {409, 422}

# By operation: what it answers on success, and with what it refuses.
STATUSES = {
    "operators_list": {200, 404} | READING,
    "operators_create": {201} | POSTING,
    "operators_retrieve": {200, 404} | READING,
    "operators_partial_update": {200, 404, 409} | WRITING,
    "sources_list": {200, 404} | READING,
    "sources_create": {201} | POSTING,
    "sources_retrieve": {200, 404} | READING,
    "sources_partial_update": {200, 404, 409} | WRITING,
    "sources_operators": {200, 404} | READING,
    "sources_set_operators": {200, 404, 412} | POSTING,
    "sources_replace_operators": {200, 404, 412} | WRITING,
    "sources_preview": {200, 404} | READING,
    "contacts_changes": {200, 410} | READING,
    "sources_fairness": {200, 404} | READING,
    "leads_list": {200, 404} | READING,
    "leads_retrieve": {200, 404} | READING,
    "leads_data": {200, 404} | READING,
    "leads_erase": {200, 404} | POSTING,
    "contacts_list": {200, 404} | READING,
    "contacts_create": {201, 200} | POSTING,
    "contacts_bulk": {200} | POSTING,
    "contacts_retrieve": {200, 404} | READING,
    "contacts_decisions": {200, 404} | READING,
    "contacts_close": {200, 404} | POSTING,
    "contacts_reopen": {200, 404} | POSTING,
    "contacts_reassign": {200, 404} | POSTING,
    "exports_operators": {200} | READING,
    "exports_weights": {200} | READING,
    "exports_contacts": {200} | READING,
    "exports_decisions": {200} | READING,
}
TAGGED = {"sources_operators", "sources_set_operators", "sources_replace_operators"}
CONFLICTS = {
    "operators_create": {"changed_meanwhile", "still_running"},
    "operators_partial_update": {"changed_meanwhile"},
    "sources_create": {"changed_meanwhile", "still_running"},
    "sources_partial_update": {"changed_meanwhile"},
    "sources_set_operators": {"still_running"},
    "contacts_create": {"source_inactive", "still_running"},
    "leads_erase": {"still_running"},
    "contacts_bulk": {"still_running"},
    "contacts_close": {"still_running"},
    "contacts_reopen": {"still_running"},
    "contacts_reassign": {"contact_closed", "nobody_available", "operator_unavailable", "still_running"},
}
OF_CONTACTS = {
    *("status", "source", "source_code", "operator", "lead", "external_id"),
    *("created_after", "created_before"),
}
PARAMETERS = {
    "operators_list": {"page", "page_size", "cursor", "external_id", "is_active", "is_paused", "ordering"},
    "sources_list": {"page", "page_size", "cursor", "code", "is_active", "ordering"},
    "contacts_changes": {"cursor", "limit"},
    "sources_fairness": {"from", "to"},
    "leads_list": {"page", "page_size", "cursor", "external_id", "ordering"},
    "contacts_list": {"page", "page_size", "cursor", "ordering"} | OF_CONTACTS,
    "exports_operators": {"external_id", "is_active", "is_paused"},
    "exports_weights": {"source", "source_code", "operator"},
    "exports_contacts": OF_CONTACTS,
    "exports_decisions": {"contact", "source", "source_code", "operator", "after", "before"},
}
VALUES = {
    "ordering": "-id",
    "cursor": "start",
    "is_active": "true",
    "is_paused": "true",
    "status": "waiting",
    "created_after": "2026-11-23T00:00:00Z",
    "created_before": "2026-11-23T00:00:00%2B03:00",
    "after": "2026-11-23T00:00:00Z",
    "before": "2026-11-24T00:00:00Z",
    "from": "2026-11-23T00:00:00Z",
    "to": "2026-11-24T00:00:00%2B03:00",
}
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
OPERATIONS = {operation["operationId"]: (method, path, operation) for method, path, operation in operations(document())}

VIEWS: dict[str, Any] = {prefix: view for prefix, view, _basename in router.registry}
ROUTES: list[Any] = router.urls

each_operation = pytest.mark.parametrize("name", OPERATIONS)


def responses_of(name: str) -> dict[int, dict[str, Any]]:
    return responses(document(), OPERATIONS[name][2])


def parameters_of(name: str, place: str) -> set[str]:
    return {row["name"] for row in OPERATIONS[name][2].get("parameters", []) if row["in"] == place}


def texts(part: Any, key: str = "") -> list[str]:
    """Return every summary, description and title of a document."""
    if isinstance(part, dict):
        return [text for name, value in part.items() for text in texts(value, name)]
    if isinstance(part, list):
        return [text for value in part for text in texts(value)]
    return [part] if key in {"summary", "description", "title"} else []


def values_of(part: Any, name: str) -> list[Any]:
    """Return what stands under a name anywhere in a document."""
    if isinstance(part, dict):
        found = [part[name]] if name in part else []
        return found + [value for inner in part.values() for value in values_of(inner, name)]
    return [value for inner in part for value in values_of(inner, name)] if isinstance(part, list) else []


@pytest.mark.once
class TestTheDocument:
    def test_is_openapi_3_1(self) -> None:
        assert document()["openapi"].startswith("3.1.")
        validate_schema(document())

    def test_has_schemas_that_are_valid_and_refer_to_what_is_there(self) -> None:
        for schema in [*document()["components"]["schemas"].values(), *values_of(document()["paths"], "schema")]:
            Draft202012Validator.check_schema(schema)
        for reference in values_of(document(), "$ref"):
            _root, components, kind, name = reference.split("/")
            assert name in document()[components][kind]

    def test_is_made_without_a_warning(self) -> None:
        call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())

    def test_is_the_same_however_often_it_is_made(self) -> None:
        first = fresh_document()
        fresh_document("ru")

        assert fresh_document() == first

    def test_has_every_route_of_the_api_and_no_other(self) -> None:
        routes = {
            (method, "/api/" + re.sub(r"\(\?P<pk>.*?\)", "{id}", str(route.pattern)).strip("^$").removesuffix("/?"))
            for route in ROUTES
            for method in route.callback.actions
            if method != "head"
        }

        assert routes == {(method, path) for method, path, _operation in OPERATIONS.values()}
        assert len(routes) == len(OPERATIONS)


@pytest.mark.once
class TestAnOperation:
    @each_operation
    def test_says_what_it_does(self, name: str) -> None:
        operation = OPERATIONS[name][2]

        assert operation["summary"]
        assert operation["description"]
        assert operation["tags"][0] in {tag["name"] for tag in document()["tags"]}

    @each_operation
    def test_names_every_status_it_answers_with(self, name: str) -> None:
        assert set(responses_of(name)) == STATUSES[name]
        assert all(response["description"] for response in responses_of(name).values())

    @each_operation
    def test_names_its_conflicts(self, name: str) -> None:
        conflict = responses_of(name).get(409)

        assert (codes(conflict) if conflict else set()) == CONFLICTS.get(name, set())

    @each_operation
    def test_has_the_parameters_that_exist(self, name: str) -> None:
        method, path, _operation = OPERATIONS[name]

        assert parameters_of(name, "query") == PARAMETERS.get(name, set())
        assert parameters_of(name, "path") == ({"id"} if "{id}" in path else set())
        repeated, conditional = method == "post", name in TAGGED and method != "get"
        assert parameters_of(name, "header") == {
            *(["Idempotency-Key"] if repeated else []),
            *(["If-Match"] if conditional else []),
        }

    @each_operation
    def test_names_the_headers_of_its_answers(self, name: str) -> None:
        named = {(status, header) for status, one in responses_of(name).items() for header in one.get("headers", {})}
        posted = {(status, "Idempotent-Replayed") for status in STATUSES[name] & {200, 201, 400}} | {
            (409, "Retry-After")
        }

        assert named == {(401, "WWW-Authenticate"), (429, "Retry-After"), (503, "Retry-After")} | (
            posted if OPERATIONS[name][0] == "post" else set()
        ) | ({(200, "ETag")} if name in TAGGED else set())

    @each_operation
    def test_says_which_scopes_a_key_needs(self, name: str) -> None:
        tag, _underscore, action = name.partition("_")
        operation, right = OPERATIONS[name][2], VIEWS[tag].rights[action]

        needed = {scope for row in operation["security"] for scope in row.get("apiKey", [])}
        assert needed == right.scopes
        assert {next(iter(row)) for row in operation["security"]} == {"apiKey", "basicAuth", "cookieAuth"}
        assert all(f"`{scope}`" in operation["description"] for scope in needed)
        asks_for_all_sources = right.all_sources or name == "sources_partial_update"
        assert ("needs_all_sources" in codes(responses_of(name)[403])) == asks_for_all_sources

    @each_operation
    def test_has_examples_that_are_as_its_schemas_say(self, name: str) -> None:
        operation = OPERATIONS[name][2]
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for part in [*bodies, *responses_of(name).values()]:
            [content] = part["content"].values()
            examples = content.get("examples", {})
            assert examples or part in bodies
            for example in examples.values():
                assert faults(document(), content["schema"], example["value"]) == []


@pytest.mark.once
class TestAField:
    def test_of_a_text_that_must_not_be_empty_is_not_a_space_either(self) -> None:
        fields = document()["components"]["schemas"]["IntakeRequest"]["properties"]
        filters = OPERATIONS["sources_list"][2]["parameters"]

        assert fields["source_code"]["pattern"] == NOT_BLANK
        assert "pattern" not in fields["text"]
        assert next(row for row in filters if row["name"] == "code")["schema"]["pattern"] == NOT_BLANK

    @pytest.mark.parametrize("reads", [re.compile(NOT_BLANK).search, validator_for({"pattern": NOT_BLANK}).is_valid])
    def test_is_blank_where_it_is_for_the_product_whoever_reads_the_pattern(
        self, reads: Callable[[str], object]
    ) -> None:
        characters = [chr(number) for number in range(0x10000) if not 0xD800 <= number < 0xE000]

        assert [text for text in characters if bool(reads(text)) != bool(text.strip())] == []

    def test_of_an_id_in_another_system_is_a_text_or_a_number(self) -> None:
        fields = document()["components"]["schemas"]["IntakeRequest"]["properties"]

        assert {name for name, field in fields.items() if "integer" in field["type"]} == {
            *("external_id", "phone", "event_id")
        }
        assert document()["components"]["schemas"]["Contact"]["properties"]["external_id"]["type"] == "string"


@pytest.mark.django_db
class TestTheTruth:
    @pytest.mark.parametrize("name", PARAMETERS)
    def test_every_filter_named_is_one(self, api: APIClient, name: str) -> None:
        values = {**VALUES, "cursor": "latest"} if name == "contacts_changes" else VALUES
        query = "&".join(f"{parameter}={values.get(parameter, '1')}" for parameter in sorted(PARAMETERS[name]))
        path = OPERATIONS[name][1].replace("{id}", str(make_source().pk))

        assert api.get(f"{path}?{query}").status_code == 200

    @pytest.mark.django_db(transaction=True, reset_sequences=True)
    def test_the_examples_are_what_the_api_answers(self, api: APIClient) -> None:
        def call(name: str, number: int = 1) -> tuple[dict[str, Any], dict[str, Any]]:
            method, path, operation = OPERATIONS[name]
            body = operation["requestBody"]["content"][JSON]["examples"]["Example"]["value"]
            answer = getattr(api, method)(path.replace("{id}", str(number)), body)
            return answer.json(), responses_of(name)[answer.status_code]["content"][JSON]["examples"]["Example"][
                "value"
            ]

        answers = [call("operators_create"), call("sources_create")]
        api.post("/api/operators", {"name": "Оператор 2"})
        answers += [call("sources_set_operators"), call("sources_partial_update")]
        registered, example = call("contacts_create")

        assert [answered for answered, _example in answers] == [example for _answered, example in answers]
        drawn = {"operator_id", "operator_name", "created_at", "assigned_at"}
        assert {**registered, **{name: example[name] for name in drawn}} == example

    def test_an_answer_that_is_not_named_is_found(self, api: APIClient) -> None:
        response = api.get("/api/operators")
        response.status_code = 418

        assert undocumented(response) == ["operators_list answers 418, which the document does not name"]

    def test_a_body_that_is_not_as_described_is_found(self, api: APIClient) -> None:
        contact = arrive(make_source({make_operator(): 1}))
        response = api.get(f"/api/contacts/{contact.pk}")
        body = {**response.json(), "status": "lost"}
        response.json = lambda: body  # type: ignore[method-assign]

        assert "lost" in undocumented(response)[0]


@pytest.mark.once
class TestLanguages:
    def test_every_text_is_there_in_both(self) -> None:
        english, russian = texts(document("en")), texts(document("ru"))

        assert [text for text in english if CYRILLIC.search(text)] == []
        assert [text for text in russian if not CYRILLIC.search(text)] == []

    @pytest.mark.django_db
    @pytest.mark.parametrize("address", ["/api/schema", "/docs"])
    @pytest.mark.parametrize(
        ("query", "accepted", "title"),
        [
            ("", "en", "Contact distribution: the API"),
            ("", "ru", "Распределение обращений: API"),
            ("?lang=ru", "en", "Распределение обращений: API"),
            ("?lang=en", "ru", "Contact distribution: the API"),
        ],
    )
    def test_the_caller_chooses(
        self, admin_client: Client, address: str, query: str, accepted: str, title: str
    ) -> None:
        response = admin_client.get(address + query, headers={"Accept-Language": accepted})

        assert title in response.content.decode()
        assert response["Content-Language"] == (query[-2:] or accepted)

    @pytest.mark.django_db
    def test_the_page_asks_for_the_document_in_its_own_language(self, admin_client: Client) -> None:
        page = admin_client.get("/docs?lang=ru&script=").content.decode()

        assert r"/api/schema?lang\u003Dru" in page

    @pytest.mark.django_db
    def test_the_page_in_a_language_that_is_not_offered_is_refused(self, admin_client: Client) -> None:
        assert admin_client.get("/docs?lang=de").status_code == 400
