"""The processes that an installation consists of."""

import sys
from pathlib import Path

import pytest

from crm_project.setup.children import Child

PRINT_STORES = "import os, sys; open(sys.argv[1], 'w').write(os.environ['MALLOC_ARENA_MAX'])"


def stores_of_a_child(told: Path) -> str:
    child = Child([sys.executable, "-c", PRINT_STORES, str(told)])
    child.start()
    child.end()
    return told.read_text()


def test_the_threads_of_a_child_share_two_stores_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)

    assert stores_of_a_child(tmp_path / "told") == "2"


def test_who_sets_another_number_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")

    assert stores_of_a_child(tmp_path / "told") == "8"
