import multiprocessing
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from crm_project.environment import kept_secret_key, pgbouncer_options, postgresql_options, secret_key
from crm_project.setup.children import BASE_DIR

pytestmark = pytest.mark.once


def import_settings(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import crm_project.settings"],
        env={**os.environ, **environment},
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "perhaps"),
        ("OPEN_API", "perhaps"),
        ("LOCK_TIMEOUT_SECONDS", "ten"),
        ("LOCK_TIMEOUT_SECONDS", "0"),
        ("DEFAULT_LANGUAGE", "xx"),
        ("DATABASE_URL", "mysql://somebody@somewhere/crm"),
        ("DATABASE_URL", "crm.db"),
        ("WEBHOOK_NETWORKS", "10.0.0.1/8"),
        ("WEBHOOK_TIMEOUT_SECONDS", "0"),
        ("PGBOUNCER", "perhaps"),
        ("PGBOUNCER", "1"),
        ("PIN_SERVER_PROCESSES", "perhaps"),
    ],
)
def test_a_setting_that_means_nothing_is_an_error_that_names_it(name: str, value: str) -> None:
    imported = import_settings(**{name: value})

    assert imported.returncode != 0
    assert name in imported.stderr.splitlines()[-1]


def test_settings_that_mean_something_are_taken() -> None:
    imported = import_settings(
        DEBUG="on",
        OPEN_API="1",
        DEFAULT_LANGUAGE="ru",
        DATABASE_URL="postgres://me@host/crm",
        PGBOUNCER="1",
        WEBHOOK_NETWORKS="10.0.0.0/8,::1/128",
    )

    assert (imported.returncode, imported.stderr) == (0, "")


def test_on_postgresql_nothing_waits_for_ever() -> None:
    options = postgresql_options(lock_timeout_seconds=7)

    assert "lock_timeout=7000" in options["options"]
    assert "statement_timeout=42000" in options["options"]
    assert options["connect_timeout"] == 7
    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] < 30


def test_postgresql_is_told_to_reckon_with_pages_in_memory() -> None:
    assert "-c random_page_cost=0.1 -c seq_page_cost=0.1" in postgresql_options(lock_timeout_seconds=7)["options"]


def test_pgbouncer_is_sent_nothing_that_it_refuses_and_no_plan_is_kept() -> None:
    options = pgbouncer_options(lock_timeout_seconds=7)

    assert "options" not in options
    assert options["prepare_threshold"] is None
    assert options["connect_timeout"] == 7


def test_a_secret_key_is_kept_for_the_next_start_and_for_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "key"

    key = kept_secret_key(path)

    assert len(key) >= 50
    assert kept_secret_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_processes_that_start_at_once_agree_on_one_secret_key(tmp_path: Path) -> None:
    several = multiprocessing.get_context("spawn")
    everybody_is_ready = several.Barrier(4)

    with several.Pool(4, initializer=everybody_is_ready.wait) as processes:
        keys = processes.map(kept_secret_key, [tmp_path / "key"] * 4, chunksize=1)

    assert set(keys) == {(tmp_path / "key").read_text()}
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_secret_key_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("too short")

    with pytest.raises(ImproperlyConfigured, match="is shorter than 50"):
        secret_key(path)
