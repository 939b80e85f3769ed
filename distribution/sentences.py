"""A decision in sentences: who was chosen and why, who was passed over, and what became of the contact."""

from collections.abc import Callable, Iterator
from fractions import Fraction

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from distribution.models import Decision, Kind, Trigger
from distribution.phrases import (
    Names,
    listed,
    load_of,
    named,
    nobody_available,
    percent,
    reason_of,
    with_reason,
)
from distribution.records import Account
from distribution.rounds import Outcome, Round
from distribution.standing import Obstacle, Standing
from distribution.strategy import STRATEGIES

type Winning = Callable[[Round, Standing, Names], str]

OPENINGS = {
    (Trigger.DRAIN, Kind.DRAW): gettext_lazy("From the queue"),
    (Trigger.REASSIGNMENT, Kind.DRAW): gettext_lazy("Reassignment by draw"),
    (Trigger.REASSIGNMENT, Kind.BY_HAND): gettext_lazy("By hand"),
    (Trigger.BULK, Kind.DRAW): gettext_lazy("Bulk run by draw"),
    (Trigger.BULK, Kind.BY_HAND): gettext_lazy("Bulk run"),
    (Trigger.REOPENING, Kind.BY_HAND): gettext_lazy("Reopening"),
}
WITHOUT_A_WINNER = {
    Trigger.ARRIVAL: gettext_lazy("The contact joined the queue."),
    Trigger.DRAIN: gettext_lazy("The contact goes on waiting."),
}


def sentences_of(decision: Decision, account: Account, names: Names) -> str:
    """Return the decision in sentences; `account` is what led to it.

    Raises LookupError, TypeError and ValueError when the two do not belong together.
    """
    body = _by_hand if decision.kind == Kind.BY_HAND else _draw
    reason = _("Reason: %(reason)s") % {"reason": decision.reason} if decision.reason else ""
    return " ".join(filter(None, [_opening(decision), *body(decision, account, names), reason]))


def _opening(decision: Decision) -> str:
    opening = OPENINGS.get((Trigger(decision.trigger), Kind(decision.kind)))
    if opening is None:
        return ""
    # A drain is signed by whoever made the room, who did not ask for this contact.
    by_somebody = decision.actor_name and decision.trigger != Trigger.DRAIN
    return f"{opening} ({decision.actor_name})." if by_somebody else f"{opening}."


def _draw(decision: Decision, account: Account, names: Names) -> Iterator[str]:
    last = account.rounds[-1]
    yield _preferred_missed(account, last, names)
    yield _refused(account, names)
    yield _outcome(decision, last, names)
    if last.is_draw:
        yield _passed_over(account, last, names)
    if decision.operator_id is None:
        yield str(WITHOUT_A_WINNER.get(Trigger(decision.trigger)) or _("Nothing changed."))


def _preferred_missed(account: Account, last: Round, names: Names) -> str:
    operator_id, obstacle = account.preferred or (0, None)
    if obstacle is None:
        return ""
    standing = next((standing for standing in last.roster if standing.operator_id == operator_id), None)
    return _("The lead's last operator, %(operator)s, was not available: %(reason)s.") % {
        "operator": named(operator_id, names),
        "reason": reason_of(obstacle, standing),
    }


def _refused(account: Account, names: Names) -> str:
    refused = [
        named(round_.drawn, names)
        for round_ in account.rounds
        if round_.outcome is Outcome.UNAVAILABLE and round_.is_draw and round_.drawn is not None
    ]
    if not refused:
        return ""
    sentence = ngettext(
        "%(operators)s was drawn first but was no longer available.",
        "%(operators)s were drawn first but were no longer available.",
        len(refused),
    )
    return sentence % {"operators": ", ".join(refused)}


def _outcome(decision: Decision, last: Round, names: Names) -> str:
    if last.outcome is Outcome.NOBODY:
        return nobody_available(last.roster, last.obstacles(), names)
    if last.outcome is Outcome.LEFT_TO_QUEUE:
        return _left_to_queue(last, names)
    if last.drawn is None or last.outcome is not Outcome.TAKEN:
        return ""
    if not last.is_draw:
        sentence = _("%(operator)s got the contact without a draw, as the lead's last operator.")
        return sentence % {"operator": named(last.drawn, names)}
    candidates = {standing.operator_id: standing for standing in last.candidates}
    return WINNING[decision.strategy](last, candidates[last.drawn], names)


def _left_to_queue(last: Round, names: Names) -> str:
    if last.drawn is None:
        return _("Another contact of this source waits longer.")
    sentence = _("%(operator)s was chosen but left to somebody who waits longer.")
    return sentence % {"operator": named(last.drawn, names)}


def _by_weight(round_: Round, winner: Standing, names: Names) -> str:
    return _("%(operator)s was drawn: %(weight)s.") % {
        "operator": named(winner.operator_id, names),
        "weight": _weight_of(round_, winner),
    }


def _in_turn(round_: Round, winner: Standing, names: Names) -> str:
    if round_.given is None:  # the first after a change is drawn by weight
        return _by_weight(round_, winner, names)
    count, had = sum(round_.given), round_.given[round_.candidates.index(winner)]
    sentence = ngettext(
        "%(operator)s was next in turn: %(weight)s, and so far %(had)d of %(count)d contact.",
        "%(operator)s was next in turn: %(weight)s, and so far %(had)d of %(count)d contacts.",
        count,
    )
    weight = _weight_of(round_, winner)
    return sentence % {"operator": named(winner.operator_id, names), "weight": weight, "had": had, "count": count}


def _least_loaded(round_: Round, winner: Standing, names: Names) -> str:
    tied = sum(STRATEGIES["least_loaded"].tickets(round_.candidates, None))
    told = {"operator": named(winner.operator_id, names), "load": load_of(winner), "count": tied}
    if tied == 1:
        return _("%(operator)s was the least loaded: %(load)s.") % told
    sentence = ngettext(
        "%(operator)s was drawn among %(count)d equally loaded: %(load)s.",
        "%(operator)s was drawn among %(count)d equally loaded: %(load)s.",
        tied,
    )
    return sentence % told


WINNING: dict[str, Winning] = {
    "weighted_random": _by_weight,
    "smooth_weighted": _in_turn,
    "least_loaded": _least_loaded,
}


def _weight_of(round_: Round, winner: Standing) -> str:
    total = sum(standing.weight for standing in round_.candidates)
    return _("weight %(weight)s of %(total)s (%(share)s)") % {
        "weight": winner.weight,
        "total": total,
        "share": percent(Fraction(winner.weight, total)),
    }


def _passed_over(account: Account, last: Round, names: Names) -> str:
    told_before = {operator_id for operator_id, why in last.excluded.items() if why is Obstacle.REFUSED}
    if account.preferred is not None:
        told_before.add(account.preferred[0])
    obstacles = {operator_id: obstacle for operator_id, obstacle in last.obstacles().items() if obstacle is not None}
    passed = [s for s in last.roster if s.operator_id in obstacles and s.operator_id not in told_before]
    if len(passed) == 1:
        [standing] = passed
        return _("%(operator)s was passed over: %(reason)s.") % {
            "operator": named(standing.operator_id, names),
            "reason": reason_of(obstacles[standing.operator_id], standing),
        }
    operators = listed(passed, lambda standing: with_reason(standing, obstacles[standing.operator_id], names))
    return _("Passed over: %(operators)s.") % {"operators": operators} if passed else ""


def _by_hand(decision: Decision, account: Account, names: Names) -> Iterator[str]:
    standing = account.by_hand
    if standing is None:
        yield _put_in_queue(decision)
    elif decision.operator_id is None:
        yield _could_not_take(standing, names)
    else:
        yield _given_by_hand(decision, standing, names)
        yield _passing_queue(account, standing, names)


def _put_in_queue(decision: Decision) -> str:
    if decision.trigger == Trigger.REOPENING:
        return _("The contact joined the queue: it has no former operator who could take it.")
    return _("The contact was put back in the queue.")


def _could_not_take(standing: Standing, names: Names) -> str:
    obstacle = standing.obstacle_by_hand or Obstacle.AT_LIMIT
    sentence = _("%(operator)s was named but could not take the contact: %(reason)s. Nothing changed.")
    return sentence % {
        "operator": named(standing.operator_id, names),
        "reason": reason_of(obstacle, standing),
    }


def _given_by_hand(decision: Decision, standing: Standing, names: Names) -> str:
    told = {"operator": named(standing.operator_id, names), "load": load_of(standing)}
    if decision.trigger == Trigger.REOPENING:
        return _("%(operator)s has the contact again: load %(load)s.") % told
    return _("%(operator)s was named and got the contact: load %(load)s.") % told


def _passing_queue(account: Account, standing: Standing, names: Names) -> str:
    if account.passed_queue is None:
        return ""
    if not account.passed_queue:
        return _("Nobody in the queue was passed.")
    sentence = _("The queue was passed: somebody who waits longer could have had %(operator)s.")
    return sentence % {"operator": named(standing.operator_id, names)}
