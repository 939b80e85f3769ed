"""Everything on screen is there in English and in Russian."""

import ast
import re
from collections.abc import Iterator
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

import babel.messages
import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po
from django.test import Client
from django.utils.translation import override
from django.utils.translation.template import templatize
from pytest_django import Settings

from crm_project.setup.children import BASE_DIR
from distribution.errors import HasContacts
from leads.models import Contact

pytestmark = pytest.mark.once

KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
CATALOGS = [BASE_DIR / "locale" / "ru", BASE_DIR / "locale" / "theme" / "ru"]

type Message = tuple[str | None, str]


def catalog(directory: Path) -> Catalog:
    with (directory / "LC_MESSAGES" / "django.po").open("rb") as file:
        return read_po(file, locale="ru")


def files(pattern: str) -> Iterator[Path]:
    for package in ("crm_project", "leads", "operators", "distribution", "templates"):
        for path in (BASE_DIR / package).rglob(pattern):
            if not {"tests", "testing", "migrations"} & set(path.parts):
                yield path


def messages_of(source: str) -> Iterator[Message]:
    for _line, found, _comments, context in extract("python", BytesIO(source.encode()), keywords=KEYWORDS):
        yield context, found[0] if isinstance(found, tuple) else found


def messages_of_template(source: str) -> Iterator[Message]:
    """Yield the messages without a context: Django rewrites its tags as calls of Python."""
    for literal in re.findall(r"\b(?:_|n?gettext)\(u?('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")", templatize(source)):
        yield None, ast.literal_eval(literal)


def used() -> set[Message]:
    code = {message for path in files("*.py") for message in messages_of(path.read_text())}
    return code | {message for path in files("*.html") for message in messages_of_template(path.read_text())}


def shown(directory: Path, entry: babel.messages.Message) -> tuple[str, ...]:
    """Return what a program that runs shows for an entry: one text, or those for 1, 2 and 5."""
    with (directory / "LC_MESSAGES" / "django.mo").open("rb") as file:
        translations = GNUTranslations(file)
    if isinstance(entry.id, tuple | list):
        one, many = entry.id
        return tuple(translations.ngettext(one, many, number) for number in (1, 2, 5))
    return (translations.pgettext(entry.context, entry.id) if entry.context else translations.gettext(entry.id),)


def test_every_message_of_ours_has_its_russian() -> None:
    translated = {(entry.context, entry.id[0] if entry.pluralizable else entry.id) for entry in catalog(CATALOGS[0])}

    assert used() - translated == set()


@pytest.mark.parametrize("directory", CATALOGS, ids=["ours", "the theme's"])
def test_no_translation_is_empty_or_unsure(directory: Path) -> None:
    entries = [entry for entry in catalog(directory) if entry.id]

    assert entries
    assert [entry.id for entry in entries if entry.fuzzy or not all(entry.string or [""])] == []


@pytest.mark.parametrize("directory", CATALOGS, ids=["ours", "the theme's"])
def test_the_compiled_catalog_is_that_of_the_text(directory: Path) -> None:
    for entry in catalog(directory):
        if entry.id:
            written = entry.string if isinstance(entry.string, tuple | list) else (entry.string,)
            assert shown(directory, entry) == tuple(written)[:3]


def test_a_refusal_is_said_in_the_language_of_the_caller() -> None:
    with override("ru"):
        assert "можно выключить" in str(HasContacts())
    with override("en"):
        assert "deactivated instead" in str(HasContacts())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accepted", "detail"), [("ru", "По этому адресу ничего нет."), ("en", "There is nothing at this address.")]
)
def test_the_api_answers_in_the_language_of_the_caller(client: Client, accepted: str, detail: str) -> None:
    response = client.get("/api/nothing", headers={"Accept-Language": accepted})

    assert response.json()["errors"][0]["detail"] == detail


def test_the_default_language_speaks_to_those_who_name_none(client: Client, settings: Settings) -> None:
    settings.LANGUAGE_CODE = "ru"

    assert "ничего нет" in client.get("/api/nothing").json()["errors"][0]["detail"]
    english = client.get("/api/nothing", headers={"Accept-Language": "en"})
    assert "nothing at this address" in english.json()["errors"][0]["detail"]


def test_the_models_are_named_in_russian() -> None:
    with override("ru"):
        assert (Contact._meta.verbose_name, Contact._meta.verbose_name_plural) == ("обращение", "обращения")


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["ru-x1", "de", "ru_RU"])
def test_a_language_that_is_not_offered_is_refused(admin_client: Client, language: str) -> None:
    assert admin_client.post("/i18n/setlang/", {"language": language}).status_code == 400
    assert admin_client.get("/api/schema", {"lang": language}).status_code == 400


@pytest.mark.django_db
def test_a_language_that_is_offered_is_kept(client: Client) -> None:
    client.post("/i18n/setlang/", {"language": "ru", "next": "/admin/login/"})

    assert client.cookies["django_language"].value == "ru"
