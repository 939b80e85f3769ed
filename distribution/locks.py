"""Every lock on rows of what is distributed. The rules are in docs/locking.md.

Order: identities, leads, sources, contacts, operators, weights; within a table by primary key. All are FOR NO KEY
UPDATE, which lets other transactions insert rows that refer to the locked one; only what takes a row away from all who
write to it, as a deletion does, takes the full FOR UPDATE.

On SQLite the locks do nothing and need not: its transactions are IMMEDIATE, one writer at a time.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Model, QuerySet

from crm_project.statements import KeptStatement
from crm_project.statements_for_many import packed
from distribution.availability import can_take
from distribution.errors import ContactNotFound, OperatorNotFound, SourceNotFound
from distribution.strategy import STRATEGIES
from leads.models import Contact, Identity, Lead, Source
from operators.models import Operator, Weight


def identities_to_lock(**known: Any) -> QuerySet[Identity]:
    """Return the query that locks identities and reads whose they are, to be part of a statement.

    An arrival holds the identity that it finds its lead by until it is committed: nobody merges, erases or removes
    that lead meanwhile, and of an identity that has just changed hands it reads the lead of now.
    """
    return _locked(Identity.objects.filter(**known))


def lock_lead(lead_id: int) -> Lead | None:
    """Lock and return the lead; None when it is gone."""
    return _locked(Lead.objects.filter(pk=lead_id)).first()


def lock_leads(lead_ids: Collection[int]) -> None:
    """Lock the leads in one statement."""
    list(_locked(Lead.objects.filter(pk__in=lead_ids)).values_list("pk"))


def lock_leads_for_deletion(lead_ids: Collection[int]) -> dict[int, Lead]:
    """Lock the leads against everything, arrivals and references from new rows included; return those there are."""
    list(identities_to_lock(lead__in=lead_ids).values_list("pk"))
    leads = Lead.objects.filter(pk__in=lead_ids).order_by("pk")
    return {lead.pk: lead for lead in leads.select_for_update(no_key=False, of=("self",))}


def lock_source(source_id: int) -> Source:
    """Lock and return the source. Raises SourceNotFound."""
    source = _locked(Source.objects.filter(pk=source_id)).first()
    if source is None:
        raise SourceNotFound
    return source


def lock_sources(source_ids: Collection[int]) -> list[int]:
    """Lock the sources in one statement and return their ids in order. Raises SourceNotFound when one is gone."""
    locked = [source.pk for source in _locked(Source.objects.filter(pk__in=source_ids))]
    if len(locked) != len(source_ids):
        raise SourceNotFound
    return locked


def lock_for_draw(source: Source) -> None:
    """Lock the source if its strategy counts what it gives: then its draws take turns."""
    if STRATEGIES[source.strategy].counts:
        lock_source(source.pk)


def lock_for_draws(sources: Iterable[Source]) -> None:
    """Lock those of the sources whose strategy counts what it gives.

    One that is gone by now is passed over: what is stored for it fails on its foreign key, and the service starts anew.
    """
    if counting := {source.pk for source in sources if STRATEGIES[source.strategy].counts}:
        list(_locked(Source.objects.filter(pk__in=counting)).values_list("pk"))


def lock_contact(contact_id: int) -> Contact:
    """Lock and return the contact. Raises ContactNotFound."""
    contact = _locked(Contact.objects.filter(pk=contact_id)).first()
    if contact is None:
        raise ContactNotFound
    return contact


def lock_contacts_for_deletion(contacts: QuerySet[Contact]) -> list[int]:
    """Lock the contacts against everything, references from new rows included; return their ids.

    Whoever gets a lock after a wait sees whether the contact still matches.
    """
    rows = contacts.order_by("pk").select_for_update(no_key=False, of=("self",))
    return list(rows.values_list("pk", flat=True))


def lock_operators(operator_ids: Iterable[int]) -> dict[int, Operator]:
    """Lock the operators in one statement and return by id those that exist."""
    return {operator.pk: operator for operator in _locked(Operator.objects.filter(pk__in=operator_ids))}


def lock_operators_of(source_ids: Collection[int]) -> dict[int, Operator]:
    """Lock in one statement all operators who take part in draws of the sources, and return them by id."""
    return {operator.pk: operator for operator in _operators_of(packed(source_ids))}


def lock_operator(operator_id: int) -> Operator:
    """Lock and return the operator. Raises OperatorNotFound."""
    operator = _locked(Operator.objects.filter(pk=operator_id)).first()
    if operator is None:
        raise OperatorNotFound
    return operator


def lock_operator_with_room(operator_id: int) -> Operator | None:
    """Lock the operator and return them if they can take a contact; None otherwise.

    PostgreSQL checks the filter again on the row's newest version after waiting for the lock, but not what other
    rows of the statement said: so the filter names columns of the operator alone. The lock may be held in either
    case, until the transaction ends.
    """
    return next(iter(_operator_with_room(operator_id)), None)


def lock_for_deletion[M: Model](rows: QuerySet[M]) -> M | None:
    """Lock the one row of `rows` against everything, references from new rows included, and return it."""
    return rows.select_for_update(no_key=False, of=("self",)).first()


@KeptStatement
def _operator_with_room(operator_id: Any) -> QuerySet[Operator]:
    return _locked(Operator.objects.filter(can_take(), pk=operator_id))


@KeptStatement
def _operators_of(source_ids: Any) -> QuerySet[Operator]:
    drawn_from = Weight.objects.filter(source__among=source_ids, weight__gt=0).values("operator")
    return _locked(Operator.objects.filter(pk__in=drawn_from))


def _locked[M: Model](rows: QuerySet[M]) -> QuerySet[M]:
    return rows.select_for_update(no_key=True, of=("self",)).order_by("pk")
