import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from crm_project.setup.database_file import only_server, refuse_foreign_database

pytestmark = pytest.mark.sqlite


def make(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def of_another_program(path: Path) -> Path:
    return make(path, "CREATE TABLE notes (text)")


def in_the_middle_of_another_programs_work(path: Path) -> Path:
    return make(path, "PRAGMA journal_mode=WAL", "CREATE TABLE notes (text)")


def of_another_django_project(path: Path) -> Path:
    return make(
        path,
        "CREATE TABLE django_migrations (id, app, name, applied)",
        "INSERT INTO django_migrations VALUES (1, 'shop', '0001_initial', '')",
    )


def of_another_project_with_apps_of_our_names(path: Path) -> Path:
    return make(
        path,
        "CREATE TABLE django_migrations (id, app, name, applied)",
        "INSERT INTO django_migrations VALUES (1, 'leads', '0001_initial', '')",
        "CREATE TABLE leads_lead (id, phone)",
    )


def of_words(path: Path) -> Path:
    path.write_text("a diary\n" * 1000)
    return path


def of_a_few_words(path: Path) -> Path:
    path.write_text("a diary")
    return path


def damaged(path: Path) -> Path:
    path.write_bytes(b"SQLite format 3\0" + b"?" * 5000)
    return path


def a_directory(path: Path) -> Path:
    path.mkdir()
    return path


FOREIGN = [
    of_another_program,
    in_the_middle_of_another_programs_work,
    of_another_django_project,
    of_another_project_with_apps_of_our_names,
    of_words,
    of_a_few_words,
    damaged,
    a_directory,
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(foreign: Callable[[Path], Path], tmp_path: Path) -> None:
    path = foreign(tmp_path / "crm.db")
    before = path.read_bytes() if path.is_file() else b""

    with pytest.raises(CommandError, match="not a database of this program"):
        refuse_foreign_database(path)

    assert [file.name for file in tmp_path.iterdir()] == ["crm.db"]
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_what_is_not_there_yet_or_empty_is_not_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    empty.touch()

    refuse_foreign_database(empty)
    refuse_foreign_database(make(tmp_path / "without_tables.db", "PRAGMA journal_mode=WAL"))
    refuse_foreign_database(tmp_path / "absent.db")


def test_ours_is_not_refused(fresh_database: str) -> None:
    refuse_foreign_database(Path(fresh_database.removeprefix("sqlite:///")))


def test_ours_is_not_refused_when_its_last_server_was_killed(fresh_database: str) -> None:
    path = Path(fresh_database.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM django_session")
        assert path.with_name(f"{path.name}-wal").exists()

        refuse_foreign_database(path)


def test_a_second_server_on_the_same_file_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    path = tmp_path / "crm.db"

    with only_server(path), pytest.raises(CommandError, match="Another server already works on"), only_server(path):
        pass

    with only_server(path):
        pass


def test_a_file_in_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Cannot work on"), only_server(tmp_path / "absent" / "crm.db"):
        pass
