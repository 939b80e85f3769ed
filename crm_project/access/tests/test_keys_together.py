"""Keys that are asked for at the same moment are looked up together, and opened to nobody else for that."""

from collections.abc import Callable
from threading import Event
from unittest.mock import patch

import pytest

from crm_project.access import keys, reading_together
from crm_project.access.errors import RevokedKey, UnknownKey
from crm_project.access.keys import caller_with, make_key, revoke
from crm_project.access.models import ApiKey
from crm_project.sending import Row
from crm_project.testing.clients import make_client
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import make_source
from crm_project.testing.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 10
TIMES = 30


def asks(key: str) -> Callable[[], set[str]]:
    """Return what asks for the key again and again, and returns what it was told."""
    return lambda: {answer_to(key) for _time in range(TIMES)}


def answer_to(key: str) -> str:
    try:
        caller = caller_with(key)
    except (UnknownKey, RevokedKey) as refused:
        return type(refused).__name__
    return f"{caller.name}, {sorted(caller.source_ids or [])}"


def test_each_is_told_who_they_are_themselves() -> None:
    sources = [make_source() for _number in range(3)]
    clients = [make_client(sources=sources[:number]) for number in (1, 2, 3)]
    valid = [make_key(client) for client in clients]
    revoked = make_key(make_client())
    revoke(ApiKey.objects.filter(prefix=revoked.split("_")[1]))
    forged = f"{valid[0][:-1]}{'A' if valid[0][-1] != 'A' else 'B'}"

    told = run_concurrently(*(asks(key) for key in (*valid, revoked, forged)), times=2)

    own = [{f"{client.name}, {sorted(source.pk for source in client.sources.all())}"} for client in clients]
    assert told == [*own, {"RevokedKey"}, {"UnknownKey"}] * 2


def test_a_key_revoked_while_it_is_looked_up_is_refused_to_whoever_asks_then() -> None:
    key = make_key(make_client())
    is_found, may_go_on = Event(), Event()
    look_up = keys._keys_with

    def look_up_slowly(prefixes: str) -> list[Row]:
        rows = look_up(prefixes)
        is_found.set()
        assert may_go_on.wait(SECONDS)
        return rows

    def ask_once_it_is_revoked() -> str:
        assert is_found.wait(SECONDS)
        revoke(ApiKey.objects.all())
        return answer_to(key)

    def go_on_once_both_have_asked() -> None:
        wait_until(lambda: is_found.is_set() and keys._rows_of._next is not None)
        may_go_on.set()

    with patch.object(keys, "_keys_with", look_up_slowly), patch.object(reading_together, "MOST_SECONDS", 60):
        before, after, _ = run_concurrently(lambda: answer_to(key), ask_once_it_is_revoked, go_on_once_both_have_asked)

    assert (before, after) == ("Client 1, []", "RevokedKey")
