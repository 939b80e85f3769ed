"""The back office in a browser, as those who work in it see it."""

import pytest
from playwright.sync_api import expect

from crm_project.testing.browser import NARROW, Visit
from crm_project.testing.server import Server, StartServer

pytestmark = pytest.mark.once

PASSWORD = "a good long password"
PAGES = ["/admin/", "/admin/leads/contact/", "/admin/operators/operator/add/", "/admin/leads/source/add/", "/docs"]


@pytest.fixture
def house(server: StartServer) -> Server:
    """Start a server with an administrator."""
    started = server(DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    made = started.manage("createsuperuser", "--noinput", "--username", "admin", "--email", "")
    assert made.returncode == 0, made.stderr
    return started


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
