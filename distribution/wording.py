"""Numbers as several pages and commands write them."""

from django.utils.formats import number_format


def tenths(number: float) -> str:
    """Return a number rounded to tenths; Django's own format cuts the rest off."""
    return number_format(round(number, 1), 1)


def signed(number: float) -> str:
    """Return a difference with its sign, in tenths."""
    sign = "+" if number > 0 else "−"
    return f"{sign if round(number, 1) else ''}{tenths(abs(number))}"
