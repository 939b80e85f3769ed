"""Log lines that say what failed and where, and nothing that identifies a person or a key.

Texts of errors quote what they stumbled over: PostgreSQL prints the whole row that a check refused, a KeyError the
key. So of an error only its type, its traceback and what `said` lets through are printed.
"""

import copy
import logging
import re
import sqlite3
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, override

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, Error, IntegrityError
from django.template import TemplateDoesNotExist

HIDDEN = "…"
NAMES_OF_CODE = (AttributeError, ImportError, NameError, ImproperlyConfigured, TemplateDoesNotExist)

# Classes of PostgreSQL's codes (appendix A of its manual) whose first sentence quotes values: data, and RAISE.
QUOTING_CLASSES = ("22", "P0")

# What may stand in a text that is not ours: a Host, an Origin, a path, a request line.
QUERY = re.compile(r"(?<=\S)\?\S+")
ADDRESS = re.compile(r"(?<!\S)\S+@\S+")
LONG_NUMBER = re.compile(r"\+?\d(?:[ ()-]{0,2}\d){6,}")
API_KEY = re.compile(r"\bcrm_[a-z0-9]{8}_[\w-]{20,}")
AUTHORIZATION = re.compile(r"\b(Basic|Bearer)\s+\S+", re.IGNORECASE)

type ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class DiscreetFormatter(logging.Formatter):
    """A formatter that leaves out of messages and tracebacks what could identify a person or a key."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the traceback below it."""
        clean = copy.copy(record)
        clean.msg, clean.args = without_persons(_message(record)), None
        clean.exc_text = None  # another handler may have left its own, complete one
        return super().format(clean)

    @override
    def formatException(self, ei: ExceptionInfo) -> str:
        """Return the traceback, with of each error what it may say."""
        return "".join(traceback.format_exception(_stand_in(ei[1], {}))).rstrip() if ei[1] else ""


def said(error: BaseException) -> str:
    """Return on one line what an error says, HIDDEN when its text could quote anything."""
    match error:
        case Error() | psycopg.Error():
            text = _said_by_database(error)
        case OSError():
            text = error.strerror or HIDDEN
        case _:
            text = str(error) if isinstance(error, NAMES_OF_CODE) else HIDDEN
    return " ".join(without_persons(text).split())


def without_persons(text: str) -> str:
    """Return a text without query strings, e-mail addresses, phones and credentials, as far as their form shows."""
    text = QUERY.sub(f"?{HIDDEN}", text)
    text = AUTHORIZATION.sub(rf"\1 {HIDDEN}", text)
    for form in (API_KEY, ADDRESS, LONG_NUMBER):
        text = form.sub(HIDDEN, text)
    return text


def _said_by_database(error: Error | psycopg.Error) -> str:
    """Return the first sentence, which names tables and constraints, never the details, which quote rows."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if isinstance(cause, psycopg.Error) and cause.sqlstate:
        sentence = None if cause.sqlstate.startswith(QUOTING_CLASSES) else cause.diag.message_primary
        return f"{sentence or HIDDEN} (SQLSTATE {cause.sqlstate})"
    if isinstance(error, DataError | IntegrityError | psycopg.DataError) and not isinstance(cause, sqlite3.Error):
        return HIDDEN  # found by Django or the driver: a ProtectedError lists the rows
    return str(error)


def _message(record: logging.LogRecord) -> str:
    clean = copy.copy(record)
    clean.msg = _printable(record.msg)
    if isinstance(record.args, Mapping):
        clean.args = {name: _printable(value) for name, value in record.args.items()}
    elif record.args:
        clean.args = tuple(map(_printable, record.args))
    return clean.getMessage()


def _printable(value: Any) -> Any:
    return said(value) if isinstance(value, BaseException) else value


def _stand_in(error: BaseException, known: dict[int, BaseException]) -> BaseException:
    """Return an error that prints as `error` does, the errors before it included, but says only what it may."""
    if id(error) in known:
        return known[id(error)]
    kind = type(error)
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    double: BaseException = type(kind.__name__, (Exception,), names)(said(error))
    known[id(error)] = double.with_traceback(error.__traceback__)
    double.__cause__ = _stand_in(error.__cause__, known) if error.__cause__ else None
    double.__context__ = _stand_in(error.__context__, known) if error.__context__ else None
    double.__suppress_context__ = error.__suppress_context__
    return double
