"""The contacts in work, operator by operator, and who could take over one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Window
from django.db.models.functions import Left, RowNumber

from distribution.availability import can_take
from distribution.overview import working
from leads.models import Contact
from operators.models import Operator, Weight

MOST_IN_A_COLUMN = 6
MOST_OF_A_LEAD = 10
LONGEST_EXCERPT = 160


@dataclass(frozen=True)
class Column:
    """An operator, their contacts that came in first, and how many they have besides."""

    operator: Operator
    contacts: Sequence[Any]
    more: int


def with_excerpt(contacts: QuerySet[Contact]) -> QuerySet[Any]:
    """Return the contacts with their sources and, in the place of long texts and data, with the `excerpt` of a text."""
    return contacts.select_related("source").defer("text", "data").annotate(excerpt=Left("text", LONGEST_EXCERPT))


def operators_at_work(named: str = "") -> QuerySet[Operator]:
    """Return the operators who are active or have contacts, by name; with `named`, those whose name holds it."""
    return working().filter(name__icontains=named).order_by("name", "pk")


def columns(operators: Sequence[Operator]) -> list[Column]:
    """Return what each of the operators has in work, in one statement for all of them."""
    place = Window(RowNumber(), partition_by="operator", order_by=["created_at", "pk"])
    active = with_excerpt(Contact.objects.active().filter(operator__in=operators))
    contacts: dict[int, list[Any]] = {operator.pk: [] for operator in operators}
    for contact in active.annotate(place=place).filter(place__lte=MOST_IN_A_COLUMN).order_by("created_at", "pk"):
        contacts[contact.operator_id].append(contact)
    return [_column(operator, contacts[operator.pk]) for operator in operators]


def contacts_of_lead(contact: Contact) -> QuerySet[Any]:
    """Return the newest ten contacts of the contact's lead, from all sources, this one among them."""
    of_lead = with_excerpt(Contact.objects.filter(lead=contact.lead_id)).select_related("source", "operator")
    return of_lead.order_by("-pk")[:MOST_OF_A_LEAD]


def receivers(contact: Contact) -> QuerySet[Operator]:
    """Return the operators who can take the contact now, except the one who has it.

    Each has `weight`, that on the contact's source, or None. The highest comes first, those without any last.
    """
    weight = Weight.objects.filter(source=contact.source_id, operator=OuterRef("pk")).values("weight")
    able = Operator.objects.filter(can_take()).exclude(pk=contact.operator_id or 0)
    return able.annotate(weight=Subquery(weight)).order_by(F("weight").desc(nulls_last=True), "name", "pk")


def _column(operator: Operator, contacts: Sequence[Any]) -> Column:
    # The load was read by another statement: somebody may have closed a contact in between.
    return Column(operator, contacts, max(operator.load - len(contacts), 0))
