"""Deleting through the services: what has contacts is kept, and the page says what to do instead."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as ask_and_delete
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from crm_project.admin.base import ServiceAdmin, too_many
from crm_project.admin.outcome import EXPLAINED, apply_to_each, counted, explanation, tell
from distribution.errors import HasContacts

KEPT = ngettext_lazy("%(count)d stays: %(reason)s", "%(count)d stay: %(reason)s", "count")
DELETED = ngettext_lazy("%(count)d deleted.", "%(count)d deleted.", "count")


class DeletionAdmin(ServiceAdmin):
    """A page that deletes by a service, which subclasses call in `delete_row`."""

    actions: Sequence[str] = ("delete_selected",)

    def delete_row(self, row: Any) -> None:
        """Delete the row. Raises Refusal."""
        raise NotImplementedError

    def kept(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of `rows` that have contacts and so cannot be deleted."""
        return rows.none()

    @admin.action(permissions=["delete"], description=_("Delete selected %(verbose_name_plural)s"))
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask about the rows that can be deleted, and once confirmed delete each by the service."""
        kept = self.kept(queryset)
        if count := kept.count():
            messages.warning(request, counted(KEPT, count, reason=HasContacts.message))
        deletable = queryset.exclude(pk__in=kept.order_by().values("pk"))
        if not deletable.exists() or too_many(request, deletable):
            return None
        if "post" not in request.POST:
            return ask_and_delete(self, request, deletable)
        _rows, _counts, missing_permissions, _protected = self.get_deleted_objects(deletable, request)
        if missing_permissions:
            raise PermissionDenied
        tell(request, apply_to_each(deletable, lambda row: self._deleted(request, row)), DELETED)
        return None

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask and delete; what cannot be deleted is told on the row's own page."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except EXPLAINED as error:
            messages.error(request, explanation(error))
            return redirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id]))

    def get_deleted_objects(
        self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest
    ) -> tuple[Any, Any, Any, Any]:
        """Return Django's lists. Raises HasContacts, where Django would load and list every contact."""
        rows = self.model._default_manager.filter(pk__in=[row.pk for row in objs])
        if self.kept(rows).exists():
            raise HasContacts
        return super().get_deleted_objects(objs, request)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Delete by the service, then write it into the history."""
        self.delete_row(obj)
        deleted: Any = [obj]
        super().log_deletions(request, deleted)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[LogEntry]:
        """Write nothing: Django calls this before it deletes, when the service may still refuse."""
        return []

    def _deleted(self, request: HttpRequest, row: Model) -> bool:
        self.delete_model(request, row)
        return True


class ProtectedDeletionAdmin(DeletionAdmin):
    """The same for a model that contacts refer to."""

    def kept(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of `rows` that have contacts."""
        reference = self.model._meta.get_field("contacts").field
        return rows.filter(Exists(reference.model.objects.filter(**{reference.name: OuterRef("pk")})))
