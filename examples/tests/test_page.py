"""The pages about bots, followed word for word: every command is run, and answers what the page says."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from textwrap import dedent

import httpx
import pytest

from crm_project.setup.children import BASE_DIR
from crm_project.testing.server import Server, StartServer
from examples.bot import Crm, Message

pytestmark = pytest.mark.once

PAGES = ["docs/bot.md", "docs/bot.ru.md"]
ADDRESS = "http://127.0.0.1:8000"
PYTHON = ".venv/bin/python"
PASTE_KEY = "export CRM_KEY=crm_…"
EXPORT_ADDRESS = f"export CRM_URL={ADDRESS}"
KEY = re.compile(r"crm_\w{8}_\S{43}")


def text(page: str) -> str:
    return (BASE_DIR / page).read_text(encoding="utf-8")


def steps(page: str) -> list[tuple[str, str]]:
    """The commands of a page that concern the running server, each with what the page says it prints."""
    found: list[tuple[str, str]] = []
    for first, *printed in blocks(page):
        if first.startswith(("curl ", f"{PYTHON} ", PASTE_KEY, EXPORT_ADDRESS)):
            found.append((first, "\n".join(printed)))
    return found


def blocks(page: str) -> list[list[str]]:
    """The lines of each block of code on a page."""
    return [dedent(block).splitlines() for block in re.findall(r"(?:^ {4}.+\n)+", page, re.MULTILINE)]


class Reader:
    """Somebody who follows a page in a terminal."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._key_on_screen = ""
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CRM_")},
            **server.environment,
        }

    def follow(self, command: str) -> str:
        """Type the command and return what it prints."""
        if command == PASTE_KEY:
            self._environment["CRM_KEY"] = self._key_on_screen
            return ""
        if command == EXPORT_ADDRESS:
            self._environment["CRM_URL"] = self._server.base_url
            return ""
        typed = command.replace(ADDRESS, self._server.base_url).replace(PYTHON, sys.executable)
        done = subprocess.run(
            ["sh", "-c", typed],
            cwd=BASE_DIR,
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        if KEY.fullmatch(done.stdout.strip()):
            self._key_on_screen = done.stdout.strip()
        return done.stdout.strip()


def as_pattern(printed: str) -> str:
    """Where the page leaves something out, it may be anything."""
    return ".*".join(re.escape(part) for part in printed.split("…"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="the pages use curl")
@pytest.mark.parametrize("page", PAGES)
def test_whoever_follows_the_page_sees_what_it_says(server: StartServer, page: str) -> None:
    reader = Reader(server())
    commands = steps(text(page))

    assert len(commands) > 15
    for command, printed in commands:
        answered = reader.follow(command)
        assert re.fullmatch(as_pattern(printed), answered), f"{command}\n{answered}\nThe page says:\n{printed}"


def test_both_languages_show_the_same_calls() -> None:
    english, russian = ([shape(command) for command, _printed in steps(text(page))] for page in PAGES)

    assert english == russian


def shape(command: str) -> str:
    """A command without its values, which each language says in its own words, and without the language."""
    without_language = command.replace(' -H "Accept-Language: ru"', "")
    return re.sub(r'(": |bot\.py |create_api_key )"[^"]*"', r"\1…", without_language)


@pytest.mark.parametrize("page", PAGES)
def test_the_code_to_copy_registers_a_contact(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_KEY", "crm_key")
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(201, json={"id": 1})

    (code,) = ["\n".join(block) for block in blocks(text(page)) if block[0].startswith("with Crm")]
    names = {"os": os, "Crm": partial(Crm, transport=httpx.MockTransport(answer)), "Message": Message}
    exec(code, names)

    assert names["contact"] == {"id": 1}
    assert asked[0].headers["Authorization"] == "Bearer crm_key"
    assert json.loads(asked[0].content).keys() == {"source_code", "external_id", "text", "event_id"}
