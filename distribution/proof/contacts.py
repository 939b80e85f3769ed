"""Holding the active contacts to the ledgers that count them."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from distribution.models import Checkpoint, LoadChange
from distribution.proof.balance import Cause
from distribution.proof.findings import WrongContact
from leads.models import Contact, ContactStatus

ROWS_AT_A_TIME = 1_000


def wrong_contacts() -> Iterator[WrongContact]:
    """Yield the contacts that are where no ledger counts them, then those that are not where one does."""
    for contacts in (_not_counted(), _gone()):
        for contact_id in contacts.iterator(ROWS_AT_A_TIME):
            yield WrongContact(contact_id)


def _not_counted() -> QuerySet[Contact, int]:
    """Return the active contacts that did not come last to their operator's ledger, unless that was pruned."""
    rows = _of_contact(OuterRef("pk"), OuterRef("operator")).order_by("-number")
    pruned = Exists(Checkpoint.objects.filter(operator=OuterRef("operator")))
    active = Contact.objects.active().annotate(last=Subquery(rows.values("cause")[:1]))
    wrong = active.filter(~Q(last=Cause.GIVEN) & Q(last__isnull=False) | Q(last__isnull=True) & ~pruned)
    return wrong.order_by("pk").values_list("pk", flat=True)


def _gone() -> QuerySet[LoadChange, Any]:
    """Return the contacts that came last to the ledger of an operator with whom they are not active."""
    later = _of_contact(OuterRef("contact"), OuterRef("operator")).filter(number__gt=OuterRef("number"))
    counted = LoadChange.objects.filter(~Exists(later), cause=Cause.GIVEN)
    is_there = Q(contact__status=ContactStatus.ACTIVE, contact__operator=F("operator"))
    return counted.exclude(is_there).order_by("operator", "number").values_list("contact", flat=True)


def _of_contact(contact: OuterRef, operator: OuterRef) -> QuerySet[LoadChange]:
    """Return the rows of the contact, which are few, in the ledger of the operator, which may be long.

    The sum keeps a database from looking the operator up: SQLite would walk their whole ledger for every contact.
    """
    rows = LoadChange.objects.filter(contact=contact)
    return rows.alias(of_operator=F("operator_id") + 0).filter(of_operator=operator)
