"""Move the contacts of one operator, many at a time."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from distribution.bulk import (
    BulkMove,
    Moved,
    Result,
    Skipped,
    Stayed,
    carry_out,
    check,
    chosen_contacts,
    prepare,
)
from distribution.errors import OperatorStillActive
from distribution.management import arguments
from distribution.management.base import DatabaseCommand
from distribution.management.interruption import INTERRUPTED, stopping_between_steps, until
from distribution.management.progress import with_progress
from distribution.rehearsal import Rehearsal
from operators.models import Operator

SOME_FOUND_NO_PLACE = 3


class Tally:
    """What became of the contacts so far."""

    def __init__(self, chosen: int) -> None:
        self.chosen = chosen
        self.moved: Counter[Operator | None] = Counter()
        self.stayed: Counter[str] = Counter()
        self.skipped = 0

    def add(self, result: Result) -> None:
        """Count one more."""
        match result:
            case Moved(receiver):
                self.moved[receiver] += 1
            case Stayed(refusal):
                self.stayed[refusal.code] += 1
            case Skipped():
                self.skipped += 1

    @property
    def is_complete(self) -> bool:
        """Whether each of the chosen contacts was tried."""
        return self.moved.total() + self.stayed.total() + self.skipped == self.chosen


class Command(DatabaseCommand):
    """Reassign in bulk: to a named operator, by draw, or back to the queue."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the operators, the choice of contacts and the way they go."""
        parser.description = _(
            "Move active contacts off an operator, the oldest first, within the same limits as everywhere. An OPERATOR"
            " is an id or an exact name; a number that is both is taken as the id. Without --to and --to-queue each"
            " contact goes to another operator of its source by draw. What finds no place stays where it is."
            " Exit code 0 when all moved, 1 on an error, 3 when some found no place, 130 when interrupted."
        )
        add = parser.add_argument
        add("--from", required=True, metavar="OPERATOR", help=_("whose contacts are moved"))
        add("--to", metavar="OPERATOR", help=_("who gets them, without asking for a weight"))
        add("--to-queue", action="store_true", help=_("put them back in the queue, where they keep their age"))
        add("--source", metavar="CODE", help=_("only contacts from this source"))
        add("--older-than", metavar="TIME", help=_("only contacts assigned so long ago: 45s, 30m, 2h or 3d"))
        add("--limit", metavar="N", help=_("at most so many contacts"))
        add("--deactivate", action="store_true", help=_("deactivate the operator first"))
        add("--dry-run", action="store_true", help=_("write nothing, and say what would happen"))

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        """Move the contacts or rehearse it, sum up in one line, and exit with the code that tells the outcome."""
        move = parsed(options)
        try:
            tally = self._rehearse(move) if dry_run else self._carry_out(move)
        except OperatorStillActive as refusal:
            raise CommandError(_("%(refusal)s Or add --deactivate.") % {"refusal": refusal}) from refusal
        if not tally.is_complete:
            sys.exit(INTERRUPTED)
        if tally.stayed:
            sys.exit(SOME_FOUND_NO_PLACE)

    def _rehearse(self, move: BulkMove) -> Tally:
        check(move)
        contacts = chosen_contacts(move)
        rehearsal = Rehearsal(move)
        room = rehearsal.room(contacts)
        tally = Tally(len(contacts))
        for result in rehearsal.run(contacts):
            tally.add(result)
        self.stdout.write(" ".join(rehearsal_summary(tally, room)))
        return tally

    def _carry_out(self, move: BulkMove) -> Tally:
        with stopping_between_steps() as stop:
            prepare(move)
            contacts = chosen_contacts(move)
            tally = Tally(len(contacts))
            try:
                for result in with_progress(until(stop, carry_out(move, contacts)), _("Moving"), len(contacts)):
                    tally.add(result)
            finally:
                self.stdout.write(" ".join(summary(tally, move)))
        return tally


def parsed(options: Mapping[str, Any]) -> BulkMove:
    """Return the move that the options ask for. Raises CommandError."""
    if options["to"] is not None and options["to_queue"]:
        raise CommandError(_("Choose one of --to and --to-queue."))
    move = BulkMove(
        from_operator=arguments.operator(options["from"]),
        to_operator=given(options["to"], arguments.operator),
        to_queue=options["to_queue"],
        deactivate=options["deactivate"],
        source=given(options["source"], arguments.source),
        older_than=given(options["older_than"], arguments.duration),
        limit=given(options["limit"], arguments.positive_number),
    )
    if move.to_operator == move.from_operator:
        raise CommandError(_("--from and --to name the same operator."))
    return move


def given[T](text: str | None, parse: Callable[[str], T]) -> T | None:
    """Return what the text of an option means, None for an option that is not there."""
    return None if text is None else parse(text)


def summary(tally: Tally, move: BulkMove) -> Iterator[str]:
    """Yield the sentences that say what was done."""
    if not tally.is_complete:
        yield _("Interrupted, the rest stays where it is.")
    if move.deactivate:
        yield _("%(operator)s is inactive now.") % {"operator": named(move.from_operator)}
    moved = {"moved": tally.moved.total(), "chosen": tally.chosen}
    yield _("Moved: %(moved)s of %(chosen)s") % moved + listed(tally.moved, named)
    if tally.stayed:
        yield _("Found no place: %(stayed)s") % {"stayed": tally.stayed.total()} + listed(tally.stayed, str)
    if tally.skipped:
        yield _("Closed or moved by others meanwhile: %(skipped)s.") % {"skipped": tally.skipped}


def rehearsal_summary(tally: Tally, room: Mapping[Operator, int]) -> Iterator[str]:
    """Yield the sentences that say what would be done."""
    yield _("Nothing was written; one possible outcome:")
    moved = {"moved": tally.moved.total(), "chosen": tally.chosen}
    yield _("would move: %(moved)s of %(chosen)s") % moved + listed(tally.moved, named)
    if tally.stayed:
        yield _("Would find no place: %(stayed)s") % {"stayed": tally.stayed.total()} + listed(tally.stayed, str)
    yield _("Free places now: %(places)s") % {"places": sum(room.values())} + listed(room, named)


def listed[K](counts: Mapping[K, int], name: Callable[[K], str]) -> str:
    """Return the counts in brackets, largest first, and a full stop."""
    parts = [f"{name(key)}: {number}" for key, number in Counter(counts).most_common()]
    return f" ({', '.join(parts)})." if parts else "."


def named(operator: Operator | None) -> str:
    """Return an operator's name and id, or what having none means."""
    if operator is None:
        return _("waiting in the queue")
    return _("%(name)s (id %(id)s)") % {"name": operator.name, "id": operator.pk}
