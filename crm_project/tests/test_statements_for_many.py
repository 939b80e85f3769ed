"""Statements that take many values as one parameter do what the ORM would do with each."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import BigIntegerField, F, QuerySet
from django.db.models.functions import Cast
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from model_bakery import baker

from crm_project.sending import together
from crm_project.statements import Change, KeptInsert, KeptStatement, kept_update
from crm_project.statements_for_many import KeptForEach, KeptInserts, NumberFor, packed, packed_by_key
from crm_project.testing.plans import kept_plan
from leads.models import Contact, ContactStatus, Lead, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
NUMBERS = st.integers() | st.floats(-1e6, 1e6)
OBJECTS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=10,
    ),
    max_size=4,
)
NAMES = ["plain", 'it\'s "quoted"', "back\\slash", "{braces},", "Ёжик 🦔", " ", "%s"]


@KeptStatement
def sources_called(names: Any) -> QuerySet[Any, Any]:
    return Source.objects.filter(name__among=names).order_by("pk").values_list("name")


@KeptStatement
def weights_on(source_ids: Any) -> QuerySet[Any, Any]:
    return Weight.objects.filter(source__among=source_ids).order_by("pk").values_list("weight")


@KeptForEach
def ids_of_sources(code: Any, is_active: Any) -> QuerySet[Any, Any]:
    return Source.objects.filter(code=code, is_active=is_active).order_by().values_list("pk")


@KeptForEach
def locked_names(pk: Any) -> QuerySet[Any, Any]:
    rows = Source.objects.filter(pk=Cast(pk, BigIntegerField())).order_by().select_for_update(no_key=True)
    return rows.values_list("name")


@kept_update(returning=())
def raise_limits(more: Any, operator_ids: Any) -> Change:
    return Operator.objects.filter(pk__among=operator_ids), {"max_load": F("max_load") + NumberFor(more, F("pk"))}


insert_contact = KeptInsert(Contact)
insert_contacts = KeptInserts(Contact)
insert_leads = KeptInserts(Lead)
insert_sources = KeptInserts(Source)


class TestAmong:
    def test_finds_every_text_whatever_is_in_it(self) -> None:
        for name in [*NAMES, "another"]:
            baker.make(Source, name=name)

        assert [name for (name,) in sources_called(packed(NAMES))] == NAMES

    def test_finds_by_a_foreign_key(self) -> None:
        first, second, _third = (baker.make(Weight, weight=number) for number in (1, 2, 3))

        assert weights_on(packed([first.source_id, second.source_id])) == [(1,), (2,)]

    @pytest.mark.parametrize("collection", [list, set, dict.fromkeys, iter])
    def test_takes_any_collection_of_a_mapping_the_keys(self, collection: Callable[[list[str]], Any]) -> None:
        baker.make(Source, name="Telegram")

        assert sources_called(packed(collection(["Telegram"]))) == [("Telegram",)]

    def test_finds_nothing_among_nothing(self) -> None:
        baker.make(Source)

        assert sources_called(packed([])) == []

    def test_is_a_filter_of_the_orm_too(self) -> None:
        baker.make(Source, name="Ёжик")

        assert Source.objects.filter(name__among=packed(["Ёжик"])).exists()

    def test_has_one_text_for_any_number_of_values(self) -> None:
        sources_called(packed(["first"]))

        with CaptureQueriesContext(connection) as queries:
            sources_called(packed(NAMES))
            sources_called(packed(["a"]))

        assert len(queries) == 2
        assert queries[0]["sql"].replace(packed(NAMES).replace("'", "''"), packed(["a"])) == queries[1]["sql"]


class TestForEach:
    def test_finds_each_by_itself_in_the_order_given(self) -> None:
        sources = {name: baker.make(Source, code=name, is_active=name != "{braces},") for name in NAMES}

        found = ids_of_sources([*reversed(NAMES), "another"], True)

        assert found == [(name, sources[name].pk) for name in reversed(NAMES) if name != "{braces},"]

    def test_finds_nothing_for_nothing(self) -> None:
        assert ids_of_sources([], True) == []

    def test_has_one_text_for_any_number_of_values(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            ids_of_sources(["a"], True)
            ids_of_sources(NAMES, True)

        one, many = (query["sql"] for query in queries)
        assert one.replace(packed(["a"]), "") == many.replace(packed(NAMES).replace("'", "''"), "")

    def test_locks_within_a_transaction_only(self) -> None:
        source = baker.make(Source, name="Telegram")

        assert [(int(pk), name) for pk, name in locked_names([source.pk])] == [(source.pk, "Telegram")]

    @pytest.mark.django_db(transaction=True)
    def test_refuses_to_lock_outside_a_transaction(self) -> None:
        with pytest.raises(TransactionManagementError):
            locked_names([1])

    @pytest.mark.postgresql
    def test_goes_by_an_index_in_a_small_table_that_postgresql_has_counted(self) -> None:
        baker.make(Source, _quantity=30)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE leads_source")

        assert "Seq Scan" not in kept_plan(ids_of_sources, "true", "'[]'")
        assert "LockRows" in kept_plan(locked_names, "'[]'")


class TestNumberFor:
    def test_is_what_the_mapping_has_for_the_key_of_each_row(self) -> None:
        first, second, third = baker.make(Operator, max_load=10, _quantity=3)

        raise_limits(packed_by_key({first.pk: 1, second.pk: 20}), packed([first.pk, second.pk]))

        limits = Operator.objects.order_by("pk").values_list("pk", "max_load")
        assert dict(limits) == {first.pk: 11, second.pk: 30, third.pk: 10}


class TestInserts:
    def test_store_what_one_insert_stores(self) -> None:
        data = {"list": [1, 2.5, None, True], "text": 'it\'s "ё" \\ %s', "large": 10**17, "within": {"": []}}
        lead, source, operator = baker.make(Lead), baker.make(Source), baker.make(Operator)
        now = timezone.now()
        alone, with_others = (
            baker.prepare(
                Contact,
                lead=lead,
                external_id="ext",
                source=source,
                operator=operator,
                status=ContactStatus.ACTIVE,
                assigned_at=now,
                created_at=now,
                data=data,
                text="a line\nand «another»\t",
            )
            for _time in range(2)
        )

        insert_contact(alone)
        insert_contacts([with_others])

        fields = [field.attname for field in Contact._meta.concrete_fields if not field.primary_key]
        first, second = Contact.objects.order_by("pk").values(*fields)
        assert first == second
        assert second["data"] == data

    @settings(deadline=None)
    @given(st.lists(OBJECTS, max_size=10))
    def test_keep_any_object_as_it_is(self, objects: list[Any]) -> None:
        lead, source = baker.make(Lead), baker.make(Source)
        contacts = [baker.prepare(Contact, lead=lead, source=source, data=data) for data in objects]

        insert_contacts(contacts)

        stored = Contact.objects.in_bulk([contact.pk for contact in contacts])
        assert [stored[contact.pk].data for contact in contacts] == objects

    def test_keep_a_whole_number_of_any_length(self) -> None:
        data = {"long": 10**30, "negative": -(2**64)}
        lead, source = baker.make(Lead), baker.make(Source)

        insert_contacts([baker.prepare(Contact, lead=lead, source=source, data=data)])

        assert Contact.objects.get().data == data

    def test_give_the_rows_their_keys_in_their_order(self) -> None:
        leads = [Lead(external_id=str(number)) for number in range(30)]

        insert_leads(leads)

        assert {lead.pk: lead.external_id for lead in leads} == dict(Lead.objects.values_list("pk", "external_id"))
        assert not any(lead._state.adding for lead in leads)

    def test_return_the_keys_of_values_in_their_order(self) -> None:
        keys = insert_leads.values({"external_id": name} for name in NAMES)

        assert [Lead.objects.get(pk=key).external_id for key in keys] == NAMES

    def test_fill_in_what_is_not_given(self) -> None:
        before = timezone.now()

        [key] = insert_sources.values([{"name": "Telegram", "code": "telegram"}])

        source = Source.objects.get(pk=key)
        assert (source.is_active, source.reuse_open_contact) == (True, False)
        assert before <= source.created_at <= timezone.now()

    def test_send_nothing_for_no_rows(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            insert_leads([])

            assert insert_leads.values([]) == []

        assert not queries

    def test_store_all_or_nothing(self) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            insert_sources.values([{"name": "a", "code": "same"}, {"name": "b", "code": "same"}])

        assert not Source.objects.exists()

    def test_store_values_with_the_other_writes_that_are_sent_together(self) -> None:
        operator = baker.make(Operator, max_load=10)

        with CaptureQueriesContext(connection) as queries, together():
            raise_limits(packed_by_key({operator.pk: 5}), packed([operator.pk]))
            insert_leads.values({"external_id": name} for name in NAMES)

        operator.refresh_from_db()
        assert operator.max_load == 15
        assert [lead.external_id for lead in Lead.objects.order_by("pk")] == NAMES
        assert len(queries) == (1 if connection.vendor == "postgresql" else 2)

    def test_give_rows_of_the_model_their_keys_at_once_among_writes_that_are_sent_together(self) -> None:
        lead = Lead(external_id="anna")

        with together():
            insert_leads([lead])

            assert Lead.objects.get().pk == lead.pk

    @pytest.mark.postgresql
    def test_refuse_a_text_that_is_too_long_instead_of_cutting_it_off(self) -> None:
        with pytest.raises(DataError), transaction.atomic():
            insert_leads.values([{"external_id": "x" * 256}])
