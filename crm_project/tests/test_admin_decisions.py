"""Decisions in the back office: the list, the page of one, and the story on the page of a contact."""

from typing import Any

import pytest
from django.test import Client

from crm_project.access.acting import Actor, acting, because
from crm_project.testing.admin_pages import address, run, shown
from crm_project.testing.rows import arrive, make_operator, make_source
from crm_project.testing.staff import staff
from distribution import handling, roster
from distribution.models import Decision
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

MODEL = "distribution_decision"


@pytest.fixture
def full() -> Operator:
    return make_operator(name="Anna", max_load=0)


@pytest.fixture
def source(full: Operator) -> Source:
    return make_source({full: 1, make_operator(name="Boris"): 3})


def contact_page(client: Client, contact: Contact) -> str:
    return client.get(address("leads_contact", "change", contact.pk)).content.decode()


class TestTheList:
    def test_tells_each_in_words(self, admin_client: Client, source: Source) -> None:
        arrive(source)

        page = admin_client.get(address(MODEL)).content.decode()

        assert "Boris was drawn: weight 3 of 3 (100%). Anna was passed over: 0 of 0." in page

    def test_narrows_by_source_trigger_kind_and_winner(self, admin_client: Client, source: Source) -> None:
        contact = arrive(source)
        carla = make_operator(name="Carla")
        handling.reassign_to_operator(contact.pk, carla.pk)
        arrive(make_source())
        drawn, moved, waited = Decision.objects.order_by("pk")
        narrowed: list[tuple[dict[str, Any], list[Decision]]] = [
            ({"source__id__exact": source.pk}, [moved, drawn]),
            ({"trigger__exact": "arrival"}, [waited, drawn]),
            ({"kind__exact": "by_hand"}, [moved]),
            ({"operator__id__exact": carla.pk}, [moved]),
            ({"contact__id__exact": contact.pk}, [moved, drawn]),
            ({"q": str(contact.pk)}, [moved, drawn]),
        ]
        for filters, expected in narrowed:
            assert shown(admin_client.get(address(MODEL), filters)) == expected

    @pytest.mark.parametrize(
        "filters", [{"q": "abc"}, {"q": "9" * 30}, {"trigger__exact": "x"}, {"operator__id__exact": "x"}]
    )
    def test_is_a_page_whatever_the_address_asks(
        self, admin_client: Client, source: Source, filters: dict[str, str]
    ) -> None:
        arrive(source)

        assert admin_client.get(address(MODEL), filters, follow=True).status_code == 200

    @pytest.mark.parametrize("count", [2, 40])
    def test_takes_as_many_queries_however_long_it_is(
        self, admin_client: Client, count: int, django_assert_num_queries: Any
    ) -> None:
        source = make_source({make_operator(): 1 for _ in range(60)})
        for _ in range(count):
            arrive(source)

        with django_assert_num_queries(6):  # the session, its user, the count, the rows, their rosters, the names
            admin_client.get(address(MODEL))

    def test_lets_nobody_add_change_or_delete(self, admin_client: Client, source: Source) -> None:
        arrive(source)
        decision = Decision.objects.get()

        assert admin_client.get(address(MODEL, "add")).status_code == 403
        assert admin_client.post(address(MODEL, "change", decision.pk), {"reason": "x"}).status_code == 403
        assert admin_client.post(address(MODEL, "delete", decision.pk), {"post": "yes"}).status_code == 403
        run(admin_client, MODEL, "delete_selected", decision, post="yes")
        assert Decision.objects.get().reason == ""


class TestThePageOfOne:
    def test_shows_who_stood_how(self, admin_client: Client, source: Source) -> None:
        arrive(source)

        page = admin_client.get(address(MODEL, "change", Decision.objects.get().pk)).content.decode()

        for text in (
            "The one drawn got the contact",
            "of 0 to 2",
            "0 / 10",
            "100%",
            "at the limit",
            "at random, by weight",
        ):
            assert text in page

    def test_shows_fifty_of_a_long_list_and_how_many_more(self, admin_client: Client) -> None:
        arrive(make_source({make_operator(): 1 for _ in range(53)}))

        page = admin_client.get(address(MODEL, "change", Decision.objects.get().pk)).content.decode()

        assert "and 3 operators more" in page

    def test_of_one_that_is_not_there_leads_away(self, admin_client: Client) -> None:
        assert admin_client.get(address(MODEL, "change", 999)).status_code == 302

    def test_of_a_row_that_was_tampered_with_says_so(self, admin_client: Client, source: Source) -> None:
        arrive(source)
        Decision.objects.update(details={"rounds": 5})

        for url in (address(MODEL), address(MODEL, "change", Decision.objects.get().pk)):
            assert "The record of this decision cannot be read." in admin_client.get(url).content.decode()


class TestTheStoryOfAContact:
    def test_is_told_the_newest_first(self, admin_client: Client, source: Source) -> None:
        contact = arrive(source)
        with acting(Actor("user:1", "maria")), because("knows <them>"):
            handling.reassign_to_operator(contact.pk, make_operator(name="Carla").pk)

        page = contact_page(admin_client, contact)

        newer = page.index("By hand (maria). Carla was named and got the contact")
        assert "Reason: knows &lt;them&gt;" in page
        assert newer < page.index("Boris was drawn: weight 3 of 3 (100%).")

    def test_of_one_that_waits_begins_with_its_place_and_why(self, admin_client: Client, full: Operator) -> None:
        source = make_source({full: 1})
        arrive(source)
        contact = arrive(source)
        roster.change_operator(full.pk, is_active=False)

        page = contact_page(admin_client, contact)

        assert "Place in the queue" in page
        assert "Nobody available – inactive: Anna." in page
        context = admin_client.get(address("leads_contact", "change", contact.pk)).context
        assert context["adminform"].model_admin.place_in_queue(contact) == 2

    def test_of_one_that_does_not_wait_has_no_place(self, admin_client: Client, source: Source) -> None:
        assert "Place in the queue" not in contact_page(admin_client, arrive(source))

    def test_of_a_contact_without_decisions_says_so(self, admin_client: Client, source: Source) -> None:
        contact = arrive(source)
        Decision.objects.all()._raw_delete(Decision.objects.db)

        assert "Nothing was recorded." in contact_page(admin_client, contact)

    @pytest.mark.parametrize("moves", [1, 25])
    def test_takes_as_many_queries_however_long_it_is(
        self, admin_client: Client, moves: int, django_assert_max_num_queries: Any
    ) -> None:
        contact = arrive(make_source({make_operator(): 1 for _ in range(60)}))
        for _ in range(moves):
            handling.reassign_by_draw(contact.pk)
        contact_page(admin_client, contact)  # what is looked up once a process is looked up here

        with django_assert_max_num_queries(10):
            contact_page(admin_client, contact)

    def test_leads_to_the_decisions_for_those_who_may_see_them(self, admin_client: Client, source: Source) -> None:
        contact = arrive(source)
        client = staff("view_contact")

        link = f"{address(MODEL)}?contact__id__exact={contact.pk}"
        assert link in contact_page(admin_client, contact)
        page = contact_page(client, contact)
        assert link not in page
        assert "Boris was drawn" in page
