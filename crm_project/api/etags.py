"""Changing only what is still as it was read: `ETag` and `If-Match` of RFC 9110, sections 8.8.3 and 13.1.1."""

import hashlib
import json
import re
from collections.abc import Callable

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.request import Request

ETAG = "ETag"
IF_MATCH = "If-Match"
WHATEVER_IT_IS = "*"
TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
READABLE = rf"^(?:\*|[ \t,]*{TAG}(?:[ \t]*,[ \t,]*{TAG})*[ \t,]*)$"


class BadIfMatch(exceptions.APIException):
    """The header names no tags."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "bad_if_match"
    default_detail = _("If-Match is the ETag of an answer with its quotes, several with commas between, or *.")


def etag_of(state: object) -> str:
    """Return the strong tag of what can be written as JSON; the order of its keys is no matter."""
    return f'"{hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:32]}"'


def if_match(request: Request) -> Callable[[str], bool]:
    """Return what says of a tag whether the call may go on; weak tags match none. Raises BadIfMatch."""
    header = request.headers.get(IF_MATCH, WHATEVER_IT_IS).strip()
    if not re.fullmatch(READABLE, header):
        raise BadIfMatch
    if header == WHATEVER_IT_IS:
        return lambda _tag: True
    return set(re.findall(TAG, header)).__contains__
