"""Two leads that turned out to be one."""

from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm_project.access.acting import Actor, acting
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, assert_rules_hold, make_lead, make_operator, make_source
from distribution import merging
from distribution.erasing import erase_lead
from distribution.errors import CannotUndoMerge, LeadErased, LeadNotFound, SameLead
from distribution.handling import close_contact
from distribution.merging import can_undo, merge_leads, merges_into, survivor_of, undo_merge
from distribution.models import Decision, Event, LoadChange
from distribution.resemblance import possibly_same
from distribution.roster import delete_lead
from distribution.verification import verify
from leads.models import Contact, Identity, Lead, Merge, Source

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 20


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(max_load=1_000): 1})


@pytest.fixture
def merge(source: Source) -> Merge:
    """The lead «second» merged into «first», each with a contact."""
    first, second = arrive(source, "first"), arrive(source, "second")
    return merge_leads(first.lead_id, second.lead_id)


def whose() -> dict[str, str]:
    """Return by external id of each contact that of its lead."""
    return dict(Contact.objects.values_list("external_id", "lead__external_id"))


def prune(contact: Contact) -> None:
    """Remove the contact with all that is recorded of it."""
    for rows in (model.objects.filter(contact=contact) for model in (Decision, LoadChange, Event)):
        rows._raw_delete(rows.db)
    contact.delete()


class TestMerging:
    def test_gives_the_contacts_to_the_survivor_as_they_were_sent(self, merge: Merge) -> None:
        assert whose() == {"first": "first", "second": "first"}
        assert Lead.objects.get().pk == merge.survivor_id

    def test_lets_whoever_writes_by_either_identity_find_the_survivor(self, merge: Merge, source: Source) -> None:
        assert {arrive(source, name).lead_id for name in ("first", "second")} == {merge.survivor_id}

    def test_gives_back_the_open_contact_of_either(self) -> None:
        source = make_source({make_operator(): 1}, reuse_open_contact=True)
        first, second = arrive(source, "first"), arrive(source, "second")

        merge_leads(first.lead_id, second.lead_id)

        assert {arrive(source, "first").pk, arrive(source, "second").pk} == {first.pk}

    def test_is_remembered_with_who_did_it(self, source: Source) -> None:
        first, second = arrive(source, "first"), arrive(source, "second")

        with acting(Actor("user:1", "anna")):
            merge = merge_leads(first.lead_id, second.lead_id)

        assert list(merges_into(first.lead_id)) == [merge]
        assert (merge.actor_name, merge.contacts) == ("anna", [second.pk])

    def test_remembers_nothing_of_who_the_lead_was(self, merge: Merge) -> None:
        assert not any("second" in str(value) for value in vars(merge).values())

    def test_a_merged_lead_is_found_in_turn(self, merge: Merge, source: Source) -> None:
        third = arrive(source, "third").lead_id

        merge_leads(third, merge.survivor_id)

        assert survivor_of(merge.lead_id) == survivor_of(merge.survivor_id) == survivor_of(third) == third

    def test_loads_and_decisions_stay_proved(self, merge: Merge) -> None:
        assert_rules_hold()
        assert list(verify()) == []

    @pytest.mark.parametrize("erased", [0, 1])
    def test_of_an_erased_lead_is_refused(self, erased: int) -> None:
        ids = [make_lead().pk, make_lead().pk]
        erase_lead(ids[erased])

        with pytest.raises(LeadErased):
            merge_leads(*ids)

    def test_of_a_lead_with_itself_is_refused(self) -> None:
        lead = make_lead()

        with pytest.raises(SameLead):
            merge_leads(lead.pk, lead.pk)

    @pytest.mark.parametrize("missing", [0, 1])
    def test_of_a_lead_that_is_gone_is_refused(self, missing: int) -> None:
        ids = [make_lead().pk, make_lead().pk]
        delete_lead(ids[missing])

        with pytest.raises(LeadNotFound):
            merge_leads(*ids)


class TestUndoing:
    def test_puts_both_leads_back_as_they_were(self, source: Source) -> None:
        first, second = arrive(source, "first").lead, arrive(source, "second").lead
        arrive(source, "first")

        lead = undo_merge(merge_leads(first.pk, second.pk).pk)

        assert (lead.pk, lead.external_id, lead.created_at) == (second.pk, "second", second.created_at)
        assert whose() == {"first": "first", "second": "second"}
        assert arrive(source, "second").lead == second
        assert survivor_of(second.pk) == second.pk

    def test_gives_back_no_name_of_a_lead_merged_before(self, source: Source) -> None:
        old, new, third = (arrive(source, name).lead_id for name in ("old", "new", "third"))
        merge_leads(new, old)

        assert undo_merge(merge_leads(third, new).pk).external_id == "new"

    def test_takes_batches_of_contacts(self, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(merging, "CONTACTS_AT_A_TIME", 2)
        first, second = arrive(source, "first").lead_id, {arrive(source, "second").lead_id for _ in range(5)}

        assert undo_merge(merge_leads(first, *second).pk).contacts.count() == 5

    def test_works_once(self, merge: Merge) -> None:
        undo_merge(merge.pk)

        with pytest.raises(CannotUndoMerge):
            undo_merge(merge.pk)

    @pytest.mark.parametrize(
        "happens",
        [
            lambda merge, source: arrive(source, "first"),
            lambda merge, source: arrive(source, "second"),
            lambda merge, source: merge_leads(merge.survivor_id, make_lead().pk),
            lambda merge, source: merge_leads(make_lead().pk, merge.survivor_id),
            lambda merge, source: Identity.objects.filter(value="second").delete(),
            lambda merge, source: erase_lead(merge.survivor_id),
            lambda merge, source: prune(Contact.objects.get(external_id="first")),
        ],
        ids=[
            *("first writes", "second writes", "another joins", "it joins another", "an identity goes"),
            *("it is erased", "a contact is pruned"),
        ],
    )
    def test_is_refused_once_something_has_happened(
        self, happens: Callable[[Merge, Source], object], merge: Merge, source: Source
    ) -> None:
        assert can_undo(merge)

        happens(merge, source)

        assert not can_undo(merge)
        with pytest.raises(CannotUndoMerge):
            undo_merge(merge.pk)

    def test_what_happens_to_its_contacts_hinders_nothing(self, merge: Merge) -> None:
        for contact in Contact.objects.all():
            close_contact(contact.pk)

        undo_merge(merge.pk)

        assert whose() == {"first": "first", "second": "second"}

    def test_goes_back_step_by_step_the_last_first(self, merge: Merge, source: Source) -> None:
        third = arrive(source, "third").lead_id
        last = merge_leads(third, merge.survivor_id)
        assert not can_undo(merge)

        undo_merge(last.pk)
        undo_merge(merge.pk)

        assert whose() == {"first": "first", "second": "second", "third": "third"}

    def test_of_a_merge_that_never_was_is_refused(self) -> None:
        with pytest.raises(CannotUndoMerge):
            undo_merge(1)


class TestRaces:
    def test_nothing_that_arrives_meanwhile_is_lost_or_left_behind(self, source: Source) -> None:
        for number in range(5):
            first, second = (make_lead(f"{name} {number}") for name in ("first", "second"))

            run_concurrently(
                partial(merge_leads, first.pk, second.pk), *[partial(arrive, source, second.external_id)] * 8
            )

            assert Contact.objects.filter(external_id=second.external_id).count() == 8
            assert set(Contact.objects.filter(external_id=second.external_id).values_list("lead", flat=True)) == {
                first.pk
            }
        assert_rules_hold()

    def test_two_leads_merged_into_each_other_become_one(self, source: Source) -> None:
        first, second = arrive(source, "first").lead_id, arrive(source, "second").lead_id
        answers: list[Merge | type] = []

        def merge(*ids: int) -> None:
            try:
                answers.append(merge_leads(*ids))
            except LeadNotFound:
                answers.append(LeadNotFound)

        run_concurrently(lambda: merge(first, second), lambda: merge(second, first))

        assert answers.count(LeadNotFound) == 1
        assert Lead.objects.get().contacts.count() == 2

    def test_a_merge_is_undone_once(self, merge: Merge) -> None:
        undone = count()

        def undo() -> None:
            try:
                undo_merge(merge.pk)
                next(undone)
            except CannotUndoMerge:
                pass

        run_concurrently(undo, times=4)

        assert next(undone) == 1


class TestPossiblySame:
    def test_are_those_who_gave_the_same_phone_or_email_however_written(self, source: Source) -> None:
        lead = arrive(source, "tg:1", phone="8 (912) 345-67-89", email="Ivan@Example.com").lead
        by_phone = arrive(source, "site:1", phone="+79123456789").lead
        by_email = arrive(source, "site:2", email="ivan@example.com").lead
        arrive(source, "site:3", phone="+7 913 345 67 89", email="petr@example.com")

        found = {resemblance.lead: resemblance.shared for resemblance in possibly_same(lead)}

        assert found == {by_phone: ["+79123456789"], by_email: ["ivan@example.com"]}

    def test_are_found_by_what_they_are_known_by(self, source: Source) -> None:
        lead = arrive(source, "tg:1", phone="8 (912) 345-67-89").lead
        others = {arrive(source, "+79123456789").lead, arrive(make_source(identified_by="phone"), "89123456789").lead}

        assert {one.lead for one in possibly_same(lead)} == others
        assert all(lead in [one.lead for one in possibly_same(other)] for other in others)

    @pytest.mark.parametrize(
        ("given", "also"),
        [
            ({"phone": "+7\u00a0912\u00a0345\u00a067\u00a089"}, {"phone": "89123456789"}),
            ({"phone": "8\u2011912\u2011345\u201167\u201189"}, {"phone": "8.912.345.67.89"}),
            ({"external_id": "8 (912) 345-67-89"}, {"external_id": "+79123456789"}),
            ({"external_id": "8-912-345-67-89"}, {"external_id": "+79123456789"}),
            ({"external_id": "8 912 345 67 89"}, {"phone": "+7 912 345-67-89"}),
            ({"external_id": "89123456789"}, {"phone": "+7 912 345-67-89"}),
            ({"external_id": "+7 912 345-67-89"}, {"external_id": "79123456789"}),
            ({"email": "ivan@xn--e1afmkfd.xn--p1ai"}, {"email": "ivan@пример.рф"}),
        ],
    )
    def test_are_found_from_either_side(self, given: dict[str, str], also: dict[str, str], source: Source) -> None:
        one, other = (
            arrive(source, **{"external_id": name, **fields}).lead for name, fields in (("tg:1", given), ("tg:2", also))
        )

        assert [found.lead for found in possibly_same(one)] == [other]
        assert [found.lead for found in possibly_same(other)] == [one]

    def test_the_same_last_digits_in_another_country_are_another_phone(self, source: Source) -> None:
        lead = arrive(source, "tg:1", phone="+7 912 345 67 89").lead
        arrive(source, "tg:2", phone="+1 212 345 6789")

        assert possibly_same(lead) == []

    def test_nobody_who_gave_nothing_resembles_anybody(self, source: Source) -> None:
        leads = [arrive(source, name).lead for name in ("tg:1", "tg:2")]

        assert [possibly_same(lead) for lead in leads] == [[], []]

    def test_are_found_by_indexes_however_many_contacts_there_are(self, source: Source) -> None:
        lead = arrive(source, "tg:1", phone="+7 912 345 67 89", email="ivan@example.com").lead
        other = make_lead()
        many = (
            Contact(lead=other, source=source, external_id="tg:1", phone=f"+7 913 {number:07}", email=f"{number}@a.ru")
            for number in range(5_000)
        )
        Contact.objects.bulk_create(many)
        if connection.vendor == "postgresql":  # SQLite would keep what it found for the tests that follow
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")

        with CaptureQueriesContext(connection) as queries:
            possibly_same(lead)

        plans = "".join(explained(query["sql"]) for query in queries if "leads_contact" in query["sql"])
        assert "contact_phone" in plans
        assert "contact_email" in plans


def explained(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN' if connection.vendor == 'sqlite' else ''} {sql}")
        return str(cursor.fetchall())
