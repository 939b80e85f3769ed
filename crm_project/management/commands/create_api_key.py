"""Make an API key and print it, the only time that it can be seen."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm_project.access.callers import Scope
from crm_project.access.keys import make_key
from crm_project.access.models import ApiClient
from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from leads.models import Source


class Command(DatabaseCommand):
    """Make a client with its first key, or a second key for a client that exists."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does and what it takes."""
        parser.description = _(
            "Make an API key. The key alone is printed on standard output; it cannot be shown again. For a client "
            "that exists, a second key is made with the same rights, so that the first can be replaced."
        )
        parser.add_argument("name", metavar="NAME", help=_("The client: the bot or program that will use the key."))
        parser.add_argument(
            "--scope",
            action="append",
            choices=[scope.value for scope in Scope],
            help=_("What the client may do; may be given several times."),
        )
        parser.add_argument(
            "--source",
            action="append",
            metavar="CODE",
            help=_("A source that the client works on; may be given several times. Without it: all sources."),
        )
        parser.add_argument(
            "--expires-in", metavar="DURATION", help=_("How long the key is valid: 12h or 90d. Without it: for ever.")
        )

    def handle(
        self, *, name: str, scope: list[str] | None, source: list[str] | None, expires_in: str | None, **_options: Any
    ) -> None:
        """Make the key and print it."""
        expires_at = None if expires_in is None else timezone.now() + arguments.duration(expires_in)
        sources = [arguments.source(code) for code in source or ()]
        name = name.strip()
        with transaction.atomic():
            client = ApiClient.objects.filter(name=name).first()
            if client is None:
                client = new_client(name, scope, sources)
            elif scope or sources:
                raise CommandError(
                    _("“%(name)s” exists already. Its rights are changed in the admin; for another key, name it alone.")
                    % {"name": name}
                )
            key = make_key(client, expires_at=expires_at)
        self.stdout.write(key)


def new_client(name: str, scopes: list[str] | None, sources: list[Source]) -> ApiClient:
    """Store and return a client. Raises CommandError without a name or a scope."""
    if not name:
        raise CommandError(_("Give the client a name."))
    if not scopes:
        raise CommandError(_("Say what the client may do: --scope register, read or manage."))
    rights = {f"may_{scope}": True for scope in scopes}
    client = ApiClient(name=name, all_sources=not sources, **rights)
    try:
        client.full_clean()
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    client.save()
    client.sources.set(sources)
    return client
