"""Commands as processes of their own, on the database of the test that runs them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import IO
from urllib.parse import urlsplit

from django.db import connection

from crm_project.setup.children import BASE_DIR
from crm_project.testing.databases import manage

SECONDS_TO_RUN = 60


def database_url() -> str:
    """Return the address of the test's database; the test commits what the command is to see."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return manage(*arguments, DATABASE_URL=database_url())


@contextmanager
def started(
    *arguments: str, url: str | None = None, stderr: IO[str] | int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """Start a command and give its process; kill it in the end, or when nothing that the test waits for happens."""
    process = subprocess.Popen(
        [sys.executable, str(BASE_DIR / "manage.py"), *arguments],
        env={**os.environ, "DATABASE_URL": url or database_url()},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    timer = Timer(SECONDS_TO_RUN, process.kill)
    timer.start()
    with process:
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def line(stream: IO[str] | None) -> str:
    """Wait for the next line of a process's output and return it."""
    assert stream is not None
    return stream.readline()
