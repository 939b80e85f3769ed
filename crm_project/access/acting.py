"""Who does what is being done, and why, for whatever records it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse

from crm_project.access.callers import OPEN, Caller

LONGEST_REASON = 500

type Answering = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True)
class Actor:
    """A caller of the API, a user of the back office or a command; `identity` stays when the name changes."""

    identity: str
    name: str


NOBODY = Actor("", "")

_actor: ContextVar[Callable[[], Actor]] = ContextVar("actor", default=lambda: NOBODY)
_reason: ContextVar[str] = ContextVar("reason", default="")


def actor() -> Actor:
    """Return who acts at present."""
    return _actor.get()()


def reason() -> str:
    """Return why, in the actor's own words; empty when they gave no reason."""
    return _reason.get()


@contextmanager
def acting(who: Actor) -> Iterator[None]:
    """Let `who` be the one who acts within the block."""
    token = _actor.set(lambda: who)
    try:
        yield
    finally:
        _actor.reset(token)


@contextmanager
def because(text: str) -> Iterator[None]:
    """Let `text` be the reason for what is done within the block."""
    token = _reason.set(text)
    try:
        yield
    finally:
        _reason.reset(token)


def remember_actor(get_response: Answering) -> Answering:
    """Let whoever calls, once it is asked for, be the one who acts in a request: a middleware."""

    def answer(request: HttpRequest) -> HttpResponse:
        token = _actor.set(lambda: _actor_of(request))
        try:
            return get_response(request)
        finally:
            _actor.reset(token)

    return answer


def _actor_of(request: Any) -> Actor:
    # REST framework puts whoever it recognised, a key's client too, in the place of the user.
    user = request.user
    if not user.is_authenticated:
        user = OPEN
    caller = user if isinstance(user, Caller) else Caller.of_user(user)
    return Actor(caller.identity, caller.name)
