"""Using the admin's pages as a browser does: open a form, type, save, read what the page says."""

from html.parser import HTMLParser
from typing import Any

from django.test import Client
from django.urls import reverse

Fields = dict[str, str | list[str]]
Page = Any  # a response with what Django's test client adds to it


class FormReader(HTMLParser):
    """Collects what a browser would send of the forms whose id is given."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id = form_id
        self.fields: Fields = {}
        self.inside = False
        self.name = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in an element."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = values.get("id") == self.form_id
        elif self.inside and tag == "input":
            self._take_input(values)
        elif self.inside and tag in {"select", "textarea"}:
            self.name = values.get("name", "")
            self.fields[self.name] = [] if "multiple" in values else ""
        elif self.inside and tag == "option" and "selected" in values:
            self._choose(values.get("value", ""))

    def handle_data(self, data: str) -> None:
        """Take in the text of a textarea."""
        if self.inside and self.lasttag == "textarea":
            self.fields[self.name] = data

    def handle_endtag(self, tag: str) -> None:
        """Leave the form."""
        if tag == "form":
            self.inside = False

    def _choose(self, value: str) -> None:
        chosen = self.fields[self.name]
        self.fields[self.name] = [*chosen, value] if isinstance(chosen, list) else value

    def _take_input(self, values: dict[str, str]) -> None:
        kind = values.get("type", "text")
        is_sent = "checked" in values if kind in {"checkbox", "radio"} else kind not in {"submit", "button"}
        if is_sent and "name" in values:
            self.fields[values["name"]] = values.get("value", "on" if kind == "checkbox" else "")


def address(model: str, page: str = "changelist", *arguments: object) -> str:
    """Return the address of a page of `model`, such as `leads_contact`."""
    return reverse(f"admin:{model}_{page}", args=arguments)


def open_form(client: Client, url: str, form_id: str) -> Fields:
    """Return the fields of the form on the page, as a browser would send them untouched."""
    reader = FormReader(form_id)
    reader.feed(client.get(url).content.decode())
    assert reader.fields, f"no form {form_id} at {url}"
    return reader.fields


def save(client: Client, url: str, fields: Fields, **typed: Any) -> Page:
    """Send the form and return the page that follows; None in `typed` leaves a field out, such as a box unchecked."""
    sent = {name: value for name, value in {**fields, **typed}.items() if value is not None}
    return client.post(url, sent, follow=True)


def run(client: Client, model: str, action: str, *rows: Any, **more: Any) -> Page:
    """Run an action of the list on the rows and return the page that follows."""
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post(address(model), chosen, follow=True)


def messages(response: Page) -> list[str]:
    """Return what the page tells the user."""
    return [str(message) for message in response.context["messages"]]


def shown(response: Page) -> list[Any]:
    """Return the rows of a list."""
    return list(response.context["cl"].result_list)
