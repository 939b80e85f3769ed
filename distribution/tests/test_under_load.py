"""The promises of the product, through the real server: 32 clients at once, kill -9, a database that is away."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import cycle, islice
from math import sqrt
from pathlib import Path
from threading import Lock
from typing import Any, Self

import httpx
import psycopg
import pytest

from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.server import Server, StartServer
from crm_project.testing.waiting import wait_until

CLIENTS = 32
CONTACTS = 400


class House:
    """Operators with the same limit on one source, made through the API."""

    def __init__(self, server: Server, *, weights: list[int], limit: int) -> None:
        self.server = server
        self.post("sources", {"name": "Bot", "code": "bot"})
        for _ in weights:
            self.post("operators", {"name": "Operator", "max_load": limit})
        rows = [{"operator_id": number, "weight": weight} for number, weight in enumerate(weights, start=1)]
        self.post("sources/1/operators", {"operator_weights": rows})

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Send one call."""
        with self.server.client() as client:
            return client.post(f"/api/{path}", json=body)

    def register(self, leads: list[str], *, clients: int) -> list[httpx.Response]:
        """Register a contact for each of the leads, spread over so many clients at once."""

        def client(own: list[str]) -> list[httpx.Response]:
            with self.server.client() as session:
                return [session.post("/api/contacts", json={"external_id": x, "source_code": "bot"}) for x in own]

        answers = run_concurrently(*(lambda own=leads[part::clients]: client(own) for part in range(clients)))
        return [answer for part in answers for answer in part]

    def statuses(self) -> dict[str, int]:
        """Count the contacts in the database by status."""
        return dict(self.server.rows("SELECT status, count(*) FROM leads_contact GROUP BY status"))

    def counted(self) -> list[int]:
        """Count the active contacts of each operator in the database."""
        sql = "SELECT count(*) FROM leads_contact WHERE status = 'active' GROUP BY operator_id ORDER BY operator_id"
        return [number for (number,) in self.server.rows(sql)]

    def loads(self) -> list[int]:
        """Return the stored load of each operator."""
        return [load for (load,) in self.server.rows("SELECT load FROM operators_operator ORDER BY id")]


NEW = [f"lead_{number}" for number in range(CONTACTS)]
KNOWN = list(islice(cycle(NEW[:50]), CONTACTS))
ONE = ["lead"] * CONTACTS


def test_eight_bulk_clients_beside_24_who_register_and_close_break_no_limit(server: StartServer) -> None:
    house = House(server(), weights=[1] * 5, limit=20)

    def in_bulk(client: int) -> list[int]:
        rows = [{"external_id": f"lead_{number % 40}", "source_code": "bot"} for number in range(250)]
        with house.server.client() as session:
            answers = [session.post("/api/contacts/bulk", json={"contacts": rows}) for _ in range(2)]
        assert {row["status"] for answer in answers for row in answer.json()["results"]} == {201}
        return [answer.status_code for answer in answers]

    def alone(client: int) -> list[int]:
        codes = []
        with house.server.client() as session:
            for number in range(10):
                contact = session.post("/api/contacts", json={"external_id": f"lead_{number}", "source_code": "bot"})
                codes += [contact.status_code]
                codes += [session.post(f"/api/contacts/{contact.json()['id']}/close").status_code]
        return codes

    calls = [partial(in_bulk, client) for client in range(8)] + [partial(alone, client) for client in range(24)]
    codes = Counter(code for answered in run_concurrently(*calls) for code in answered)

    assert codes == {200: 16 + 240, 201: 240}
    assert house.statuses() == {"active": 100, "waiting": 4_000 - 100, "closed": 240}
    assert house.counted() == house.loads() == [20] * 5


def test_an_import_by_another_process_beside_32_clients_breaks_no_limit(server: StartServer, tmp_path: Path) -> None:
    house = House(server(), weights=[1] * 5, limit=300)
    table = tmp_path / "contacts.csv"
    table.write_text("external_id\n" + "".join(f"row_{number}\n" for number in range(2_000)))

    def register_while_it_is_imported() -> list[int]:
        wait_until(house.statuses)
        return [answer.status_code for answer in house.register(NEW, clients=CLIENTS)]

    imported, codes = run_concurrently(
        lambda: [house.server.manage("import_contacts", str(table), "--source", "bot").returncode],
        register_while_it_is_imported,
    )

    assert (imported, set(codes)) == ([0], {201})
    assert house.statuses() == {"active": 1_500, "waiting": 2_000 + CONTACTS - 1_500}
    assert house.counted() == house.loads() == [300] * 5


@pytest.mark.parametrize("leads", [NEW, KNOWN, ONE], ids=["new leads", "known leads", "one lead"])
def test_a_hundred_places_take_a_hundred_of_400_contacts_from_32_clients(server: StartServer, leads: list[str]) -> None:
    house = House(server(), weights=[1] * 5, limit=20)
    if leads is KNOWN:
        for lead in set(KNOWN):
            house.post("contacts", {"external_id": lead, "source_code": "bot"})
        for number in range(1, 51):
            house.post(f"contacts/{number}/close", {})

    answers = house.register(leads, clients=CLIENTS)

    assert Counter(answer.status_code for answer in answers) == {201: CONTACTS}
    assert house.counted() == house.loads() == [20] * 5
    assert house.statuses() | {"closed": 0} == {"active": 100, "waiting": 300, "closed": 0}
    assert house.server.manage("check_load").returncode == 0


@pytest.mark.postgresql
def test_with_the_lock_taken_out_the_same_load_breaks_the_limit(server: StartServer) -> None:
    # A place each: every operator is another chance. The numbers of the ledger are unique, and stop many who meet.
    house = House(server(application="distribution.tests.without_lock:application"), weights=[1] * 100, limit=1)

    house.register(KNOWN, clients=CLIENTS)

    assert sum(house.counted()) > 100
    assert house.server.manage("check_load").returncode == 1


@pytest.mark.parametrize("clients", [1, CLIENTS])
def test_shares_follow_the_weights(server: StartServer, clients: int) -> None:
    house = House(server(), weights=[10, 30], limit=10_000)

    house.register(NEW, clients=clients)

    light, heavy = house.counted()
    assert light + heavy == CONTACTS
    assert abs(light - CONTACTS / 4) < 4 * sqrt(CONTACTS * 1 / 4 * 3 / 4)


def test_whoever_waits_beside_a_place_freed_by_a_killed_process_is_served_after_the_next_start(
    server: StartServer,
) -> None:
    house = House(server(), weights=[1], limit=0)
    house.register(["lead"], clients=1)
    house.server.stop()
    dying = server(
        application="distribution.tests.dies_before_draining:application", database_url=house.server.database_url
    )
    with pytest.raises(httpx.HTTPError):
        httpx.patch(f"{dying.base_url}/api/operators/1", json={"max_load": 1}, timeout=30)
    dying.kill()
    assert house.server.rows("SELECT max_load, load FROM operators_operator") == [(1, 0)]
    assert house.statuses() == {"waiting": 1}

    server(drain=True, database_url=house.server.database_url)

    wait_until(lambda: house.statuses() == {"active": 1}, seconds=10)


@contextmanager
def away(url: str) -> Iterator[None]:
    """Keep everybody else out of a database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
            file.execute("BEGIN EXCLUSIVE")
            yield
        return
    server, _slash, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_a_database_that_is_away_is_503_and_the_server_recovers_by_itself(server: StartServer) -> None:
    house = House(server(LOCK_TIMEOUT_SECONDS="1"), weights=[1], limit=10)
    call = {"external_id": "lead", "source_code": "bot"}

    with away(house.server.database_url):
        answers = run_concurrently(lambda: house.post("contacts", call), times=12)

    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["errors"][0]["code"] for answer in answers} == {"try_again_later"}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert [house.post("contacts", call).status_code for _ in range(12)] == [201] * 12
    assert house.loads() == [10]


def test_a_body_that_is_nested_deeply_ends_no_process(server: StartServer) -> None:
    house = House(server(), weights=[1], limit=10)
    for levels in (1_000, 9_000, 100_000):
        text = '{"external_id": "lead", "source_code": "bot", "data": ' + '{"a":' * levels + "1" + "}" * levels + "}"

        answer = httpx.post(
            f"{house.server.base_url}/api/contacts", content=text, headers={"Content-Type": "application/json"}
        )

        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "parse_error")
    assert house.statuses() == {}


def test_closing_and_arriving_for_some_seconds_at_a_full_house(server: StartServer) -> None:
    house = House(server(), weights=[1, 2, 3], limit=4)
    house.register([f"first_{number}" for number in range(24)], clients=4)
    end = time.monotonic() + 4

    def arrive_and_close(client: int) -> set[int]:
        seen = set()
        with house.server.client() as session:
            while time.monotonic() < end:
                made = session.post("/api/contacts", json={"external_id": f"lead_{client}", "source_code": "bot"})
                active = session.get("/api/contacts", params={"status": "active", "page_size": 1}).json()["results"]
                closed = [session.post(f"/api/contacts/{row['id']}/close") for row in active]
                seen |= {answer.status_code for answer in [made, *closed]}
        return seen

    seen = run_concurrently(*(lambda client=client: arrive_and_close(client) for client in range(16)))

    assert set.union(*seen) == {200, 201}
    assert house.loads() == house.counted() == [4, 4, 4]
    assert house.server.manage("check_load").returncode == 0


def test_a_body_of_ten_megabytes_is_refused_and_the_connection_ends_cleanly(server: StartServer) -> None:
    house = House(server(), weights=[1], limit=10)

    answer = house.post("contacts", {"external_id": "lead", "source_code": "bot", "text": "x" * 10_000_000})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (413, "body_too_large")
    assert house.statuses() == {}


class Retrying:
    """A client that repeats each call with its Idempotency-Key until the call is answered for good."""

    def __init__(self, server: Server) -> None:
        self.session = server.client()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.session.close()

    def post(self, path: str, body: dict[str, Any], key: str) -> httpx.Response:
        """Send a call, again after a connection that broke, a server that is away and a call that still runs."""
        while True:
            with suppress(httpx.TransportError):
                answer = self.session.post(path, json=body, headers={"Idempotency-Key": key})
                if answer.status_code not in {409, 503}:
                    return answer
            time.sleep(0.02)


def send_at_once_with_one_key(house: House) -> list[httpx.Response]:
    """Register one contact 64 times at once with the same Idempotency-Key."""

    def send() -> httpx.Response:
        with Retrying(house.server) as client:
            return client.post("/api/contacts", {"external_id": "lead", "source_code": "bot"}, "one-key")

    return run_concurrently(send, times=64)


def test_64_calls_with_one_idempotency_key_make_one_contact_and_get_one_answer(server: StartServer) -> None:
    house = House(server(), weights=[1, 1], limit=100)

    answers = send_at_once_with_one_key(house)

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert house.statuses() == {"active": 1}
    assert sum(house.loads()) == 1


def has_contacts(house: House, at_least: float) -> bool:
    return sum(house.statuses().values()) >= at_least


def test_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing(server: StartServer) -> None:
    house = House(server(), weights=[1, 3], limit=10_000)
    calls = 2_000
    numbers = iter(range(calls))
    taking, killed = Lock(), 0

    def next_number() -> int | None:
        with taking:
            return next(numbers, None)

    def send_until_all_are_sent() -> Counter[int]:
        statuses = Counter[int]()
        with Retrying(house.server) as client:
            while (number := next_number()) is not None:
                body = {"external_id": f"lead_{number % 300}", "source_code": "bot"}
                statuses[client.post("/api/contacts", body, f"key-{number}").status_code] += 1
        return statuses

    with ThreadPoolExecutor(8) as threads:
        clients = [threads.submit(send_until_all_are_sent) for _ in range(8)]
        for share in (0.25, 0.5, 0.75):
            wait_until(partial(has_contacts, house, share * calls), seconds=120)
            house.server.kill()
            house.server.start()
            killed += 1
        statuses = sum((client.result(120) for client in clients), Counter[int]())

    assert (statuses, killed) == ({201: calls}, 3)
    assert house.statuses() == {"active": calls}
    assert sum(house.loads()) == calls
    assert house.server.manage("check_load").returncode == 0
