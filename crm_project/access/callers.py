"""Who calls the API, and what they may do there."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from django.db.models import Model


class Scope(StrEnum):
    """What an API key may be allowed."""

    REGISTER = "register"
    READ = "read"
    MANAGE = "manage"


@dataclass(frozen=True)
class Right:
    """What a call asks of whoever calls.

    Of an API key one of the scopes, and for what concerns everybody all sources. Of a user Django's permission to do
    this, `view`, `add` or `change`, with the rows of the view; or with those of the model that `of` names instead,
    such as `operators.weight`.
    """

    scopes: frozenset[Scope]
    does: str
    all_sources: bool = False
    of: str = ""

    def permission(self, model: type[Model]) -> str:
        """Return the permission that a user needs; `model` is that of the view."""
        app, name = (self.of or model._meta.label_lower).split(".")
        return f"{app}.{self.does}_{name}"


READING = Right(frozenset({Scope.READ, Scope.MANAGE}), "view")
MANAGING = Right(frozenset({Scope.MANAGE}), "change")
READING_ALL = Right(frozenset({Scope.MANAGE}), "view", all_sources=True)
MANAGING_ALL = Right(frozenset({Scope.MANAGE}), "change", all_sources=True)
CREATING = Right(frozenset({Scope.MANAGE}), "add", all_sources=True)
REGISTERING = Right(frozenset({Scope.REGISTER}), "add")
READING_CONTACTS = Right(frozenset(Scope), "view")
CLOSING = Right(frozenset({Scope.REGISTER, Scope.MANAGE}), "change")


@dataclass(frozen=True)
class Caller:
    """Somebody admitted to the API.

    `identity` is what their kept answers belong to; `source_ids` are the sources they see and work on, None for all.
    What a `user` may do is what Django's permissions say; what anybody else may, the scopes. It stands in for the user
    where REST framework expects one.
    """

    identity: str
    name: str
    scopes: frozenset[Scope] = frozenset(Scope)
    source_ids: frozenset[int] | None = None
    user: Any = field(default=None, compare=False)

    is_authenticated = True
    is_active = True
    is_staff = False

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of_user(cls, user: Any) -> Self:
        """Return a member of staff."""
        return cls(f"user:{user.pk}", user.get_username(), scopes=frozenset(), user=user)

    @property
    def sees_everything(self) -> bool:
        """Whether no source is hidden from them."""
        return self.source_ids is None

    def may(self, right: Right, model: type[Model]) -> bool:
        """Return whether they may do that with the rows of the model."""
        if self.user is not None:
            return bool(self.user.has_perm(right.permission(model)))
        return not self.scopes.isdisjoint(right.scopes)


OPEN = Caller("open", "open API")
