"""Following what becomes of contacts, for those who cannot take webhooks."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.db.models import Max
from pytest_django import Settings
from rest_framework.test import APIClient

from crm_project.setup.children import BASE_DIR
from crm_project.testing.clients import key_for
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.waiting import wait_until
from crm_project.testing.webhooks import make_endpoint
from distribution import changes, handling
from distribution.changes import OLDEST_OPEN
from distribution.events import send_test
from distribution.models import Event
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

URL = "/api/contacts/changes"


@pytest.fixture
def anna() -> Operator:
    return make_operator(name="Anna", external_id="a1")


@pytest.fixture
def source(anna: Operator) -> Source:
    return make_source({anna: 1}, code="bot")


def wait_for_the_others() -> None:
    """Wait until every transaction that is open now has ended: those of other tests on the same PostgreSQL, too."""
    if connection.vendor == "postgresql":
        newest = Event.objects.aggregate(newest=Max("transaction_id"))["newest"]
        wait_until(
            lambda: not Event.objects.filter(transaction_id=newest, transaction_id__gte=OLDEST_OPEN).exists(), 300
        )


def asked(api: APIClient, cursor: str = "", **parameters: Any) -> dict[str, Any]:
    wait_for_the_others()
    response = api.get(URL, {**({"cursor": cursor} if cursor else {}), **parameters})
    assert response.status_code == 200, response.json()
    return dict(response.json())


def kinds(answer: dict[str, Any]) -> list[str]:
    return [change["type"] for change in answer["changes"]]


def ids(answer: dict[str, Any]) -> list[int]:
    return [change["data"]["contact_id"] for change in answer["changes"]]


@pytest.mark.django_db(transaction=True)
class TestReading:
    def test_its_moment_is_in_utc_wherever_the_installation_is(
        self, api: APIClient, source: Source, settings: Settings
    ) -> None:
        settings.TIME_ZONE = "Europe/Moscow"
        arrive(source)

        [change] = asked(api)["changes"]

        assert change["timestamp"].endswith("Z")

    def test_an_event_is_told_as_a_webhook_tells_it(self, api: APIClient, source: Source, anna: Operator) -> None:
        contact = arrive(source, "user_1")

        [change] = asked(api)["changes"]

        assert change["type"] == "contact.assigned"
        assert change["timestamp"] == Event.objects.get().at.isoformat().replace("+00:00", "Z")
        assert change["data"] == {
            "contact_id": contact.pk,
            "sequence": 1,
            "status": "active",
            "external_id": "user_1",
            "lead_id": contact.lead_id,
            "source_id": source.pk,
            "source_code": "bot",
            "operator_id": anna.pk,
            "operator_name": "Anna",
            "operator_external_id": "a1",
            "previous_operator_id": None,
        }

    def test_a_cursor_leads_on_and_nothing_comes_twice(self, api: APIClient, source: Source) -> None:
        contacts = [arrive(source) for _ in range(5)]

        first = asked(api, limit=2)
        second = asked(api, first["cursor"], limit=2)
        third = asked(api, second["cursor"], limit=2)

        assert [ids(one) for one in (first, second, third)] == [
            [contact.pk for contact in part] for part in (contacts[:2], contacts[2:4], contacts[4:])
        ]
        assert [one["more"] for one in (first, second, third)] == [True, True, False]
        assert asked(api, third["cursor"]) == {"changes": [], "cursor": third["cursor"], "more": False}

    def test_whoever_begins_at_the_latest_hears_what_comes_after(self, api: APIClient, source: Source) -> None:
        contact = arrive(source)
        latest = asked(api, "latest")
        assert latest["changes"] == []

        handling.close_contact(contact.pk)

        assert kinds(asked(api, latest["cursor"])) == ["contact.closed"]

    def test_a_reopened_contact_that_waits_is_told_as_waiting(
        self, api: APIClient, source: Source, anna: Operator
    ) -> None:
        contact = handling.close_contact(arrive(source).pk)
        Operator.objects.update(is_active=False)
        handling.reopen_contact(contact.pk)

        changes = asked(api)["changes"]

        assert [(change["type"], change["data"]["status"]) for change in changes] == [
            ("contact.assigned", "active"),
            ("contact.closed", "closed"),
            ("contact.reopened", "waiting"),
        ]

    def test_limits_of_operators_are_no_changes_of_contacts(self, api: APIClient) -> None:
        arrive(make_source({make_operator(max_load=1): 1}))

        assert kinds(asked(api)) == ["contact.assigned"]

    @pytest.mark.parametrize("count", [2, 50])
    def test_it_takes_as_many_statements_for_many_as_for_few(
        self, api: APIClient, source: Source, anna: Operator, count: int, django_assert_num_queries: Any
    ) -> None:
        Operator.objects.update(max_load=100)
        for _ in range(count):
            arrive(source)
        asked(api)

        with django_assert_num_queries(4):  # the session, its user, the events with all that is told of them
            assert len(api.get(URL).json()["changes"]) == count


class TestRefusals:
    @pytest.mark.parametrize("cursor", ["x", "!!!", "MQ==", "MS54", "LTEuMQ==", "\u0430", "9" * 90])
    def test_what_is_no_cursor_is_refused(self, api: APIClient, cursor: str) -> None:
        response = api.get(URL, {"cursor": cursor})

        assert response.status_code == 400
        assert [(error["code"], error["attr"]) for error in response.json()["errors"]] == [("cursor_unknown", "cursor")]

    @pytest.mark.parametrize("limit", ["0", "501", "many"])
    def test_a_limit_out_of_range_is_refused(self, api: APIClient, limit: str) -> None:
        response = api.get(URL, {"limit": limit})

        assert response.status_code == 400
        assert response.json()["errors"][0]["attr"] == "limit"

    @pytest.mark.django_db(transaction=True)
    def test_a_cursor_whose_events_were_pruned_is_refused(self, api: APIClient, source: Source) -> None:
        for _ in range(3):
            arrive(source)
        cursor = asked(api, limit=1)["cursor"]
        Event.objects.filter(pk__lt=Event.objects.latest("pk").pk)._raw_delete(Event.objects.db)

        response = api.get(URL, {"cursor": cursor})

        assert response.status_code == 410
        assert response.json()["errors"][0]["code"] == "cursor_expired"
        assert len(asked(api)["changes"]) == 1

    @pytest.mark.django_db(transaction=True)
    def test_events_pruned_while_one_looks_are_refused_too(self, api: APIClient, source: Source) -> None:
        for _ in range(3):
            arrive(source)
        cursor, newest = asked(api, limit=1)["cursor"], Event.objects.latest("pk").pk

        def latest() -> Any:
            Event.objects.filter(pk__lt=newest)._raw_delete(Event.objects.db)
            return changes.BEGINNING

        with patch.object(changes, "_latest", latest):
            response = api.get(URL, {"cursor": cursor})

        assert (response.status_code, response.json()["errors"][0]["code"]) == (410, "cursor_expired")


@pytest.mark.django_db(transaction=True)
class TestWhatIsNotShown:
    def test_of_other_sources_does_not_hold_the_cursor_back(self, source: Source) -> None:
        client = key_for("register", sources=[source])
        first = arrive(source)
        seen = asked(client)
        assert ids(seen) == [first.pk]
        other = make_source({make_operator(): 1})
        for _ in range(3):
            arrive(other)

        followed = asked(client, seen["cursor"])["cursor"]
        Event.objects.filter(pk__lt=Event.objects.latest("pk").pk)._raw_delete(Event.objects.db)
        second = arrive(source)

        assert ids(asked(client, followed)) == [second.pk]

    def test_of_no_contact_does_not_hold_the_cursor_back(self, api: APIClient, source: Source) -> None:
        arrive(source)
        cursor = asked(api)["cursor"]
        send_test(make_endpoint().pk)

        followed = asked(api, cursor)["cursor"]
        Event.objects.filter(contact__isnull=False)._raw_delete(Event.objects.db)

        assert asked(api, followed)["changes"] == []

    def test_yet_is_shown_by_the_next_page(self, api: APIClient, source: Source) -> None:
        contacts = [arrive(source) for _ in range(5)]

        pages = [asked(api, limit=2)]
        while pages[-1]["more"]:
            pages.append(asked(api, pages[-1]["cursor"], limit=2))

        assert [pk for page in pages for pk in ids(page)] == [contact.pk for contact in contacts]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestALateCommit:
    @pytest.fixture
    def beside(self) -> Iterator[Any]:
        """A transaction that stays open, and has stored an event before others came and were committed."""
        other = connection.copy()
        other.set_autocommit(False)
        yield other
        other.rollback()
        other.close()

    def test_is_not_skipped(self, api: APIClient, source: Source, beside: Any) -> None:
        late = arrive(source)
        cursor = asked(api, "latest")["cursor"]
        store_event(beside, late)
        others = [arrive(source) for _ in range(3)]

        before = api.get(URL, {"cursor": cursor}).json()
        beside.commit()
        after = asked(api, before["cursor"])

        assert ids(before) == []
        assert ids(after) == [late.pk, *(contact.pk for contact in others)]

    def test_would_be_skipped_by_whoever_went_by_the_number_alone(self, source: Source, beside: Any) -> None:
        late = arrive(source)
        store_event(beside, late)
        arrive(source)

        seen = Event.objects.latest("pk").pk
        beside.commit()

        assert Event.objects.get(contact=late, sequence=99).pk < seen


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestADatabaseThatWasRestoredIntoAnotherServer:
    def test_shows_its_events_before_those_that_come_when_told_so(self, api: APIClient, source: Source) -> None:
        old = arrive(source)
        Event.objects.update(transaction_id=2**40)

        with connection.cursor() as cursor:
            cursor.execute(documented_statement())
        new = arrive(source)

        assert ids(asked(api)) == [old.pk, new.pk]


def documented_statement() -> str:
    page = (BASE_DIR / "docs" / "webhooks.md").read_text()
    statement = page[page.index("    UPDATE ") :]
    return statement[: statement.index(";")]


def store_event(database: Any, contact: Contact) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO distribution_event (at, kind, contact_id, source_id, sequence) "
            "VALUES (now(), 'contact.waiting', %s, %s, 99)",
            [contact.pk, contact.source_id],
        )
