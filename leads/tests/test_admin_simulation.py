"""The page «What if» of a source."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from crm_project.admin import simulation
from crm_project.testing.admin_pages import FormReader, Page, address, messages, open_form, save
from crm_project.testing.rows import arrive
from distribution import roster
from distribution.models import SettingChange
from leads.models import Source
from operators.models import Operator

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Operator:
    return roster.create_operator(name="Anna", max_load=10)


@pytest.fixture
def source(anna: Operator) -> Source:
    """Return a source whose three contacts Anna has; Boris has no weight to speak of."""
    boris = roster.create_operator(name="Boris", max_load=10)
    source = roster.create_source(name="Bot", code="bot")
    roster.set_weights(source.pk, {anna.pk: 3, boris.pk: 0})
    for _ in range(3):
        arrive(source)
    return source


def page_of(source: Source) -> str:
    return f"{address('leads_source', 'change', source.pk).removesuffix('change/')}simulate/"


def simulated(client: Client, source: Source, **typed: Any) -> Page:
    fields = open_form(client, page_of(source), "simulation_form")
    return save(client, page_of(source), fields, **typed)


def asked(client: Client, source: Source, **typed: Any) -> Page:
    """Simulate, and press the button that applies the weights."""
    proposal = simulated(client, source, **typed).context["proposal"]
    return client.post(page_of(source), {"proposal": proposal})


def applied(client: Client, source: Source, page: Page, reason: str = "a test of it") -> Page:
    reader = FormReader("apply_form")
    reader.feed(page.content.decode())
    return save(client, page_of(source), reader.fields, reason=reason)


def weights(source: Source) -> list[int]:
    return list(source.weights.order_by("operator").values_list("weight", flat=True))


def test_the_page_of_a_source_leads_to_it(admin_client: Client, source: Source) -> None:
    page = admin_client.get(address("leads_source", "change", source.pk)).content.decode()

    assert page_of(source).removesuffix("/") in page


def test_it_opens_with_the_week_that_ends_now_and_the_present_weights(admin_client: Client, source: Source) -> None:
    form = admin_client.get(page_of(source)).context["form"]

    assert form["ends"].initial - form["begins"].initial == timedelta(days=7, minutes=1)
    assert [row["weight"].initial for row in form.rows()] == [3, 0]
    assert [row["limit"].initial for row in form.rows()] == [None, None]


def test_before_and_after_are_shown(admin_client: Client, source: Source, anna: Operator) -> None:
    page = simulated(admin_client, source, **{f"limit_{anna.pk}": "1"})

    assert page.context["report"].source.unassigned == (0, 2)
    assert "0 → 2" in page.content.decode()
    assert "<svg" in page.content.decode()


def test_weights_limits_activity_and_strategy_are_asked_about(
    admin_client: Client, source: Source, anna: Operator
) -> None:
    boris = Operator.objects.get(name="Boris")
    typed = {f"weight_{boris.pk}": "1", f"active_{anna.pk}": "no", "strategy": "least_loaded"}
    page = simulated(admin_client, source, **typed)

    assert [row.given.after for row in page.context["report"].operators] == [0, 3]
    assert f"--weight {boris.pk}=1 --deactivate {anna.pk} --strategy least_loaded" in page.context["command"]


def test_an_empty_field_leaves_what_was_recorded(admin_client: Client, source: Source, anna: Operator) -> None:
    page = simulated(admin_client, source, **{f"weight_{anna.pk}": ""})

    assert f"--weight {anna.pk}" not in page.context["command"]
    assert page.context["proposal"] == ""


def test_nothing_is_written_by_simulating(admin_client: Client, source: Source, anna: Operator) -> None:
    simulated(admin_client, source, **{f"weight_{anna.pk}": "9"})

    assert weights(source) == [3, 0]
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("field", "typed"),
    [("begins", ""), ("begins", "yesterday"), ("strategy", "by_mood"), ("weight_{}", "-1"), ("limit_{}", "10001")],
)
def test_what_is_wrong_is_told_at_its_field(
    admin_client: Client, source: Source, anna: Operator, field: str, typed: str
) -> None:
    name = field.format(anna.pk)
    page = simulated(admin_client, source, **{name: typed})

    assert list(page.context["form"].errors) == [name]
    assert "report" not in page.context


def test_a_period_that_is_empty_or_not_recorded_is_told(admin_client: Client, source: Source) -> None:
    page = simulated(admin_client, source, begins="2999-01-01T00:00", ends="2999-01-02T00:00")
    assert "Nothing lies in this period" in page.content.decode()

    Operator.objects.update(created_at=timezone.now() - timedelta(days=30))
    assert "is not recorded" in simulated(admin_client, source).content.decode()


def test_too_many_contacts_lead_to_the_command(admin_client: Client, source: Source, anna: Operator) -> None:
    with patch.object(simulation, "MOST_CONTACTS_ON_A_PAGE", 2):
        page = simulated(admin_client, source, **{f"weight_{anna.pk}": "5"})

    assert "A page simulates up to 2 contacts." in page.content.decode()
    assert f"--weight {anna.pk}=5" in page.content.decode()
    assert "report" not in page.context


def test_too_many_operators_lead_to_the_command(admin_client: Client, source: Source) -> None:
    with patch.object(simulation, "MOST_OPERATORS_ON_A_PAGE", 1):
        response = admin_client.get(page_of(source), follow=True)

    assert messages(response) == ["This source has more than 1 operators. Use the command: manage.py simulate."]


class TestApplying:
    def test_it_is_asked_before(self, admin_client: Client, source: Source, anna: Operator) -> None:
        page = asked(admin_client, source, **{f"weight_{anna.pk}": "9"})

        assert "Anna: 3 → 9" in page.content.decode()
        assert weights(source) == [3, 0]

    def test_the_weights_are_set_with_the_reason_and_logged(
        self, admin_client: Client, source: Source, anna: Operator
    ) -> None:
        page = asked(admin_client, source, **{f"weight_{anna.pk}": "9"})
        response = applied(admin_client, source, page, reason="Anna has learnt it")

        assert messages(response) == ["The weights are set."]
        assert weights(source) == [9, 0]
        change = SettingChange.objects.latest("id")
        assert (change.setting, change.before, change.after) == ("weight", 3, 9)
        assert (change.reason, change.actor_name) == ("Anna has learnt it", "admin")
        assert "Anna – Bot: 9" in LogEntry.objects.get().get_change_message()

    def test_without_a_reason_it_is_asked_again(self, admin_client: Client, source: Source, anna: Operator) -> None:
        page = asked(admin_client, source, **{f"weight_{anna.pk}": "9"})
        again = applied(admin_client, source, page, reason="")

        assert list(again.context["form"].errors) == ["reason"]
        assert weights(source) == [3, 0]

    def test_weights_that_somebody_else_changed_meanwhile_stay(
        self, admin_client: Client, source: Source, anna: Operator
    ) -> None:
        page = asked(admin_client, source, **{f"weight_{anna.pk}": "9"})
        roster.set_weights(source.pk, {Operator.objects.get(name="Boris").pk: 7})
        response = applied(admin_client, source, page)

        assert messages(response) == [
            "Somebody else has changed the weights of this source meanwhile. Look at them again."
        ]
        assert weights(source) == [3, 7]

    @pytest.mark.parametrize("forged", ["", "not signed", "W10:1abc:x"])
    def test_a_proposal_that_no_page_made_is_refused(self, admin_client: Client, source: Source, forged: str) -> None:
        response = admin_client.post(page_of(source), {"proposal": forged, "reason": "x"}, follow=True)

        assert len(messages(response)) == 1
        assert weights(source) == [3, 0]

    def test_a_proposal_for_another_source_is_refused(
        self, admin_client: Client, source: Source, anna: Operator
    ) -> None:
        proposal = simulated(admin_client, source, **{f"weight_{anna.pk}": "9"}).context["proposal"]
        other = roster.create_source(name="Other", code="other")
        admin_client.post(page_of(other), {"proposal": proposal, "reason": "x"})

        assert weights(other) == []


@pytest.mark.parametrize(
    ("may", "looking", "setting"),
    [({"view_operator"}, 403, 403), ({"view_source"}, 200, 403), ({"view_source", "change_weight"}, 200, 200)],
)
def test_who_may_see_sources_may_look_and_who_may_change_weights_set_them(
    client: Client, source: Source, may: set[str], looking: int, setting: int
) -> None:
    user = User.objects.create_user("somebody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=may))
    client.force_login(user)

    assert client.get(page_of(source)).status_code == looking
    assert client.post(page_of(source), {"proposal": "x"}, follow=True).status_code == setting


def test_a_source_that_is_gone_is_told(admin_client: Client) -> None:
    response = admin_client.get(page_of(Source(pk=4711)), follow=True)

    assert "doesn’t exist" in messages(response)[0]
