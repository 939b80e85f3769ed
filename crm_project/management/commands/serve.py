"""Serve the whole product: what `make run` starts."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import NotSupportedError, OperationalError, connection
from django.db.migrations.exceptions import MigrationSchemaMissing
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from crm_project.logs import said
from crm_project.setup.address import Address
from crm_project.setup.administrator import LOGIN, create_first_administrator
from crm_project.setup.children import (
    Child,
    answers,
    life_command,
    server_command,
    stop_together,
    sweep_command,
    webhooks_command,
)
from crm_project.setup.database_file import only_server, refuse_foreign_database
from crm_project.setup.greeting import greeting
from leads.models import Source

SECONDS_TO_ANSWER = 60
SECONDS_BETWEEN_SWEEPS = 5
SECONDS_BETWEEN_LOOKS = 2
LOOPBACK_NETWORKS = "127.0.0.0/8,::1/128"
SIGNALS_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    """Prepare the database, then keep the server, the sweep and the webhooks running until a signal comes."""

    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does."""
        parser.description = _(
            "Serves the product at HOST and PORT: migrates, makes a first administrator, "
            "starts the server, the sweep and the webhooks."
        )
        parser.add_argument(
            "--live-demo", action="store_true", help=_("let contacts arrive and be closed by themselves in a demo")
        )

    def handle(self, *, live_demo: bool, **_options: Any) -> None:
        """Prepare, serve, and stop when a signal comes."""
        for number in SIGNALS_TO_STOP:
            signal.signal(number, signal.default_int_handler)
        address = Address.from_environment()
        address.refuse_when_taken()
        with suppress(KeyboardInterrupt), exclusive_database() as keep_open:
            self._prepare_database()
            self._run(address, keep_open, live_demo=live_demo)

    def _prepare_database(self) -> None:
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                self._say(_("Preparing the database…"))
                call_command("migrate", interactive=False, verbosity=0)
            if password := create_first_administrator():
                self._say(
                    _("Administrator: login %(login)s, password %(password)s (shown only this once)")
                    % {"login": LOGIN, "password": password}
                )
        except (OperationalError, NotSupportedError, MigrationSchemaMissing) as error:
            raise CommandError(_("The database cannot be used: %(error)s") % {"error": said(error)}) from error

    def _run(self, address: Address, keep_open: Sequence[int], *, live_demo: bool) -> None:
        workers = 1 if connection.vendor == "sqlite" else 2
        server = Child(server_command(str(address.ip), address.port, workers), environment(address), keep_open)
        sweep, life = Child(sweep_command(SECONDS_BETWEEN_SWEEPS)), Child(life_command())
        webhooks = Child(webhooks_command(), webhooks_environment(address))
        try:
            server.start()
            self._wait_until_it_answers(server, address)
            sweep.start()
            webhooks.start()
            if live_demo:
                life.start()
            self._greet(address)
            self._watch(server, sweep, webhooks)
        finally:
            for number in SIGNALS_TO_STOP:
                signal.signal(number, signal.SIG_IGN)
            stop_together(webhooks, life, sweep)
            server.stop()

    def _wait_until_it_answers(self, server: Child, address: Address) -> None:
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        while not answers(str(address.local_ip), address.port):
            if not server.runs or time.monotonic() > deadline:
                raise CommandError(_("The server did not start."))
            time.sleep(0.05)

    def _greet(self, address: Address) -> None:
        needs_login = not (address.ip.is_loopback and open_api(address))
        source = Source.objects.filter(is_active=True).first()
        self._say(greeting(address, needs_login, source.code if source else None))
        connection.close()

    def _watch(self, server: Child, sweep: Child, webhooks: Child) -> None:
        """Return never: the server ends with an error, or a signal comes. What ends beside it is started again."""
        while server.runs:
            if not sweep.runs:
                self._say(_("The sweep of the queue ended; it is started again."))
                sweep.start()
            if not webhooks.runs:
                self._say(_("The sending of webhooks ended; it is started again."))
                webhooks.start()
            time.sleep(SECONDS_BETWEEN_LOOKS)
        raise CommandError(_("The server ended by itself."))

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


@contextmanager
def exclusive_database() -> Iterator[list[int]]:
    """Keep a SQLite file, when it is ours, to this server; give the descriptors that the server must keep open."""
    if connection.vendor == "sqlite":
        path = Path(settings.DATABASES["default"]["NAME"]).absolute()
        refuse_foreign_database(path)
        with only_server(path) as descriptor:
            yield [descriptor]
    else:
        yield []


def environment(address: Address) -> dict[str, str]:
    """Return the environment of the server: who may call it, and by which names."""
    hosts = [*settings.ALLOWED_HOSTS, *address.host_names]
    return {"OPEN_API": "1" if open_api(address) else "0", "ALLOWED_HOSTS": ",".join(dict.fromkeys(hosts))}


def webhooks_environment(address: Address) -> dict[str, str]:
    """Return the environment of the sending.

    Unless WEBHOOK_NETWORKS decides, it may call this machine too, when no other can use the back office.
    """
    unless_told = LOOPBACK_NETWORKS if address.ip.is_loopback else ""
    return {"WEBHOOK_NETWORKS": os.environ.get("WEBHOOK_NETWORKS", unless_told)}


def open_api(address: Address) -> bool:
    """Return whether calls from this machine need no log-in: unless OPEN_API decides, when no other can call."""
    return settings.OPEN_API if "OPEN_API" in os.environ else address.ip.is_loopback
