"""Safe retries: the first answer to a call with an Idempotency-Key is kept, and given again when the call is repeated.

The answer is stored by the transaction that does the work: a crash in between leaves neither a lock nor a double.
The header and what is answered follow draft-ietf-httpapi-idempotency-key-header-07.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPMethod, HTTPStatus
from typing import Any

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import StrIndex
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from crm_project.access.callers import Caller
from crm_project.access.errors import BadIdempotencyKey, IdempotencyKeyReused, NotCarriedOut, StillRunning
from crm_project.access.models import KeptAnswer
from crm_project.api.etags import ETAG
from crm_project.sending import database_of_thread, run_on
from crm_project.statements import KeptInsert, KeptStatement
from crm_project.statements_for_many import KeptInserts, packed

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT_FOR = timedelta(hours=24)
UNFINISHED = HTTPStatus.PROCESSING
ANSWERS_AT_A_TIME = 100
VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")


type Once = Callable[[Callable[[], Any]], Any]
type Hindrance = AnsweredBefore | NotCarriedOut
type Finish = Callable[[list[Any]], Response]


class AnsweredBefore(Exception):
    """The call has been answered before; nothing was done."""

    def __init__(self, answer: KeptAnswer) -> None:
        super().__init__(answer)
        self.answer = answer


class Retryable:
    """One call with an Idempotency-Key."""

    def __init__(self, caller: Caller, key: str, fingerprint: str) -> None:
        self.caller = caller.identity
        self.key = key
        self._fingerprint = fingerprint

    def once[T](self, work: Callable[[], T], show: Callable[[T], Response]) -> T:
        """Do the work in the transaction that is open, and keep there what `show` makes of its result.

        Raises AnsweredBefore or IdempotencyKeyReused when there is an answer already, StillRunning when another
        transaction works on it; then nothing is done.
        """
        self._lock_unanswered()
        result = work()
        self._store(show(result))
        return result

    def keep(self, response: Response) -> None:
        """Keep the answer to a call that did no work. Raises what `once` raises."""
        with transaction.atomic():
            self._lock_unanswered()
            self._store(response)

    def begun(self) -> list[Any]:
        """Return what the steps of a call that is not finished have answered, none for a new one.

        Raises AnsweredBefore for a finished one, and IdempotencyKeyReused.
        """
        kept = self._kept()
        if kept is None:
            return []
        if kept.status != UNFINISHED:
            raise AnsweredBefore(kept)
        return list(json.loads(kept.body))

    def step[T](
        self, work: Callable[[], T], show: Callable[[T], list[Any]], *, behind: int, finish: Finish | None
    ) -> T:
        """Do the next step of a call in the transaction that is open, and keep there what all steps have answered.

        `behind` is how many answers there were before; `finish` makes the answer to the call of them at the last.
        Raises StillRunning when somebody else, with the same key, has gone on meanwhile, and what `begun` raises.
        """
        if not all(_locked([self])):
            raise StillRunning
        if len(self.begun()) != behind:
            raise StillRunning
        result = work()
        kept = KeptAnswer.objects.filter(caller=self.caller, key=self.key)
        # Read again, now that nobody changes it: what was answered before may have been emptied meanwhile.
        kept.update(fingerprint=self._fingerprint)
        so_far = self.begun() + show(result)
        kept.delete()
        self._store(Response(so_far, status=UNFINISHED) if finish is None else finish(so_far))
        return result

    def refuse_unless_new(self, *, locked: bool, answer: KeptAnswer | None) -> None:
        """Raise what `once` raises: `locked` says whether the call could be locked, `answer` is that to its key."""
        if not locked:
            raise StillRunning
        if kept := self._valid(answer):
            raise AnsweredBefore(kept)

    def values(self, response: Response) -> dict[str, Any]:
        """Return the row of the kept answer."""
        return {
            "caller": self.caller,
            "key": self.key,
            "fingerprint": self._fingerprint,
            "status": response.status_code,
            "body": JSONRenderer().render(response.data).decode(),
            "etag": response.headers.get(ETAG, ""),
        }

    def _lock_unanswered(self) -> None:
        [locked] = _locked([self])
        self.refuse_unless_new(locked=locked, answer=self._answer())

    def _kept(self) -> KeptAnswer | None:
        return self._valid(self._answer())

    def _answer(self) -> KeptAnswer | None:
        return next(iter(_answers(self.caller, self.key)), None)

    def _valid(self, answer: KeptAnswer | None) -> KeptAnswer | None:
        if answer is None:
            return None
        if _is_too_old(answer):
            answer.delete()
            return None
        if answer.fingerprint != self._fingerprint:
            raise IdempotencyKeyReused
        return answer

    def _store(self, response: Response) -> None:
        _insert_answer.values(**self.values(response))


@dataclass(frozen=True)
class Keeping:
    """How the work of a call with an Idempotency-Key is done once: what `show` makes of its result is kept."""

    call: Retryable
    show: Callable[[Any], Response]

    def __call__[T](self, work: Callable[[], T]) -> T:
        """Do the work in the transaction that is open. Raises what `Retryable.once` raises."""
        return self.call.once(work, self.show)


def answered_or_running(keepings: Sequence[Keeping | None]) -> dict[int, Hindrance | None]:
    """Lock the calls in the transaction that is open; return by place those that are not to be done in it.

    With each goes what `Retryable.once` would raise. None is for those that a later transaction has to do: of several
    with the same key all but the first, and one whose key was used longer ago than answers are kept. A keeping that is
    None stands for a call without a key.
    """
    calls = {place: keeping.call for place, keeping in enumerate(keepings) if keeping}
    return dict(_hindered(calls)) if calls else {}


def _hindered(calls: Mapping[int, Retryable]) -> Iterator[tuple[int, Hindrance | None]]:
    locked = _locked(list(calls.values()))
    answers = {(answer.caller, answer.key): answer for answer in _answers_to(calls.values())}
    to_be_done: set[tuple[str, str]] = set()
    for (place, call), got in zip(calls.items(), locked, strict=True):
        name = (call.caller, call.key)
        answer = answers.get(name)
        if name in to_be_done or (answer and _is_too_old(answer)):
            yield place, None
            continue
        try:
            call.refuse_unless_new(locked=got, answer=answer)
        except (AnsweredBefore, NotCarriedOut) as hindrance:
            yield place, hindrance
        else:
            to_be_done.add(name)


def _answers_to(calls: Iterable[Retryable]) -> Iterator[KeptAnswer]:
    keys: dict[str, list[str]] = defaultdict(list)
    for call in calls:
        keys[call.caller].append(call.key)
    for caller, of_caller in keys.items():
        yield from _answers_to_many(caller, packed(of_caller))


def keep_all(done: Iterable[tuple[Keeping, Any]]) -> None:
    """Keep the answers to calls that are done, by their results."""
    _insert_answers.values(keeping.call.values(keeping.show(result)) for keeping, result in done)


_once: ContextVar[Once | None] = ContextVar("once", default=None)


@contextmanager
def doing(once: Once | None) -> Iterator[None]:
    """Let the first transaction within do its work by `once`, None for as it is."""
    token = _once.set(once)
    try:
        yield
    finally:
        _once.reset(token)


def taken() -> Once | None:
    """Return the way to do the present call's work, once: the transactions that follow, as a drain's, are not it."""
    once = _once.get()
    _once.set(None)
    return once


def keeping_of(request: Request, caller: Caller, show: Callable[[Any], Response]) -> Keeping | None:
    """Return how the answer to the call is kept, None when it has no key. Raises BadIdempotencyKey."""
    call = call_of(request, caller)
    return None if call is None else Keeping(call, show)


def call_of(request: Request, caller: Caller) -> Retryable | None:
    """Return the call as one that may be repeated, None when it has no key. Raises BadIdempotencyKey."""
    key = key_of(request)
    return None if key is None else Retryable(caller, key, _fingerprint(request))


def key_of(request: Request) -> str | None:
    """Return the Idempotency-Key, None when there is none or the method needs none. Raises BadIdempotencyKey."""
    key = request.headers.get(HEADER) if request.method == HTTPMethod.POST else None
    if key is not None and not VISIBLE.fullmatch(key):
        raise BadIdempotencyKey
    return key


def is_final(error: Exception) -> bool:
    """Return whether an error says what is wrong in the body: repeating the call cannot change that.

    What a service refuses, such as a source that is not there, may be granted later.
    """
    return isinstance(error, ValidationError | ParseError)


def change_answers(fragment: str, change: Callable[[Any], Any]) -> None:
    """Let kept answers that hold the fragment of JSON be what `change` makes of them.

    One that somebody else changed or replaced after it was read is looked for again.
    """
    # The database's own search: a LIKE, which folds case, would keep the writers of SQLite waiting for long.
    answers = KeptAnswer.objects.alias(place=StrIndex("body", Value(fragment))).filter(place__gt=0).order_by("pk")
    while not all(_change(answer, change) for answer in answers.iterator(ANSWERS_AT_A_TIME)):
        pass


def _change(answer: KeptAnswer, change: Callable[[Any], Any]) -> bool:
    """Change the answer if it is still the one that was read; return whether it is."""
    changed = JSONRenderer().render(change(json.loads(answer.body))).decode()
    return bool(KeptAnswer.objects.filter(pk=answer.pk, body=answer.body).update(body=changed))


def replay(answer: KeptAnswer) -> HttpResponse:
    """Return the answer as it was given first."""
    headers = {REPLAYED: "true", **({ETAG: answer.etag} if answer.etag else {})}
    return HttpResponse(answer.body, status=answer.status, content_type="application/json", headers=headers)


def _fingerprint(request: Request) -> str:
    return _sha256(f"{request.method} {request.get_full_path()}\n".encode() + request._request.body).hexdigest()


def _is_too_old(answer: KeptAnswer) -> bool:
    return answer.created_at <= timezone.now() - KEPT_FOR


def _locked(calls: Sequence[Retryable]) -> list[bool]:
    """Return which calls the transaction got to itself; on SQLite, with its one writer, all of them."""
    database = database_of_thread()
    if database.vendor != "postgresql":
        return [True] * len(calls)
    names = (f"{call.caller}\n{call.key}".encode() for call in calls)
    numbers = [int.from_bytes(_sha256(name).digest()[:8], signed=True) for name in names]
    return [got for (got,) in run_on(database, _LOCK_ALL, [numbers])]


def _sha256(data: bytes) -> Any:
    return hashlib.sha256(data)


_LOCK_ALL = "SELECT pg_try_advisory_xact_lock(number) FROM unnest(%s::bigint[]) AS number"
_insert_answer = KeptInsert(KeptAnswer, ignore_conflicts=True)
_insert_answers = KeptInserts(KeptAnswer)


@KeptStatement
def _answers(caller: Any, key: Any) -> Any:
    return KeptAnswer.objects.filter(caller=caller, key=key).order_by()


# The index begins with the caller: several of them among its conditions would read the whole table.
@KeptStatement
def _answers_to_many(caller: Any, keys: Any) -> Any:
    return KeptAnswer.objects.filter(caller=caller, key__among=keys).order_by()
