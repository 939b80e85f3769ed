"""Who calls the API, and what they may do there."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from django.contrib.auth.models import AbstractBaseUser


class Scope(StrEnum):
    """What an API key may be allowed."""

    REGISTER = "register"
    READ = "read"
    MANAGE = "manage"


@dataclass(frozen=True)
class Right:
    """What a call asks of an API key: one of the scopes, and for what concerns everybody all sources."""

    scopes: frozenset[Scope]
    all_sources: bool = False


READING = Right(frozenset({Scope.READ, Scope.MANAGE}))
MANAGING = Right(frozenset({Scope.MANAGE}))
MANAGING_ALL = Right(frozenset({Scope.MANAGE}), all_sources=True)
REGISTERING = Right(frozenset({Scope.REGISTER}))
READING_CONTACTS = Right(frozenset(Scope))
CLOSING = Right(frozenset({Scope.REGISTER, Scope.MANAGE}))


@dataclass(frozen=True)
class Caller:
    """Somebody admitted to the API.

    `identity` is what their kept answers belong to; `source_ids` are the sources they see and work on, None for all.
    It stands in for the user where REST framework expects one.
    """

    identity: str
    name: str
    scopes: frozenset[Scope] = frozenset(Scope)
    source_ids: frozenset[int] | None = None

    is_authenticated = True
    is_active = True
    is_staff = False

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of_user(cls, user: AbstractBaseUser) -> Self:
        """Return a member of staff, who may do everything."""
        return cls(f"user:{user.pk}", user.get_username())

    @property
    def sees_everything(self) -> bool:
        """Whether no source is hidden from them."""
        return self.source_ids is None

    def may(self, right: Right) -> bool:
        """Return whether one of the scopes asked for is theirs."""
        return not self.scopes.isdisjoint(right.scopes)


OPEN = Caller("open", "open API")
