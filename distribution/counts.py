"""Where a source keeps what a strategy that counts has given; the source is locked to draw."""

from collections.abc import Sequence

from distribution.counting import Count, counted, given_among
from distribution.models import DrawCount
from distribution.standing import Standing


def given_so_far(source_id: int, candidates: Sequence[Standing]) -> list[int] | None:
    """Return how many contacts each candidate got; None when they are not the candidates of the last draw."""
    return given_among(count_of(source_id), candidates)


def count_draw(source_id: int, candidates: Sequence[Standing], given: Sequence[int] | None, winner_id: int) -> None:
    """Count one more for the winner."""
    keep(source_id, counted(candidates, given, winner_id))


def count_of(source_id: int) -> Count | None:
    """Return what the source gave its candidates of the last draw; None before the first."""
    row = DrawCount.objects.filter(pk=source_id).first()
    return None if row is None else Count(row.weights, row.given)


def keep(source_id: int, count: Count) -> None:
    """Store what the source has given by now."""
    DrawCount.objects.bulk_create(
        [DrawCount(source_id=source_id, weights=count.weights, given=count.given)],
        update_conflicts=True,
        unique_fields=["source"],
        update_fields=["weights", "given"],
    )


def start_anew(source_id: int) -> None:
    """Forget what was given."""
    DrawCount.objects.filter(pk=source_id).delete()
