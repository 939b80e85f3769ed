"""Delete the answers kept for retries whose time is over."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm_project.access.idempotency import KEPT_FOR
from crm_project.access.models import KeptAnswer
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import stopping_between_steps, until
from distribution.management.progress import with_progress
from distribution.transactions import in_transaction

ROWS_IN_A_BATCH = 1_000


class Command(DatabaseCommand):
    """Delete in small batches, so that nobody waits; safe to stop at any time."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what the command does and what --dry-run changes."""
        parser.description = _(
            "Delete the answers kept for retries that are older than 24 hours. Run it once a day or so."
        )
        parser.add_argument("--dry-run", action="store_true", help=_("Only count them."))

    def handle(self, *, dry_run: bool, **_options: Any) -> None:
        """Delete the old answers, or count them, and say how many."""
        old = KeptAnswer.objects.filter(created_at__lte=timezone.now() - KEPT_FOR)
        count = old.count()
        if dry_run:
            self.stdout.write(ngettext("%(n)d would be deleted.", "%(n)d would be deleted.", count) % {"n": count})
            return
        with stopping_between_steps() as stop:
            batches = with_progress(until(stop, delete_in_batches(old)), _("Deleting"), -(-count // ROWS_IN_A_BATCH))
            deleted = sum(batches)
        self.stdout.write(ngettext("%(n)d deleted.", "%(n)d deleted.", deleted) % {"n": deleted})


def delete_in_batches(answers: Any) -> Iterator[int]:
    """Delete the answers, a batch at each step, and yield how many that were."""
    while ids := list(answers.order_by("pk").values_list("pk", flat=True)[:ROWS_IN_A_BATCH]):
        yield delete(ids)


@in_transaction
def delete(ids: list[int]) -> int:
    """Delete the answers that are still there, and return how many that were."""
    return KeptAnswer.objects.filter(pk__in=ids).delete()[0]
