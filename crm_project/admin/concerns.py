"""What needs attention, in words, each with the way to where it is mended."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.conf import settings
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, ngettext_lazy

from crm_project.admin.columns import age, list_link, page_link
from crm_project.admin.outcome import counted
from distribution.attention import IDLE, Concern, Finding
from distribution.overview import Queue
from leads.models import ContactStatus

SENTENCES = {
    Concern.SOURCE_WITHOUT_OPERATORS: ngettext_lazy(
        "%(count)d source has no operators: give somebody a weight.",
        "%(count)d sources have no operators: give somebody a weight.",
        "count",
    ),
    Concern.SOURCE_WITH_ZERO_WEIGHTS: ngettext_lazy(
        "%(count)d source has only weights of 0: nobody is ever drawn.",
        "%(count)d sources have only weights of 0: nobody is ever drawn.",
        "count",
    ),
    Concern.SOURCE_WITHOUT_AVAILABLE: ngettext_lazy(
        "%(count)d source has nobody available: new contacts will wait.",
        "%(count)d sources have nobody available: new contacts will wait.",
        "count",
    ),
    Concern.OPERATOR_WITHOUT_WEIGHT: ngettext_lazy(
        "%(count)d active operator has no weight anywhere and gets nothing.",
        "%(count)d active operators have no weight anywhere and get nothing.",
        "count",
    ),
    Concern.OPERATOR_IDLE: ngettext_lazy(
        "%(count)d active operator has had room and got nothing for %(days)s.",
        "%(count)d active operators have had room and got nothing for %(days)s.",
        "count",
    ),
    Concern.ENDPOINT_GONE: ngettext_lazy(
        "%(count)d endpoint answered that it is gone and is told nothing: switch it on again or delete it.",
        "%(count)d endpoints answered that they are gone and are told nothing: switch them on again or delete them.",
        "count",
    ),
    Concern.ENDPOINT_FAILING: ngettext_lazy(
        "%(count)d endpoint has heard nothing for a day.",
        "%(count)d endpoints have heard nothing for a day.",
        "count",
    ),
}
LISTS = {"source": "leads_source", "operator": "operators_operator", "endpoint": "webhooks_endpoint"}


class Complaint(NamedTuple):
    """A sentence, how grave it is (danger or warning), and links to where it is mended."""

    tone: str
    sentence: str
    links: Sequence[SafeString]


def complaints_about_queue(queue: Queue) -> Iterator[Complaint]:
    """Yield that somebody waits too long, if so."""
    if not queue.too_long or queue.oldest_at is None:
        return
    sentence = ngettext(
        "%(count)d contact has waited longer than %(minutes)s; the oldest for %(age)s.",
        "%(count)d contacts have waited longer than %(minutes)s; the oldest for %(age)s.",
        queue.too_long,
    )
    values = {"count": queue.too_long, "minutes": _longest_wait(), "age": age(queue.oldest_at)}
    link = list_link("leads_contact", gettext("To the list"), status__exact=ContactStatus.WAITING)
    yield Complaint("danger", sentence % values, [link])


def complaint_of(finding: Finding) -> Complaint:
    """Return the finding in words, with a link to each row it names, and one to the list when there are more."""
    kind = finding.concern.partition("_")[0]
    links = [page_link(row, row) for row in finding.rows]
    if more := finding.count - len(finding.rows):
        sentence = ngettext("and %(count)d more", "and %(count)d more", more)
        links.append(list_link(LISTS[kind], sentence % {"count": more}))
    told = counted(SENTENCES[finding.concern], finding.count, days=_days())
    return Complaint("warning" if kind == "operator" else "danger", told, links)


def _longest_wait() -> str:
    minutes = settings.WAITING_TOO_LONG_MINUTES
    return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}


def _days() -> str:
    return ngettext("%(count)d day", "%(count)d days", IDLE.days) % {"count": IDLE.days}
