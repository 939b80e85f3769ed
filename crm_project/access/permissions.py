"""Who may call what: staff what their permissions say, a key what its scopes and sources allow, the open API all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from crm_project.access.callers import OPEN, Caller
from crm_project.access.errors import MissingScope, NeedsAllSources
from crm_project.access.open_api import is_open_to

if TYPE_CHECKING:
    from rest_framework.views import APIView  # importing it here for real would be a circle: it reads this module


def caller_of(request: Request) -> Caller | None:
    """Return who calls; None when nobody was recognised and the API is not open to them."""
    if isinstance(request.auth, Caller):
        return request.auth
    if request.user.is_staff:
        return Caller.of_user(request.user)
    return OPEN if is_open_to(request) else None


class MayCall(BasePermission):
    """Admits a caller to what the view's `rights` give them, by action; a view without rights admits every caller."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether somebody calls who may. Raises MissingScope and NeedsAllSources for a key."""
        caller = caller_of(request)
        if caller is None:
            return False
        request.auth = caller  # whoever asks again finds them here, as the caller with a key
        rights = getattr(view, "rights", None)
        action = getattr(view, "action", None)
        if rights is None or action in (None, "metadata"):
            return True
        right = rights[action]
        if not caller.may(right, view.queryset.model):  # type: ignore[attr-defined]  # each with rights has one
            if caller.user is not None:
                return False
            raise MissingScope(right.scopes)
        if right.all_sources and not caller.sees_everything:
            raise NeedsAllSources
        return True
