"""Reading bodies: JSON only, and only what the standard calls so."""

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

DEEPEST_NESTING = 100
STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
DEPTH_OF = {"[": 1, "{": 1, "]": -1, "}": -1}


class StrictJSONParser(JSONParser):
    """Parses JSON as the standard has it, and answers every other body with a clear 4xx."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed body. Raises ParseError."""
        try:
            text = stream.read().decode()
            if is_nested_deeper_than(DEEPEST_NESTING, text):
                raise ParseError(_("The JSON is nested too deeply."))
            return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        except ValueError as error:
            raise ParseError(_("The body is not valid JSON in UTF-8: %(reason)s") % {"reason": error}) from error


def is_nested_deeper_than(levels: int, text: str) -> bool:
    """Return whether the objects and lists of a JSON text go deeper than `levels`, without going there.

    Python's json recurses in C, and the stack of a server's thread is small: some thousand levels end the process.
    """
    if text.count("{") + text.count("[") <= levels:
        return False
    depth = 0
    for token in STRINGS_AND_BRACKETS.finditer(text):
        depth += DEPTH_OF.get(token[0], 0)
        if depth > levels:
            return True
    return False


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number
