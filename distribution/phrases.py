"""The words that sentences about a choice are made of: operators, reasons, outcomes, shares, long lists."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from distribution.rounds import Outcome
from distribution.shares import Nobody
from distribution.standing import Obstacle, Standing

MOST_NAMED = 10

# Names of operators by id; whoever is missing is told by number.
type Names = Mapping[int, str]

WHY_NOT = {
    Obstacle.INACTIVE: pgettext_lazy("why an operator is not available", "inactive"),
    Obstacle.PAUSED: pgettext_lazy("why an operator is not available", "paused"),
    Obstacle.ZERO_WEIGHT: gettext_lazy("weight 0"),
    Obstacle.AT_LIMIT: gettext_lazy("at the limit"),
    Obstacle.EXCLUDED: pgettext_lazy("why an operator is not available", "the contact leaves them"),
    Obstacle.REFUSED: pgettext_lazy("why an operator is not available", "no longer available"),
    Obstacle.NOT_LISTED: pgettext_lazy("why an operator is not available", "not on the list of the source"),
}

NOBODY = {
    Nobody.SOURCE_INACTIVE: gettext_lazy("The source is switched off: the next contact will be refused."),
    Nobody.NOBODY_AVAILABLE: gettext_lazy("Nobody is available: the next contact will wait."),
    Nobody.LEFT_TO_QUEUE: gettext_lazy("Contacts wait already: the next one will join the queue behind them."),
}

OUTCOMES = {
    Outcome.TAKEN: pgettext_lazy("outcome of a round", "the one drawn got the contact"),
    Outcome.UNAVAILABLE: pgettext_lazy("outcome of a round", "the one drawn was no longer available"),
    Outcome.LEFT_TO_QUEUE: pgettext_lazy("outcome of a round", "left to somebody who waits longer"),
    Outcome.NOBODY: pgettext_lazy("outcome of a round", "nobody was available"),
}


def named(operator_id: int, names: Names) -> str:
    """Return the operator's name, else the number."""
    return names.get(operator_id) or _("Operator #%(id)s") % {"id": operator_id}


def load_of(standing: Standing) -> str:
    """Return the load beside the limit."""
    return _("%(load)s of %(limit)s") % {"load": standing.load, "limit": standing.max_load}


def reason_of(obstacle: Obstacle, standing: Standing | None) -> str:
    """Return why the operator was not available; at the limit, the load beside it."""
    return load_of(standing) if obstacle is Obstacle.AT_LIMIT and standing else str(WHY_NOT[obstacle])


def percent(share: Fraction | float) -> str:
    """Return a share, 0 to 1, in per cent to one decimal place; one too small for that as less than 0.1."""
    tenths = round(1000 * share)
    if share and not tenths:
        return _("less than %(number)s%%") % {"number": number_format("0.1", 1)}
    number = number_format(tenths / 10, 1 if tenths % 10 else 0)
    return _("%(number)s%%") % {"number": number}


def listed(standings: Sequence[Standing], tell: Callable[[Standing], str]) -> str:
    """Return what `tell` says of the first ten, and how many there are besides."""
    told = ", ".join(tell(standing) for standing in standings[:MOST_NAMED])
    more = len(standings) - MOST_NAMED
    if more <= 0:
        return told
    return ngettext("%(some)s and %(count)d more", "%(some)s and %(count)d more", more) % {"some": told, "count": more}


def nobody_available(roster: Sequence[Standing], obstacles: Mapping[int, Obstacle | None], names: Names) -> str:
    """Return the sentence that says why nobody of the roster was available.

    Whoever was drawn and refused before is left out: that is a sentence of its own.
    """
    if not roster:
        return _("The source has no operators on its list.")
    groups: dict[Obstacle, list[Standing]] = {}
    for standing in roster:
        obstacle = obstacles[standing.operator_id]
        if obstacle not in {None, Obstacle.REFUSED}:
            groups.setdefault(Obstacle(obstacle), []).append(standing)
    if not groups:
        return _("Nobody else was available.")
    if groups.keys() == {Obstacle.AT_LIMIT} and len(roster) == len(groups[Obstacle.AT_LIMIT]) > 1:
        return _all_at_limit(roster, names)
    return _("Nobody available – %(reasons)s.") % {
        "reasons": "; ".join(_group(obstacle, groups[obstacle], names) for obstacle in Obstacle if obstacle in groups)
    }


def with_reason(standing: Standing, obstacle: Obstacle, names: Names) -> str:
    """Return the operator's name with the reason in brackets."""
    return f"{named(standing.operator_id, names)} ({reason_of(obstacle, standing)})"


def _all_at_limit(roster: Sequence[Standing], names: Names) -> str:
    sentence = ngettext(
        "All at the limit (%(count)d operator): %(operators)s.",
        "All at the limit (%(count)d operators): %(operators)s.",
        len(roster),
    )
    return sentence % {
        "count": len(roster),
        "operators": listed(roster, lambda standing: with_reason(standing, Obstacle.AT_LIMIT, names)),
    }


def _group(obstacle: Obstacle, standings: Sequence[Standing], names: Names) -> str:
    if obstacle is Obstacle.AT_LIMIT:
        operators = listed(standings, lambda standing: with_reason(standing, obstacle, names))
    else:
        operators = listed(standings, lambda standing: named(standing.operator_id, names))
    return f"{WHY_NOT[obstacle]}: {operators}"
