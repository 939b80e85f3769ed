"""Lists in the order that the caller chooses, in numbered pages and by a cursor."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from crm_project.api import pagination
from crm_project.testing.api import errors
from crm_project.testing.openapi import document, operations
from crm_project.testing.rows import make_contacts, make_operator, make_source
from leads.models import Contact, Lead, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

ORDERS = {
    "/api/contacts": ["id", "-id", "created_at", "-created_at"],
    "/api/leads": ["id", "-id", "created_at", "-created_at"],
    "/api/operators": ["id", "-id", "name", "-name", "load", "-load"],
    "/api/sources": ["id", "-id", "name", "-name", "code", "-code"],
}
MODELS: dict[str, Any] = {
    "/api/contacts": Contact,
    "/api/leads": Lead,
    "/api/operators": Operator,
    "/api/sources": Source,
}
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

each_order = pytest.mark.parametrize(
    ("address", "order"), [(address, order) for address, orders in ORDERS.items() for order in orders]
)
each_kind_of_pages = pytest.mark.parametrize("kind", ["page=1", "cursor=start"])


@pytest.fixture
def source() -> Source:
    return make_source()


@pytest.fixture
def house() -> None:
    """Store a few rows of everything, some of them alike in all but their ids."""
    for number in (2, 1, 2, 1, 2):
        operator = make_operator(name=f"Operator {number}", load=number)
        source = make_source({operator: 1}, name=f"Source {number}")
        make_contacts(1, source, created_at=NOON + timedelta(hours=number))
    Lead.objects.update(created_at=NOON)
    Lead.objects.filter(pk=Lead.objects.earliest("pk").pk).update(created_at=NOON + timedelta(hours=1))


def page(api: APIClient, address: str) -> dict[str, Any]:
    response = api.get(address)
    assert response.status_code == 200, response.json()
    return dict(response.json())


def following(api: APIClient, address: str | None, way: str = "next") -> Iterator[list[int]]:
    """Yield the ids on each page from an address on."""
    while address:
        here = page(api, address)
        yield [row["id"] for row in here["results"]]
        address = here[way]


def all_ids(api: APIClient, address: str) -> list[int]:
    return [pk for ids in following(api, address) for pk in ids]


def in_order(model: Any, order: str) -> list[int]:
    """Return the ids as the order has them: by the field, and where it is the same by id in the same direction."""
    key = order.removeprefix("-")
    rows = sorted(model.objects.all(), key=lambda row: (getattr(row, key), row.pk), reverse=order.startswith("-"))
    return [row.pk for row in rows]


@pytest.mark.usefixtures("house")
class TestAnOrder:
    @each_order
    @each_kind_of_pages
    def test_is_that_of_the_field_and_then_of_the_id(self, api: APIClient, address: str, order: str, kind: str) -> None:
        found = all_ids(api, f"{address}?{kind}&page_size=2&ordering={order}")

        assert found == in_order(MODELS[address], order)

    @each_order
    def test_is_the_same_on_the_way_back(self, api: APIClient, address: str, order: str) -> None:
        last = f"{address}?cursor=start&page_size=2&ordering={order}"
        while further := page(api, last)["next"]:
            last = further

        back = list(following(api, last, "previous"))

        assert [pk for ids in reversed(back) for pk in ids] == in_order(MODELS[address], order)

    @pytest.mark.parametrize("address", ORDERS)
    def test_that_is_not_known_is_400_and_the_known_ones_are_named(self, api: APIClient, address: str) -> None:
        response = api.get(f"{address}?ordering=secret")

        assert (response.status_code, errors(response)) == (400, [("invalid_choice", "ordering")])
        assert response.json()["errors"][0]["detail"].endswith(f"Known are: {', '.join(ORDERS[address])}.")

    @pytest.mark.parametrize("order", ["created_at,id", "--id", "-", "ID", "lead__external_id", "?"])
    def test_is_of_one_field(self, api: APIClient, order: str) -> None:
        assert errors(api.get("/api/contacts", {"ordering": order})) == [("invalid_choice", "ordering")]

    def test_is_not_empty(self, api: APIClient) -> None:
        assert errors(api.get("/api/contacts?ordering=")) == [("empty_filter", "ordering")]

    @pytest.mark.parametrize("address", ["/api/contacts", "/api/leads"])
    def test_left_out_is_the_newest_first(self, api: APIClient, address: str) -> None:
        assert all_ids(api, address) == in_order(MODELS[address], "-id")

    def test_goes_on_by_a_cursor_where_the_numbered_pages_end(
        self, api: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pagination, "HIGHEST_COUNT", 3)

        assert all_ids(api, "/api/contacts?page_size=1&ordering=-created_at") == in_order(Contact, "-created_at")

    @pytest.mark.once
    def test_is_in_the_document(self) -> None:
        named = {
            path: set(parameter["schema"]["enum"])
            for method, path, operation in operations(document())
            for parameter in operation.get("parameters", [])
            if parameter["name"] == "ordering" and method == "get"
        }

        assert named == {path: set(orders) for path, orders in ORDERS.items()}


class TestACursor:
    def test_skips_and_repeats_none_of_hundreds_of_one_moment(self, api: APIClient, source: Source) -> None:
        contacts = make_contacts(300, source, created_at=NOON)

        found = all_ids(api, "/api/contacts?cursor=start&page_size=70&ordering=created_at")

        assert found == [contact.pk for contact in contacts]

    def test_tells_moments_apart_by_the_microsecond(self, api: APIClient, source: Source) -> None:
        for number in (3, 1, 2):
            make_contacts(1, source, created_at=NOON + timedelta(microseconds=number))

        found = all_ids(api, "/api/contacts?cursor=start&page_size=1&ordering=created_at")

        assert found == in_order(Contact, "created_at")

    @pytest.mark.parametrize("order", ["created_at", "-created_at"])
    def test_stays_where_it_is_while_rows_arrive(self, api: APIClient, source: Source, order: str) -> None:
        make_contacts(9, source, created_at=NOON)
        whole = in_order(Contact, order)
        first = page(api, f"/api/contacts?cursor=start&page_size=3&ordering={order}")
        second = page(api, first["next"])
        for hours in (-1, 1):
            make_contacts(5, source, created_at=NOON + timedelta(hours=hours))

        third, back = page(api, second["next"]), page(api, second["previous"])

        assert [row["id"] for row in third["results"]] == whole[6:9]
        assert [row["id"] for row in back["results"]] == whole[:3]

    def test_stays_where_it_is_when_its_row_goes(self, api: APIClient, source: Source) -> None:
        contacts = [contact.pk for contact in make_contacts(6, source, created_at=NOON)]
        first = page(api, "/api/contacts?cursor=start&page_size=3&ordering=created_at")
        Contact.objects.filter(pk=contacts[2]).delete()

        assert all_ids(api, first["next"]) == contacts[3:]

    def test_behind_which_all_rows_have_gone_leads_back_to_the_end(self, api: APIClient, source: Source) -> None:
        contacts = [contact.pk for contact in make_contacts(6, source, created_at=NOON)]
        first = page(api, "/api/contacts?cursor=start&page_size=4&ordering=created_at")
        Contact.objects.filter(pk__in=contacts[4:]).delete()

        empty = page(api, first["next"])

        assert (empty["results"], empty["next"]) == ([], None)
        assert next(following(api, empty["previous"])) == contacts[:4]

    @pytest.mark.parametrize("other", ["", "&ordering=id", "&ordering=created_at"])
    def test_of_another_order_is_refused(self, api: APIClient, source: Source, other: str) -> None:
        make_contacts(2, source)
        first = page(api, "/api/contacts?cursor=start&page_size=1&ordering=-created_at")
        cursor = first["next"].partition("cursor=")[2].partition("&")[0]

        response = api.get(f"/api/contacts?cursor={cursor}{other}")

        assert (response.status_code, errors(response)) == (400, [("cursor_unknown", "cursor")])

    def test_of_the_order_that_a_list_has_by_itself_is_the_same_when_it_is_named(
        self, api: APIClient, source: Source
    ) -> None:
        make_contacts(3, source)
        first = page(api, "/api/contacts?cursor=start&page_size=1")

        assert all_ids(api, f"{first['next']}&ordering=-id") == in_order(Contact, "-id")[1:]

    def test_that_was_altered_is_refused(self, api: APIClient, source: Source) -> None:
        make_contacts(2, source)
        address = page(api, "/api/contacts?cursor=start&page_size=1&ordering=created_at")["next"]

        response = api.get(address.replace("cursor=", "cursor=W"))

        assert (response.status_code, errors(response)) == (400, [("cursor_unknown", "cursor")])

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        moments=st.lists(st.integers(0, 3), min_size=1, max_size=12),
        size=st.integers(1, 5),
        order=st.sampled_from(ORDERS["/api/contacts"]),
    )
    def test_leads_through_every_row_once_there_and_back(
        self, api: APIClient, moments: list[int], size: int, order: str
    ) -> None:
        Contact.objects.all().delete()
        source = make_source()
        for moment in moments:
            make_contacts(1, source, created_at=NOON + timedelta(hours=moment))
        address: str | None = f"/api/contacts?cursor=start&page_size={size}&ordering={order}"

        pages = []
        while address:
            pages.append(page(api, address))
            address = pages[-1]["next"]

        assert [row["id"] for one in pages for row in one["results"]] == in_order(Contact, order)
        for before, here in pairwise(pages):
            assert page(api, here["previous"])["results"] == before["results"]


@each_kind_of_pages
def test_a_code_of_no_source_finds_nothing(api: APIClient, source: Source, kind: str) -> None:
    make_contacts(2, source)

    assert all_ids(api, f"/api/contacts?{kind}&source_code=nobody") == []
