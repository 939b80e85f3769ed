"""What the start page shows of the house now; a user sees what they may see on the pages behind it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from crm_project.admin.chart import chart_of
from crm_project.admin.columns import age, list_url, page_url
from crm_project.admin.concerns import Complaint, complaint_of, complaints_about_queue
from crm_project.webhooks.models import Endpoint
from distribution.attention import endpoints_in_need, operators_in_need, sources_in_need
from distribution.availability import obstacle_by_hand
from distribution.overview import Places, Queue, arrivals, fullest_operators, places_now, queue_now
from distribution.phrases import WHY_NOT
from distribution.standing import Obstacle
from leads.models import Contact, ContactStatus, Source
from operators.models import Operator

MOST_OPERATORS = 30
MODELS: tuple[type[Model], ...] = (Contact, Operator, Source, Endpoint)

# Whether the user may see the rows of a model.
type Sees = Mapping[type[Model], bool]


class Figure(NamedTuple):
    """A number with its name, what else is to say of it, the list behind it, and whether it is a warning."""

    name: str
    number: str
    note: str
    url: str
    is_warning: bool


def overview_context(request: HttpRequest) -> dict[str, Any]:
    """Return the figures, charts and complaints that the user may see; None in the place of the others."""
    now = timezone.now()
    sees = {model: admin.site.get_model_admin(model).has_view_permission(request) for model in MODELS}
    queue = queue_now(now, timedelta(minutes=settings.WAITING_TOO_LONG_MINUTES)) if sees[Contact] else None
    places = places_now() if sees[Contact] or sees[Operator] else None
    return {
        "is_empty": not any(sees.values()),
        "live_title": _live_title(queue),
        "figures": list(_figures(sees, queue, places)),
        "complaints": list(_complaints(sees, queue, now)),
        "chart": chart_of(arrivals(now)) if sees[Contact] else None,
        "loads": _loads() if sees[Operator] else None,
    }


def _live_title(queue: Queue | None) -> str:
    """Return the title of the page, which tells who waits while another tab is looked at."""
    if queue is None or not queue.waiting:
        return gettext("Overview")
    return f"({number_format(queue.waiting)}) {gettext('Overview')}"


def _figures(sees: Sees, queue: Queue | None, places: Places | None) -> Iterator[Figure]:
    if queue is not None:
        yield _waiting(queue)
    if places is not None and sees[Contact]:
        url = list_url("leads_contact", status__exact=ContactStatus.ACTIVE)
        yield Figure(gettext("Active now"), number_format(places.taken), "", url, is_warning=False)
    if places is not None and sees[Operator]:
        yield _free(places)
        yield _at_limit(places)


def _waiting(queue: Queue) -> Figure:
    note = gettext("nobody waits")
    if queue.oldest_at is not None:
        note = gettext("the oldest for %(age)s") % {"age": age(queue.oldest_at)}
    url = list_url("leads_contact", status__exact=ContactStatus.WAITING)
    return Figure(gettext("Waiting now"), number_format(queue.waiting), note, url, is_warning=queue.too_long > 0)


def _free(places: Places) -> Figure:
    count = places.operators_with_room
    note = ngettext("with %(count)d operator", "with %(count)d operators", count) % {"count": count}
    url = list_url("operators_operator", room="free")
    return Figure(gettext("Free places"), number_format(places.free), note, url, is_warning=places.free == 0)


def _at_limit(places: Places) -> Figure:
    active = places.active_operators
    note = ngettext("of %(count)d active operator", "of %(count)d active operators", active) % {"count": active}
    url = list_url("operators_operator", room="none")
    number = number_format(places.operators_at_limit)
    return Figure(gettext("Operators at the limit"), number, note, url, is_warning=places.operators_at_limit > 0)


def _complaints(sees: Sees, queue: Queue | None, now: datetime) -> Iterator[Complaint]:
    if queue is not None:
        yield from complaints_about_queue(queue)
    if sees[Source]:
        yield from map(complaint_of, sources_in_need())
    if sees[Operator]:
        yield from map(complaint_of, operators_in_need(now))
    if sees[Endpoint]:
        yield from map(complaint_of, endpoints_in_need())


def _loads() -> dict[str, Any]:
    operators, count = fullest_operators(MOST_OPERATORS)
    return {
        "rows": [_load(operator) for operator in operators],
        "more": count - len(operators),
        "count": count,
        "url": list_url("operators_operator"),
    }


def _load(operator: Operator) -> dict[str, Any]:
    fullness = operator.load / operator.max_load if operator.max_load else 1.0
    return {
        "pk": operator.pk,
        "name": operator.name,
        "url": page_url(operator),
        "load": f"{operator.load} / {operator.max_load}",
        "width": f"{100 * min(fullness, 1.0):.2f}%",
        "note": _why_away(operator),
        "is_full": not operator.has_room,
    }


def _why_away(operator: Operator) -> str:
    obstacle = obstacle_by_hand(operator)
    return str(WHY_NOT[obstacle]) if obstacle in (Obstacle.INACTIVE, Obstacle.PAUSED) else ""
