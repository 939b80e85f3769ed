"""The back office in a browser, as those who work in it see it."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crm_project.testing.back_office import (
    PASSWORD,
    add_annas_account,
    add_telegram,
    arrive,
    call,
    open_house,
    supervisor,
)
from crm_project.testing.browser import NARROW, Visit
from crm_project.testing.server import Server, StartServer

pytestmark = pytest.mark.once

PAGES = ["/admin/", "/admin/leads/contact/", "/admin/operators/operator/add/", "/admin/leads/source/add/", "/docs"]


@pytest.fixture
def house(server: StartServer) -> Server:
    """Start a server with an administrator."""
    return open_house(server)


def test_pages_work_under_their_content_security_policy(house: Server, visit: Visit) -> None:
    visitor = visit(house).log_in("admin", PASSWORD)

    for address in PAGES:
        visitor.go(address).page.wait_for_load_state("networkidle")

    assert visitor.complaints == []


def test_a_script_from_elsewhere_is_stopped(house: Server, visit: Visit) -> None:
    visitor = visit(house).log_in("admin", PASSWORD)

    visitor.page.evaluate("document.head.append(Object.assign(document.createElement('script'), {text: 'x = 1'}))")

    assert "Content Security Policy" in visitor.complaints.pop()


@pytest.mark.parametrize(("language", "greeting"), [("en", "Log in"), ("ru", "Войти")])
def test_it_speaks_the_language_of_the_browser_and_fits_a_telephone(
    house: Server, visit: Visit, language: str, greeting: str
) -> None:
    page = visit(house, language=language, size=NARROW).go("/admin/login/").page

    expect(page.get_by_role("button", name=greeting)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


@pytest.fixture
def telegram(house: Server) -> Server:
    """Two operators, Anna with weight 10 and Boris with 30, on the source «Telegram»."""
    return add_telegram(house)


def weight_of(page: Page, name: str) -> Any:
    return page.get_by_role("textbox", name=f"{name} · Telegram")


def share_of(page: Page, name: str) -> Any:
    return page.locator(f"output[for='{weight_of(page, name).get_attribute('id')}']")


class TestWeights:
    def test_the_shares_change_while_one_types_and_the_weight_is_saved(self, telegram: Server, visit: Visit) -> None:
        page = supervisor(telegram, visit).go("/admin/operators/weight/matrix/").page
        expect(share_of(page, "Boris")).to_have_text("75%")

        weight_of(page, "Anna").fill("90")

        expect(share_of(page, "Anna")).to_have_text("75%")
        expect(share_of(page, "Boris")).to_have_text("25%")

        page.get_by_role("button", name="Save the weights").click()
        expect(page.get_by_text("1 weight saved")).to_be_visible()
        assert telegram.rows("SELECT weight FROM operators_weight ORDER BY operator_id") == [(90,), (30,)]

    def test_two_who_change_the_same_weight_meet_and_nothing_is_overwritten(
        self, telegram: Server, visit: Visit
    ) -> None:
        mine = supervisor(telegram, visit).go("/admin/operators/weight/matrix/").page
        theirs = supervisor(telegram, visit).go("/admin/operators/weight/matrix/").page
        weight_of(theirs, "Anna").fill("20")
        theirs.get_by_role("button", name="Save the weights").click()
        expect(theirs.get_by_text("1 weight saved")).to_be_visible()

        weight_of(mine, "Anna").fill("40")
        mine.get_by_role("button", name="Save the weights").click()

        expect(mine.get_by_role("alert")).to_contain_text("Somebody else has changed these weights meanwhile")
        assert telegram.rows("SELECT weight FROM operators_weight ORDER BY operator_id") == [(20,), (30,)]

        mine.get_by_label("put mine: 40").check()
        mine.get_by_role("button", name="Save the weights").click()
        expect(mine.get_by_text("1 weight saved")).to_be_visible()
        assert telegram.rows("SELECT weight FROM operators_weight ORDER BY operator_id") == [(40,), (30,)]


class TestContacts:
    def test_one_arrives_on_the_board_without_a_reload_is_moved_and_explained(
        self, telegram: Server, visit: Visit
    ) -> None:
        page = supervisor(telegram, visit).go("/admin/board/").page
        page.evaluate("window.stays = true")

        contact = arrive(telegram, "@ivan", name="Иван", text="Здравствуйте")
        card = page.locator(f"#board-contact-{contact['id']}")
        expect(card).to_contain_text("Здравствуйте")
        assert page.evaluate("window.stays")

        other = {1: "Boris", 2: "Anna"}[contact["operator_id"]]
        card.get_by_role("link", name="Give to").click()
        page.get_by_label("Operator").select_option({"Anna": "1", "Boris": "2"}[other])
        page.get_by_label("Reason").fill("knows the client")
        page.get_by_role("button", name="Give").click()
        expect(page.locator(f"section:has(h2:has-text('{other}')) #board-contact-{contact['id']}")).to_be_visible()

        page.goto(f"{telegram.base_url}/admin/leads/contact/{contact['id']}/change/")
        expect(page.get_by_text("was drawn")).to_be_visible()
        expect(page.get_by_text("knows the client")).to_be_visible()

    def test_the_start_page_counts_who_waits_without_a_reload(self, telegram: Server, visit: Visit) -> None:
        page = supervisor(telegram, visit).go("/admin/").page
        page.evaluate("window.stays = true")

        for number in range(21):
            arrive(telegram, f"lead {number}")

        expect(page.get_by_role("link", name="Waiting now").first).to_contain_text("1")
        assert page.evaluate("window.stays")


class TestLeaving:
    def test_who_is_switched_off_hands_over_by_draw_and_the_numbers_come_before(
        self, telegram: Server, visit: Visit
    ) -> None:
        for number in range(6):
            contact = arrive(telegram, f"lead {number}")
        call(telegram, f"contacts/{contact['id']}/reassign", operator_id=1)
        [(annas,)] = telegram.rows("SELECT load FROM operators_operator WHERE id = 1")
        page = supervisor(telegram, visit).go("/admin/operators/operator/1/change/").page

        page.get_by_label("Active", exact=True).uncheck()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("active contacts").first).to_be_visible()
        page.get_by_label("by draw").check()
        page.locator("#bulk_form").get_by_role("button").first.click()

        expect(page.get_by_text(f"Boris: {annas}")).to_be_visible()
        assert telegram.rows("SELECT load FROM operators_operator ORDER BY id") == [(0,), (6,)]


class TestOperator:
    def test_sees_what_comes_to_them_closes_it_pauses_and_gets_no_further(self, telegram: Server, visit: Visit) -> None:
        add_annas_account(telegram)
        visitor = visit(telegram, size=NARROW).log_in("anna", PASSWORD)
        page = visitor.page
        contact = arrive(telegram, "@ivan", text="Здравствуйте")
        call(telegram, f"contacts/{contact['id']}/reassign", operator_id=1)

        expect(page.get_by_text("Здравствуйте")).to_be_visible()
        expect(page).to_have_title(re.compile(r"^\(1\) My contacts"))

        page.get_by_role("button", name="Close").click()
        expect(page.get_by_text("Здравствуйте")).to_be_hidden()
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="End the pause")).to_be_visible()
        assert telegram.rows("SELECT load, is_paused FROM operators_operator WHERE id = 1") == [(0, 1)]

        for address in ("/admin/board/", "/admin/leads/contact/", "/admin/operators/weight/matrix/"):
            assert page.goto(telegram.base_url + address).status == 403  # type: ignore[union-attr]
        visitor.complaints.clear()
