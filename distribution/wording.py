"""What several pages and commands say in the same words: why somebody is not available, and numbers."""

from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from distribution.standing import Obstacle

REASONS = {
    Obstacle.INACTIVE: _("inactive"),
    Obstacle.ZERO_WEIGHT: _("weight 0"),
    Obstacle.AT_LIMIT: _("at the limit"),
    Obstacle.EXCLUDED: _("the contact was to leave them"),
    Obstacle.REFUSED: _("no longer available when drawn"),
    Obstacle.NOT_LISTED: _("not on the list of the source"),
}


def tenths(number: float) -> str:
    """Return a number rounded to tenths; Django's own format cuts the rest off."""
    return number_format(round(number, 1), 1)


def percent(part: float) -> str:
    """Return a part, 0 to 1, in per cent."""
    return f"{tenths(100 * part)} %"


def signed(number: float) -> str:
    """Return a difference with its sign, in tenths."""
    sign = "+" if number > 0 else "−"
    return f"{sign if round(number, 1) else ''}{tenths(abs(number))}"
