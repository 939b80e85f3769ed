"""The period that a report or a simulation looks at."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.utils import timezone

from distribution.errors import EmptyPeriod

DEFAULT_DAYS = 30


@dataclass(frozen=True)
class Period:
    """From `start` on, before `end`. Raises EmptyPeriod when nothing lies between."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise EmptyPeriod

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    @classmethod
    def of(cls, start: datetime | None = None, end: datetime | None = None) -> Self:
        """Return the period; it ends now if nothing else is said, and begins 30 days before its end.

        Raises EmptyPeriod, and OverflowError outside the calendar.
        """
        end = end or timezone.now()
        return cls(start or end - timedelta(days=DEFAULT_DAYS), end)

    @classmethod
    def in_the_past(cls, start: datetime, end: datetime) -> Self:
        """Return the period, which ends now at the latest. Raises EmptyPeriod."""
        return cls(start, min(end, timezone.now()))
