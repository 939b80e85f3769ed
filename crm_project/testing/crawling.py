"""Walking through the back office link by link, and reading what a page says to the eye and to a screen reader."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

from django.test import Client

START = "/admin/"
MOST_PAGES = 400
READ_OUT = ("placeholder", "title", "aria-label", "alt", "aria-description", "data-updated", "data-failed")
BUTTONS = ("submit", "button", "reset")
UNSPOKEN = ("script", "style", "code", "pre")
ICONS = "material-symbols"
WITHOUT_END = ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")


class PageReader(HTMLParser):
    """Collects the texts of a page and the addresses of its links."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self._silent_since = 0
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in an element."""
        values = {name: value or "" for name, value in attrs}
        if tag not in WITHOUT_END:
            self._depth += 1
        if not self._silent_since and (tag in UNSPOKEN or ICONS in values.get("class", "")):
            self._silent_since = self._depth
        self.texts += [values[name] for name in READ_OUT if name in values]
        if tag == "input" and values.get("type") in BUTTONS:
            self.texts.append(values.get("value", ""))
        if tag == "a":
            self.links.append(values.get("href", ""))

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if tag in WITHOUT_END:
            return
        if self._silent_since == self._depth:
            self._silent_since = 0
        self._depth -= 1

    def handle_data(self, data: str) -> None:
        """Take in what is between."""
        if not self._silent_since:
            self.texts.append(data)


def read(html: str) -> PageReader:
    """Return what the page says, and its links."""
    reader = PageReader()
    reader.feed(html)
    return reader


def pages(client: Client) -> Iterator[tuple[str, str]]:
    """Yield the address and the HTML of every page that a link leads to; of those of one kind, one."""
    found, seen = [START], set()
    while found:
        url = found.pop(0)
        if kind_of(url) in seen:
            continue
        seen.add(kind_of(url))
        assert len(seen) <= MOST_PAGES, "the links never end"
        response = client.get(url, follow=True)
        assert response.status_code == 200, url
        if response["Content-Type"].startswith("text/html") and not response.streaming:
            html = response.content.decode()
            yield url, html
            here = response.redirect_chain[-1][0] if response.redirect_chain else url
            found += [address for link in read(html).links if (address := urljoin(here, link)).startswith(START)]


def kind_of(url: str) -> tuple[str, str]:
    """Return what pages have in common that differ by a row, a page of a list, an order or a filter's value only."""
    parts = urlsplit(url)
    names = [name for name, _value in parse_qsl(parts.query)]
    return re.sub(r"\d+", "0", parts.path), names[0] if len(names) == 1 else "many" * bool(names)
