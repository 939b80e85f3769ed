"""Choosing a language by request: those that are offered, and no others."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import activate

from crm_project.error_pages import bad_request


def in_offered_language(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer in the language that the query names in `lang`; 400 when the request names one that is not offered.

    Django takes `ru-x1` for a kind of `ru`, and keeps a catalog and a table of addresses for each that was ever named.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        lang = request.GET.get("lang")
        named = {lang, request.POST.get("language")} - {None, ""}
        if not named <= dict(settings.LANGUAGES).keys():
            return bad_request(request, ValueError(named))
        if lang:
            activate(lang)  # until the next request, which starts with its own
        return view(request, *args, **kwargs)

    return answer
