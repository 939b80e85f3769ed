"""Calling a service for each of many rows, and telling the user what came of it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.contrib import messages
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from crm_project.api.refusals import Refusal

EXPLAINED = (Refusal, IntegrityError, OperationalError, InterfaceError)
CHANGED_MEANWHILE = _("Somebody else changed this at the same moment. Look at it again and repeat what is missing.")
DATABASE_AWAY = _("The database did not answer in time. Look at what was saved, then repeat the rest in a moment.")

# A counted sentence: the result of ngettext_lazy(…, …, "count").
CountedSentence = Promise


@dataclass
class Outcome:
    """How many rows were changed, needed no change, and were refused, with the reasons."""

    changed: int = 0
    unchanged: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many rows there were."""
        return self.changed + self.unchanged + self.refused.total()


def explanation(error: Exception) -> str:
    """Return the sentence that tells the user about one of EXPLAINED."""
    match error:
        case Refusal():
            return str(error)
        case IntegrityError():
            return str(CHANGED_MEANWHILE)
    return str(DATABASE_AWAY)


def apply_to_each[Row: Model](rows: QuerySet[Row], work: Callable[[Row], bool]) -> Outcome:
    """Call `work` for each row, the oldest first; it returns whether it changed the row.

    Refusals are counted and the others go on; a database that does not answer ends it.
    """
    outcome = Outcome()
    for row in rows.order_by("pk"):
        try:
            if work(row):
                outcome.changed += 1
            else:
                outcome.unchanged += 1
        except EXPLAINED as error:
            outcome.refused[explanation(error)] += 1
            if isinstance(error, OperationalError | InterfaceError):
                break
    return outcome


def tell(request: HttpRequest, outcome: Outcome, done: CountedSentence) -> None:
    """Show a message for each part of `outcome`; `done` is the sentence for the rows changed."""
    if outcome.changed:
        messages.success(request, counted(done, outcome.changed))
    if outcome.unchanged:
        sentence = ngettext(
            "%(count)d was so already and stays as it is.",
            "%(count)d were so already and stay as they are.",
            outcome.unchanged,
        )
        messages.info(request, sentence % {"count": outcome.unchanged})
    for reason, count in outcome.refused.items():
        sentence = ngettext("%(count)d was refused: %(reason)s", "%(count)d were refused: %(reason)s", count)
        messages.warning(request, reason if outcome.total == 1 else sentence % {"count": count, "reason": reason})


def counted(sentence: CountedSentence, count: int, **values: object) -> str:
    """Return the sentence in the plural form that `count` asks for."""
    numbers: Mapping[str, object] = {"count": count, **values}
    return str(sentence % numbers)
