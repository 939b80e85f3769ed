"""Life in the demo: contacts arrive and are closed by themselves."""

from collections.abc import Callable
from contextlib import suppress
from random import Random

from crm_project.api.refusals import Refusal
from distribution.demo import PLACES, POPULARITY, USUALLY_TAKEN, random_intake
from distribution.handling import close_contact
from distribution.intake import register_contact
from leads.models import Contact, Source

STEPS = 5000
USUAL_PAUSE_SECONDS = 4.0
LONGEST_PAUSE_SECONDS = 20.0
PEOPLE = 1200


def live(random: Random, steps: int, wait: Callable[[float], bool]) -> None:
    """Let so many things happen, one after each pause.

    `wait` gets the seconds of a pause and returns whether life shall end.
    """
    for _step in range(steps):
        if wait(min(random.expovariate(1 / USUAL_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)):
            return
        with suppress(Refusal):  # a supervisor was quicker
            happen(random)


def happen(random: Random) -> None:
    """Let a contact arrive or be closed: the more are in work, the sooner one is closed."""
    active = list(Contact.objects.active().order_by("assigned_at").values_list("pk", flat=True)[:PLACES])
    if random.random() < len(active) / (2 * USUALLY_TAKEN * PLACES):
        close_contact(random.choice(active[: len(active) // 2 + 1]))
    elif popularity := _popularity():
        register_contact(random_intake(random, popularity, PEOPLE))


def _popularity() -> dict[str, int]:
    codes = Source.objects.filter(is_active=True, code__in=POPULARITY).order_by("pk").values_list("code", flat=True)
    return {code: POPULARITY[code] for code in codes}
