"""The queue in the back office: who waits, since when, why, and what would help."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm_project.testing.admin_pages import Page, address, open_form, save
from crm_project.testing.rows import arrive, make_contacts, make_operator, make_source
from crm_project.testing.staff import staff
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


def opened(client: Client, **parameters: Any) -> Page:
    return client.get(reverse("queue"), parameters)


def waiting(response: Page) -> list[Contact]:
    return [row["contact"] for row in response.context["rows"]]


def links(response: Page) -> list[str]:
    return re.findall(r'href="([^"]+)"', response.content.decode())


def aged(contact: Contact, **age: int) -> Contact:
    Contact.objects.filter(pk=contact.pk).update(created_at=timezone.now() - timedelta(**age))
    return contact


@pytest.fixture
def full() -> Operator:
    return make_operator(name="Anna", max_load=0)


@pytest.fixture
def source(full: Operator) -> Source:
    return make_source({full: 5}, name="Telegram")


class TestThoseWhoWait:
    def test_come_oldest_first_from_all_sources(self, admin_client: Client, source: Source) -> None:
        young, old, oldest = arrive(source), arrive(make_source()), arrive(source)
        aged(oldest, hours=3), aged(old, hours=2)

        assert waiting(opened(admin_client)) == [oldest, old, young]

    def test_are_shown_with_age_lead_source_text_and_why(self, admin_client: Client, source: Source) -> None:
        aged(arrive(source, "user_1", name="Мария", text="Где <b>заказ</b>?"), hours=3, minutes=1)

        page = opened(admin_client).content.decode()

        for text in (
            "3\xa0hours",
            "Мария",
            "user_1",
            "Telegram",
            "Где &lt;b&gt;заказ&lt;/b&gt;?",
            "at the limit: Anna",
        ):
            assert text in page

    def test_are_nobody_who_has_an_operator_or_is_closed(self, admin_client: Client) -> None:
        arrive(make_source({make_operator(): 1}))

        response = opened(admin_client)

        assert waiting(response) == []
        assert "Nobody waits." in response.content.decode()

    def test_narrow_to_a_source(self, admin_client: Client, source: Source) -> None:
        contact = arrive(source)
        arrive(make_source(name="Website"))

        response = opened(admin_client, source=source.pk)

        assert waiting(response) == [contact]
        assert [told["source"] for told in response.context["sources"]] == [source]

    def test_of_a_source_on_which_nobody_waits_any_more_are_nobody(self, admin_client: Client, source: Source) -> None:
        arrive(source)
        empty = make_source(name="Website")

        response = opened(admin_client, source=empty.pk)

        assert waiting(response) == []
        assert f'<option value="{empty.pk}" selected>Website (0)</option>' in response.content.decode()

    @pytest.mark.parametrize(
        "parameters",
        [
            {"source": "abc"},
            {"source": "9" * 30},
            {"source": "-1"},
            {"source": "\0"},
            {"source": "²"},
            {"source": "404"},
            {"page": "x"},
            {"page": "9" * 30},
            {"page": "-1"},
        ],
    )
    def test_are_shown_whatever_the_address_asks(
        self, admin_client: Client, source: Source, parameters: dict[str, str]
    ) -> None:
        contact = arrive(source)

        assert waiting(opened(admin_client, **parameters)) == [contact]

    def test_come_fifty_on_a_page_and_the_filter_stays(self, admin_client: Client, source: Source) -> None:
        contacts = make_contacts(120, source)

        response = opened(admin_client, source=source.pk, page=2)

        assert waiting(response) == contacts[50:100]
        assert {f"?source={source.pk}&amp;page=1", f"?source={source.pk}&amp;page=3"} <= set(links(response))

    def test_lead_to_the_chat(self, admin_client: Client) -> None:
        arrive(make_source(link_template="tg://resolve?domain={external_id}"), "Анна & Co")

        assert "tg://resolve?domain=%D0%90%D0%BD%D0%BD%D0%B0%20%26%20Co" in links(opened(admin_client))

    def test_lead_to_no_address_that_no_form_would_have_taken(self, admin_client: Client) -> None:
        arrive(make_source(link_template="javascript:alert(1)//{external_id}"))

        assert "javascript:" not in opened(admin_client).content.decode()

    def test_lead_to_moving_and_closing_and_from_there_back(self, admin_client: Client, source: Source) -> None:
        contact = arrive(source)

        found = links(opened(admin_client, source=source.pk))

        back = f"next=/admin/queue/%3Fsource%3D{source.pk}%26page%3D1".replace("/", "%2F")
        assert f"/admin/contacts/{contact.pk}/move/?{back}" in found
        assert f"/admin/contacts/{contact.pk}/close/?{back}" in found


class TestWhatWouldHelp:
    def test_is_told_per_source_and_leads_to_where_it_is_done(self, admin_client: Client) -> None:
        at_limit, inactive = make_operator(name="Anna", max_load=0), make_operator(name="Boris", is_active=False)
        source = make_source({at_limit: 1, inactive: 1, make_operator(name="Carla"): 0})
        arrive(source)

        response = opened(admin_client)

        page = response.content.decode()
        back = urlencode({"next": f"{reverse('queue')}?page=1"})
        weights = f"{address('leads_source', 'change', source.pk)}?{back}#weights-group"
        remedies = [
            (f"{address('operators_operator', 'change', at_limit.pk)}?{back}", "raise the limit (0 / 0)"),
            (f"{address('operators_operator', 'change', inactive.pk)}?{back}", "activate"),
            (weights, "give a weight"),
            (weights, "all weights"),
        ]
        for url, text in remedies:
            assert f'<a href="{url}" class="text-link">{text}</a>' in page

    def test_leads_back_to_the_queue_once_it_is_done(self, admin_client: Client) -> None:
        full = make_operator(name="Anna", max_load=0)
        source = make_source({full: 1})
        arrive(source)
        queue = f"{reverse('queue')}?source={source.pk}&page=1"

        (remedy,) = {
            link for link in links(opened(admin_client, source=source.pk)) if "/operator/" in link and "next" in link
        }
        response = save(admin_client, remedy, open_form(admin_client, remedy, "operator_form"), max_load="5")

        assert response.redirect_chain == [(queue, 302)]
        assert "Nobody waits." in response.content.decode()

    def test_of_somebody_who_is_kept_by_several_things_is_all_of_them(self, admin_client: Client) -> None:
        arrive(make_source({make_operator(is_active=False, max_load=0): 0}))

        [told] = opened(admin_client).context["sources"]

        [(_name, remedies)] = told["operators"]
        assert re.findall(r">([^<]+)</a>", remedies) == ["activate", "give a weight", "raise the limit (0 / 0)"]

    def test_for_a_source_that_is_off_is_to_switch_it_on(self, admin_client: Client, source: Source) -> None:
        arrive(source)
        Source.objects.update(is_active=False)

        page = opened(admin_client).content.decode()

        page_of_source = re.escape(address("leads_source", "change", source.pk))
        assert re.search(f'<a href="{page_of_source}[^"]*" class="text-link">switch on</a>', page)

    def test_for_a_source_without_operators_is_to_add_some(self, admin_client: Client) -> None:
        arrive(make_source())

        assert "add operators" in opened(admin_client).content.decode()

    def test_names_eight_of_a_long_list_and_counts_the_others(self, admin_client: Client) -> None:
        arrive(make_source({make_operator(max_load=0): 1 for _ in range(11)}))

        response = opened(admin_client)

        assert len(response.context["sources"][0]["operators"]) == 8
        assert "3 operators more" in response.content.decode()

    def test_leads_nowhere_a_user_may_not_go(self, source: Source) -> None:
        arrive(source)

        response = staff("view_contact").get(reverse("queue"))

        assert "raise the limit (0 / 0)" in response.content.decode()
        assert not [link for link in links(response) if "/operators/" in link or "/source/" in link]

    def test_is_told_of_the_ten_sources_with_the_longest_wait(self, admin_client: Client) -> None:
        for _number in range(12):
            arrive(make_source())

        assert len(opened(admin_client).context["sources"]) == 10


class TestTheLiveRefresh:
    def test_asks_for_the_same_source_and_page(self, admin_client: Client, source: Source) -> None:
        make_contacts(60, source)

        page = opened(admin_client, source=source.pk, page=2).content.decode()

        assert f'<section data-live="/admin/queue/rows/?source={source.pk}&amp;page=2" data-live-seconds="5">' in page
        assert "data-live-status" in page

    def test_answers_what_the_page_holds_and_nothing_around_it(self, admin_client: Client, source: Source) -> None:
        contacts = make_contacts(2, source)

        response = admin_client.get(reverse("queue_rows"), {"source": source.pk})

        part = response.content.decode().strip()
        assert part.startswith('<div id="queue-told"')
        assert 'data-live-title="(2) Queue"' in part
        assert part in opened(admin_client, source=source.pk).content.decode()
        assert waiting(response) == contacts

    def test_has_no_script_inside_the_page(self, admin_client: Client, source: Source) -> None:
        arrive(source)

        part = admin_client.get(reverse("queue_rows")).content.decode()

        assert "<script" not in part
        assert not re.search(r"\son\w+=", part)


class TestWhoMay:
    @pytest.mark.parametrize("name", ["queue", "queue_rows"])
    def test_see_it_is_whoever_may_see_contacts(self, source: Source, name: str) -> None:
        arrive(source)

        response = staff("view_contact").get(reverse(name))

        assert response.status_code == 200
        assert "/move/" not in response.content.decode()
        assert "/close/" not in response.content.decode()

    @pytest.mark.parametrize("name", ["queue", "queue_rows"])
    def test_not_see_it_is_told_so(self, name: str) -> None:
        assert staff("view_lead").get(reverse(name)).status_code == 403

    @pytest.mark.parametrize("name", ["queue", "queue_rows"])
    def test_not_be_known_is_sent_to_the_log_in(self, name: str) -> None:
        url = reverse(name)
        assert Client().get(url).headers["Location"] == f"/admin/login/?next={url}"


@pytest.mark.parametrize("count", [10, 1_000])
def test_takes_as_many_queries_however_many_wait(
    admin_client: Client, count: int, django_assert_num_queries: Any
) -> None:
    operators = [make_operator(max_load=0) for _ in range(5)]
    for _number in range(10):
        make_contacts(count // 10, make_source(dict.fromkeys(operators, 1)))

    # The session, its user, the sources, the number, the rows, the operators of their sources.
    with django_assert_num_queries(6):
        opened(admin_client)
