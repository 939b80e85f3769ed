"""The pages, and how each is brought to show what it can."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize

from crm_project.testing.browser import WIDE, Visit, Visitor
from crm_project.testing.screenshots.house import Account, House
from crm_project.testing.server import Server

COLOURS = 128
START, QUEUE, MATRIX = "/admin/", "/admin/queue/", "/admin/operators/weight/matrix/"
CONTACT, SOURCE = "/admin/leads/contact/{contact}/change/", "/admin/leads/source/{source}/change/"
DELIVERY = "/admin/webhooks/delivery/{delivery}/change/"
OWN = "/admin/my-contacts/"
FOR_DOCUMENTS = {"start": START, "queue": QUEUE, "matrix": MATRIX, "contact": CONTACT}
LEAD, MERGE = "/admin/leads/lead/{lead}/change/", "/admin/leads/lead/{lead}/merge/{same}/"
NARROW_PAGES = {
    "start": START,
    "source": SOURCE,
    "contact": CONTACT,
    "lead": LEAD,
    "merge": MERGE,
    "delivery": DELIVERY,
}
WIDE_PAGES = {
    "start": START,
    "queue": QUEUE,
    "board": "/admin/board/",
    "contacts": "/admin/leads/contact/",
    "contact": CONTACT,
    "leads": "/admin/leads/lead/",
    "lead": LEAD,
    "merge": MERGE,
    "erase": "/admin/leads/lead/{lead}/erase/",
    "operators": "/admin/operators/operator/",
    "operator": "/admin/operators/operator/{operator}/change/",
    "operator_history": "/admin/operators/operator/{operator}/history/",
    "sources": "/admin/leads/source/",
    "source": SOURCE,
    "fairness": "/admin/leads/source/{source}/fairness/",
    "weights": "/admin/operators/weight/",
    "matrix": MATRIX,
    "decisions": "/admin/distribution/decision/",
    "import": "/admin/operators/operator/import/",
    "endpoints": "/admin/webhooks/endpoint/",
    "endpoint": "/admin/webhooks/endpoint/{endpoint}/change/",
    "deliveries": "/admin/webhooks/delivery/",
    "delivery": DELIVERY,
}


@dataclass(frozen=True)
class Camera:
    """A window in a language, a size and a colour scheme, whose pictures go into a directory.

    `whole` is false for what a window shows of a page, without the rest of it.
    """

    visit: Visit
    server: Server
    directory: Path
    language: str = "en"
    size: ViewportSize = field(default_factory=lambda: WIDE)
    dark: bool = False
    whole: bool = True

    def open(self) -> Visitor:
        """Open a window of its own, with nobody logged in."""
        return self.visit(self.server, language=self.language, size=self.size, dark=self.dark)

    def take(self, name: str, page: Page) -> None:
        """Store a picture of the page when it has come to rest."""
        page.wait_for_load_state("networkidle")
        if self.whole:
            # In a window lower than the page the bar at its foot would cover the middle of the picture.
            height = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({**self.size, "height": max(height, self.size["height"])})
        page.screenshot(path=self.directory / f"{name}.png", animations="disabled")

    def take_all(self, who: Account, pages: dict[str, str], ids: dict[str, int]) -> Visitor:
        """Store pictures of the pages as somebody sees them, and return their window."""
        visitor = self.open().log_in(who.name, who.password)
        for name, address in pages.items():
            self.take(name, visitor.go(address.format(**ids)).page)
        return visitor


def for_documents(camera: Camera, house: House) -> None:
    """Take the pictures that the documents show, each small enough to keep."""
    camera.take_all(house.administrator, FOR_DOCUMENTS, house.ids)
    for name in FOR_DOCUMENTS:
        shrink(camera.directory / f"{name}.png")


def narrow(camera: Camera, house: House) -> None:
    """Take what is looked at on a telephone."""
    camera.take_all(house.administrator, NARROW_PAGES, house.ids)
    camera.take_all(house.operator, {"my_contacts": OWN}, house.ids)


def wide(camera: Camera, house: House) -> None:
    """Take every page; those come last that change something."""
    camera.take("log_in", camera.open().go("/admin/login/").page)
    camera.take_all(house.operator, {"my_contacts": OWN}, house.ids)
    visitor = camera.take_all(house.administrator, WIDE_PAGES, house.ids)
    for name, address, act in ACTS:
        act(visitor.go(address.format(**house.ids)).page)
        camera.take(name, visitor.page)


def _ask_what_if(page: Page) -> None:
    page.locator("input[name^=weight_]").first.fill("100")
    page.locator("#simulation_form button[type=submit]").first.click()


def _deactivate(page: Page) -> None:
    page.uncheck("[name=is_active]")
    page.click("[name=_save]")


def _answer(page: Page) -> None:
    _deactivate(page)
    page.locator("[name=contacts]").last.check()
    page.locator("#bulk_form button[type=submit]").click()


ACTS: tuple[tuple[str, str, Callable[[Page], None]], ...] = (
    ("what_if", "/admin/leads/source/{source}/simulate/", _ask_what_if),
    ("leaving", "/admin/operators/operator/{operator}/change/", _deactivate),
    ("bulk_run", "/admin/operators/operator/{operator}/change/", _answer),
)


def shrink(path: Path) -> None:
    """Store the picture anew with as few colours as a page needs."""
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
