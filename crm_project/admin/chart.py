"""The chart of arrivals: a bar for each hour, stacked by source, and the same as a table."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext, ngettext

from crm_project.admin.columns import list_url
from distribution.overview import HOURS, Arrivals

MOST_SERIES = 6
STEPS_OF_SCALE = (2, 4, 6, 8, 10)


class Series(NamedTuple):
    """A source, or all the small ones together, with its contacts by hour; `tone` names its colour."""

    name: str
    url: str
    tone: str
    counts: Sequence[int]

    @property
    def total(self) -> int:
        """How many contacts came in all."""
        return sum(self.counts)


class Part(NamedTuple):
    """A piece of a bar; places and sizes are parts of the chart's height in per cent."""

    tone: str
    top: str
    height: str


class Bar(NamedTuple):
    """An hour: its left edge and width in per cent, what it is made of, and what it says."""

    left: str
    width: str
    parts: Sequence[Part]
    told: str


def chart_of(arrivals: Arrivals) -> dict[str, Any]:
    """Return what the template draws."""
    series = _series(arrivals)
    labels = [_clock(hour) for hour in arrivals.hours]
    totals = [sum(counts) for counts in zip(*(row.counts for row in series), strict=True)] or [0] * HOURS
    top = _top_of_scale(max(totals))
    return {
        "series": series,
        "bars": [_bar(series, place, labels[place], top) for place in range(HOURS)],
        "labels": labels,
        "top": top,
        "total": _contacts(sum(totals)),
        "rows": [(labels[place], [row.counts[place] for row in series], totals[place]) for place in range(HOURS)],
    }


def _series(arrivals: Arrivals) -> list[Series]:
    """Return the busiest sources, and the others as one."""
    rows = list(arrivals.of_sources)
    cut = MOST_SERIES if len(rows) > MOST_SERIES + 1 else len(rows)
    series = [
        Series(source.name, list_url("leads_contact", source__id__exact=source.pk), f"series-{number}", counts)
        for number, (source, counts) in enumerate(rows[:cut], 1)
    ]
    if others := [counts for _source, counts in rows[cut:]]:
        sums = [sum(counts) for counts in zip(*others, strict=True)]
        name = ngettext("%(count)d other source", "%(count)d other sources", len(others)) % {"count": len(others)}
        series.append(Series(name, list_url("leads_contact"), "series-others", sums))
    return series


def _bar(series: Sequence[Series], place: int, label: str, top: int) -> Bar:
    counts = [row.counts[place] for row in series]
    told = [f"{row.name}: {count}" for row, count in zip(series, counts, strict=True) if count]
    sentence = gettext("from %(time)s: %(contacts)s") % {"time": label, "contacts": _contacts(sum(counts))}
    return Bar(
        left=_percent(place + 0.1, HOURS),
        width=_percent(0.8, HOURS),
        parts=list(_parts(series, counts, top)),
        told="\n".join([sentence, *told]),
    )


def _parts(series: Sequence[Series], counts: Sequence[int], top: int) -> Iterator[Part]:
    for row, count, height in zip(series, counts, accumulate(counts), strict=True):
        if count:
            yield Part(row.tone, _percent(top - height, top), _percent(count, top))


def _top_of_scale(highest: int) -> int:
    """Return the round number at or above the highest bar: a number of one even digit, or ten, times a power of ten."""
    power = 1
    while True:
        for step in STEPS_OF_SCALE:
            if step * power >= max(highest, 2):
                return step * power
        power *= 10


def _clock(hour: datetime) -> str:
    return date_format(localtime(hour), "H:i")


def _contacts(count: int) -> str:
    return ngettext("%(count)d contact", "%(count)d contacts", count) % {"count": count}


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%"
