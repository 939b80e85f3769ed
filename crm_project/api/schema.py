"""The OpenAPI document."""

from collections.abc import Callable
from typing import Any

Endpoint = tuple[str, str, str, Callable[..., Any]]


def without_trailing_slash(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Return the endpoints by the address that the documents name; the slash at the end is optional."""
    return [(path.rstrip("/"), regex, method, view) for path, regex, method, view in endpoints]
