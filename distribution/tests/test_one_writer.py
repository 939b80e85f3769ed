"""Operator, status and load change in the distribution and nowhere else: held by the code's text and by its SQL."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm_project.testing.one_writer import BASE_DIR, PROTECTED
from crm_project.testing.rows import arrive, assert_loads_are_true, make_operator, make_source
from distribution import roster
from leads.models import Contact
from operators.models import Operator

GUARDED = {"operator", "operator_id", "status", "load"}
WRITING_CALLS = {"update", "create", "update_or_create", "get_or_create", "bulk_update", "save", "acreate", "aupdate"}


def sources(*, inside_distribution: bool) -> Iterator[tuple[Path, ast.Module]]:
    for package in ("crm_project", "leads", "operators", "distribution"):
        for path in (BASE_DIR / package).rglob("*.py"):
            kept_out = {"tests", "testing", "migrations"} & set(path.parts)
            if not kept_out and (package == "distribution") == inside_distribution:
                yield path, ast.parse(path.read_text())


def writes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in GUARDED:
            yield f"line {node.lineno}: sets .{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITING_CALLS:
            for keyword in node.keywords:
                if keyword.arg in GUARDED and "Attempt." not in ast.unparse(node.func):
                    yield f"line {node.lineno}: {node.func.attr}({keyword.arg}=…)"


def is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name


def test_no_code_outside_the_distribution_sets_operator_status_or_load() -> None:
    found = {f"{path}: {write}" for path, tree in sources(inside_distribution=False) for write in writes(tree)}

    assert found == set()


def test_the_reading_of_the_code_finds_what_it_looks_for() -> None:
    within = {path.name for path, tree in sources(inside_distribution=True) if list(writes(tree))}

    assert "assignment.py" in within


def test_rows_are_locked_in_one_module_only_and_deliveries_where_they_are_sent() -> None:
    takers = [
        path.relative_to(BASE_DIR).as_posix()
        for inside in (True, False)
        for path, tree in sources(inside_distribution=inside)
        if any(is_call_of(node, "select_for_update") for node in ast.walk(tree))
    ]

    assert [path for path in takers if not path.startswith("crm_project/webhooks/")] == ["distribution/locks.py"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "Contact.objects.filter(pk=0).update(status='closed')",
        "Contact.objects.filter(pk=0).update(operator=None)",
        "Operator.objects.filter(pk=0).update(load=0)",
        "Contact.objects.bulk_create([Contact(lead_id=1, source_id=1)])",
    ],
)
def test_the_reading_of_the_sql_catches_another_writer(statement: str) -> None:
    elsewhere = compile(statement, str(BASE_DIR / "leads" / "views.py"), "exec")

    with pytest.raises(AssertionError, match="not written by the distribution"):
        exec(elsewhere, {"Contact": Contact, "Operator": Operator})


@pytest.mark.django_db
@pytest.mark.parametrize(
    "save",
    [
        lambda operator: operator.save(),
        lambda operator: operator.save(update_fields=["name", "load"]),
        lambda operator: Operator.objects.update_or_create(pk=operator.pk, defaults={"name": "x", "load": 9}),
        lambda operator: roster.change_operator(operator.pk, name="x", max_load=3, is_active=False),
    ],
    ids=["save", "save of the load by name", "update_or_create", "the service"],
)
def test_each_way_of_saving_an_operator_leaves_the_load_to_the_database(save: Any) -> None:
    operator = make_operator()
    stale = Operator.objects.get(pk=operator.pk)
    arrive(make_source({operator: 1}))

    with CaptureQueriesContext(connection) as queries:
        save(stale)

    updates = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "operators_operator"')]
    assert updates
    assert not [sql for sql in updates if PROTECTED.match(sql)]
    assert not [sql for sql in updates if re.search(r'"load" = \d', sql)]
    assert_loads_are_true()
