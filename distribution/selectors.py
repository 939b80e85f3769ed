"""Reads: what is where, and who could be given what. Nothing here writes or locks."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When

from crm_project.statements import KeptStatement
from crm_project.statements_for_many import packed
from distribution.availability import is_available
from distribution.models import Decision, Trigger
from leads.models import Contact, Source
from operators.models import Operator, Weight

MOST_DECISIONS_TOLD = 100


class Cell(NamedTuple):
    """The place of a weight: whose on which source."""

    source_id: int
    operator_id: int


# Weights by their place; None, or no key, where there is no weight.
type Cells = Mapping[Cell, int | None]


def sources_of_operator(operator_id: Any) -> QuerySet[Source]:
    """Return the sources on which the operator takes part in draws."""
    return Source.objects.filter(pk__in=Weight.objects.filter(operator=operator_id, weight__gt=0).values("source"))


def on_list_of(source_ids: Collection[int] | None) -> Q:
    """Return the filter of operators who have a weight, be it 0, on one of the sources; with None, of all."""
    if source_ids is None:
        return Q()
    return Q(pk__in=Weight.objects.filter(source__in=source_ids).values("operator"))


def names_of(operator_ids: Collection[int], among: Collection[int] | None = None) -> dict[int, str]:
    """Return the names by id of the operators who exist, and with `among` are on the list of one of the sources."""
    operators = Operator.objects.filter(on_list_of(among), pk__in=operator_ids)
    return dict(operators.order_by().values_list("pk", "name"))


def names_of_sources(source_ids: Collection[int]) -> dict[int, str]:
    """Return the names by id of the sources that exist."""
    return dict(Source.objects.filter(pk__in=source_ids).order_by().values_list("pk", "name"))


def contacts_in_work(operator_id: int) -> QuerySet[Contact]:
    """Return the active contacts of the operator with their sources, whoever has been with them longest first."""
    contacts = Contact.objects.active().filter(operator=operator_id)
    return contacts.select_related("source").order_by("assigned_at", "id")


def waiting_for_operator(operator_id: int, *, most: int) -> int:
    """Return how many contacts wait, on any active source, that could be given to the operator; at most `most`."""
    return _waiting_for(operator_id)[:most].count()


def was_chosen() -> Exists:
    """Return the filter of operators whom a decision names as its winner."""
    return Exists(Decision.objects.filter(operator=OuterRef("pk")))


def sources_sharing_operators(source_id: int) -> QuerySet[Source]:
    """Return the source and those that draw from one of the same operators."""
    operators = Weight.objects.filter(source=source_id, weight__gt=0).values("operator")
    return Source.objects.filter(pk__in=Weight.objects.filter(operator__in=operators, weight__gt=0).values("source"))


def operator_to_return_to(contact: Contact) -> int | None:
    """Return the id of the operator whom the lead of the contact had last, if its source prefers the same again."""
    if not contact.source.prefer_same_operator:
        return None
    earlier = Contact.objects.filter(lead=contact.lead_id, operator__isnull=False).exclude(pk=contact.pk)
    return earlier.order_by("-id").values_list("operator_id", flat=True).first()


def first_external_id(source_ids: Collection[int]) -> Subquery:
    """Return the external id that a lead first sent to one of the sources, as an annotation of leads."""
    sent = Contact.objects.filter(lead=OuterRef("pk"), source__in=source_ids).order_by("pk")
    return Subquery(sent.values("external_id")[:1])


def queue_before(source_id: int, operator_id: int) -> bool | None:
    """Return whether a contact waits, on any active source, that could be given to the operator.

    None when the operator takes no part in the draws of `source_id` (any more), whoever waits.
    """
    for (somebody_waits,) in _queue_before(source_id, operator_id):
        return bool(somebody_waits)
    return None


def queue_position(contact: Contact) -> int | None:
    """Return the place of the contact among those that wait on its source, 1 the next; None when it does not wait."""
    if not contact.is_waiting:
        return None
    waiting = Contact.objects.waiting().filter(source=contact.source_id)
    return waiting.filter(_older_than(contact)).count() + 1


def newest_decisions(contact_id: int) -> list[Decision]:
    """Return the newest hundred decisions on the contact, the newest last, each with the roster it stands beside.

    A stored roster is read once, however many decisions stand beside it.
    """
    decisions = Decision.objects.filter(contact=contact_id).order_by("-pk").prefetch_related("roster")
    return list(decisions[:MOST_DECISIONS_TOLD])[::-1]


def as_told(decisions: QuerySet[Decision], among: Collection[int] | None) -> QuerySet[Any]:
    """Return the decisions with `told_operator_name` and `told_actor`, as `distribution.explanation` tells them.

    `among` are the sources that exist for the reader, None for all: an operator on the list of none of them has no
    name, and whoever made room for the queue may work on others.
    """
    if among is None:
        return decisions.annotate(told_operator_name=F("operator__name"), told_actor=F("actor_name"))
    listed = Weight.objects.filter(source__in=among, operator=OuterRef("operator"))
    return decisions.annotate(
        told_operator_name=Case(When(Exists(listed), then=F("operator__name"))),
        told_actor=Case(When(trigger=Trigger.DRAIN, then=Value("")), default=F("actor_name")),
    )


def operators_waited_for(source_ids: Collection[int]) -> set[int]:
    """Return the ids of the operators of the sources whom a contact waits for, on any active source they draw from."""
    return {operator_id for (operator_id,) in _operators_waited_for(packed(source_ids))}


def somebody_waits_longer(contact: Contact) -> bool:
    """Return whether an older contact waits on the contact's source, whose queue does not rest."""
    oldest = Contact.objects.waiting().filter(source=contact.source_id, source__is_active=True).oldest_first().first()
    return oldest is not None and oldest != contact


def somebody_waits_for(operator_id: int, *, longer_than: Contact) -> bool:
    """Return whether an older contact waits, on any active source, that could be given to the operator."""
    return _waiting_for(operator_id).filter(_older_than(longer_than)).exists()


def weight_of(source_id: int, operator_id: int) -> int:
    """Return the operator's weight on the source, 0 without any."""
    weights = Weight.objects.filter(source=source_id, operator=operator_id)
    return weights.values_list("weight", flat=True).first() or 0


def weights_of(source_id: int) -> dict[int, int]:
    """Return the weights of the source by operator id."""
    return dict(Weight.objects.filter(source=source_id).order_by("operator_id").values_list("operator_id", "weight"))


def keys_of_weights(cells: Iterable[Cell]) -> dict[Cell, int]:
    """Return the keys of the weights that there are among the cells."""
    asked = frozenset(cells)
    weights = Weight.objects.filter(
        source__in={cell.source_id for cell in asked}, operator__in={cell.operator_id for cell in asked}
    )
    keys = {Cell(source, operator): key for source, operator, key in weights.values_list("source", "operator", "pk")}
    return {cell: key for cell, key in keys.items() if cell in asked}


def weights_in(cells: Iterable[Cell]) -> dict[Cell, int]:
    """Return the weights that there are among the cells."""
    asked = frozenset(cells)
    weights = weights_of_each({cell.source_id for cell in asked}, {cell.operator_id for cell in asked})
    return {cell: weight for cell, weight in weights.items() if cell in asked}


def weights_of_each(source_ids: Collection[int], operator_ids: Collection[int]) -> dict[Cell, int]:
    """Return the weights that each of the operators has on each of the sources."""
    weights = Weight.objects.filter(source__in=source_ids, operator__in=operator_ids).order_by()
    columns = weights.values_list("source_id", "operator_id", "weight")
    return {Cell(source_id, operator_id): weight for source_id, operator_id, weight in columns}


def operators_without_weight(source_id: int | None) -> QuerySet[Operator]:
    """Return the operators who are not on the list of the source, the active ones first, by name."""
    listed = Weight.objects.filter(source=source_id, operator=OuterRef("pk"))
    return Operator.objects.filter(~Exists(listed)).order_by("-is_active", "name", "pk")


def sources_without_weight(operator_id: int | None) -> QuerySet[Source]:
    """Return the sources on whose list the operator is not, the active ones first, by name."""
    listed = Weight.objects.filter(operator=operator_id, source=OuterRef("pk"))
    return Source.objects.filter(~Exists(listed)).order_by("-is_active", "name", "pk")


def next_in_queue(sources: QuerySet[Source], *, excluding: Collection[int] = ()) -> tuple[int, int] | None:
    """Return (source id, contact id) of the oldest contact that waits beside an available operator.

    Looks only at the active ones among `sources`, without the ids in `excluding`; None when there is no such
    contact. Takes one look-up in the index of the queue for each source, however long the queue.
    """
    oldest = Contact.objects.waiting().filter(source=OuterRef("pk")).oldest_first()
    available = Weight.objects.filter(is_available(), source=OuterRef("pk"))
    return (
        sources.filter(Exists(available), is_active=True)
        .exclude(pk__in=excluding)
        .annotate(oldest_at=Subquery(oldest.values("created_at")[:1]), oldest_id=Subquery(oldest.values("id")[:1]))
        .filter(oldest_id__isnull=False)
        .order_by("oldest_at", "oldest_id")
        .values_list("pk", "oldest_id")
        .first()
    )


def oldest_waiting(source: str) -> Subquery:
    """Return the contact that has waited longest on the source that the row names, None without any.

    As an annotation. In the order of the queue: without, SQLite looks through every contact of the source.
    """
    waiting = Contact.objects.waiting().filter(source=OuterRef(source)).oldest_first()
    return Subquery(waiting.values("pk")[:1])


def _waiting_for(operator_id: int) -> QuerySet[Contact]:
    return Contact.objects.waiting().filter(source__in=sources_of_operator(operator_id), source__is_active=True)


def _older_than(contact: Contact) -> Q:
    """Return the filter of the contacts that come before this one in a queue."""
    return Q(created_at__lt=contact.created_at) | Q(created_at=contact.created_at, pk__lt=contact.pk)


@KeptStatement
def _queue_before(source_id: Any, operator_id: Any) -> QuerySet[Any, Any]:
    waiting = sources_of_operator(operator_id).alias(oldest=oldest_waiting("pk"))
    sources = waiting.filter(oldest__isnull=False, is_active=True).order_by()
    weight = Weight.objects.filter(source=source_id, operator=operator_id, weight__gt=0).order_by()
    return weight.annotate(somebody_waits=Exists(sources)).values_list("somebody_waits")


@KeptStatement
def _operators_waited_for(source_ids: Any) -> QuerySet[Any, Any]:
    waiting = oldest_waiting("source")
    of_sources = Weight.objects.filter(source__among=source_ids).values("operator")
    draws = Weight.objects.alias(oldest=waiting).filter(
        oldest__isnull=False, operator__in=of_sources, weight__gt=0, source__is_active=True
    )
    return draws.order_by().values_list("operator_id")
