"""Proving what was recorded: every decision replays, every ledger follows, every
setting is as it was last set, every active contact with the operator whose ledger counts it.

Everything is read in a stream, and nothing is written. Within `proof.snapshot` it holds while contacts come and go.
"""

from collections.abc import Iterator
from itertools import chain

from django.db.models import QuerySet

from distribution.models import Decision, LoadChange
from distribution.proof.contacts import wrong_contacts
from distribution.proof.decisions import examined_decisions
from distribution.proof.findings import Finding
from distribution.proof.ledgers import examined_ledgers
from distribution.proof.settings import examined_settings


def verify() -> Iterator[Finding]:
    """Yield whatever is wrong with what was recorded."""
    return (found for found in examined(Decision.objects.all()) if found is not None)


def examined(decisions: QuerySet[Decision]) -> Iterator[Finding | None]:
    """Look at the ledgers, the settings and these decisions; after each look yield what is wrong, or None."""
    return chain(examined_ledgers(), wrong_contacts(), examined_settings(), examined_decisions(decisions))


def number_to_examine(decisions: QuerySet[Decision]) -> int:
    """Return about how many looks `examined` takes: what there is many of."""
    return decisions.count() + LoadChange.objects.count()
