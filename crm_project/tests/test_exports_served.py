"""Exports as the real server sends them."""

import csv
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from crm_project.testing.server import Server, StartServer

ROWS = 20_000
SECONDS_UNTIL_IT_IS_NOTICED = 30
ADDRESS = "/api/exports/contacts"

# Far more than what the buffers between the server and the client hold.
FILL = f"""
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {ROWS})
INSERT INTO leads_contact (lead_id, source_id, status, external_id, name, phone, email, text, data, created_at)
SELECT lead_id, source_id, status, external_id, '', '', '', '{"a" * 2_000}', '{{}}', created_at
FROM leads_contact, number
"""


@pytest.fixture(scope="module")
def filled(lasting_server: StartServer) -> Server:
    """A server of one process with many long contacts."""
    running = lasting_server(workers=1)
    with running.client() as client:
        client.post("/api/sources", json={"name": "Bot", "code": "bot"}).raise_for_status()
        client.post("/api/contacts", json={"source_code": "bot", "external_id": "lead"}).raise_for_status()
    running.execute(FILL)
    return running


@contextmanager
def begun(server: Server) -> Iterator[httpx.Response]:
    """Ask for the contacts, as soon as the server has noticed that exports before were left, and give the answer."""
    deadline = time.monotonic() + SECONDS_UNTIL_IT_IS_NOTICED
    with server.client() as client:
        while time.monotonic() < deadline:
            with client.stream("GET", ADDRESS) as response:
                if response.status_code == 200:
                    yield response
                    return
            time.sleep(0.05)
    pytest.fail("no place became free")


def test_one_that_is_read_to_its_end_is_whole(filled: Server) -> None:
    with begun(filled) as response:
        text = response.read().decode()

    ids = [int(row["id"]) for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)]
    assert len(ids) == ROWS + 1
    assert ids == sorted(ids)
    assert response.headers["transfer-encoding"] == "chunked"


def test_of_long_exports_two_run_at_a_time_and_the_server_answers_beside_them(filled: Server) -> None:
    with begun(filled), begun(filled), filled.client() as client:
        assert client.get(ADDRESS).status_code == 429
        assert client.get("/api/contacts").status_code == 200


def test_whoever_leaves_makes_place_for_others(filled: Server) -> None:
    for _number in range(5):
        with begun(filled) as response:
            next(response.iter_raw())


def test_one_that_the_database_fails_does_not_look_whole(filled: Server) -> None:
    with begun(filled) as response:
        parts = response.iter_raw()
        text = next(parts)
        filled.execute("ALTER TABLE leads_contact RENAME TO gone")
        try:
            for part in parts:
                text = text[-1_000:] + part
        finally:
            filled.execute("ALTER TABLE gone RENAME TO leads_contact")

    last = text.decode(errors="ignore").splitlines()[-1]
    assert last == '"THE EXPORT BROKE OFF HERE, rows are missing. Repeat it.'
