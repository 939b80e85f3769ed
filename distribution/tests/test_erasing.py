"""Forgetting who a lead was."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from model_bakery import baker

from crm_project.access.acting import Actor, acting
from crm_project.access.models import KeptAnswer
from crm_project.testing.admin_pages import run
from crm_project.testing.api import errors
from crm_project.testing.clients import key_for
from crm_project.testing.concurrency import meet, run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold, make_lead, make_operator, make_source
from crm_project.webhooks import leases
from crm_project.webhooks.answers import Answer
from crm_project.webhooks.leases import take_up, write_down
from crm_project.webhooks.models import Attempt, Delivery, Endpoint, EventKind, Subscription
from distribution import handling, intake_in_bulk
from distribution.erasing import erase_lead, without_contacts
from distribution.errors import LeadNotFound
from distribution.handling import close_contact, reassign_by_draw
from distribution.intake_in_bulk import Chunk
from distribution.merging import can_undo, merge_leads, undo_merge
from distribution.verification import verify
from leads import personal
from leads.models import Contact, Lead, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "79990001122"
TOLD = {"name": f"Name {SECRET}", "phone": f"+{SECRET}", "email": f"{SECRET}@example.com", "text": f"Call {SECRET}"}
REGISTER = {"external_id": SECRET, "source_code": "bot", **TOLD}
SECONDS = 20


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(max_load=1_000): 1}, code="bot")


@pytest.fixture
def lead(source: Source) -> Lead:
    """A lead with an active and a closed contact."""
    contact = arrive(source, SECRET, event_id=f"event {SECRET}", data={"told": SECRET}, **TOLD)
    close_contact(arrive(source, SECRET, **TOLD).pk)
    return contact.lead


def everything_stored() -> Iterator[str]:
    """Yield each row of every table as text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            yield from (f"{table}: {row}" for row in cursor.fetchall())


def telling() -> list[str]:
    return [row for row in everything_stored() if SECRET in row]


class TestErasing:
    def test_leaves_nothing_that_tells_who_the_lead_was(self, source: Source, lead: Lead, admin_client: Client) -> None:
        endpoint = baker.make(Endpoint, url="https://example.com/")
        Subscription.objects.create(endpoint=endpoint, kind=EventKind.ASSIGNED)
        contact = arrive(source, SECRET, **TOLD)
        Delivery.objects.update(body=f"Told {SECRET}")
        Attempt.objects.create(delivery=Delivery.objects.get(), milliseconds=1, answer=f"Thanks, {SECRET}")
        run(admin_client, "leads_contact", "close", contact)
        key_for("register").post("/api/contacts", REGISTER, headers={"Idempotency-Key": "once"})
        key_for("register").post(
            "/api/contacts/bulk", {"contacts": [REGISTER, REGISTER]}, headers={"Idempotency-Key": "many"}
        )
        merge_leads(lead.pk, arrive(source, f"tg:{SECRET}", **TOLD).lead_id)
        assert {row.split(":")[0] for row in telling()} >= {
            "leads_lead",
            "leads_identity",
            "leads_contact",
            "leads_sourceevent",
            "webhooks_delivery",
            "webhooks_attempt",
            "access_keptanswer",
        }

        erase_lead(lead.pk)

        assert telling() == []

    def test_leaves_others_as_they_are(self, source: Source, lead: Lead) -> None:
        other = arrive(source, "other", event_id="event of another", **TOLD)

        erase_lead(lead.pk)

        other.refresh_from_db()
        assert (other.phone, other.lead.external_id, other.events.count()) == (TOLD["phone"], "other", 1)

    def test_keeps_counts_loads_and_decisions(self, lead: Lead) -> None:
        before = list(Contact.objects.order_by("pk").values_list("pk", "status", "operator", "created_at", "closed_at"))
        loads = list(Operator.objects.values_list("pk", "load"))

        erase_lead(lead.pk)

        after = list(Contact.objects.order_by("pk").values_list("pk", "status", "operator", "created_at", "closed_at"))
        assert after == before
        assert list(Operator.objects.values_list("pk", "load")) == loads
        assert_rules_hold()
        assert list(verify()) == []

    def test_says_when_and_by_whom(self, lead: Lead) -> None:
        with acting(Actor("user:1", "anna")):
            erased = erase_lead(lead.pk)

        assert (erased.external_id, erased.erased_by) == (f"erased:{lead.pk}", "anna")
        assert erased.erased_at is not None

    def test_makes_whoever_writes_again_a_new_lead(self, source: Source, lead: Lead) -> None:
        erase_lead(lead.pk)

        assert arrive(source, SECRET).lead != lead

    def test_lets_the_work_go_on(self, lead: Lead) -> None:
        erase_lead(lead.pk)
        active = Contact.objects.active().get()

        assert close_contact(active.pk).status == "closed"
        assert list(verify()) == []

    def test_leaves_no_answer_of_an_endpoint_that_is_still_under_way(self, source: Source) -> None:
        endpoint = baker.make(Endpoint, url="https://example.com/")
        Subscription.objects.create(endpoint=endpoint, kind=EventKind.ASSIGNED)
        contact = arrive(source, SECRET, **TOLD)
        [parcel] = take_up(endpoint.pk, 1)
        assert SECRET in parcel.body

        erase_lead(contact.lead_id)
        write_down(parcel, Answer(status=200, text=f"Thanks, {SECRET}"))

        assert Attempt.objects.count() == 1
        assert telling() == []

    @pytest.mark.postgresql
    def test_leaves_no_answer_of_an_endpoint_that_is_written_down_at_the_same_moment(self, source: Source) -> None:
        endpoint = baker.make(Endpoint, url="https://example.com/")
        Subscription.objects.create(endpoint=endpoint, kind=EventKind.ASSIGNED)
        contact = arrive(source, SECRET, **TOLD)
        [parcel] = take_up(endpoint.pk, 1)
        answer = Answer(status=200, text=f"Thanks, {SECRET}")

        meet(partial(write_down, parcel, answer), lambda: erase_lead(contact.lead_id), behind=(leases, "_settle"))

        assert Attempt.objects.count() == 1
        assert telling() == []

    def test_leads_to_no_chat_any_more(self, source: Source, lead: Lead) -> None:
        Source.objects.update(link_template="https://t.me/{external_id}")
        contact = Contact.objects.select_related("source").first()
        assert contact is not None
        assert contact.chat_link is not None

        erase_lead(lead.pk)

        contact.refresh_from_db()
        assert contact.chat_link is None

    def test_makes_a_merge_final(self, source: Source, lead: Lead) -> None:
        merge = merge_leads(lead.pk, arrive(source, "tg:1").lead_id)

        erase_lead(lead.pk)

        assert not can_undo(merge)

    def test_may_be_repeated(self, lead: Lead) -> None:
        erase_lead(lead.pk)

        assert erase_lead(lead.pk).external_id == f"erased:{lead.pk}"

    def test_of_a_lead_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(LeadNotFound):
            erase_lead(1)

    def test_meets_arrivals_closings_and_moves_without_a_deadlock(self, source: Source, lead: Lead) -> None:
        baker.make("operators.Weight", source=source, operator=make_operator(max_load=1_000), weight=1)
        active = Contact.objects.active().get()

        run_concurrently(
            *[lambda: erase_lead(lead.pk)] * 3,
            *[lambda: arrive(source, SECRET)] * 4,
            lambda: reassign_by_draw(active.pk),
        )

        assert_rules_hold()
        assert Contact.objects.count() == 6


class TestAnAnswerOfTheAPI:
    @pytest.mark.parametrize(
        ("answer", "without"),
        [
            (
                {"id": 1, "lead_id": 5, "external_id": "a", "name": "b", "status": "active"},
                {"id": 1, "lead_id": 5, "external_id": "erased", "name": "", "status": "active"},
            ),
            ({"id": 2, "lead_id": 5, "external_id": "a"}, {"id": 2, "lead_id": 5, "external_id": "a"}),
            ({"id": 1, "external_id": "a"}, {"id": 1, "external_id": "a"}),
            (
                [{"index": 1, "contact": {"id": 1, "lead_id": 5, "data": {"x": 1}}}, {"errors": ["lead_id"]}],
                [{"index": 1, "contact": {"id": 1, "lead_id": 5, "data": {}}}, {"errors": ["lead_id"]}],
            ),
        ],
        ids=["of the contact", "of another", "of another kind", "many"],
    )
    def test_tells_nothing_of_the_contacts(self, answer: Any, without: Any) -> None:
        assert without_contacts(answer, {1}) == without

    def test_is_emptied_when_it_names_a_lead_that_was_merged(self, source: Source) -> None:
        first = key_for("register").post("/api/contacts", REGISTER, headers={"Idempotency-Key": "once"}).json()
        survivor = arrive(source, "other").lead_id
        merge_leads(survivor, first["lead_id"])

        erase_lead(survivor)

        assert telling() == []

    def test_is_emptied_when_it_names_the_lead_that_a_merge_was_undone_of(self, source: Source) -> None:
        contact = arrive(source, SECRET, **TOLD)
        merge = merge_leads(arrive(source, "other").lead_id, contact.lead_id)
        key_for("manage").post(f"/api/contacts/{contact.pk}/close", headers={"Idempotency-Key": "once"})
        undo_merge(merge.pk)

        erase_lead(contact.lead_id)

        assert telling() == []

    def test_of_another_lead_stays(self, lead: Lead, source: Source) -> None:
        client = key_for("register")
        body = {"external_id": "other", "source_code": "bot", "name": "Other"}
        client.post("/api/contacts", body, headers={"Idempotency-Key": "once"})
        merge = merge_leads(Lead.objects.get(external_id="other").pk, lead.pk)
        undo_merge(merge.pk)

        erase_lead(lead.pk)

        assert client.post("/api/contacts", body, headers={"Idempotency-Key": "once"}).json()["name"] == "Other"

    @pytest.mark.postgresql
    def test_that_is_kept_at_the_same_moment_is_emptied(self, source: Source) -> None:
        contact = arrive(source, SECRET, **TOLD)
        close = partial(
            key_for("manage").post, f"/api/contacts/{contact.pk}/close", headers={"Idempotency-Key": "once"}
        )

        meet(close, lambda: erase_lead(contact.lead_id), behind=(handling, "lock_contact"))

        assert telling() == []

    @pytest.mark.postgresql
    def test_of_a_repeated_event_is_kept_before_the_erasing_looks_for_it(self, source: Source) -> None:
        contact = arrive(source, SECRET, **TOLD, event_id="update_1")
        row = {"source_code": source.code, "external_id": SECRET, "event_id": "update_1"}
        again = partial(
            key_for("register").post,
            "/api/contacts/bulk",
            {"contacts": [row]},
            headers={"Idempotency-Key": "once"},
        )

        meet(again, lambda: erase_lead(contact.lead_id), behind=(intake_in_bulk, "_contacts_of_events"))

        assert KeptAnswer.objects.count() == 1
        assert telling() == []

    def test_that_is_emptied_between_two_steps_stays_empty(
        self, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = Chunk.read

        def read_and_empty(*arguments: Any) -> Chunk:
            for answer in KeptAnswer.objects.all():
                KeptAnswer.objects.filter(pk=answer.pk).update(body=answer.body.replace(SECRET, "erased"))
            return read(*arguments)

        monkeypatch.setattr(Chunk, "read", read_and_empty)
        rows = [{"source_code": source.code, "external_id": one} for one in [SECRET, *map(str, range(100))]]

        answer = key_for("register").post("/api/contacts/bulk", {"contacts": rows}, headers={"Idempotency-Key": "once"})

        kept = KeptAnswer.objects.get().body
        assert SECRET not in kept
        assert len(json.loads(kept)["results"]) == len(answer.json()["results"]) == 101

    def test_is_given_again_without_them(self, source: Source) -> None:
        client = key_for("register")
        first = client.post("/api/contacts", REGISTER, headers={"Idempotency-Key": "once"}).json()
        erase_lead(first["lead_id"])

        again = client.post("/api/contacts", REGISTER, headers={"Idempotency-Key": "once"})

        assert again.status_code == 201
        assert again.json() == {**first, "external_id": "erased", "data": {}} | dict.fromkeys(TOLD, "")
        assert KeptAnswer.objects.count() == 1
        assert Contact.objects.count() == 1


class TestTheAPI:
    def test_tells_everything_that_is_stored(self, lead: Lead) -> None:
        told = key_for("manage").get(f"/api/leads/{lead.pk}/data").json()

        assert told["identities"] == [{"kind": "external_id", "value": SECRET}]
        first, second = told["contacts"]
        assert first["event_ids"] == [f"event {SECRET}"]
        assert {name: first[name] for name in TOLD} == TOLD
        assert [one["operator_id"] for one in first["decisions"]] == [first["operator_id"]]
        assert second["status"] == "closed"

    def test_tells_of_more_contacts_than_are_read_at_a_time(
        self, source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(personal, "CONTACTS_AT_A_TIME", 2)
        contacts = [arrive(source, "often", event_id=f"update_{number}") for number in range(5)]

        told = key_for("manage").get(f"/api/leads/{contacts[0].lead_id}/data").json()["contacts"]

        assert [(one["id"], one["event_ids"], len(one["decisions"])) for one in told] == [
            (contact.pk, [f"update_{number}"], 1) for number, contact in enumerate(contacts)
        ]

    def test_erases(self, lead: Lead) -> None:
        response = key_for("manage").post(f"/api/leads/{lead.pk}/erase")

        assert (response.status_code, response.json()["external_id"]) == (200, f"erased:{lead.pk}")
        assert telling() == []

    @pytest.mark.parametrize("scope", ["read", "register"])
    def test_does_neither_for_a_key_that_may_not_manage(self, scope: str, lead: Lead) -> None:
        client = key_for(scope)

        answers = [client.get(f"/api/leads/{lead.pk}/data"), client.post(f"/api/leads/{lead.pk}/erase")]

        assert [errors(answer) for answer in answers] == [[("missing_scope", None)]] * 2
        assert telling()

    def test_does_neither_for_a_key_that_sees_some_sources_only(self, source: Source, lead: Lead) -> None:
        client = key_for("manage", sources=[source])

        answers = [client.get(f"/api/leads/{lead.pk}/data"), client.post(f"/api/leads/{lead.pk}/erase")]

        assert [answer.status_code for answer in answers] == [403, 403]

    def test_knows_no_lead_that_is_not_there(self) -> None:
        client = key_for("manage")

        assert client.get("/api/leads/1/data").status_code == 404
        assert client.post("/api/leads/1/erase").status_code == 404


class TestTheBackOffice:
    @pytest.mark.parametrize("action", ["close", "reassign_by_draw"])
    def test_names_nobody_in_its_log(self, action: str, admin_client: Client, source: Source) -> None:
        baker.make("operators.Weight", source=source, operator=make_operator(), weight=1)
        contact = arrive(source, SECRET)

        run(admin_client, "leads_contact", action, contact)

        entry = LogEntry.objects.get()
        assert (entry.object_repr, entry.object_id) == (f"№ {contact.pk}", str(contact.pk))

    def test_names_nobody_who_was_deleted(self, admin_client: Client) -> None:
        lead = make_lead(SECRET)

        admin_client.post(f"/admin/leads/lead/{lead.pk}/delete/", {"post": "yes"})

        assert not Lead.objects.exists()
        assert LogEntry.objects.get().object_repr == f"№ {lead.pk}"
        assert [row for row in telling() if "django_session" not in row] == []

    def test_writes_everything_down(self, admin_client: Client, lead: Lead) -> None:
        response = admin_client.get(f"/admin/leads/lead/{lead.pk}/export-data/")

        assert json.loads(response.content)["external_id"] == SECRET
        assert response["Content-Disposition"] == f'attachment; filename="lead-{lead.pk}.json"'
        assert LogEntry.objects.count() == 1

    def test_asks_before_it_erases(self, admin_client: Client, lead: Lead) -> None:
        shown = admin_client.get(f"/admin/leads/lead/{lead.pk}/erase/").content.decode()

        assert "2 contacts lose their data." in shown
        assert "1 is still open" in shown
        assert Lead.objects.get().external_id == SECRET

    def test_erases_and_tells_it(self, admin_client: Client, lead: Lead) -> None:
        response = admin_client.post(f"/admin/leads/lead/{lead.pk}/erase/", follow=True)

        assert "The data of the lead is erased." in response.content.decode()
        assert [row for row in telling() if "django_session" not in row] == []


class TestTheCommands:
    def test_write_everything_down(self, lead: Lead, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("export_lead", SECRET)

        assert json.loads(capsys.readouterr().out)["id"] == lead.pk

    def test_write_into_a_new_file(self, lead: Lead, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "lead.json"

        call_command("export_lead", f"№{lead.pk}", "--output", str(path))

        assert json.loads(path.read_text())["id"] == lead.pk
        with pytest.raises(Exception, match="exists"):
            call_command("export_lead", f"№{lead.pk}", "--output", str(path))

    def test_say_what_would_be_erased(self, lead: Lead, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("erase_lead", SECRET, "--dry-run")

        assert capsys.readouterr().out == f"Nothing was written; lead {lead.pk} has contacts: 2.\n"
        assert telling()

    def test_erase(self, lead: Lead, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("erase_lead", SECRET)

        assert capsys.readouterr().out == f"Lead {lead.pk} is erased; contacts that stay without data: 2.\n"
        assert telling() == []

    def test_erase_nobody_by_the_digits_of_a_number(self, source: Source) -> None:
        stranger = arrive(source, "stranger").lead

        with pytest.raises(CommandError, match="There is no lead"):
            call_command("erase_lead", str(stranger.pk))

        assert stranger.identities.exists()

    @pytest.mark.parametrize(
        ("named", "told"), [("nobody", "There is no lead"), ("twice", "Several leads are known by")]
    )
    def test_refuse_what_names_no_lead(self, named: str, told: str) -> None:
        arrive(make_source(identified_by="email"), "twice@example.com")
        Lead.objects.get().identities.update(value="twice")
        arrive(make_source(), "twice")

        with pytest.raises(Exception, match=told):
            call_command("erase_lead", named)
