"""The queue: who waits, since when, why, and what would help."""

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from crm_project.admin.columns import age
from crm_project.api.filters import HIGHEST_ID
from distribution.board import with_excerpt
from distribution.waiting import sources_waited_on, standstills
from leads.admin.remedies import told
from leads.models import Contact, Source

ROWS_ON_A_PAGE = 50
MOST_SOURCES_TOLD = 10
MOST_SOURCES_OFFERED = 200


class QueuePage:
    """One request to the page, or to its part that refreshes itself."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._chosen = _source_of(request.GET.get("source", ""))
        self._sources = list(sources_waited_on()[:MOST_SOURCES_OFFERED])

    def context(self) -> dict[str, Any]:
        """Return what the page shows."""
        page = self._page()
        sources = self._sources_told()
        found = standstills({*sources, *(contact.source for contact in page)})
        address = self._address("queue", page)
        return {
            "rows": [_row(contact, found[contact.source_id].because) for contact in page],
            "page": page,
            "sources": [told(self._request, source, found[source.pk], address) for source in sources],
            "offered": self._sources,
            "chosen": self._chosen,
            "address": address,
            "rows_address": self._address("queue_rows", page),
            "without_page": urlencode(self._parameters()),
        }

    def _page(self) -> Page:
        contacts: QuerySet[Any] = Contact.objects.waiting()
        if self._chosen is not None:
            contacts = contacts.filter(source=self._chosen)
        paginator = Paginator(with_excerpt(contacts).order_by("created_at", "id"), ROWS_ON_A_PAGE)
        return paginator.get_page(self._request.GET.get("page"))

    def _sources_told(self) -> list[Any]:
        if self._chosen is None:
            return self._sources[:MOST_SOURCES_TOLD]
        return [source for source in self._sources if source == self._chosen]

    def _parameters(self) -> dict[str, Any]:
        return {} if self._chosen is None else {"source": self._chosen.pk}

    def _address(self, name: str, page: Page) -> str:
        return f"{reverse(name)}?{urlencode({**self._parameters(), 'page': page.number})}"


def _source_of(typed: str) -> Source | None:
    """Return the source that the address names, if there is one."""
    if not (typed.isascii() and typed.isdigit() and int(typed) <= HIGHEST_ID):
        return None
    return Source.objects.filter(pk=int(typed)).first()


def _row(contact: Any, because: str) -> dict[str, Any]:
    return {"contact": contact, "waiting_for": age(contact.created_at), "because": because}
