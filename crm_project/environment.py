"""The settings that come from the environment, each checked where it is read."""

import os
import secrets
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environs import Env
from psycopg import IsolationLevel

SHORTEST_SECRET_KEY = 50
LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

# A table of a page or two is by default read through, and a plan that does so is kept while thousands of rows come,
# until PostgreSQL counts them a minute later. These are the costs of pages that lie in memory, where an index is the
# cheaper way from some twenty rows on.
PLANNING = {"random_page_cost": 0.1, "seq_page_cost": 0.1}

env = Env()


def secret_key(path: Path) -> str:
    """Return SECRET_KEY, or when it is unset the key kept in `path`. Raises ImproperlyConfigured for a short one."""
    key: str = env.str("SECRET_KEY", "") or kept_secret_key(path)
    if len(key) < SHORTEST_SECRET_KEY:
        raise ImproperlyConfigured(f"SECRET_KEY, or the one kept in {path}, is shorter than {SHORTEST_SECRET_KEY}.")
    return key


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Return the networks that a setting lists, such as 10.0.0.0/8. Raises ImproperlyConfigured for anything else."""
    listed: list[str] = env.list(name, [])
    try:
        return [ip_network(text) for text in listed]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must list networks such as 10.0.0.0/8: {error}") from error


def kept_secret_key(path: Path) -> str:
    """Return the key kept in `path`, making the file (readable by its owner only) when there is none.

    Several processes may start at once: the first to link its file wins, the others read that one.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def database(default: str, lock_timeout_seconds: int) -> dict[str, Any]:
    """Return Django's settings of the database that DATABASE_URL names, reached as PGBOUNCER says.

    `lock_timeout_seconds` is how long a statement waits for a lock before the caller is told to try again.
    Raises ImproperlyConfigured for anything but SQLite and PostgreSQL, and for SQLite through PgBouncer.
    """
    settings: dict[str, Any] = env.dj_db_url("DATABASE_URL", default) | {"CONN_MAX_AGE": None}
    options = settings.setdefault("OPTIONS", {})
    pgbouncer: bool = env.bool("PGBOUNCER", False)
    if settings["ENGINE"] == "django.db.backends.postgresql":
        return settings | postgresql(lock_timeout_seconds, options, pgbouncer=pgbouncer)
    if settings["ENGINE"] != "django.db.backends.sqlite3":
        raise ImproperlyConfigured("DATABASE_URL must name a SQLite file or a PostgreSQL database.")
    if pgbouncer:
        raise ImproperlyConfigured("PGBOUNCER=1 is for PostgreSQL, but DATABASE_URL names a SQLite file.")
    options.setdefault("timeout", lock_timeout_seconds)
    return settings | {"ENGINE": "crm_project.sqlite"}


def postgresql(lock_timeout_seconds: int, given: dict[str, Any], *, pgbouncer: bool) -> dict[str, Any]:
    """Return what is set for PostgreSQL; the options `given` are stronger than ours."""
    options = pgbouncer_options if pgbouncer else postgresql_options
    return {
        "ENGINE": "crm_project.postgresql.pgbouncer" if pgbouncer else "crm_project.postgresql",
        "CONN_HEALTH_CHECKS": True,
        "TIME_LIMITS": time_limits(lock_timeout_seconds),
        "OPTIONS": options(lock_timeout_seconds) | given,
    }


def time_limits(lock_timeout_seconds: int) -> dict[str, int]:
    """Return how many milliseconds a statement may wait for a lock, and how many it may take, by PostgreSQL's names."""
    milliseconds = lock_timeout_seconds * 1000
    return {"lock_timeout": milliseconds, "statement_timeout": 6 * milliseconds}


def session_settings(lock_timeout_seconds: int) -> dict[str, Any]:
    """Return what each session is to have, by PostgreSQL's names: the limits of time, and what it reckons with."""
    return time_limits(lock_timeout_seconds) | PLANNING


def postgresql_options(lock_timeout_seconds: int) -> dict[str, Any]:
    """Return what a connection is opened with: nothing waits for ever, be it for a lock or for a machine that is gone.

    `prepare_threshold` is how often a statement runs before PostgreSQL keeps its plan.
    """
    settings = session_settings(lock_timeout_seconds).items()
    return pgbouncer_options(lock_timeout_seconds) | {
        "prepare_threshold": 3,
        "options": " ".join(f"-c {name}={value}" for name, value in settings),
    }


def pgbouncer_options(lock_timeout_seconds: int) -> dict[str, Any]:
    """Return what a connection to PgBouncer is opened with: no plan is kept, and the limits are PostgreSQL's own."""
    return {
        "isolation_level": IsolationLevel.READ_COMMITTED,
        "prepare_threshold": None,
        "connect_timeout": lock_timeout_seconds,
        "keepalives_idle": lock_timeout_seconds,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 6 * lock_timeout_seconds * 1000,
    }
