"""API keys: made, recognised, revoked.

A key reads `crm_PREFIX_SECRET`. The prefix finds the row and tells keys apart on screen; of the secret only the
SHA-256 is kept. It is random and long, so a fast hash is enough: there is nothing to guess.
"""

import hashlib
import logging
import re
import secrets
import string
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from crm_project.access.callers import Caller, Scope
from crm_project.access.errors import ExpiredKey, RevokedKey, TooManyKeys, UnknownKey
from crm_project.access.models import KEYS_OF_A_CLIENT, ApiClient, ApiKey
from crm_project.access.reading_together import ReadTogether
from crm_project.sending import Row
from crm_project.statements import KeptStatement
from crm_project.statements_for_many import packed

SECRET_BYTES = 32
PREFIX_LETTERS = string.ascii_lowercase + string.digits
PREFIX_LENGTH = 8
KEY = re.compile(r"crm_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")
TIME_BETWEEN_NOTES_OF_USE = timedelta(minutes=1)

logger = logging.getLogger(__name__)


@transaction.atomic
def make_key(client: ApiClient, *, expires_at: datetime | None = None) -> str:
    """Store a new key of the client and return it: the only time that it can be seen.

    Raises TooManyKeys when the client has two valid ones already; expired ones make room.
    """
    now = timezone.now()
    client.keys.filter(expires_at__lte=now, revoked_at__isnull=True).update(revoked_at=now)
    taken = set(client.keys.filter(revoked_at__isnull=True).values_list("place", flat=True))
    free = sorted(set(range(1, KEYS_OF_A_CLIENT + 1)) - taken)
    if not free:
        raise TooManyKeys
    prefix = "".join(secrets.choice(PREFIX_LETTERS) for _ in range(PREFIX_LENGTH))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    ApiKey.objects.create(client=client, place=free[0], prefix=prefix, digest=digest(secret), expires_at=expires_at)
    return f"crm_{prefix}_{secret}"


def revoke(keys: QuerySet[ApiKey]) -> int:
    """Revoke those of the keys that are not yet, and return how many: from now on they open nothing."""
    return keys.filter(revoked_at__isnull=True).update(revoked_at=timezone.now())


def caller_with(key: str) -> Caller:
    """Return the client that the key belongs to, and note its use. Raises UnknownKey, RevokedKey and ExpiredKey."""
    match = KEY.fullmatch(key)
    rows = match and _rows_of(match[1])
    if not match or not rows or not secrets.compare_digest(rows[0][1], digest(match[2])):
        raise UnknownKey
    key_id, _digest, revoked_at, expires_at, last_used_at, *client = rows[0][:-1]
    if revoked_at is not None:
        raise RevokedKey
    if expires_at is not None and expires_at <= timezone.now():
        raise ExpiredKey
    _note_use(key_id, last_used_at)
    return _caller([row[-1] for row in rows], *client)


def digest(secret: str) -> str:
    """Return what is kept of a secret: its SHA-256, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


@ReadTogether
def _rows_of(prefixes: Collection[str]) -> dict[str, list[Row]]:
    """Return the keys with these prefixes, each in as many rows as its client names sources, or in one."""
    rows: dict[str, list[Row]] = {}
    for prefix, *row in _keys_with(packed(prefixes)):
        rows.setdefault(prefix, []).append(row)
    return rows


@KeptStatement
def _keys_with(prefixes: Any) -> QuerySet[Any, Any]:
    return (
        ApiKey.objects.filter(prefix__among=prefixes)
        .order_by()
        .values_list(
            "prefix",
            *("pk", "digest", "revoked_at", "expires_at", "last_used_at"),
            *("client_id", "client__name", "client__may_register", "client__may_read", "client__may_manage"),
            *("client__all_sources", "client__sources"),
        )
    )


def _caller(  # noqa: PLR0913, PLR0917 - the columns of a row
    source_ids: list[int | None],
    client_id: int,
    name: str,
    may_register: bool,
    may_read: bool,
    may_manage: bool,
    all_sources: bool,
) -> Caller:
    allowed = {Scope.REGISTER: may_register, Scope.READ: may_read, Scope.MANAGE: may_manage}
    return Caller(
        f"client:{client_id}",
        name,
        scopes=frozenset(scope for scope, is_allowed in allowed.items() if is_allowed),
        source_ids=None if all_sources else frozenset(pk for pk in source_ids if pk is not None),
    )


# When this process last tried to note the use of a key: a database that is busy is asked once a minute.
_tried_at: dict[int, datetime] = {}


def _note_use(key_id: int, last_used_at: datetime | None) -> None:
    now = timezone.now()
    before = [moment for moment in (last_used_at, _tried_at.get(key_id)) if moment is not None]
    if before and now - max(before) < TIME_BETWEEN_NOTES_OF_USE:
        return
    _tried_at[key_id] = now
    unless_noted = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - TIME_BETWEEN_NOTES_OF_USE)
    try:
        with transaction.atomic():
            ApiKey.objects.filter(unless_noted, pk=key_id).update(last_used_at=now)
    except DatabaseError:
        logger.warning("The last use of an API key could not be noted.")
