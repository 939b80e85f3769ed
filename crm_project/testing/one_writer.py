"""The guard of «one writer»: no test passes in which anything but the distribution writes operator, status or load."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

BASE_DIR = Path(__file__).resolve().parents[2]

# A load that is set to itself is what an ordinary save of an operator does.
PROTECTED = re.compile(
    r"""
    INSERT\ INTO\ "leads_contact"
    | UPDATE\ "leads_contact"\ SET\ .*"(operator_id|status)"\ =\ .*\ WHERE
    | UPDATE\ "operators_operator"\ SET\ .*"load"\ =\ (?!"operators_operator"\."load"[,\ ])
    """,
    re.VERBOSE | re.DOTALL,
)
# Runs what others wrote, as Django's cursor does.
STATEMENTS = ("statements.py", "statements_for_many.py", "sending.py")
PASSING_ON = {Path(__file__), *(BASE_DIR / "crm_project" / name for name in STATEMENTS)}
ENTRANCES = ("django/core/handlers/", "django/core/management/base.py")


def refuse_other_writers(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    """Run a statement, as a wrapper of Django's cursor; raise AssertionError when it is somebody else's to run."""
    assert not PROTECTED.search(sql) or is_allowed(sys._getframe()), f"not written by the distribution: {sql}"
    return execute(sql, params, many, context)


def is_allowed(frame: FrameType | None) -> bool:
    """Return whether the nearest code of ours is the distribution, or a test that sets its stage."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if any(entrance in path.as_posix() for entrance in ENTRANCES):
            return False
        if path.is_relative_to(BASE_DIR) and "site-packages" not in path.parts and path not in PASSING_ON:
            return path.is_relative_to(BASE_DIR / "distribution") or bool({"tests", "testing"} & set(path.parts))
        frame = frame.f_back
    return True
