"""A benchmark in a process of its own, once on each database."""

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.installations import installations
from crm_project.setup.children import BASE_DIR
from crm_project.testing.databases import Databases

MEASURE = "measure"


def on_both_databases(module: str) -> tuple[list[Any], list[Any]]:
    """Return the rows that the module prints as JSON when it is told to measure: on SQLite, and on PostgreSQL."""
    sqlite, postgresql = (beside(module, installation.databases) for installation in installations())
    return sqlite, postgresql


def beside(module: str, databases: Databases, **environment: str) -> list[Any]:
    """Measure on a new database, and return the rows."""
    settings = {"DATABASE_URL": databases.migrated(), "DJANGO_SETTINGS_MODULE": "crm_project.settings"}
    done = subprocess.run(
        [sys.executable, "-m", module, MEASURE],
        cwd=BASE_DIR,
        env={**os.environ, **settings, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))
