"""Texts in the cells of a table that a spreadsheet may open: none of them runs, and each is read again as it was."""

# A spreadsheet runs a cell that begins with one of these as a formula.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")
MARK = "'"


def harmless(value: object) -> object:
    """Return a text that no spreadsheet runs: marked with an apostrophe if it begins like a formula."""
    # A text that begins like a marked one is marked too, so that each is read again as it was.
    if isinstance(value, str) and value.lstrip(" " + MARK).startswith(FORMULA_SIGNS):
        return MARK + value
    return value


def as_written(text: str) -> str:
    """Return the text that `harmless` was given."""
    if text.startswith(MARK) and harmless(text[1:]) == text:
        return text[1:]
    return text
