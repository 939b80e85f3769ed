"""SQL's LIKE without regard to case in any alphabet."""

import re
from functools import lru_cache

WILDCARDS = {"%": ".*", "_": "."}


def like(pattern: str | None, value: object, escape: str | None = None) -> bool | None:
    """Return whether `value` matches the LIKE `pattern`; None when either is NULL, as in SQL."""
    if pattern is None or value is None:
        return None
    return _compiled(pattern, escape).fullmatch(str(value).casefold()) is not None


@lru_cache(maxsize=16)
def _compiled(pattern: str, escape: str | None) -> re.Pattern[str]:
    parts: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            parts.append(re.escape(next(characters, "").casefold()))
        else:
            parts.append(WILDCARDS.get(character) or re.escape(character.casefold()))
    return re.compile("".join(parts), re.DOTALL)
