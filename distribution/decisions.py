"""Recording a decision, in the transaction of the assignment that it explains."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from crm_project.access.acting import actor, reason
from crm_project.statements import KeptInsert, KeptStatement
from crm_project.statements_for_many import KeptInserts
from distribution.models import Decision, Kind, RosterVersion, Trigger
from distribution.records import DEFECTS, Account, read, rows, standings, written
from distribution.standing import Standing
from leads.models import Contact

LONGEST_ROSTER_IN_A_DECISION = 50


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt to assign: what set it off and what led to the choice; by hand when there is no strategy."""

    trigger: Trigger
    account: Account
    strategy: str = ""


class Version(NamedTuple):
    """A stored roster of a source."""

    key: int
    roster: Sequence[Standing]


# The stored rosters that were read, or stored, while decisions were recorded: the last of each source.
type Versions = dict[int, Version]


def record(
    contact: Contact, attempt: Attempt, operator_id: int | None = None, ledger_number: int | None = None
) -> None:
    """Record why the contact, stored by now, went to the operator; without one, why to nobody."""
    _insert_decision.values(**_values(contact, attempt, {}), operator_id=operator_id, ledger_number=ledger_number)


def record_all(attempts: Iterable[tuple[Contact, Attempt, int | None]]) -> None:
    """Record the same of many contacts, each with the number of the ledger's row of who got it, None for nobody."""
    versions: Versions = {}
    _insert_decisions.values(
        {**_values(contact, attempt, versions), "operator_id": contact.operator_id, "ledger_number": number}
        for contact, attempt, number in attempts
    )


def record_again(contact: Contact, attempt: Attempt) -> None:
    """Record why the contact goes on waiting, unless nothing was drawn and the last decision says the same."""
    drew = any(round_.is_draw for round_ in attempt.account.rounds)
    if drew or _reasons(attempt.account) != _last_reasons(contact):
        record(contact, attempt)


def account_of(decision: Decision) -> Account:
    """Return what led to the choice. Raises one of DEFECTS when the row was tampered with."""
    return read(decision.details, decision.roster.roster if decision.roster else None)


def _values(contact: Contact, attempt: Attempt, versions: Versions) -> dict[str, Any]:
    who = actor()
    version, details = _written(contact.source_id, attempt.account, versions)
    return {
        "contact_id": contact.pk,
        "source_id": contact.source_id,
        "trigger": attempt.trigger,
        "kind": Kind.DRAW if attempt.strategy else Kind.BY_HAND,
        "strategy": attempt.strategy,
        "roster_id": version,
        "details": details,
        "actor": who.identity,
        "actor_name": who.name,
        "reason": "" if attempt.trigger == Trigger.DRAIN else reason(),
    }


def _reasons(account: Account) -> Any:
    return [(round_.outcome, round_.obstacles()) for round_ in account.rounds]


def _last_reasons(contact: Contact) -> Any:
    """Return the reasons of the contact's last decision; None when it found somebody, or cannot be read."""
    last = Decision.objects.filter(contact=contact).select_related("roster").first()
    with suppress(*DEFECTS):
        if last is not None and last.operator_id is None:
            return _reasons(account_of(last))
    return None


def _written(source_id: int, account: Account, versions: Versions) -> tuple[int | None, dict[str, Any]]:
    """Return the account as plain values, and the id of the stored roster that a long one stands beside.

    The source's last one serves as long as not much differs from it; then another is stored.
    """
    longest = max((round_.roster for round_ in account.rounds), key=len, default=[])
    if len(longest) <= LONGEST_ROSTER_IN_A_DECISION:
        return None, written(account)
    if stored := versions.get(source_id) or _last_version(source_id):
        details = written(account, stored.roster)
        if all(len(round_["changes"]) <= LONGEST_ROSTER_IN_A_DECISION for round_ in details["rounds"]):
            versions[source_id] = stored
            return stored.key, details
    # Stored at once, whatever is sent together: many decisions are packed with its key.
    version = RosterVersion.objects.create(source_id=source_id, roster=rows(longest))
    versions[source_id] = Version(version.pk, longest)
    return version.pk, written(account, longest)


def _last_version(source_id: int) -> Version | None:
    for key, roster in _newest_version(source_id):
        return Version(key, standings(roster))
    return None


_insert_decision = KeptInsert(Decision)
_insert_decisions = KeptInserts(Decision)


@KeptStatement
def _newest_version(source_id: Any) -> Any:
    return RosterVersion.objects.filter(source=source_id).order_by("-pk").values_list("pk", "roster")[:1]
