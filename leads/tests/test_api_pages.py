"""Lists in pages: numbered ones, and those by a cursor."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from crm_project.api import pagination
from crm_project.testing.api import errors
from crm_project.testing.clients import key_for
from crm_project.testing.rows import arrive, make_contacts, make_operator, make_source
from leads.models import Contact, Source

pytestmark = pytest.mark.django_db

LISTS = ("/api/contacts", "/api/leads", "/api/sources", "/api/operators")


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(): 1})


@pytest.fixture
def contacts(source: Source) -> list[int]:
    """Store some contacts and return their ids in the order of the list."""
    return sorted((contact.pk for contact in make_contacts(23, source)), reverse=True)


def page(api: APIClient, address: str) -> dict[str, Any]:
    response = api.get(address)
    assert response.status_code == 200, response.json()
    return dict(response.json())


def ids(page: dict[str, Any]) -> list[int]:
    return [row["id"] for row in page["results"]]


def following(api: APIClient, address: str | None) -> Iterator[dict[str, Any]]:
    """Yield the pages from an address on."""
    while address:
        yield (here := page(api, address))
        address = here["next"]


class TestByCursor:
    def test_show_every_row_once_in_the_order_of_the_list(self, api: APIClient, contacts: list[int]) -> None:
        pages = list(following(api, "/api/contacts?cursor=start&page_size=5"))

        assert [pk for one in pages for pk in ids(one)] == contacts
        assert [len(ids(one)) for one in pages] == [5, 5, 5, 5, 3]

    def test_of_another_list_are_refused(self, api: APIClient, source: Source) -> None:
        for _number in range(2):
            arrive(source)
        cursor = page(api, "/api/leads?cursor=start&page_size=1")["next"].partition("cursor=")[2].partition("&")[0]

        assert errors(api.get(f"/api/contacts?cursor={cursor}")) == [("cursor_unknown", "cursor")]
        assert page(api, f"/api/leads?cursor={cursor}")["results"]

    def test_lead_back_too(self, api: APIClient, contacts: list[int]) -> None:
        *_others, last = following(api, "/api/contacts?cursor=start&page_size=10")

        before = page(api, last["previous"])

        assert ids(before) == contacts[10:20]
        assert page(api, before["previous"])["previous"] is None

    def test_stay_the_same_while_rows_arrive(self, api: APIClient, source: Source, contacts: list[int]) -> None:
        first = page(api, "/api/contacts?cursor=start&page_size=10")
        for _ in range(5):
            arrive(source)

        second = page(api, first["next"])

        assert ids(second) == contacts[10:20]

    def test_by_number_move_while_rows_arrive(self, api: APIClient, source: Source, contacts: list[int]) -> None:
        first = page(api, "/api/contacts?page_size=10")
        for _ in range(5):
            arrive(source)

        second = page(api, first["next"])

        assert ids(second) == contacts[5:15]

    def test_are_narrowed_by_every_filter(self, api: APIClient, source: Source, contacts: list[int]) -> None:
        make_contacts(5, make_source())

        pages = list(following(api, f"/api/contacts?cursor=start&page_size=7&source={source.pk}&status=waiting"))

        assert [pk for one in pages for pk in ids(one)] == contacts

    def test_show_a_key_its_own_sources_only(self, source: Source, contacts: list[int]) -> None:
        make_contacts(5, make_source())

        pages = list(following(key_for("register", sources=[source]), "/api/contacts?cursor=start&page_size=9"))

        assert [pk for one in pages for pk in ids(one)] == contacts

    def test_count_nothing(self, api: APIClient, contacts: list[int]) -> None:
        with CaptureQueriesContext(connection) as statements:
            first = page(api, "/api/contacts?cursor=start")

        assert (first["count"], first["count_exceeds"]) == (None, None)
        assert "COUNT" not in "".join(statement["sql"] for statement in statements)

    def test_of_an_empty_list_are_one(self, api: APIClient) -> None:
        only = page(api, "/api/contacts?cursor=start")

        assert (only["results"], only["next"], only["previous"]) == ([], None, None)

    @pytest.mark.parametrize("address", LISTS)
    def test_are_there_for_every_list(self, api: APIClient, address: str) -> None:
        for number in range(3):
            arrive(make_source({make_operator(): 1}), f"lead_{number}")
        whole = ids(page(api, address))

        pages = list(following(api, f"{address}?cursor=start&page_size=2"))

        assert [pk for one in pages for pk in ids(one)] == whole

    @pytest.mark.parametrize(
        "cursor",
        [
            *("x", "Ы", "latest", "=", "%00"),
            *(b64encode(text.encode()).decode() for text in ("p=x", "p=-1", "p=1e3", "o=x", "r=x", f"p={10**30}")),
        ],
    )
    def test_need_a_cursor(self, api: APIClient, cursor: str) -> None:
        response = api.get("/api/contacts", {"cursor": cursor})

        assert (response.status_code, errors(response)) == (400, [("cursor_unknown", "cursor")])


class TestCounting:
    def test_is_exact_up_to_the_highest(self, api: APIClient, contacts: list[int]) -> None:
        first = page(api, "/api/contacts")

        assert (first["count"], first["count_exceeds"]) == (23, None)

    def test_ends_there(self, api: APIClient, contacts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pagination, "HIGHEST_COUNT", 20)

        first = page(api, "/api/contacts?page_size=5")

        assert (first["count"], first["count_exceeds"]) == (None, 20)

    def test_ends_there_and_the_pages_go_on_by_a_cursor(
        self, api: APIClient, contacts: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pagination, "HIGHEST_COUNT", 10)

        pages = list(following(api, "/api/contacts?page_size=5&page=1"))

        assert [pk for one in pages for pk in ids(one)] == contacts
        assert "page=" not in pages[1]["next"].replace("page_size=", "")

    def test_of_a_page_beyond_is_404(
        self, api: APIClient, contacts: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pagination, "HIGHEST_COUNT", 10)

        assert api.get("/api/contacts?page_size=5&page=3").status_code == 404

    def test_reads_no_more_rows_than_it_counts(self, api: APIClient, contacts: list[int]) -> None:
        with CaptureQueriesContext(connection) as statements:
            page(api, "/api/contacts")

        counting = [one["sql"] for one in statements if "COUNT" in one["sql"]]
        assert len(counting) == 1
        assert f"LIMIT {pagination.HIGHEST_COUNT + 1}" in counting[0]


@pytest.mark.parametrize("query", ["cursor=start", "page=1"])
def test_as_many_rows_as_wanted_up_to_500(api: APIClient, source: Source, query: str) -> None:
    make_contacts(501, source)

    assert len(ids(page(api, f"/api/contacts?{query}&page_size=500"))) == 500
    assert errors(api.get(f"/api/contacts?{query}&page_size=501")) == [("page_size_out_of_range", "page_size")]
    assert Contact.objects.count() == 501
