"""Recording a decision, in the transaction of the assignment that it explains."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from crm_project.access.acting import actor, reason
from crm_project.statements import KeptInsert, KeptStatement
from distribution.models import Decision, Kind, RosterVersion, Trigger
from distribution.records import DEFECTS, Account, read, rows, standings, written
from leads.models import Contact

LONGEST_ROSTER_IN_A_DECISION = 50


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt to assign: what set it off and what led to the choice; by hand when there is no strategy."""

    trigger: Trigger
    account: Account
    strategy: str = ""


def record(
    contact: Contact, attempt: Attempt, operator_id: int | None = None, ledger_number: int | None = None
) -> None:
    """Record why the contact, stored by now, went to the operator; without one, why to nobody."""
    who = actor()
    version, details = _written(contact.source_id, attempt.account)
    _insert_decision.values(
        contact_id=contact.pk,
        source_id=contact.source_id,
        trigger=attempt.trigger,
        kind=Kind.DRAW if attempt.strategy else Kind.BY_HAND,
        strategy=attempt.strategy,
        operator_id=operator_id,
        ledger_number=ledger_number,
        roster_id=version,
        details=details,
        actor=who.identity,
        actor_name=who.name,
        reason="" if attempt.trigger == Trigger.DRAIN else reason(),
    )


def record_again(contact: Contact, attempt: Attempt) -> None:
    """Record why the contact goes on waiting, unless nothing was drawn and the last decision says the same."""
    drew = any(round_.is_draw for round_ in attempt.account.rounds)
    if drew or _reasons(attempt.account) != _last_reasons(contact):
        record(contact, attempt)


def account_of(decision: Decision) -> Account:
    """Return what led to the choice. Raises one of DEFECTS when the row was tampered with."""
    return read(decision.details, decision.roster.roster if decision.roster else None)


def _reasons(account: Account) -> Any:
    return [(round_.outcome, round_.obstacles()) for round_ in account.rounds]


def _last_reasons(contact: Contact) -> Any:
    """Return the reasons of the contact's last decision; None when it found somebody, or cannot be read."""
    last = Decision.objects.filter(contact=contact).select_related("roster").first()
    with suppress(*DEFECTS):
        if last is not None and last.operator_id is None:
            return _reasons(account_of(last))
    return None


def _written(source_id: int, account: Account) -> tuple[int | None, dict[str, Any]]:
    """Return the account as plain values, and the id of the stored roster that a long one stands beside.

    The source's last one serves as long as not much differs from it; then another is stored.
    """
    longest = max((round_.roster for round_ in account.rounds), key=len, default=[])
    if len(longest) <= LONGEST_ROSTER_IN_A_DECISION:
        return None, written(account)
    for version_id, stored in _last_version(source_id):
        details = written(account, standings(stored))
        if all(len(round_["changes"]) <= LONGEST_ROSTER_IN_A_DECISION for round_ in details["rounds"]):
            return version_id, details
    version = RosterVersion(source_id=source_id, roster=rows(longest))
    _insert_version(version)
    return version.pk, written(account, longest)


_insert_decision = KeptInsert(Decision)
_insert_version = KeptInsert(RosterVersion)


@KeptStatement
def _last_version(source_id: Any) -> Any:
    return RosterVersion.objects.filter(source=source_id).order_by("-pk").values_list("pk", "roster")[:1]
