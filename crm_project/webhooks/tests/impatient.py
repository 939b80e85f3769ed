"""Senders with time limits and pauses of moments, for tests that kill them.

Each line on the standard input starts one, without the time that Python takes to start, and is answered with its
process id.
"""

import os
import signal
import sys

import django
from django.conf import settings
from django.core.management import call_command


def make_impatient() -> None:
    """Shorten what takes long."""
    from crm_project.webhooks import leases, retries

    settings.WEBHOOK_TIMEOUT_SECONDS = 0.5
    leases.SECONDS_TO_WRITE_DOWN = 1
    retries.PAUSES = (0.05,) * 1000  # type: ignore[assignment]


def start_one() -> int:
    """Start a sender and return its process id."""
    if process_id := os.fork():
        return process_id
    call_command("deliver_webhooks")
    os._exit(0)


if __name__ == "__main__":
    django.setup()
    make_impatient()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _line in sys.stdin:
        sys.stdout.write(f"{start_one()}\n")
        sys.stdout.flush()
