"""docs/errors.md names every error code that the API answers with, and no other."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from rest_framework import exceptions

from crm_project.api.refusals import Refusal
from crm_project.setup.children import BASE_DIR
from crm_project.testing.openapi import codes, document, operations, responses

pytestmark = pytest.mark.once

ROW = re.compile(r"^\| (\d{3}) \| `([a-z_]+)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE)

# An operation of the document answers every method that it has; the others of its address are refused.
OF_NO_OPERATION = {(405, "method_not_allowed")}

# What only the back office and the commands ask for, what stands for its subclasses, and what nothing raises.
NOT_IN_THE_API = {
    *("too_many_keys", "no_longer_theirs", "operator_still_active", "has_contacts", "refused", "throttled"),
    *("period_not_recorded", "too_many_contacts", "operator_not_involved"),
    *("setting_changed", "cannot_go_back", "value_taken", "too_many_rows"),
    *("same_lead", "lead_erased", "cannot_undo_merge"),
}

# Where a code stands among the arguments of what makes an error.
PLACE_OF_CODE = {"ErrorDetail": 1, "ValidationError": 1, "_refuse": 1, "fail": 0}


def on_the_page() -> list[tuple[int, str]]:
    rows = ROW.findall((BASE_DIR / "docs" / "errors.md").read_text())
    return [(int(status), code) for status, code in rows]


def of_the_document() -> set[tuple[int, str]]:
    return {
        (status, code)
        for _method, _path, operation in operations(document())
        for status, response in responses(document(), operation).items()
        if status >= 400
        for code in codes(response)
    }


def subclasses(base: type[Any]) -> Iterator[type[Any]]:
    for one in base.__subclasses__():
        yield one
        yield from subclasses(one)


def codes_of_classes() -> set[str]:
    """Return the codes of the classes of errors: ours, and those of the framework."""
    framework = {one.default_code for one in subclasses(exceptions.APIException) if "default_code" in vars(one)}
    return framework | {one.code for one in subclasses(Refusal)} | {Refusal.code}


def codes_in_place() -> set[str]:
    """Return the codes that the source gives where it makes an error."""
    return {
        code
        for package in ("crm_project/api", "crm_project/access", "leads", "operators", "distribution")
        for path in (BASE_DIR / package).rglob("*.py")
        if not {"tests", "migrations", "management"} & set(path.parts) and path.name != "admin.py"
        for code in codes_made_in(path)
    }


def codes_made_in(path: Path) -> Iterator[str]:
    module = import_module(".".join(path.relative_to(BASE_DIR).with_suffix("").parts))
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call):
            place = PLACE_OF_CODE.get(getattr(call.func, "id", getattr(call.func, "attr", "")))
            if place is not None and len(call.args) > place:
                yield from named_by(call.args[place], module)


def named_by(argument: ast.expr, module: Any) -> Iterator[str]:
    """Yield the text that an argument is, itself or by the name of a constant."""
    value = getattr(module, argument.id, None) if isinstance(argument, ast.Name) else getattr(argument, "value", None)
    if isinstance(value, str):
        yield value


def test_the_page_names_what_the_document_names_under_the_same_status() -> None:
    assert set(on_the_page()) == of_the_document() | OF_NO_OPERATION


def test_the_page_names_each_once() -> None:
    assert len(on_the_page()) == len(set(on_the_page()))


def test_every_class_of_errors_is_on_the_page_or_known_not_to_reach_the_api() -> None:
    page = {code for _status, code in on_the_page()}

    assert codes_of_classes() - page == NOT_IN_THE_API
    assert page & NOT_IN_THE_API == set()


def test_every_code_given_in_the_source_is_on_the_page() -> None:
    found = codes_in_place()

    assert {"unknown_field", "unknown_filter", "empty_filter", "duplicate_operator", "unstorable"} <= found
    assert found - {code for _status, code in on_the_page()} == set()


def test_both_readmes_lead_to_the_page() -> None:
    assert all("](docs/errors.md)" in (BASE_DIR / name).read_text() for name in ("README.md", "README.ru.md"))
