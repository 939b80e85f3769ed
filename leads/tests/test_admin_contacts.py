"""Contacts in the back office."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone

from crm_project.testing.admin_pages import Page, address, messages, run, shown
from crm_project.testing.rows import arrive, assert_loads_are_true, make_contacts, make_operator, make_source
from distribution.handling import close_contact
from distribution.models import Decision
from distribution.roster import change_operator
from leads.models import Contact, Source
from operators.models import Operator

pytestmark = pytest.mark.django_db

MODEL = "leads_contact"


def change_page(contact: Contact) -> str:
    return address(MODEL, "change", contact.pk)


def click(client: Client, contact: Contact, action: str, **more: object) -> Page:
    """Press a button on the contact's page."""
    pressed = {"CHANGE_FORM-action": action, "_selected_action": contact.pk, **more}
    return client.post(change_page(contact), pressed, follow=True)


def buttons(response: Page) -> list[str]:
    return [name for name, _description in response.context["action_form"].fields["action"].choices]


@pytest.fixture
def operators() -> list[Operator]:
    return [make_operator(name="Anna"), make_operator(name="Boris")]


@pytest.fixture
def source(operators: list[Operator]) -> Source:
    return make_source(dict.fromkeys(operators, 1), name="Telegram", code="bot_tele")


@pytest.mark.parametrize(
    "field",
    ["external_id", "name", "phone", "email", "operator", "source"],
)
@pytest.mark.parametrize("typed", ["иван", "ИВАН"])
def test_a_contact_is_found_without_regard_to_case(admin_client: Client, field: str, typed: str) -> None:
    names = {"operator": "Мария", "source": "site", "external_id": "user_1", field: "для Ивана"}
    other = make_source({make_operator(name="Пётр"): 1})
    source = make_source({make_operator(name=names.pop("operator")): 1}, code=names.pop("source"))
    contact = arrive(source, **names)
    arrive(other)
    assert shown(admin_client.get(address(MODEL), {"q": typed})) == [contact]


def test_a_page_has_no_row_for_what_is_empty(admin_client: Client) -> None:
    contact = arrive(make_source({make_operator(): 1}), name="Zoya")

    page = admin_client.get(address("leads_contact", "change", contact.pk))

    labels = [str(field.field["label"]) for line in page.context["adminform"] for row in line for field in row]
    assert "name" in labels
    assert {"phone", "text", "data", "closed at", "waiting for", "chat with the lead"}.isdisjoint(labels)


def test_a_contact_is_found_by_its_lead(admin_client: Client, source: Source) -> None:
    contact = arrive(source, "user_1")
    arrive(source, "user_2")
    Contact.objects.filter(pk=contact.pk).update(external_id="sent otherwise")
    assert shown(admin_client.get(address(MODEL), {"q": "USER_1"})) == [contact]


def test_the_list_narrows_by_status_source_operator_and_day(admin_client: Client, source: Source) -> None:
    active, closed = arrive(source), close_contact(arrive(source).pk)
    waiting = arrive(make_source())
    tomorrow = timezone.now() + timedelta(days=1)
    narrowed: list[tuple[dict[str, Any], set[Contact]]] = [
        ({"status__exact": "waiting"}, {waiting}),
        ({"status__exact": "active"}, {active}),
        ({"source__id__exact": source.pk}, {active, closed}),
        ({"operator__id__exact": active.operator_id, "status__exact": "active"}, {active}),
        ({"created_at__gte": tomorrow.isoformat()}, set()),
    ]
    for filters, expected in narrowed:
        assert set(shown(admin_client.get(address(MODEL), filters))) == expected


@pytest.mark.parametrize(
    "filters", [{"operator__id__exact": "abc"}, {"status__exact": "lost"}, {"p": "x"}, {"unknown": 1}, {"o": "99.x"}]
)
def test_a_list_with_a_wrong_address_is_a_page_all_the_same(admin_client: Client, filters: dict[str, str]) -> None:
    assert admin_client.get(address(MODEL), filters, follow=True).status_code == 200


def test_the_list_shows_how_long_a_contact_waits(admin_client: Client) -> None:
    waiting = arrive(make_source())
    Contact.objects.update(created_at=timezone.now() - timedelta(hours=3, minutes=1))
    page = admin_client.get(address(MODEL)).content.decode()
    assert "3\xa0hours" in page
    close_contact(waiting.pk)
    assert "3\xa0hours" not in admin_client.get(address(MODEL)).content.decode()


def test_the_list_takes_few_queries_however_long_it_is(
    admin_client: Client, source: Source, django_assert_max_num_queries: Any
) -> None:
    for _number in range(50):
        arrive(source)
    with django_assert_max_num_queries(6):
        admin_client.get(address(MODEL))


def test_the_page_shows_what_was_sent_as_it_was_sent(admin_client: Client, source: Source) -> None:
    contact = arrive(source, text="Первая строка\n<b>Вторая</b>", data={"город": "Пермь", "n": [1, None]})
    page = admin_client.get(change_page(contact)).content.decode()
    for text in ("Первая строка\n&lt;b&gt;Вторая&lt;/b&gt;", "&quot;город&quot;: &quot;Пермь&quot;", "    null"):
        assert text in page


def test_nothing_on_the_page_can_be_typed_or_saved(admin_client: Client, source: Source) -> None:
    contact = arrive(source)
    response = admin_client.get(change_page(contact))
    assert list(response.context["adminform"].form.fields) == []
    assert 'name="_save"' not in response.content.decode()


def test_what_is_sent_to_the_form_changes_nothing(
    admin_client: Client, source: Source, operators: list[Operator]
) -> None:
    contact = arrive(source)
    before = Contact.objects.values().get()
    sent = {"status": "closed", "operator": operators[0].pk, "text": "other", "_save": "Save"}
    assert admin_client.post(change_page(contact), sent).status_code == 403
    assert Contact.objects.values().get() == before


def test_a_contact_is_neither_added_nor_deleted_by_hand(admin_client: Client, source: Source) -> None:
    contact = arrive(source)
    assert admin_client.get(address(MODEL, "add")).status_code == 403
    assert admin_client.post(address(MODEL, "delete", contact.pk), {"post": "yes"}).status_code == 403
    run(admin_client, MODEL, "delete_selected", contact, post="yes")
    assert Contact.objects.get() == contact


def test_contacts_are_closed_together_and_the_queue_moves_up(admin_client: Client) -> None:
    operator = make_operator(max_load=2)
    source = make_source({operator: 1})
    first, second, waiting = arrive(source), arrive(source), arrive(source)
    already_closed = close_contact(arrive(source).pk)
    response = run(admin_client, MODEL, "close", first, second, already_closed)
    assert messages(response) == ["2 contacts closed.", "1 was so already and stays as it is."]
    waiting.refresh_from_db()
    assert waiting.operator == operator
    assert Contact.objects.filter(status="closed").count() == 3
    assert_loads_are_true()


def test_contacts_are_reopened_together(admin_client: Client, source: Source) -> None:
    contacts = [close_contact(arrive(source).pk) for _number in range(3)]
    assert messages(run(admin_client, MODEL, "reopen", *contacts)) == ["3 contacts reopened."]
    assert Contact.objects.active().count() == 3
    assert_loads_are_true()


def test_contacts_are_moved_by_draw_and_refusals_are_told_by_reason(
    admin_client: Client, source: Source, operators: list[Operator]
) -> None:
    moved, closed, alone = arrive(source), close_contact(arrive(source).pk), arrive(make_source({operators[0]: 1}))
    previous = moved.operator
    response = run(admin_client, MODEL, "reassign_by_draw", moved, closed, alone)
    assert messages(response) == [
        "1 contact moved.",
        "1 was refused: This contact is closed. Reopen it first.",
        "1 was refused: No other operator of this source is available. Name one, or try again when somebody has room.",
    ]
    moved.refresh_from_db()
    assert moved.operator in set(operators) - {previous}
    assert_loads_are_true()


def test_reassigning_asks_for_an_operator_with_room(admin_client: Client, source: Source) -> None:
    contact = arrive(source)
    full, resting, free = (
        make_operator(name="Full", max_load=0),
        make_operator(name="Resting", is_active=False),
        make_operator(name="Free", max_load=7),
    )
    response = run(admin_client, MODEL, "reassign_to", contact)
    offered = [operator for operator, _label in response.context["form"].fields["operator"].choices]
    assert {full.pk, resting.pk}.isdisjoint(offered)
    assert free.pk in offered
    page = response.content.decode()
    assert "Free (0 / 7)" in page
    assert f'<input type="hidden" name="_selected_action" value="{contact.pk}">' in page
    assert "1 contact is moved" in page


def test_contacts_are_moved_to_the_operator_chosen_up_to_their_limit(admin_client: Client, source: Source) -> None:
    receiver = make_operator(max_load=2)
    contacts = [arrive(source) for _number in range(3)]
    response = run(admin_client, MODEL, "reassign_to", *contacts, operator=receiver.pk)
    assert messages(response) == [
        "2 contacts moved.",
        "1 was refused: This operator is inactive or at the limit. Choose another, or raise the limit.",
    ]
    assert set(receiver.contacts.all()) == set(contacts[:2])
    assert_loads_are_true()


@pytest.mark.parametrize("chosen", ["", "0", "abc", "full"])
def test_an_operator_who_cannot_take_it_is_told_at_the_field(admin_client: Client, source: Source, chosen: str) -> None:
    contact = arrive(source)
    full = make_operator(max_load=0)
    response = run(admin_client, MODEL, "reassign_to", contact, operator=full.pk if chosen == "full" else chosen)
    assert list(response.context["form"].errors) == ["operator"]
    assert Contact.objects.get().operator == contact.operator


def test_the_page_offers_what_makes_sense_for_the_contact(admin_client: Client, source: Source) -> None:
    contact = arrive(source)
    assert buttons(admin_client.get(change_page(contact))) == ["close", "reassign_by_draw", "reassign_to"]
    close_contact(contact.pk)
    assert buttons(admin_client.get(change_page(contact))) == ["reopen"]


def test_a_contact_is_closed_and_reopened_on_its_page(admin_client: Client, source: Source) -> None:
    contact = arrive(source)
    response = click(admin_client, contact, "close")
    assert response.redirect_chain == [(change_page(contact), 302)]
    assert messages(response) == ["1 contact closed."]
    assert messages(click(admin_client, contact, "reopen")) == ["1 contact reopened."]
    contact.refresh_from_db()
    assert contact.status == "active"
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Changed status.", "Changed status."]


def test_a_contact_is_moved_on_its_page(admin_client: Client, source: Source) -> None:
    contact = arrive(source)
    receiver = make_operator()
    asked = click(admin_client, contact, "reassign_to")
    repeated = {name: values[0] for name, values in asked.context["repeated"].items()}
    assert messages(admin_client.post(change_page(contact), {**repeated, "operator": receiver.pk}, follow=True)) == [
        "1 contact moved."
    ]
    contact.refresh_from_db()
    assert contact.operator == receiver


def test_a_refusal_is_told_on_the_page_and_nothing_changes(admin_client: Client) -> None:
    contact = arrive(make_source({make_operator(): 1}))
    response = click(admin_client, contact, "reassign_by_draw")
    assert messages(response) == [
        "No other operator of this source is available. Name one, or try again when somebody has room."
    ]
    assert Contact.objects.get().operator == contact.operator


@pytest.mark.parametrize("action", ["close", "reopen", "reassign_by_draw", "reassign_to"])
def test_looking_at_an_address_changes_nothing(admin_client: Client, source: Source, action: str) -> None:
    contact = arrive(source)
    before = Contact.objects.values().get()
    asked: dict[str, Any] = {
        "CHANGE_FORM-action": action,
        "action": action,
        "_selected_action": contact.pk,
        "operator": 1,
    }
    admin_client.get(change_page(contact), asked)
    admin_client.get(address(MODEL), asked)
    assert Contact.objects.values().get() == before


def test_an_action_on_all_pages_takes_the_filter_into_account(admin_client: Client, source: Source) -> None:
    kept = arrive(make_source())
    for _number in range(3):
        arrive(source)
    chosen = {"action": "close", "_selected_action": kept.pk, "select_across": "1"}
    url = f"{address(MODEL)}?source__id__exact={source.pk}"
    asked = admin_client.post(url, chosen)
    assert "3 rows are concerned." in asked.content.decode()
    admin_client.post(url, {**chosen, "confirmed": "1"})
    assert Contact.objects.filter(status="closed").count() == 3
    kept.refresh_from_db()
    assert kept.is_waiting


def test_a_contact_that_is_gone_from_the_queue_meanwhile_is_counted_once(admin_client: Client) -> None:
    operator = make_operator(max_load=1)
    source = make_source({operator: 1})
    active, waiting = arrive(source), arrive(source)
    assert messages(run(admin_client, MODEL, "close", active, waiting)) == ["2 contacts closed."]
    change_operator(operator.pk, max_load=5)
    assert_loads_are_true()


def test_a_contact_is_found_by_its_number(admin_client: Client, source: Source) -> None:
    contact = arrive(source)
    arrive(source)
    assert contact in shown(admin_client.get(address(MODEL), {"q": str(contact.pk)}))


@pytest.mark.parametrize("typed", ["9" * 30, "²", "\0", "%", "_", "\\", "'"])
def test_a_search_for_anything_is_a_page(admin_client: Client, source: Source, typed: str) -> None:
    arrive(source)
    assert admin_client.get(address(MODEL), {"q": typed}, follow=True).status_code == 200


def test_the_page_leads_to_the_chat(admin_client: Client) -> None:
    contact = arrive(make_source(link_template="tg://resolve?domain={external_id}"), "@anna")
    assert 'href="tg://resolve?domain=%40anna"' in admin_client.get(change_page(contact)).content.decode()


def test_the_page_leads_to_no_address_that_no_form_would_have_taken(admin_client: Client) -> None:
    contact = arrive(make_source(link_template="javascript:alert(1)//{external_id}"), "@anna")
    assert "javascript:alert" not in admin_client.get(change_page(contact)).content.decode()


def test_the_page_shows_the_other_contacts_of_the_lead(admin_client: Client, source: Source) -> None:
    contact, other = arrive(source, "user_1"), arrive(make_source(name="Website"), "user_1", text="And <another>")
    stranger = arrive(source, "user_2")
    page = admin_client.get(change_page(contact)).content.decode()
    for text in (
        change_page(other),
        "Website",
        "And &lt;another&gt;",
        address("leads_lead", "change", contact.lead_id),
    ):
        assert text in page
    assert change_page(stranger) not in page


@pytest.mark.parametrize("count", [10, 1_000])
def test_the_page_takes_as_many_queries_however_much_the_lead_wrote(
    admin_client: Client, source: Source, count: int, django_assert_num_queries: Any
) -> None:
    contact, *_others = make_contacts(count, source)
    ContentType.objects.get_for_model(Contact)  # which a process reads once
    # The session, its user, the contact with its source and operator, the lead, the decisions, the lead's contacts,
    # the place in the queue, the roster.
    with django_assert_num_queries(9):
        admin_client.get(change_page(contact))


def test_a_button_is_pressed_for_a_reason(admin_client: Client, source: Source) -> None:
    contact = arrive(source)
    assert 'name="reason" maxlength="500"' in admin_client.get(change_page(contact)).content.decode()
    click(admin_client, contact, "reassign_by_draw", reason="Because")
    assert Decision.objects.latest("pk").reason == "Because"


@pytest.mark.parametrize("reason", ["\0", "x" * 501, "\0" * 9_000])
def test_a_reason_that_cannot_be_stored_is_cut_to_what_can(admin_client: Client, source: Source, reason: str) -> None:
    contact = arrive(source)
    click(admin_client, contact, "reassign_by_draw", reason=reason)
    assert Decision.objects.latest("pk").reason == reason.replace("\0", "")[:500]


def test_a_reason_goes_on_to_the_page_that_asks_for_an_operator(admin_client: Client, source: Source) -> None:
    asked = click(admin_client, arrive(source), "reassign_to", reason="Because")
    assert 'value="Because"' in asked.content.decode()
