"""The whole API, called by schemathesis as each kind of caller: a little of what `make fuzz` does at length."""

import json

import pytest

from crm_project.testing.fuzzing.house import CALLERS, House, open_house
from crm_project.testing.fuzzing.run import fuzz
from crm_project.testing.openapi import fresh_document, operations
from crm_project.testing.server import StartServer

pytestmark = pytest.mark.once

BRIEFLY = ("--seed=1", "--generation-deterministic", "--max-examples=1")
SECONDS = 300
LEADS = "/api/leads"

# Every operation is called in every way that its schemas suggest, which takes long: each tag by one of the callers.
COVERED = {"register": "contacts", "read": "leads", "manage": "sources", "supervisor": "operators", "nobody": "leads"}
ONLY_COVER = """
[[operations]]
exclude-tag = "{tag}"
phases.coverage.enabled = false
"""


@pytest.mark.parametrize("caller", CALLERS)
def test_the_api_does_what_its_document_says(server: StartServer, caller: str) -> None:
    house = open_house(server)
    everything = sum(1 for _ in operations(json.loads(house.document())))

    done = fuzz(house, caller, *BRIEFLY, seconds=SECONDS, settings=ONLY_COVER.format(tag=COVERED[caller]))

    assert done.returncode == 0, done.stdout
    assert f"Tested: {everything}\n" in done.stdout


@pytest.mark.parametrize(("open_api", "found"), [("0", "Undocumented"), ("1", "nobody was answered 200")])
def test_an_answer_that_is_not_as_the_document_says_is_found(
    server: StartServer, monkeypatch: pytest.MonkeyPatch, open_api: str, found: str
) -> None:
    whole = fresh_document()
    whole["paths"] = {LEADS: whole["paths"][LEADS]}
    whole["paths"][LEADS]["get"]["responses"].pop("401")
    monkeypatch.setattr(House, "document", lambda _house: json.dumps(whole, default=str))

    done = fuzz(House(server(OPEN_API=open_api), {}), "nobody", *BRIEFLY, seconds=SECONDS)

    assert done.returncode == 1
    assert found in done.stdout
