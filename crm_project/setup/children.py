"""The processes that an installation consists of: the server, the sweep of the queue and the webhooks beside it."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[2]
WITH_PARENT = Path(__file__).with_name("with_parent.py")
APPLICATION = "crm_project.wsgi:application"
SECONDS_TO_STOP = 15
# Of a process: those that wait are registered together, and meanwhile use neither processor nor database. One process
# alone is that of SQLite, where each thread's connection keeps a megabyte of what it has read.
THREADS = 16
THREADS_OF_THE_ONLY_ONE = 14
# glibc gives each thread a store of memory of its own, which keeps what is no longer needed. Python's threads take
# turns all the same, so two serve them all. Other systems do not know the variable.
STORES_OF_MEMORY = {"MALLOC_ARENA_MAX": "2"}
LONGEST_HEAD_BYTES = 16 * 1024  # of a request: its first line and headers


def server_command(host: str, port: int, workers: int, application: str = APPLICATION) -> list[str]:
    """Return the command that serves the application at a numeric address."""
    threads = THREADS if workers > 1 else THREADS_OF_THE_ONLY_ONE
    return [
        *(sys.executable, "-m", "granian", application),
        *("--interface", "wsgi", "--no-ws"),
        *("--host", host, "--port", str(port)),
        *("--http1-buffer-size", str(LONGEST_HEAD_BYTES)),
        *("--workers", str(workers), "--blocking-threads", str(threads), "--backpressure", "64"),
        *("--respawn-failed-workers", "--workers-kill-timeout", "10"),
        # A warning would be that there are more threads than processors, which is meant.
        *("--log-level", "error"),
    ]


def sweep_command(every: int) -> list[str]:
    """Return the command that gives the waiting contacts to whoever is free, again and again."""
    return [sys.executable, str(BASE_DIR / "manage.py"), "drain_queue", "--every", str(every)]


def webhooks_command() -> list[str]:
    """Return the command that tells the endpoints what happened."""
    return [sys.executable, str(BASE_DIR / "manage.py"), "deliver_webhooks"]


def life_command() -> list[str]:
    """Return the command that lets contacts arrive and be closed by themselves in a demo."""
    return [sys.executable, str(BASE_DIR / "manage.py"), "live_demo"]


class Child:
    """A process in a group of its own, so that a Ctrl-C in the terminal reaches its parent only, who stops it."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, keep_open: Sequence[int] = ()
    ) -> None:
        self.command = command
        self.environment = environment or {}
        self.keep_open = keep_open
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, again when it has ended."""
        self.process = subprocess.Popen(
            [sys.executable, "-S", str(WITH_PARENT), str(os.getpid()), *self.command],
            env={**STORES_OF_MEMORY, **os.environ, "PYTHONPATH": python_path(), **self.environment},
            pass_fds=self.keep_open,
            process_group=0,
        )

    @property
    def runs(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """Let the process finish what it does, then kill what is left of its group."""
        stop_together(self)

    def ask_to_stop(self) -> None:
        """Tell the process to finish what it does."""
        if self.process:
            self.process.terminate()

    def end(self) -> None:
        """Wait until the process has finished, then kill what is left of its group."""
        if self.process:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(SECONDS_TO_STOP)
            self.kill()

    def kill(self) -> None:
        """Kill the whole group at once."""
        if self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def stop_together(*children: Child) -> None:
    """Let the processes finish what they do, all at the same time, then kill what is left of their groups."""
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.end()


def python_path() -> str:
    """Return the path on which a child finds the project, wherever it was started."""
    return os.pathsep.join(filter(None, [str(BASE_DIR), os.environ.get("PYTHONPATH")]))


def answers(host: str, port: int) -> bool:
    """Return whether a server answers at the address, whatever it answers."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("HEAD", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
