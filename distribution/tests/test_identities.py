"""Leads and by what they are known."""

import pytest

from crm_project.api.refusals import Refusal
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, make_lead, make_operator, make_source
from distribution.errors import EmailUnreadable, PhoneUnreadable, SourceInactive
from distribution.identities import leads_named
from distribution.intake import Intake, Registration
from distribution.intake_in_bulk import foreseen, register_chunk
from distribution.merging import merge_leads
from leads.models import Contact, Identity, Lead, Source

pytestmark = pytest.mark.django_db(transaction=True)

WAYS = ["+79123456789", "8 (912) 345-67-89", "8-912-345-67-89"]


def known() -> set[tuple[str, str]]:
    return set(Identity.objects.values_list("kind", "value"))


def intake(source: Source, external_id: str) -> Intake:
    return Intake(source_code=source.code, external_id=external_id)


def test_a_new_lead_is_known_by_the_external_id() -> None:
    lead = arrive(make_source(), "tg:123").lead

    assert lead.external_id == "tg:123"
    assert known() == {("external_id", "tg:123")}


def test_a_lead_is_recognised_by_the_same_external_id_on_any_source() -> None:
    first, second = arrive(make_source(), "tg:123"), arrive(make_source(), "tg:123")

    assert first.lead == second.lead


def test_external_ids_as_they_are_differ_by_how_they_are_written() -> None:
    source = make_source()

    assert len({arrive(source, one).lead_id for one in [*WAYS, "Tg:1", "tg:1"]}) == 5


class TestASourceThatKnowsPhones:
    def test_recognises_a_lead_however_the_phone_is_written(self) -> None:
        source = make_source(identified_by="phone")

        assert len({arrive(source, written).lead_id for written in WAYS}) == 1
        assert known() == {("phone", "+79123456789")}
        assert Lead.objects.get().external_id == "+79123456789"

    def test_keeps_on_the_contact_what_was_sent(self) -> None:
        source = make_source(identified_by="phone")

        assert [arrive(source, written).external_id for written in WAYS] == WAYS

    def test_shares_its_leads_with_another_that_does(self) -> None:
        first, second = (arrive(make_source(identified_by="phone"), written) for written in WAYS[:2])

        assert first.lead == second.lead

    def test_takes_nobody_for_the_lead_whose_external_id_reads_the_same(self) -> None:
        known_as_it_is = arrive(make_source(), "+79123456789")

        assert arrive(make_source(identified_by="phone"), "+79123456789").lead != known_as_it_is.lead

    @pytest.mark.parametrize("sent", ["tg:123", "112", "8-912-345-67-8"])
    def test_refuses_what_is_no_phone_and_stores_nothing(self, sent: str) -> None:
        with pytest.raises(PhoneUnreadable):
            arrive(make_source(identified_by="phone"), sent)

        assert not Lead.objects.exists()
        assert not Contact.objects.exists()

    def test_gives_back_the_open_contact_however_the_phone_is_written(self) -> None:
        source = make_source({make_operator(): 1}, identified_by="phone", reuse_open_contact=True)

        assert len({arrive(source, written).pk for written in WAYS}) == 1


class TestASourceThatKnowsEmails:
    def test_recognises_a_lead_however_the_address_is_written(self) -> None:
        source = make_source(identified_by="email")

        assert arrive(source, "Ivan@Example.com").lead == arrive(source, "ivan@example.com").lead
        assert known() == {("email", "ivan@example.com")}

    def test_refuses_what_is_no_address(self) -> None:
        with pytest.raises(EmailUnreadable):
            arrive(make_source(identified_by="email"), "ivan")


class TestManyAtOnce:
    def test_are_recognised_as_one_by_one(self) -> None:
        source = make_source(identified_by="phone")
        before = arrive(source, WAYS[0])

        results = register_chunk([intake(source, written) for written in [*WAYS, "+7 912 000 00 00"]])

        leads = [result.contact.lead_id for result in results if isinstance(result, Registration)]
        assert leads[:3] == [before.lead_id] * 3
        assert leads[3] != before.lead_id
        assert [result.contact.external_id for result in results if isinstance(result, Registration)][:3] == WAYS

    def test_one_that_cannot_be_read_refuses_no_other(self) -> None:
        source = make_source(identified_by="email")

        results = register_chunk([intake(source, "ivan"), intake(source, "ivan@example.com")])

        assert [type(result) for result in results] == [EmailUnreadable, Registration]
        assert Contact.objects.count() == 1

    def test_the_same_text_is_another_lead_where_it_means_something_else(self) -> None:
        sources = [make_source(), make_source(identified_by="phone")]

        register_chunk([intake(source, "+79123456789") for source in sources])

        assert known() == {("external_id", "+79123456789"), ("phone", "+79123456789")}
        assert Lead.objects.count() == 2

    def test_a_dry_run_tells_what_cannot_be_read(self) -> None:
        source, asleep = make_source(identified_by="phone"), make_source(is_active=False)

        told = foreseen([intake(source, "tg:1"), intake(source, WAYS[1]), intake(asleep, "tg:1")])

        assert [type(one) if isinstance(one, Refusal) else one for one in told] == [
            PhoneUnreadable,
            None,
            SourceInactive,
        ]


@pytest.mark.parametrize("times", [2, 32])
def test_a_new_lead_is_one_however_many_calls_meet(times: int) -> None:
    source = make_source({make_operator(max_load=100): 1}, identified_by="phone")
    ways = iter(WAYS * times)

    run_concurrently(lambda: arrive(source, next(ways)), times=times)

    assert Lead.objects.get().contacts.count() == times
    assert known() == {("phone", "+79123456789")}


def test_a_new_lead_is_one_when_single_calls_meet_chunks() -> None:
    source = make_source({make_operator(max_load=1_000): 1})
    names = [f"lead_{number}" for number in range(20)]

    def chunk() -> None:
        register_chunk([intake(source, name) for name in names])

    run_concurrently(*[chunk] * 4, *[lambda name=name: arrive(source, name) for name in names])

    assert Lead.objects.count() == 20
    assert Contact.objects.count() == 100


class TestLeadsNamed:
    def test_are_those_known_by_it_in_any_kind(self) -> None:
        as_it_is, by_phone = make_lead("+79123456789"), make_lead("+79123456789", kind="phone")
        make_lead("+79120000000")

        assert {row["lead"] for row in leads_named("+79123456789")} == {as_it_is.pk, by_phone.pk}

    @pytest.mark.parametrize("written", WAYS)
    def test_are_found_by_a_phone_however_it_is_written(self, written: str) -> None:
        lead_id = arrive(make_source(identified_by="phone"), "+7 912 345 67 89").lead_id

        assert [row["lead"] for row in leads_named(written)] == [lead_id]

    def test_are_to_whoever_sees_some_sources_those_who_sent_it_there(self) -> None:
        ours, theirs = make_source(), make_source()
        mine = arrive(ours, "mine")
        arrive(theirs, "their own")

        assert [row["lead"] for row in leads_named("mine", among=[ours.pk])] == [mine.lead_id]
        assert not leads_named("their own", among=[ours.pk])

    @pytest.mark.parametrize("written", WAYS)
    def test_are_to_them_too_those_whom_a_source_knows_by_the_phone(self, written: str) -> None:
        ours = make_source(identified_by="phone")
        mine = arrive(ours, "8 (912) 345-67-89")

        assert [row["lead"] for row in leads_named(written, among=[ours.pk])] == [mine.lead_id]

    def test_are_to_them_not_those_who_sent_the_same_letters_where_they_are_not_read(self) -> None:
        by_phone, as_it_is = make_source(identified_by="phone"), make_source()
        mine = arrive(by_phone, WAYS[1])
        arrive(as_it_is, WAYS[1])

        named = leads_named(WAYS[0], among=[by_phone.pk, as_it_is.pk])

        assert [row["lead"] for row in named] == [mine.lead_id]

    def test_are_to_them_not_those_whose_phone_another_source_sent(self) -> None:
        ours, theirs = make_source(identified_by="phone"), make_source(identified_by="phone")
        mine = arrive(ours, "+7 912 345-67-89")
        merge_leads(mine.lead_id, arrive(theirs, "+7 913 345-67-89").lead_id)

        assert not leads_named("+79133456789", among=[ours.pk])
        assert leads_named("+79133456789", among=[theirs.pk])
