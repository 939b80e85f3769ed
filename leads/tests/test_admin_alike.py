"""Merging leads from the page of a lead, and the way back."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from crm_project.testing.admin_pages import address, messages
from crm_project.testing.rows import arrive, make_lead, make_operator, make_source
from crm_project.testing.staff import staff
from distribution.merging import merge_leads
from leads.models import Contact, Lead, Merge, Source

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(max_load=100): 1}, name="Telegram")


@pytest.fixture
def lead(source: Source) -> Lead:
    return arrive(source, "tg:1", name="Иван", phone="8 (912) 345-67-89").lead


@pytest.fixture
def same(source: Source) -> Lead:
    """Another lead who gave the same phone."""
    return arrive(source, "site:1", phone="+79123456789", text="It is me").lead


def page(client: Client, lead: Lead) -> str:
    return client.get(address("leads_lead", "change", lead.pk)).content.decode()


def find_url(lead: Lead, other: object) -> str:
    return f"{reverse('admin:leads_lead_find_same', args=[lead.pk])}?{urlencode({'other': other})}"


def merge_url(lead: Lead, other: Lead) -> str:
    return reverse("admin:leads_lead_merge", args=[lead.pk, other.pk])


class TestThePageOfALead:
    def test_shows_who_is_possibly_the_same_and_why(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        shown = page(admin_client, lead)

        assert f'href="{address("leads_lead", "change", same.pk)}"' in shown
        assert "+79123456789" in shown
        assert f'href="{merge_url(lead, same)}"' in shown

    def test_says_when_nobody_is(self, admin_client: Client, lead: Lead) -> None:
        assert "Nobody else gave the same phone or e-mail." in page(admin_client, lead)

    def test_shows_everything_that_the_lead_is_known_by(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        merge_leads(lead.pk, same.pk)

        assert "tg:1 (id in the bot, as it is), site:1 (id in the bot, as it is)" in page(admin_client, lead)

    def test_of_a_merged_lead_leads_to_the_survivor(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        merge_leads(lead.pk, same.pk)

        response = admin_client.get(address("leads_lead", "change", same.pk))

        assert response["Location"] == address("leads_lead", "change", lead.pk)

    def test_offers_no_merge_to_whoever_only_looks(self, lead: Lead, same: Lead) -> None:
        merge = merge_leads(make_lead().pk, make_lead().pk)
        auditor = staff("view_lead")

        assert "/merge/" not in page(auditor, lead)
        assert "/merge/" not in page(auditor, Lead.objects.get(pk=merge.survivor_id))


class TestMerging:
    def test_asks_first_and_shows_both(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        shown = admin_client.get(merge_url(lead, same)).content.decode()

        assert "Are these one person?" in shown
        assert "Иван" in shown
        assert "It is me" in shown
        assert not Merge.objects.exists()

    def test_makes_the_other_part_of_the_lead(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        response = admin_client.post(merge_url(lead, same), follow=True)

        assert messages(response) == [f"Lead {same.pk} is part of this one now."]
        assert set(Contact.objects.values_list("lead", flat=True)) == {lead.pk}
        assert Merge.objects.get().actor_name == "admin"

    @pytest.mark.parametrize("typed", ["site:1", "#{number}", "№ {number}", "№{number}"])
    def test_asks_about_the_lead_that_was_typed(self, typed: str, admin_client: Client, lead: Lead, same: Lead) -> None:
        response = admin_client.get(find_url(lead, typed.format(number=same.pk)))

        assert response["Location"] == merge_url(lead, same)

    def test_takes_digits_for_what_a_lead_is_known_by(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        known_as_a_number = make_lead(str(same.pk))

        assert admin_client.get(find_url(lead, same.pk))["Location"] == merge_url(lead, known_as_a_number)

    def test_is_logged_by_number(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        admin_client.post(merge_url(lead, same))

        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.get_change_message()) == (str(lead.pk), f"Added lead “{same.pk}”.")

    def test_of_a_lead_with_itself_is_refused(self, admin_client: Client, lead: Lead) -> None:
        response = admin_client.post(merge_url(lead, lead), follow=True)

        assert messages(response) == ["This is one and the same lead. Choose another."]

    @pytest.mark.parametrize(
        ("typed", "told"),
        [
            ("nobody", "There is no such lead."),
            ("", "This field is required."),
            ("#999999999999999999999", "There is no such lead."),
            ("twice", "Several leads are known by this. Type the number of the one that you mean."),
            ("12", "There is no such lead."),
            ("#{same}", "Several leads are known by this. Type the number of the one that you mean."),
        ],
    )
    def test_tells_what_is_wrong_with_what_was_typed(
        self, typed: str, told: str, admin_client: Client, lead: Lead, same: Lead
    ) -> None:
        make_lead("twice"), make_lead("twice", kind="phone"), make_lead(f"#{same.pk}")

        response = admin_client.get(find_url(lead, typed.format(same=same.pk)), follow=True)

        assert messages(response) == [told]
        assert not Merge.objects.exists()

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_is_refused_to_whoever_only_looks(self, method: str, lead: Lead, same: Lead) -> None:
        response = getattr(staff("view_lead"), method)(merge_url(lead, same))

        assert response.status_code == 403
        assert not Merge.objects.exists()

    def test_of_a_lead_that_is_gone_is_not_found(self, admin_client: Client) -> None:
        addresses = [reverse("admin:leads_lead_merge", args=[1, 2]), find_url(Lead(pk=1), "tg:1")]

        assert [admin_client.get(address).status_code for address in addresses] == [404, 404]


class TestUndoing:
    def test_takes_as_many_statements_however_many_were_merged(
        self, admin_client: Client, lead: Lead, django_assert_max_num_queries: Any
    ) -> None:
        for number in range(30):
            merge_leads(lead.pk, make_lead(f"merged {number}").pk)

        with django_assert_max_num_queries(25):
            assert page(admin_client, lead).count("/undo/") == 1

    def test_takes_one_click(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        merge = merge_leads(lead.pk, same.pk)
        url = reverse("admin:leads_lead_undo_merge", args=[lead.pk, merge.pk])
        assert f'action="{url}"' in page(admin_client, lead)

        response = admin_client.post(url, follow=True)

        assert messages(response) == [f"Lead {same.pk} is by itself again."]
        assert same.contacts.count() == 1

    def test_is_not_offered_once_something_has_happened(
        self, admin_client: Client, lead: Lead, same: Lead, source: Source
    ) -> None:
        merge = merge_leads(lead.pk, same.pk)
        arrive(source, "site:1")
        url = reverse("admin:leads_lead_undo_merge", args=[lead.pk, merge.pk])

        assert f'action="{url}"' not in page(admin_client, lead)
        assert messages(admin_client.post(url, follow=True)) == [
            "This merge cannot be undone any more: something has happened to the lead since."
        ]

    def test_is_not_done_by_looking(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        merge = merge_leads(lead.pk, same.pk)

        admin_client.get(reverse("admin:leads_lead_undo_merge", args=[lead.pk, merge.pk]))

        assert not Lead.objects.filter(pk=same.pk).exists()

    def test_is_refused_to_whoever_only_looks(self, lead: Lead, same: Lead) -> None:
        merge = merge_leads(lead.pk, same.pk)
        url = reverse("admin:leads_lead_undo_merge", args=[lead.pk, merge.pk])

        assert staff("view_lead").post(url).status_code == 403
        assert not Lead.objects.filter(pk=same.pk).exists()
