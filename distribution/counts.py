"""What a strategy that counts has given on a source since its candidates last changed; the source is locked to draw."""

from collections.abc import Sequence
from typing import Any

from distribution.models import DrawCount
from distribution.standing import Standing


def given_so_far(source_id: int, candidates: Sequence[Standing]) -> list[int] | None:
    """Return how many contacts each candidate got; None when they are not the candidates of the last draw."""
    count = DrawCount.objects.filter(pk=source_id).first()
    return None if count is None else given_among(candidates, count.weights, count.given)


def given_among(candidates: Sequence[Standing], weights: Any, given: Any) -> list[int] | None:
    """Return what was `given` to the operators with the `weights` counted; None when the candidates are others."""
    return given if weights == _weights(candidates) else None


def count_draw(source_id: int, candidates: Sequence[Standing], given: Sequence[int] | None, winner_id: int) -> None:
    """Count one more for the winner."""
    before = given or [0] * len(candidates)
    after = [
        number + (candidate.operator_id == winner_id) for candidate, number in zip(candidates, before, strict=True)
    ]
    DrawCount.objects.update_or_create(pk=source_id, defaults={"weights": _weights(candidates), "given": after})


def start_anew(source_id: int) -> None:
    """Forget what was given."""
    DrawCount.objects.filter(pk=source_id).delete()


def _weights(candidates: Sequence[Standing]) -> list[list[int]]:
    return [[candidate.operator_id, candidate.weight] for candidate in candidates]
