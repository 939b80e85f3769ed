"""The one form of a phone number and of an e-mail address, in which all ways of writing them are the same."""

import re
from functools import reduce
from typing import Any
from unicodedata import normalize

import phonenumbers
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import CharField, Func

LONGEST_ADDRESS = 254
DIGITS_AT_END = 7
# The last two are the hyphen and the space that break no line. An index holds what is left of a phone without them.
SIGNS_IN_PHONES = " -()./\u2011\u00a0"

# A number within other words may be anything; an extension, which is told by a word, comes behind the number.
_WORDS_BEFORE = re.compile(r"(?!\s*tel:)[^\d+\uff0b]*[^\W\d_]", re.IGNORECASE)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_WITHOUT_SIGNS = reduce(lambda sql, sign: f"REPLACE({sql}, '{sign}', '')", SIGNS_IN_PHONES, "%(expressions)s")


class EndOfPhone(Func):
    """The last digits of a phone, which are the same in most ways of writing it.

    SQLite uses an index over an expression only where the statement has the same text: with values sent beside it,
    as Django's own functions do, it would not be.
    """

    template = f"SUBSTR({_WITHOUT_SIGNS}, -{DIGITS_AT_END})"
    output_field = CharField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Return the same in PostgreSQL's words, where a place cannot be counted from the end."""
        return self.as_sql(compiler, connection, template=f"RIGHT({_WITHOUT_SIGNS}, {DIGITS_AT_END})", **context)


def phone_number(text: str) -> str | None:
    """Return the number as E.164 writes it, an extension behind it as in RFC 3966; None for what is no valid number.

    A number without its country is read as people in PHONE_REGION dial it.
    """
    if _WORDS_BEFORE.match(text):
        return None
    try:
        number = phonenumbers.parse(text, settings.PHONE_REGION)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{written};ext={number.extension}" if number.extension else written


def usual_ways(number: str) -> set[str]:
    """Return how people and programs usually write a number that `phone_number` returned, itself among the ways."""
    parsed = phonenumbers.parse(number.partition(";")[0])
    formats = phonenumbers.PhoneNumberFormat
    chosen = (formats.E164, formats.INTERNATIONAL, formats.NATIONAL)
    written = {phonenumbers.format_number(parsed, one) for one in chosen}
    plain = {one.replace("(", "").replace(")", "") for one in written}
    apart = {one.replace(old, new) for one in plain for old, new in (("-", " "), (" ", "-"))}
    return written | plain | apart | {"".join(filter(str.isdigit, one)) for one in written}


def email_address(text: str) -> str | None:
    """Return the address in small letters, its domain in those of its language; None for what is no address."""
    local, _at, domain = normalize("NFC", text.strip().lower()).rpartition("@")
    try:
        address = f"{local}@{domain.encode('idna').decode('idna')}"
        # Letters of every language are allowed before the @ (RFC 6531), which Django does not know.
        validate_email(_NOT_ASCII.sub("x", local) + "@" + domain)
    except (UnicodeError, ValidationError):
        return None
    return address if len(address) <= LONGEST_ADDRESS else None


def in_ascii(address: str) -> str:
    """Return an address that `email_address` returned with its domain in the letters that machines send."""
    local, _at, domain = address.rpartition("@")
    return f"{local}@{domain.encode('idna').decode()}"
