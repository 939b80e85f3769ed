"""What moves in the back office, in a browser: forms sent twice, files, runs of many rows, live pages, a pause."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, Route, StorageState, expect

from crm_project.testing.back_office import PASSWORD, add_annas_account, add_telegram, arrive, call, open_house
from crm_project.testing.browser import NARROW, Visit, Visitor, visiting
from crm_project.testing.server import Server, StartServer

pytestmark = pytest.mark.once

APPLICATION = "crm_project.tests.with_short_steps:application"
OPERATORS = "/admin/operators/operator/"
NINE_IN_MOSCOW = datetime(2026, 5, 4, 6, tzinfo=UTC)
START_REFRESHED = re.compile("/admin/start/overview/")
BROUGHT_BACK = "window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))"
TURN = """hidden => {
    Object.defineProperty(document, "hidden", {configurable: true, value: hidden});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def house(lasting_server: StartServer) -> Server:
    """Start the server of this module, on which Anna and Boris work; each test adds rows of its own."""
    return add_telegram(open_house(lasting_server, application=APPLICATION))


@pytest.fixture(scope="module")
def cookies(browser: Browser, house: Server) -> StorageState:
    """Log the administrator in, once for all windows."""
    with visiting(browser) as visit:
        return visit(house).log_in("admin", PASSWORD).cookies()


@pytest.fixture
def visitor(house: Server, visit: Visit, cookies: StorageState) -> Visitor:
    """Open a window of the administrator."""
    return visit(house, cookies=cookies)


def rehearse(visitor: Visitor, *lines: str) -> Page:
    """Send a file of operators and return the page with what it would do."""
    page = visitor.go(f"{OPERATORS}import/").page
    file = "\n".join(("external_id,name,max_load", *lines)).encode()
    page.set_input_files("[name=import_file]", {"name": "team.csv", "mimeType": "text/csv", "buffer": file})
    page.get_by_role("button", name="Submit").click()
    return page


def names_like(house: Server, pattern: str) -> list[str]:
    return [name for (name,) in house.rows(f"SELECT name FROM operators_operator WHERE name LIKE '{pattern}'")]


def posts_of(page: Page) -> list[str]:
    """Return a list that grows with every form that the page sends."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    return sent


def stop_clock(page: Page) -> None:
    """Let it be nine o'clock until a test puts the clock forward."""
    page.clock.install(time=NINE_IN_MOSCOW - timedelta(seconds=1))
    page.clock.pause_at(NINE_IN_MOSCOW)


class TestAFormThatIsSentTwice:
    def test_by_two_quick_clicks_imports_once(self, house: Server, visitor: Visitor) -> None:
        page = rehearse(visitor, ",Twice clicked,5")
        posts = posts_of(page)

        page.get_by_role("button", name="Confirm import").dblclick()

        expect(page.get_by_text("Import finished")).to_be_visible()
        assert len(posts) == 1
        assert names_like(house, "Twice clicked") == ["Twice clicked"]

    def test_is_sent_anew_from_a_page_that_the_browser_kept(self, visitor: Visitor) -> None:
        page = rehearse(visitor, ",Never stored,5")
        page.route("**/process_import/", lambda route: route.fulfill(status=204))  # the page stays where it is
        posts, button = posts_of(page), page.get_by_role("button", name="Confirm import")
        button.click()
        button.click()
        assert len(posts) == 1

        page.evaluate(BROUGHT_BACK)
        button.click()

        assert len(posts) == 2

    def test_brings_a_file_each_time(self, visitor: Visitor) -> None:
        page = visitor.go(f"{OPERATORS}export/").page
        page.get_by_label("Format").select_option(label="csv")

        for _time in range(2):
            with page.expect_download() as download:
                page.get_by_role("button", name="Submit").click()

            assert download.value.suggested_filename.endswith(".csv")


class TestImport:
    def test_tells_what_is_wrong_in_which_row_and_stores_a_file_that_is_right(
        self, house: Server, visitor: Visitor
    ) -> None:
        page = rehearse(visitor, "ok,Vera Right,5", "bad,Vera Wrong,-1")

        wrong = page.locator("tbody").filter(has_text="Vera Wrong")
        expect(wrong.locator("td").nth(1)).to_have_text("2")
        expect(wrong).to_contain_text("max_load")
        expect(page.get_by_role("button", name="Confirm import")).to_be_hidden()
        assert names_like(house, "Vera%") == []

        page = rehearse(visitor, "ok,Vera Right,5", "good,Vera Mended,1")
        expect(page.locator("tr.new")).to_have_count(2)
        assert names_like(house, "Vera%") == []

        page.get_by_role("button", name="Confirm import").click()
        expect(page.get_by_text("Import finished. New: 2. Changed: 0. Unchanged: 0.")).to_be_visible()
        assert names_like(house, "Vera%") == ["Vera Right", "Vera Mended"]


class TestAllThatMatch:
    def test_are_closed_step_by_step_and_go_on_after_an_interruption(self, house: Server, visitor: Visitor) -> None:
        source = call(house, "sources", name="Mail", code="mail")
        for number in range(6):
            arrive(house, f"writer {number}", "mail")
        arrive(house, "somebody else")
        page = visitor.go(f"/admin/leads/contact/?source__id__exact={source['id']}").page

        page.locator("#action-toggle").check()
        page.get_by_role("link", name="Select all 6 contacts").click()
        page.locator("select[name=action]").select_option(label="Close contacts")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_text("6 rows are concerned.")).to_be_visible()
        expect(page.get_by_text("Mail – 6")).to_be_visible()

        self.stop_after(2, page)
        page.get_by_role("button", name="Close contacts").click()
        expect(page.get_by_role("status")).to_have_text("3 of 6 rows are done.")
        expect(page.get_by_role("progressbar")).to_have_attribute("value", "3")

        visitor.go("/admin/distribution/bulkrun/")
        page.unroute_all()
        expect(page.get_by_text("to be continued")).to_be_visible()
        page.get_by_role("rowheader").get_by_role("link", name="Close contacts").click()
        expect(page.get_by_role("status")).to_have_text("3 of 6 rows are done.")
        page.get_by_role("button", name="Continue").click()

        expect(page.get_by_role("status")).to_have_text("Done: 6 rows.")
        expect(page.get_by_text("Done: 6", exact=True)).to_be_visible()
        closed = "SELECT status, count(*) FROM leads_contact WHERE source_id = {} GROUP BY status"
        assert house.rows(closed.format(source["id"])) == [("closed", 6)]

    def stop_after(self, steps: int, page: Page) -> None:
        """Let so many steps of a run through; the server does not answer the next."""
        passed: list[Route] = []

        def let_through(route: Route) -> None:
            passed.append(route)
            if len(passed) <= steps or route.request.method != "POST":
                route.continue_()

        page.route("**/bulkrun/*/change/", let_through)


class TestLiveRefresh:
    @pytest.fixture
    def page(self, visitor: Visitor) -> Page:
        """Open the start page at nine o'clock, with a clock that stands until it is put forward."""
        stop_clock(visitor.page)
        return visitor.go("/admin/").page

    def test_rests_while_nobody_looks_and_goes_on_at_once(self, page: Page) -> None:
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))

        page.evaluate(TURN, True)
        page.clock.fast_forward("10:00")
        assert not any(map(START_REFRESHED.search, requested))

        with page.expect_request(START_REFRESHED):
            page.evaluate(TURN, False)

    def test_keeps_the_focus_and_the_scroll(self, house: Server, page: Page) -> None:
        page.set_viewport_size({"width": 390, "height": 400})
        link = page.locator(".start-load").get_by_role("link", name="Boris")
        link.focus()
        page.evaluate("window.scrollTo(0, 150)")
        element = link.element_handle()

        call(house, "operators", name="Newcomer")
        page.clock.fast_forward("00:06")

        expect(page.locator(".start-load").get_by_role("link", name="Newcomer")).to_be_visible()
        assert page.evaluate("element => element === document.activeElement", element)
        assert page.evaluate("window.scrollY") == 150

    def test_says_when_it_last_succeeded_and_when_the_server_does_not_answer(
        self, visitor: Visitor, page: Page
    ) -> None:
        status = page.locator("[data-live-status]")
        expect(status).to_have_text("updated at 09:00:00")

        page.route("**/admin/start/**", lambda route: route.abort())
        page.clock.fast_forward("00:06")
        expect(status).to_have_text("cannot be refreshed; last updated at 09:00:00")
        expect(status).to_have_attribute("aria-live", "polite")  # it is read aloud

        page.unroute_all()
        page.clock.fast_forward("00:06")
        expect(status).to_have_text("updated at 09:00:12")
        visitor.complaints.clear()  # of the browser, about the calls that failed


class TestPause:
    def test_is_begun_and_ended_by_the_operator_and_the_tab_counts(self, house: Server, visit: Visit) -> None:
        add_annas_account(house)
        source = call(house, "sources", name="For Anna", code="for_anna")
        call(house, f"sources/{source['id']}/operators", operator_weights=[{"operator_id": 1, "weight": 1}])
        visitor = visit(house, size=NARROW)
        stop_clock(visitor.page)
        page = visitor.log_in("anna", PASSWORD).page
        before = house.rows("SELECT load FROM operators_operator WHERE id = 1")[0][0]

        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("You are paused: no new contacts come to you.").last).to_be_visible()

        arrive(house, "patient", "for_anna")
        page.clock.fast_forward("00:06")
        expect(page.get_by_text("1 contact waits on your sources.")).to_be_visible()

        page.get_by_role("button", name="End the pause").click()
        expect(page.get_by_text("1 contact that waited has come to you.")).to_be_visible()
        expect(page).to_have_title(re.compile(rf"^\({before + 1}\) "))

        arrive(house, "second", "for_anna")
        page.clock.fast_forward("00:06")
        expect(page).to_have_title(re.compile(rf"^\({before + 2}\) "))
