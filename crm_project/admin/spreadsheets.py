"""Texts in files that a spreadsheet opens."""

# A spreadsheet runs a cell that begins with one of these as a formula.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
MARK = "'"


def harmless(value: object) -> object:
    """Return a text that no spreadsheet runs: marked with an apostrophe if it begins like a formula."""
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_SIGNS):
        return MARK + value
    return value


def as_written(text: str) -> str:
    """Return the text that `harmless` was given."""
    without_mark = text.removeprefix(MARK)
    return without_mark if harmless(without_mark) == text else text
