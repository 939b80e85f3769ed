"""Answers for those who watch over the server: is it alive, is it ready.

They are given by a middleware before all others, because a probe calls the server by whatever address its machine has
just now, and must be answered while the database, and with it the sessions, are away.
"""

import logging
from collections.abc import Callable

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from crm_project.api.errors import RETRY_AFTER_SECONDS
from crm_project.logs import said
from crm_project.webhooks.endpoints import seconds_behind

logger = logging.getLogger(__name__)

type Answer = Callable[[HttpRequest], HttpResponse]


def answer_probes(answer: Answer) -> Answer:
    """Return the middleware: it answers the probes, and passes every other request on to `answer`."""

    def answer_first(request: HttpRequest) -> HttpResponse:
        return PROBES.get(request.path_info.removesuffix("/"), answer)(request)

    return answer_first


@never_cache
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; nothing else is looked at."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Say whether the database answers and has all our migrations: 200, or 503 with Retry-After.

    By how much the sending of webhooks is behind is told beside it, and makes nothing unready.
    """
    checks = check_database()
    is_ready = set(checks.values()) == {"ok"}
    told = {"checks": checks, "webhooks": {"seconds_behind": behind() if is_ready else None}}
    if is_ready:
        return JsonResponse({"status": "ok", **told})
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return JsonResponse({"status": "unavailable", **told}, status=503, headers=headers)


def check_database() -> dict[str, str]:
    """Return how the database and its migrations are; those of a database that is away count as pending."""
    # Opening a connection ends after connect_timeout; a question on an open one waits for a machine that is gone.
    connection.close()
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        logger.warning("The database is not ready: %s", said(error))
        return {"database": "unavailable", "migrations": "pending"}
    return {"database": "ok", "migrations": "pending" if plan else "ok"}


def behind() -> float | None:
    """Return by how many seconds the sending of webhooks is behind; None when the database has just gone."""
    try:
        return round(seconds_behind(), 1)
    except Error as error:
        logger.warning("How far the webhooks are behind is not known: %s", said(error))
        return None


PROBES: dict[str, Answer] = {"/healthz": alive, "/readyz": ready}
