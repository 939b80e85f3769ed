"""Merging leads from the page of a lead, and the way back."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

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


def merge_url(lead: Lead, other: object) -> str:
    return f"{reverse('admin:leads_lead_merge', args=[lead.pk])}?other={str(other).replace('#', '%23')}"


class TestThePageOfALead:
    def test_shows_who_is_possibly_the_same_and_why(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        shown = page(admin_client, lead)

        assert f'href="{address("leads_lead", "change", same.pk)}"' in shown
        assert "+79123456789" in shown
        assert escape(merge_url(lead, f"#{same.pk}")) in shown

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
        shown = admin_client.get(merge_url(lead, f"#{same.pk}")).content.decode()

        assert "Are these one person?" in shown
        assert "Иван" in shown
        assert "It is me" in shown
        assert not Merge.objects.exists()

    @pytest.mark.parametrize("typed", ["site:1", "#{number}", "№ {number}"])
    def test_merges_the_lead_that_was_named(self, typed: str, admin_client: Client, lead: Lead, same: Lead) -> None:
        response = admin_client.post(merge_url(lead, typed.format(number=same.pk)), follow=True)

        assert messages(response) == [f"Lead {same.pk} is part of this one now."]
        assert set(Contact.objects.values_list("lead", flat=True)) == {lead.pk}
        assert Merge.objects.get().actor_name == "admin"

    def test_is_logged_by_number(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        admin_client.post(merge_url(lead, "site:1"))

        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.get_change_message()) == (str(lead.pk), f"Added lead “{same.pk}”.")

    def test_takes_digits_for_no_number(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        response = admin_client.post(merge_url(lead, same.pk), follow=True)

        assert messages(response) == ["There is no such lead."]

    def test_chooses_nobody_when_a_number_is_also_what_another_is_known_by(
        self, admin_client: Client, lead: Lead, same: Lead
    ) -> None:
        make_lead(f"#{same.pk}")

        admin_client.post(merge_url(lead, f"#{same.pk}"))

        assert not Merge.objects.exists()

    def test_takes_what_a_lead_is_known_by_before_a_number(self, admin_client: Client, lead: Lead, same: Lead) -> None:
        known_as_a_number = make_lead(str(same.pk))

        admin_client.post(merge_url(lead, same.pk))

        assert Merge.objects.get().lead_id == known_as_a_number.pk

    @pytest.mark.parametrize(
        ("typed", "told"),
        [
            ("nobody", "There is no such lead."),
            ("", "This field is required."),
            ("#999999999999999999999", "There is no such lead."),
            ("twice", "Several leads are known by this. Type the number of the one that you mean."),
            ("tg:1", "This is one and the same lead. Choose another."),
        ],
    )
    def test_tells_what_is_wrong_with_the_other(self, typed: str, told: str, admin_client: Client, lead: Lead) -> None:
        make_lead("twice"), make_lead("twice", kind="phone")

        response = admin_client.post(merge_url(lead, typed), follow=True)

        assert messages(response) == [told]
        assert not Merge.objects.exists()

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_is_refused_to_whoever_only_looks(self, method: str, lead: Lead, same: Lead) -> None:
        response = getattr(staff("view_lead"), method)(merge_url(lead, "site:1"))

        assert response.status_code == 403
        assert not Merge.objects.exists()

    def test_of_a_lead_that_is_gone_is_not_found(self, admin_client: Client) -> None:
        response = admin_client.get(f"{reverse('admin:leads_lead_merge', args=[1])}?other=1")

        assert response.status_code == 404


class TestUndoing:
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
