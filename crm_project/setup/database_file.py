"""The SQLite file of an installation: that it is ours, and that one server at a time works on it."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.core.management.base import CommandError
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model
from django.utils.translation import gettext as _

from crm_project.setup.patience import patiently

OUR_APPS = ("leads", "operators", "distribution")


def refuse_foreign_database(path: Path) -> None:
    """Raise CommandError when the file holds anything but a database that this program made. Changes nothing."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    try:
        with closing(sqlite3.connect(read_only(path), uri=True)) as connection:
            ours = is_empty(connection) or has_our_tables(connection)
    except sqlite3.Error as error:
        raise refusal(path, str(error)) from error
    if not ours:
        raise refusal(path, _("its tables are of another program"))


def refusal(path: Path, reason: str) -> CommandError:
    """Return the error that says what to do about a foreign file."""
    message = _(
        "%(path)s is not a database of this program (%(reason)s). It was left as it is: "
        "move it away, or name another file, for example DATABASE_URL=sqlite:///other.db"
    )
    return CommandError(message % {"path": path, "reason": reason})


def read_only(path: Path) -> str:
    """Return the address that opens a file without leaving anything beside it."""
    in_use = path.with_name(f"{path.name}-wal").exists()
    return f"{path.resolve().as_uri()}?mode=ro" + ("" if in_use else "&immutable=1")


def is_empty(connection: sqlite3.Connection) -> bool:
    """Return whether there are no tables yet."""
    return not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


def has_our_tables(connection: sqlite3.Connection) -> bool:
    """Return whether our migrations ran here: they are recorded, and the tables have the columns that they made.

    The names alone prove little: another program may well have a `0001_initial` of its own `leads`.
    """
    if not columns(connection, "django_migrations"):
        return False
    recorded = set(connection.execute("SELECT app, name FROM django_migrations"))
    loader = MigrationLoader(None)
    ours = [migration for migration in loader.disk_migrations if migration[0] in OUR_APPS and migration in recorded]
    if not ours:
        return False
    models = [model for model in loader.project_state(ours).apps.get_models() if model._meta.app_label in OUR_APPS]
    return all(expected_columns(model) <= columns(connection, model._meta.db_table) for model in models)


def expected_columns(model: type[Model]) -> set[str]:
    """Return the columns that a model's table has."""
    return {field.column for field in model._meta.local_concrete_fields if field.column}


def columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the names of the columns of a table, none when it is absent."""
    return {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", [table])}


@contextmanager
def only_server(path: Path) -> Iterator[int]:
    """Be the only server on a database file; the descriptor given is to be kept open by the server's processes.

    So the file stays taken when the process that took it is killed and its server lives on.
    Raises CommandError when another server works on the file: SQLite lets several writers starve each other.
    """
    try:
        lock = path.with_name(f"{path.name}.lock").open("a")
    except OSError as error:
        reason = {"path": path, "reason": error.strerror}
        raise CommandError(_("Cannot work on %(path)s: %(reason)s.") % reason) from error
    with lock:
        try:
            patiently(lambda: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError as error:
            message = _("Another server already works on %(path)s. SQLite is for one; for several, use PostgreSQL.")
            raise CommandError(message % {"path": path}) from error
        yield lock.fileno()
