"""What several lists and pages show in the same words."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext
from unfold.utils import display_for_label

from distribution.availability import obstacle
from distribution.phrases import WHY_NOT, percent

LONGEST_LINE = 30
PLACE_OF_TEXT = "the text of a label"


def label(text: object, tone: str | None) -> SafeString:
    """Return `text` as a label in one of Unfold's colours: info, success, warning, danger; grey without one."""
    before, after = _around_label(tone)
    return format_html("{}{}{}", before, text, after)


def moment(time: datetime) -> SafeString:
    """Return the date and the time of day on one line."""
    short = date_format(localtime(time), "SHORT_DATETIME_FORMAT")
    return format_html('<span class="whitespace-nowrap">{}</span>', short)


def age(since: datetime) -> str:
    """Return how long ago a moment was."""
    passed = timezone.now() - since
    return gettext("less than a minute") if passed < timedelta(minutes=1) else timesince(since)


def short(text: str) -> SafeString:
    """Return `text` on one line, clipped when it is long; the whole shows under the pointer."""
    if not text:
        return SafeString("-")
    clipped = Truncator(text).chars(LONGEST_LINE)
    return format_html('<span class="whitespace-nowrap" title="{}">{}</span>', text, clipped)


def load_and_limit(operator: Any) -> SafeString:
    """Return the operator's load / limit, coloured when there is no room left."""
    tone = None if operator.has_room else "warning"
    return label(f"{operator.load} / {operator.max_load}", tone)


def share_now(weight: Any) -> str:
    """Return the share of a weight, which was read with it, in per cent, or why it has none."""
    reason = obstacle(weight.operator, weight.weight)
    if reason is not None:
        return str(WHY_NOT[reason])
    return percent(weight.share)


@cache
def _around_label(tone: str | None) -> tuple[SafeString, SafeString]:
    """Return what Unfold's template puts before and after a text; rendering it for each label takes too long."""
    before, after = display_for_label(("tone", PLACE_OF_TEXT), "-", {"tone": tone}).split(PLACE_OF_TEXT)
    return mark_safe(before), mark_safe(after)  # noqa: S308 - it is the template's own


def list_url(model: str, **filters: object) -> str:
    """Return the address of the list of `model`, such as `leads_contact`, narrowed by `filters`."""
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(filters)}"


def list_link(model: str, text: object, **filters: object) -> SafeString:
    """Return a link to the list of `model`, such as `leads_contact`, narrowed by `filters`."""
    return format_html('<a href="{}" class="text-link">{}</a>', list_url(model, **filters), text)


def page_url(row: Model) -> str:
    """Return the address of the page of the row."""
    options = row._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


def page_link(row: Model, text: object) -> SafeString:
    """Return `text` as a link to the page of the row."""
    return format_html('<a href="{}" class="text-link">{}</a>', page_url(row), text)
