"""Statements that are written once do what the ORM would."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet, Value
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from model_bakery import baker

from crm_project.sending import at_once, together
from crm_project.statements import Change, KeptInsert, KeptStatement, Parameter, kept_update
from crm_project.testing.plans import kept_plan
from leads.models import Contact, Lead, Source, SourceEvent

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True, params=["with listeners", "bare"])
def _listeners(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run each test on both kinds of cursor: every test has a wrapper that listens, a server has none."""
    listeners = connection.execute_wrappers
    if request.param == "bare":
        connection.execute_wrappers = []
    yield
    connection.execute_wrappers = listeners


@KeptStatement
def sources_with_name(name: Any) -> QuerySet[Any]:
    return Source.objects.filter(name=name).annotate(shout=Value("!"))


@KeptStatement
def times_of_sources(name: Any) -> QuerySet[Any, Any]:
    return Source.objects.filter(name=name).values_list("created_at", "is_active")


@KeptStatement
def locked_sources(name: Any) -> QuerySet[Any]:
    return Source.objects.filter(name=name).select_for_update()


@kept_update(returning=["code"])
def rename(name: Any) -> Change:
    return Source.objects.filter(name=name), {"code": F("name")}


insert_contact = KeptInsert(Contact)
insert_lead = KeptInsert(Lead)
insert_source = KeptInsert(Source, ignore_conflicts=True)
insert_event = KeptInsert(SourceEvent)


def test_rows_are_what_the_orm_reads_with_their_annotations() -> None:
    stored = baker.make(Source, name="Telegram")

    [source] = sources_with_name("Telegram")

    assert source == stored
    assert {name: value for name, value in vars(source).items() if name not in {"_state", "shout"}} == {
        name: value for name, value in vars(Source.objects.get()).items() if name != "_state"
    }
    assert (source.shout, source._state.adding, source._state.db) == ("!", False, "default")


def test_tuples_are_converted_as_the_orm_does() -> None:
    baker.make(Source, name="Telegram", is_active=True)

    assert times_of_sources("Telegram") == list(Source.objects.values_list("created_at", "is_active"))


def test_the_text_is_written_once_and_runs_with_each_value() -> None:
    baker.make(Source, name="first")
    baker.make(Source, name="second")
    sources_with_name("first")

    with CaptureQueriesContext(connection) as queries:
        names = [[source.name for source in sources_with_name(name)] for name in ("first", "second", "third")]

    assert names == [["first"], ["second"], []]
    assert len(queries) == 3


def test_an_update_changes_the_rows_it_names() -> None:
    first, second = baker.make(Source, name="first"), baker.make(Source, name="second")

    rename("first")

    assert Source.objects.get(pk=first.pk).code == "first"
    assert Source.objects.get(pk=second.pk).code == second.code


def test_a_row_is_stored_as_save_would() -> None:
    saved, inserted = (
        baker.prepare(Contact, lead=baker.make(Lead), source=baker.make(Source), data={"имя": ["Иван", None]})
        for _ in range(2)
    )
    saved.save()

    assert insert_contact(inserted)

    read = Contact.objects.get(pk=inserted.pk)
    for field in Contact._meta.concrete_fields:
        assert getattr(read, field.attname) == getattr(inserted, field.attname)
    assert vars(inserted._state).items() >= {"adding": False, "db": "default"}.items()
    assert read.data == saved.data


def test_a_conflict_is_ignored_only_when_asked_to() -> None:
    source = Source(code="bot", name="The first")

    assert insert_source(source)
    assert not insert_source(Source(code="bot", name="The second"))
    assert Source.objects.get().pk == source.pk


def test_what_the_database_refuses_is_raised() -> None:
    with pytest.raises(IntegrityError):
        insert_lead(Lead(external_id=""))


def test_a_wrapper_sees_what_is_run() -> None:
    seen = []

    def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, tuple(params)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        rename("Telegram")

    assert seen == [(sql, ("Telegram",)) for sql, _parameters in seen]
    assert len(seen) == 1


@pytest.mark.django_db(transaction=True)
def test_a_lock_needs_a_transaction() -> None:
    with pytest.raises(TransactionManagementError):
        locked_sources("Telegram")


def test_nothing_runs_in_a_transaction_that_is_broken() -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            sources_with_name("Telegram")


@pytest.mark.postgresql
def test_postgresql_keeps_the_plan_of_a_statement_that_runs_often() -> None:
    for _ in range(10):
        sources_with_name("Telegram")

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", ["%leads_source%"])
        assert cursor.fetchone() == (1,)


def store_together(contact: Contact, event_id: str) -> None:
    with transaction.atomic(), together():
        insert_contact(contact)
        insert_event.values(source_id=contact.source_id, event_id=event_id, contact_id=contact.pk)


class Interrupted(Exception):
    """Something went wrong between two writes."""


def test_writes_sent_together_know_what_earlier_ones_return() -> None:
    lead, source = baker.make(Lead), baker.make(Source, name="Telegram")
    contact = Contact(lead=lead, source=source, external_id="100 %s")

    with together():
        insert_contact(contact)
        [(code,)] = rename("Telegram")
        insert_event.values(source_id=source.pk, event_id=code, contact_id=contact.pk)

    event = SourceEvent.objects.get(event_id="Telegram")
    assert event.contact == contact
    assert event.contact.external_id == "100 %s"


@pytest.mark.parametrize("broken_by", ["the first", "the last"])
def test_of_writes_sent_together_none_stays_when_one_is_refused(broken_by: str) -> None:
    lead, source = baker.make(Lead), baker.make(Source)
    contact = Contact(lead=lead, source=source, external_id="" if broken_by == "the first" else "anna")
    event_id = "" if broken_by == "the last" else "update 7"

    with pytest.raises(IntegrityError):
        store_together(contact, event_id)

    assert not Contact.objects.exists()
    assert not SourceEvent.objects.exists()


def test_writes_sent_together_are_dropped_when_the_block_fails() -> None:
    lead, source = baker.make(Lead), baker.make(Source)

    with suppress(Interrupted), transaction.atomic(), together():
        insert_contact(Contact(lead=lead, source=source, external_id="anna"))
        raise Interrupted
    insert_contact(Contact(lead=lead, source=source, external_id="boris"))

    assert [contact.external_id for contact in Contact.objects.all()] == ["boris"]


def test_a_write_at_once_returns_what_it_stored_and_the_others_go_on_together() -> None:
    lead, source = baker.make(Lead), baker.make(Source, name="Telegram")

    with together():
        rename("Telegram")
        with at_once():
            key = insert_contact.values(lead_id=lead.pk, source_id=source.pk, external_id="anna")
        insert_event.values(source_id=source.pk, event_id="update 7", contact_id=key)
        assert Contact.objects.get(external_id="anna").pk == key

    assert SourceEvent.objects.get().contact_id == key
    assert Source.objects.get().code == "Telegram"


@pytest.mark.postgresql
@pytest.mark.parametrize("_listeners", ["with listeners"], indirect=True)
def test_writes_sent_together_are_one_statement_on_postgresql() -> None:
    lead, source = baker.make(Lead), baker.make(Source, name="Telegram")

    with CaptureQueriesContext(connection) as queries, together():
        insert_contact(Contact(lead=lead, source=source, external_id="anna"))
        insert_contact(Contact(lead=lead, source=source, external_id="boris"))
        rename("Telegram")

    assert len(queries) == 1


@KeptStatement
def waiting_of(source_id: Any) -> QuerySet[Any, Any]:
    return Contact.objects.waiting().filter(source=source_id).oldest_first().values_list("pk")


@KeptStatement
def named_like_a_constant(code: Any) -> QuerySet[Any, Any]:
    return Source.objects.filter(code=code, name="that's it \\", is_active=True).values_list("pk")


def test_constants_stand_in_the_text() -> None:
    source = baker.make(Source, code="it", name="that's it \\", is_active=True)

    assert named_like_a_constant("it") == [(source.pk,)]
    assert named_like_a_constant._text(connection).parameters == (Parameter("code"),)


@KeptStatement
def named_like_a_parameter(code: Any) -> QuerySet[Any, Any]:
    return Source.objects.filter(name="50 %s", code=code).values_list("pk")


def test_a_constant_that_looks_like_a_parameter_is_one() -> None:
    source = baker.make(Source, code="it", name="50 %s")

    assert named_like_a_parameter("it") == [(source.pk,)]
    assert named_like_a_parameter._text(connection).parameters == (Parameter("code"), "50 %s")


@pytest.mark.postgresql
def test_a_plan_for_any_value_uses_the_index_of_those_that_wait() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

    assert "contact_queue" in kept_plan(waiting_of, "1")
