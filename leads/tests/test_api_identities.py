"""Leads as the API takes and shows them, however they are known."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from crm_project.testing.api import errors
from crm_project.testing.clients import key_for
from crm_project.testing.rows import arrive, make_source
from distribution.merging import merge_leads
from leads.models import Contact, Lead, Source

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = "+79123456789"


@pytest.fixture
def source() -> Source:
    return make_source(code="site", identified_by="phone")


@pytest.fixture
def merged(source: Source) -> tuple[Lead, Lead]:
    """A lead known by a phone and, since a merge, by an id in Telegram; and the one that is gone."""
    survivor, gone = arrive(source, PHONE).lead, arrive(make_source(code="telegram"), "tg:1").lead
    merge_leads(survivor.pk, gone.pk)
    return survivor, gone


def register(api: APIClient, external_id: Any, **headers: str) -> Any:
    return api.post("/api/contacts", {"external_id": external_id, "source_code": "site"}, headers=headers)


def found(api: APIClient, address: str) -> list[int]:
    return [row["id"] for row in api.get(address).json()["results"]]


class TestRegistering:
    def test_recognises_a_phone_however_it_is_written(self, api: APIClient, source: Source) -> None:
        answers = [register(api, sent).json() for sent in (PHONE, "8 (912) 345-67-89", 89123456789)]

        assert len({answer["lead_id"] for answer in answers}) == 1
        assert [answer["external_id"] for answer in answers] == [PHONE, "8 (912) 345-67-89", "89123456789"]

    def test_cuts_spaces_off_and_takes_the_rest_as_it_is(self, api: APIClient) -> None:
        make_source(code="bot")

        answer = api.post("/api/contacts", {"external_id": " Tg: 1 ", "source_code": "bot"}).json()

        assert answer["external_id"] == "Tg: 1"

    @pytest.mark.parametrize(("kind", "code"), [("phone", "phone_unreadable"), ("email", "email_unreadable")])
    def test_refuses_what_cannot_be_read(self, kind: str, code: str, api: APIClient, source: Source) -> None:
        Source.objects.update(identified_by=kind)

        response = register(api, "tg:1")

        assert (response.status_code, errors(response)) == (400, [(code, "external_id")])
        assert not Lead.objects.exists()

    def test_refuses_it_in_the_language_of_the_caller(self, api: APIClient, source: Source) -> None:
        response = register(api, "tg:1", **{"Accept-Language": "ru"})

        assert response.json()["errors"][0]["detail"].startswith("Это не номер телефона.")

    def test_in_bulk_refuses_only_the_row(self, api: APIClient, source: Source) -> None:
        rows = [{"external_id": sent, "source_code": "site"} for sent in ("tg:1", PHONE)]

        results = api.post("/api/contacts/bulk", {"contacts": rows}).json()["results"]

        assert [result["status"] for result in results] == [400, 201]
        assert [(one["code"], one["attr"]) for one in results[0]["errors"]] == [("phone_unreadable", "external_id")]


class TestASource:
    def test_says_what_its_external_ids_are(self, api: APIClient) -> None:
        body = {"name": "Site", "code": "new", "identified_by": "email"}

        assert api.post("/api/sources", body).json()["identified_by"] == "email"

    def test_refuses_what_they_cannot_be(self, api: APIClient, source: Source) -> None:
        response = api.patch(f"/api/sources/{source.pk}", {"identified_by": "passport"})

        assert errors(response) == [("invalid_choice", "identified_by")]


class TestFinding:
    def test_contacts_by_what_was_sent_or_by_what_the_lead_is_known_by(self, api: APIClient, source: Source) -> None:
        first, second = arrive(source, "8 (912) 345-67-89"), arrive(source, PHONE)
        arrive(source, "+7 912 000-00-00")

        for written in ("8 (912) 345-67-89", "%2B79123456789"):
            assert found(api, f"/api/contacts?external_id={written}") == [second.pk, first.pk]

    def test_contacts_by_the_identity_of_a_lead_that_was_merged(
        self, api: APIClient, merged: tuple[Lead, Lead]
    ) -> None:
        assert found(api, "/api/contacts?external_id=tg:1") == list(
            Contact.objects.order_by("-pk").values_list("pk", flat=True)
        )

    def test_the_survivor_by_either_identity(self, api: APIClient, merged: tuple[Lead, Lead]) -> None:
        survivor, _gone = merged

        assert found(api, "/api/leads?external_id=tg:1") == found(api, "/api/leads?external_id=%2B79123456789")
        assert found(api, "/api/leads?external_id=tg:1") == [survivor.pk]

    def test_the_survivor_by_the_number_of_the_lead_that_is_gone(
        self, api: APIClient, merged: tuple[Lead, Lead]
    ) -> None:
        survivor, gone = merged

        assert api.get(f"/api/leads/{gone.pk}").json()["id"] == survivor.pk
        assert len(found(api, f"/api/contacts?lead={gone.pk}")) == 2

    def test_nobody_by_a_number_that_never_was(self, api: APIClient, merged: tuple[Lead, Lead]) -> None:
        assert api.get("/api/leads/999").status_code == 404


class TestAKeyForOneSource:
    @pytest.fixture
    def telegram(self, merged: tuple[Lead, Lead]) -> APIClient:
        return key_for("read", sources=[Source.objects.get(code="telegram")])

    def test_sees_a_lead_by_what_it_sent_itself(self, telegram: APIClient, merged: tuple[Lead, Lead]) -> None:
        survivor, _gone = merged

        [lead] = telegram.get("/api/leads").json()["results"]

        assert (lead["id"], lead["external_id"]) == (survivor.pk, "tg:1")
        assert telegram.get(f"/api/leads/{survivor.pk}").json()["external_id"] == "tg:1"

    @pytest.mark.parametrize("kind", ["leads", "contacts"])
    def test_finds_nobody_by_what_others_sent(self, kind: str, telegram: APIClient) -> None:
        assert found(telegram, f"/api/{kind}?external_id=%2B79123456789") == []
        assert len(found(telegram, f"/api/{kind}?external_id=tg:1")) == 1

    @pytest.mark.parametrize("kind", ["leads", "contacts"])
    def test_finds_what_it_sent_however_the_phone_is_written(self, kind: str) -> None:
        site = make_source(code="by_phone", identified_by="phone")
        arrive(site, "8 (912) 345-67-89")

        assert len(found(key_for("read", sources=[site]), f"/api/{kind}?external_id=%2B79123456789")) == 1

    def test_is_not_told_of_the_other_s_contacts(self, telegram: APIClient, merged: tuple[Lead, Lead]) -> None:
        survivor, _gone = merged

        assert [row["external_id"] for row in telegram.get(f"/api/contacts?lead={survivor.pk}").json()["results"]] == [
            "tg:1"
        ]
