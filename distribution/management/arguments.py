"""What a command's arguments mean. Each function raises CommandError, and so exit code 1, for a text it refuses."""

import math
import re
from datetime import datetime, timedelta

from django.core.management.base import CommandError
from django.utils.timezone import make_aware
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from distribution.pruning import LARGEST_BATCH
from leads.models import Source
from operators.models import Operator

LONGEST_PAUSE_SECONDS = 24 * 60 * 60
YEARS = range(2, 9999)  # of a moment that stays in the calendar in every zone
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def pause(text: str) -> float:
    """Return a number of seconds above 0 and up to a day."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_PAUSE_SECONDS:
        raise CommandError(_("“%(text)s” is no number of seconds between 0 and 86400.") % {"text": text})
    return seconds


def duration(text: str) -> timedelta:
    """Return the time that a number and a unit, such as 30m, 2h or 3d, name."""
    match = re.fullmatch(r"([0-9]{1,5})([smhd])", text)
    if match is None:
        raise CommandError(
            _("“%(text)s” is no duration. Write a number and a unit: 45s, 30m, 2h or 3d.") % {"text": text}
        )
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def moment(text: str) -> datetime:
    """Return the moment that a date, with or without a time and a zone, names in ISO 8601; the local zone without."""
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        named = None
    if named is None or named.year not in YEARS:
        raise CommandError(_("“%(text)s” is no moment. Write 2026-11-01 or 2026-11-01T09:00+03:00.") % {"text": text})
    return named if named.tzinfo else make_aware(named)


def positive_number(text: str) -> int:
    """Return a whole number from 1 on."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise CommandError(_("“%(text)s” is no whole number from 1 on.") % {"text": text})
    return int(text)


def size_of_batch(text: str) -> int:
    """Return how many rows a transaction is to remove."""
    rows = positive_number(text)
    if rows > LARGEST_BATCH:
        raise CommandError(_("A batch has at most %(largest)s rows.") % {"largest": LARGEST_BATCH})
    return rows


def operator_and_number(text: str, highest: int) -> tuple[Operator, int]:
    """Return the operator and the number, 0 to `highest`, of a text such as Anna=30."""
    name, _sign, number = text.rpartition("=")
    if not re.fullmatch(r"[0-9]{1,9}", number) or int(number) > highest or not name:
        sentence = _("“%(text)s” is no OPERATOR=N with a whole number from 0 to %(highest)s.")
        raise CommandError(sentence % {"text": text, "highest": highest})
    return operator(name), int(number)


def operator(text: str) -> Operator:
    """Return the operator with this id or, when no operator has it, with exactly this name."""
    found = list(_with_id(text) or Operator.objects.filter(name=text).order_by("pk"))
    if not found:
        raise CommandError(_("There is no operator with the id or the name “%(text)s”.") % {"text": text})
    if len(found) > 1:
        lines = [_("Several operators are named “%(text)s”. Give the id instead:") % {"text": text}]
        raise CommandError("\n".join([*lines, *map(_as_candidate, found)]))
    return found[0]


def source(code: str) -> Source:
    """Return the source with this code."""
    found = Source.objects.filter(code=code).first()
    if found is None:
        raise CommandError(_("There is no source with the code “%(code)s”.") % {"code": code})
    return found


def _with_id(text: str) -> list[Operator]:
    return list(Operator.objects.filter(pk=int(text))) if re.fullmatch(r"[0-9]{1,18}", text) else []


def _as_candidate(operator: Operator) -> str:
    return _("  id %(id)s: %(name)s, load %(load)s / %(limit)s, %(state)s") % {
        "id": operator.pk,
        "name": operator.name,
        "load": operator.load,
        "limit": operator.max_load,
        "state": _state_of(operator),
    }


def _state_of(operator: Operator) -> str:
    if not operator.is_active:
        return pgettext("state of an operator", "inactive")
    if operator.is_paused:
        return pgettext("state of an operator", "paused")
    return pgettext("state of an operator", "active")
