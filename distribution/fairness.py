"""Whether the draws of a period were fair: what they add up to for each operator, and how far that is from chance.

Pure statistics, without Django. In a draw in which an operator has the probability p, they are drawn with p and not
drawn with 1 − p; over many draws the expected number is the sum of p and the variance the sum of p·(1 − p), whatever
the probabilities were. docs/fairness.md has the whole of it with the sources.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import NormalDist

from distribution.standing import Obstacle

FAMILY_WISE_ERROR = 0.01
NORMAL_FROM_VARIANCE = 400
NOTICEABLE_PART = 0.5
UNNOTICEABLE_PART = 1e-15


class Verdict(StrEnum):
    """What can be said of one operator, or of all; the values are stable codes."""

    ORDINARY_CHANCE = "ordinary_chance"
    REAL_SKEW = "real_skew"
    TOO_FEW_DRAWS = "too_few_draws"
    NOTHING_LEFT_TO_CHANCE = "nothing_left_to_chance"  # each draw had one possible winner


@dataclass(slots=True)
class Tally:
    """What the draws add up to for one operator.

    `expected` and `variance` are the sums of p and p·(1 − p); `certain` counts the draws with p = 1, `alone` those of
    them without another candidate, `open` those with 0 < p < 1, `candidacies` all in which they were a candidate, and
    `missed` the others by reason. `drawn` counts refused rounds too, `taken` does not; `impossible` those with p = 0.
    `by_hand` and `returned` count what came without a draw.
    """

    expected: float = 0.0
    variance: float = 0.0
    candidacies: int = 0
    open: int = 0
    certain: int = 0
    alone: int = 0
    drawn: int = 0
    taken: int = 0
    impossible: int = 0
    by_hand: int = 0
    returned: int = 0
    missed: Counter[Obstacle] = field(default_factory=Counter)

    @property
    def difference(self) -> float:
        """How many times more they were drawn than expected; negative when less."""
        return self.drawn - self.expected

    @property
    def deviation(self) -> float:
        """The standard deviation of how often they are drawn."""
        return math.sqrt(max(self.variance, 0.0)) if self.open else 0.0

    @property
    def z(self) -> float | None:
        """The difference in standard deviations; None when chance had no part."""
        return self.difference / self.deviation if self.deviation else None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is found of one operator; by chance, the difference stays within `band` for everybody 99 times in 100."""

    tally: Tally
    p_value: float
    band: float
    verdict: Verdict


@dataclass(frozen=True)
class Judgement:
    """The verdict of a period and the finding of each operator, by id."""

    verdict: Verdict
    findings: Mapping[int, Finding]

    @property
    def skewed(self) -> list[int]:
        """The ids of the operators whom a real skew concerns."""
        return [key for key, finding in self.findings.items() if finding.verdict == Verdict.REAL_SKEW]


def judged(tallies: Mapping[int, Tally]) -> Judgement:
    """Return the judgement of the tallies, by operator id, at a family-wise error of 1 %.

    So in 99 of 100 fair periods it finds no skew with anybody, however many operators there are.
    """
    tested = {key: p_value(tally) for key, tally in tallies.items() if tally.open or tally.impossible}
    skewed = rejected(tested, FAMILY_WISE_ERROR)
    quantile = NormalDist().inv_cdf(1 - FAMILY_WISE_ERROR / (2 * max(len(tested), 1)))
    findings = {}
    for key, tally in sorted(tallies.items()):
        band = quantile * tally.deviation
        verdict = Verdict.REAL_SKEW if key in skewed else _verdict_without_skew(tally, band)
        findings[key] = Finding(tally=tally, p_value=tested.get(key, 1.0), band=band, verdict=verdict)
    return Judgement(_verdict_of_all(finding.verdict for finding in findings.values()), findings)


def p_value(tally: Tally) -> float:
    """Return the probability that fair draws are at least as far from what is expected, on either side, 0 to 1.

    With a large variance by the normal distribution, with the half of a draw for continuity. Else by the binomial of
    as many draws with the same mean, both tails: exact when the probabilities are equal, and never too small when
    they differ (W. Hoeffding, Annals of Mathematical Statistics 27, 1956, theorem 5). Draws with one possible winner
    are left out.
    """
    if tally.impossible:
        return 0.0
    if not tally.open:
        return 1.0
    if tally.variance >= NORMAL_FROM_VARIANCE:
        return math.erfc(max(abs(tally.difference) - 0.5, 0.0) / math.sqrt(2 * tally.variance))
    return _binomial_p_value(tally.open, tally.expected - tally.certain, tally.drawn - tally.certain)


def rejected[Key](p_values: Mapping[Key, float], family_wise_error: float) -> set[Key]:
    """Return the keys whose hypothesis falls by the method of S. Holm (Scandinavian Journal of Statistics 6, 1979)."""
    fallen: set[Key] = set()
    for key in sorted(p_values, key=lambda key: p_values[key]):
        if p_values[key] > family_wise_error / (len(p_values) - len(fallen)):
            break
        fallen.add(key)
    return fallen


def upper_tail(trials: int, probability: float, least: int) -> float:
    """Return P(X ≥ least) for a binomial X; `least` is above the mean, so that the terms fall from there on."""
    if least > trials or probability <= 0:
        return 0.0
    if probability >= 1:
        return 1.0
    term = total = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(least + 1)
        - math.lgamma(trials - least + 1)
        + least * math.log(probability)
        + (trials - least) * math.log1p(-probability)
    )
    for successes in range(least, trials):
        term *= (trials - successes) / (successes + 1) * probability / (1 - probability)
        total += term
        if term < total * UNNOTICEABLE_PART:
            break
    return total


def _binomial_p_value(trials: int, mean: float, drawn: int) -> float:
    # Within one of the mean, where Hoeffding's theorem does not reach, nobody would speak of a skew.
    if abs(drawn - mean) < 1:
        return 1.0
    if drawn > mean:
        tail = upper_tail(trials, mean / trials, drawn)
    else:
        tail = upper_tail(trials, 1 - mean / trials, trials - drawn)
    return min(1.0, 2 * tail)


def _verdict_without_skew(tally: Tally, band: float) -> Verdict:
    """Return whether the draws could have shown that the operator, or all the others, get half more or less."""
    if not tally.open:
        return Verdict.NOTHING_LEFT_TO_CHANCE
    mean = tally.expected - tally.certain
    noticeable = NOTICEABLE_PART * min(mean, tally.open - mean)
    return Verdict.ORDINARY_CHANCE if band <= noticeable else Verdict.TOO_FEW_DRAWS


def _verdict_of_all(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the skew of one for all; without any, the most that can be said of one of them."""
    found = set(verdicts)
    for verdict in (Verdict.REAL_SKEW, Verdict.ORDINARY_CHANCE, Verdict.TOO_FEW_DRAWS):
        if verdict in found:
            return verdict
    return Verdict.NOTHING_LEFT_TO_CHANCE if found else Verdict.TOO_FEW_DRAWS
