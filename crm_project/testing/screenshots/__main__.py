"""Take pictures of the back office: `make screenshots`, with ARGUMENTS=--documents those in docs/images too."""

import os
import sys
import tempfile
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path

import django
from django.db import connections
from playwright.sync_api import sync_playwright

from crm_project.setup.children import BASE_DIR
from crm_project.testing.browser import NARROW, OPTIONS, Visit, chromium
from crm_project.testing.databases import Files
from crm_project.testing.server import StartServer

PICTURES = BASE_DIR / "screenshots"
DOCUMENTS = BASE_DIR / "docs" / "images"


def main() -> None:
    """Take the pictures and say where they are."""
    parser = ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--documents", action="store_true", help="renew the pictures in docs/images too")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crm-screenshots-")))
        take_pictures(Files(directory), stack, documents=parser.parse_args().documents)
    sys.stdout.write(f"The pictures are in {PICTURES}\n")


def take_pictures(databases: Files, stack: ExitStack, *, documents: bool) -> None:
    """Furnish a house, serve it and take the pictures of it."""
    os.environ["DATABASE_URL"] = databases.empty()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm_project.settings")
    django.setup()
    # Models can be imported now, and not before.
    from crm_project.testing.screenshots.camera import Camera, for_documents, narrow, wide
    from crm_project.testing.screenshots.house import furnish

    house = furnish()
    connections.close_all()
    server = StartServer(databases, stack)(database_url=os.environ["DATABASE_URL"], drain=True)
    playwright = stack.enter_context(sync_playwright())
    visit = Visit(playwright.chromium.launch(executable_path=chromium(), args=OPTIONS))
    if documents:
        for_documents(Camera(visit, server, DOCUMENTS, whole=False), house)
    narrow(Camera(visit, server, PICTURES / "en_dark_390", size=NARROW, dark=True), house)
    wide(Camera(visit, server, PICTURES / "ru_light_1440", language="ru"), house)


if __name__ == "__main__":
    main()
