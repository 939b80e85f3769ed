"""The back office for whoever hears it, reads it in the dark or on a telephone, and for whoever uses no mouse."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from crm_project.testing.accessibility import faults
from crm_project.testing.back_office import arrive, call
from crm_project.testing.browser import NARROW, Visit, Visitor, visiting
from crm_project.testing.screenshots.camera import CONTACT, MATRIX, OWN, QUEUE, SOURCE, START
from crm_project.testing.server import Server, StartServer

pytestmark = pytest.mark.once

FURNISH = """
import json
from dataclasses import asdict
from django.core.management import call_command
from crm_project.testing.screenshots import house
from crm_project.webhooks import endpoints, models
from distribution.events import send_test
house.CONTACTS = 20
call_command("create_api_key", "Bot", "--scope", "register")
endpoint = models.Endpoint.objects.create(name="Bot", url="https://example.com/")
endpoints.add_secret(endpoint)
send_test(endpoint.pk)
print()
print(json.dumps(asdict(house.furnish())))
"""
OPERATORS, OPERATOR = "/admin/operators/operator/", "/admin/operators/operator/{operator}/"
PAGES = {
    "work": [
        *(START, QUEUE, "/admin/board/", MATRIX, "/admin/contacts/{contact}/move/", "/admin/contacts/{contact}/close/"),
        *("/admin/leads/source/{source}/fairness/", f"{OPERATOR}history/", f"{OPERATOR}delete/"),
        *(f"{OPERATORS}import/", f"{OPERATORS}export/", "/admin/password_change/"),
    ],
    "lists": [
        *("/admin/leads/contact/", "/admin/leads/lead/", "/admin/leads/source/", OPERATORS, "/admin/operators/weight/"),
        *("/admin/distribution/decision/", "/admin/distribution/bulkrun/", "/admin/auth/user/", "/admin/auth/group/"),
        *("/admin/access/apiclient/", "/admin/access/apikey/", "/admin/leads/"),
        *("/admin/distribution/settingchange/", "/admin/webhooks/endpoint/", "/admin/webhooks/delivery/"),
    ],
    "forms": [
        *(CONTACT, "/admin/leads/lead/{lead}/change/", SOURCE, f"{OPERATOR}change/", f"{OPERATORS}add/"),
        *("/admin/operators/weight/1/change/", "/admin/operators/weight/add/", "/admin/auth/group/1/change/"),
        *("/admin/auth/user/1/change/", "/admin/auth/user/add/", "/admin/distribution/decision/1/change/"),
        *("/admin/access/apiclient/1/change/", "/admin/access/apiclient/add/", "/admin/access/apikey/1/change/"),
        *("/admin/webhooks/endpoint/1/change/", "/admin/webhooks/endpoint/add/", "/admin/webhooks/delivery/1/change/"),
        "/admin/distribution/settingchange/1/change/",
    ],
}
ON_A_TELEPHONE = {START, QUEUE, MATRIX, CONTACT, SOURCE, "/admin/leads/contact/"}
MOST_TABS = 60
SHOWS_FOCUS = """control => {
    const {outlineStyle, outlineWidth, boxShadow} = getComputedStyle(control);
    return (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || boxShadow !== "none";
}"""


@dataclass(frozen=True)
class House:
    """A house that has seen a week, with who may look and the ids that the addresses of pages name."""

    server: Server
    administrator: dict[str, str]
    operator: dict[str, str]
    ids: dict[str, int]


@pytest.fixture(scope="module")
def house(lasting_server: StartServer) -> House:
    """Furnish the house that the tests look at."""
    server = lasting_server()
    done = server.manage("shell", "--no-imports", "--command", FURNISH)
    assert done.returncode == 0, done.stderr
    call(server, "sources", name="Postbox", code="postbox")
    arrive(server, "whom nobody serves", "postbox", text="Is anybody there?")
    return House(server, **json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def cookies(browser: Browser, house: House) -> StorageState:
    """Log the administrator in, once for all windows."""
    with visiting(browser) as visit:
        return visit(house.server).log_in(**house.administrator).cookies()


def _ask_what_if(page: Page) -> None:
    page.locator("input[name^=weight_]").first.fill("100")
    page.locator("#simulation_form button[type=submit]").first.click()


def _deactivate(page: Page) -> None:
    page.uncheck("[name=is_active]")
    page.click("[name=_save]")


def _close_all(page: Page) -> None:
    page.check("#action-toggle")
    page.evaluate("document.querySelector('input.select-across').value = 1")
    page.select_option("select[name=action]", "close")
    page.click("#changelist-actions button[type=submit]")


def _close_all_and_confirm(page: Page) -> None:
    _close_all(page)
    page.click("#bulk_form button[type=submit]")
    page.wait_for_selector("#bulk-run")


def _save_wrongly(page: Page) -> None:
    page.fill("[name=max_load]", "-1")
    page.click("[name=_save]")


def _rehearse(line: str) -> Callable[[Page], None]:
    def rehearse(page: Page) -> None:
        file = f"name,max_load\n{line}\n".encode()
        page.set_input_files("[name=import_file]", {"name": "f.csv", "mimeType": "text/csv", "buffer": file})
        page.click("form[enctype] button[type=submit]")
        page.wait_for_selector("table")

    return rehearse


ANSWERS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "what if": ("/admin/leads/source/{source}/simulate/", _ask_what_if),
    "somebody leaves": (f"{OPERATOR}change/", _deactivate),
    "rows are ticked": (OPERATORS, lambda page: page.check("#action-toggle")),
    "a bulk question": ("/admin/leads/contact/?status__exact=closed", _close_all),
    "a bulk run": ("/admin/leads/contact/?status__exact=closed", _close_all_and_confirm),
    "a form is wrong": (f"{OPERATORS}add/", _save_wrongly),
    "a rehearsal": (f"{OPERATORS}import/", _rehearse("Анна,5")),
    "a rehearsal of what is wrong": (f"{OPERATORS}import/", _rehearse("Анна,-5")),
}


@pytest.fixture(scope="module")
def reader(browser: Browser, house: House, cookies: StorageState) -> Iterator[Visitor]:
    """Open one window of the administrator for all pages, in Russian, whose words are the longer ones."""
    with visiting(browser) as visit:
        yield visit(house.server, language="ru", cookies=cookies)


class TestReading:
    @pytest.mark.parametrize("kind", PAGES)
    def test_nothing_keeps_anybody_from_a_page(self, house: House, reader: Visitor, kind: str) -> None:
        found = {
            address: faults(reader.go(address.format(**house.ids)).page, on_telephone=address in ON_A_TELEPHONE)
            for address in PAGES[kind]
        }

        assert {address: wrong for address, wrong in found.items() if wrong} == {}

    @pytest.mark.parametrize("name", ANSWERS)
    def test_nothing_keeps_anybody_from_an_answer(self, house: House, reader: Visitor, name: str) -> None:
        address, ask = ANSWERS[name]
        page = reader.go(address.format(**house.ids)).page

        ask(page)

        page.wait_for_load_state()
        assert faults(page, on_telephone=True) == []

    def test_nothing_keeps_an_operator_from_their_page(self, house: House, visit: Visit) -> None:
        visitor = visit(house.server, language="ru").go("/admin/login/")
        assert faults(visitor.page, on_telephone=True) == []

        visitor.log_in(**house.operator)

        expect(visitor.page).to_have_url(f"{house.server.base_url}{OWN}")
        assert faults(visitor.page, on_telephone=True) == []

    def test_no_list_and_no_form_is_left_out(self) -> None:
        looked_at = {address.format(operator=1, source=1, lead=1, contact=1) for address in chain(*PAGES.values())}
        of_bulk_runs = {reverse("admin:distribution_bulkrun_change", args=[1])}  # an answer

        for model in admin.site._registry:
            page = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            assert looked_at >= {reverse(f"{page}_changelist"), reverse(f"{page}_change", args=[1])} - of_bulk_runs


def tab_to(page: Page, control: Locator, key: str = "Tab") -> None:
    """Press Tab until the control has the focus, and see that it shows so."""
    for _time in range(MOST_TABS):
        page.keyboard.press(key)
        if control.evaluate("control => control === document.activeElement"):
            break
    expect(control).to_be_focused()
    assert control.evaluate(SHOWS_FOCUS), "the focus cannot be seen"


class TestKeyboard:
    """Without a mouse: no test clicks."""

    @pytest.fixture
    def visitor(self, house: House, visit: Visit, cookies: StorageState) -> Visitor:
        """Open a window of the administrator."""
        return visit(house.server, cookies=cookies)

    def test_alone_leads_from_the_log_in_to_a_contact_that_is_given_to_somebody(
        self, house: House, visit: Visit
    ) -> None:
        call(house.server, "operators", name="Zoe")
        page = visit(house.server).go("/admin/login/").page
        tab_to(page, page.get_by_label("Username"))
        page.keyboard.type(house.administrator["name"])
        tab_to(page, page.get_by_label("Password"))
        page.keyboard.type(house.administrator["password"])
        page.keyboard.press("Enter")

        tab_to(page, page.get_by_role("link", name="Queue", exact=True))
        page.keyboard.press("Enter")
        expect(page).to_have_title(re.compile("Queue"))
        tab_to(page, page.get_by_role("link", name="Skip to the content"))
        page.keyboard.press("Enter")
        give = page.get_by_role("link", name="Give to").first
        contact = (give.get_attribute("href") or "").split("/")[3]
        tab_to(page, give)
        page.keyboard.press("Enter")

        tab_to(page, page.get_by_label("Operator"))
        page.keyboard.type("Zoe")
        tab_to(page, page.get_by_label("Reason"))
        page.keyboard.type("knows the client")
        tab_to(page, page.get_by_role("button", name="Give"))
        page.keyboard.press("Space")

        expect(page).to_have_url(re.compile(QUEUE))
        whose = "SELECT name FROM operators_operator WHERE id = (SELECT operator_id FROM leads_contact WHERE id = {})"
        assert house.server.rows(whose.format(contact)) == [("Zoe",)]

    def test_alone_changes_a_weight_in_the_matrix(self, house: House, visitor: Visitor) -> None:
        page = visitor.go(MATRIX).page
        weight = page.locator(f"input[data-source='{house.ids['source']}']").first

        tab_to(page, weight)
        page.keyboard.press("Control+A")
        page.keyboard.type("77")
        page.keyboard.press("Control+Enter")

        expect(page.get_by_text("1 weight saved")).to_be_visible()
        assert house.server.rows("SELECT count(*) FROM operators_weight WHERE weight = 77") == [(1,)]

    def test_opens_the_filters_and_the_menus_that_the_theme_made_for_a_mouse(
        self, house: House, visitor: Visitor
    ) -> None:
        page = visitor.go("/admin/leads/contact/").page
        tab_to(page, page.get_by_role("button", name="Filters"))
        page.keyboard.press("Space")
        expect(page.get_by_role("link", name="Waiting").first).to_be_visible()

        page.set_viewport_size(NARROW)
        visitor.go("/admin/leads/contact/")
        expect(page.get_by_role("link", name="Queue", exact=True)).to_be_hidden()
        tab_to(page, page.get_by_role("button", name="Menu"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Queue", exact=True)).to_be_visible()

        tab_to(page, page.get_by_role("button", name="admin"), "Shift+Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
