"""Deactivating an operator or a source, and the question what becomes of their contacts."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminRadioSelectWidget

from crm_project.admin.base import touched
from crm_project.admin.bulk import Asked, BulkQuestion, first_step, question_page
from crm_project.admin.forms import reason_field
from crm_project.admin.outcome import CountedSentence
from crm_project.admin.weights import WithWeightsAdmin
from distribution.leaving import Prospect, active_on, prospect, waiting_on
from distribution.runs import begin_with_contacts_of
from leads.models import Contact, Source
from operators.models import Operator

KEEP = "keep"
RECEIVERS_NAMED = 20


class ContactsField(forms.ChoiceField):
    """What becomes of the contacts; nothing is chosen beforehand."""

    widget = UnfoldAdminRadioSelectWidget


class Unanswered(Exception):
    """What becomes of the contacts must be asked before anything is saved."""


class LeavingAdmin(WithWeightsAdmin):
    """A page whose rows have contacts that must go somewhere when the row is deactivated."""

    deactivate_work: str
    question_title: Promise

    def facts(self, rows: QuerySet[Any]) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
        """Return the sentences with the numbers and the choices; no choices when nothing has to be asked."""
        raise NotImplementedError

    def question(self, request: HttpRequest, rows: QuerySet[Any], *, with_reason: bool) -> Asked | None:
        """Return what to ask about the contacts of the rows, with the numbers; None without any contacts.

        Whoever may not handle contacts is not asked: they stay.
        """
        if not admin.site.get_model_admin(Contact).has_handle_permission(request):  # type: ignore[attr-defined]
            return None
        told, choices = self.facts(rows)
        if not choices:
            return None
        fields: dict[str, Any] = {"contacts": ContactsField(choices=choices, label=_("What becomes of the contacts?"))}
        if with_reason:
            fields["reason"] = reason_field()
        return Asked(type("ContactsForm", (forms.Form,), fields), told)

    def deactivate_rows(
        self, request: HttpRequest, rows: QuerySet[Any], service: Any, done: CountedSentence
    ) -> HttpResponse | None:
        """Deactivate the rows; if they have contacts, ask first what becomes of those."""
        asked = self.question(request, rows, with_reason=True)
        if asked is None:
            return self.apply(request, rows, service, done, work=self.deactivate_work)
        return BulkQuestion(self, request, rows, self.deactivate_work, asked).answer()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer the form, or with the question that comes before it is saved."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Unanswered as question:
            row, form, told = question.args
            title = self.question_title % {"name": row}
            return question_page(self, request, form, title=title, told=told)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        """Ask before the first thing is saved, if the row is deactivated; else store what the user typed."""
        if change and touched(form).get("is_active") is False:
            obj.contacts_go = self._answer(request, obj)
        super().save_model(request, obj, form, change)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Lead to where the contacts go, if they do."""
        contacts = getattr(obj, "contacts_go", KEEP)
        if contacts == KEEP:
            return super().response_change(request, obj)
        super().response_change(request, obj)  # tells that the row is saved
        return first_step(request, begin_with_contacts_of(obj, contacts))

    def _answer(self, request: HttpRequest, row: Any) -> str:
        asked = self.question(request, self.model._default_manager.filter(pk=row.pk), with_reason=False)
        if asked is None:
            return KEEP
        form = asked.form_class(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            raise Unanswered(row, form, asked.told)
        return form.cleaned_data["contacts"]


class OperatorLeavingAdmin(LeavingAdmin):
    """Operators: their active contacts stay, go back to the queue, or are given to others by draw."""

    deactivate_work = "deactivate_operators"
    question_title = gettext_lazy("Deactivate %(name)s")

    def facts(self, rows: QuerySet[Operator]) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
        """Return how many contacts there are and who has room, with what each choice would come to."""
        ahead = prospect(rows)
        return (told_of(ahead), choices_of(ahead)) if ahead.active else ((), [])


class SourceLeavingAdmin(LeavingAdmin):
    """Sources: what waits stays in a queue that rests, or is closed.

    Active contacts stay with their operators: in the queue of an inactive source nobody would be given them.
    """

    deactivate_work = "deactivate_sources"
    question_title = gettext_lazy("Deactivate %(name)s")

    def facts(self, rows: QuerySet[Source]) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
        """Return how many contacts wait and how many are worked on; without anybody who waits, nothing is asked."""
        waiting, active = waiting_on(rows), active_on(rows)
        if not waiting:
            return (), []
        told = _("Waiting: %(waiting)d. Active: %(active)d; they stay with their operators, who go on as before.")
        choices = [
            (KEEP, _("Those who wait keep their place: the queue rests, with its age, until the source is active")),
            ("close_waiting", _("Close those who wait: %(waiting)d") % {"waiting": waiting}),
        ]
        return (told % {"waiting": waiting, "active": active},), choices


def told_of(ahead: Prospect) -> tuple[str, ...]:
    """Return the sentences with the numbers."""
    places = sorted(ahead.room.items(), key=lambda pair: -pair[1])
    named = ", ".join(f"{operator.name}: {count}" for operator, count in places[:RECEIVERS_NAMED])
    more = ", …" if len(places) > RECEIVERS_NAMED else ""
    sentences = [
        _("Active contacts: %(active)d.") % {"active": ahead.active},
        _("Free places with others on their sources: %(places)d") % {"places": ahead.places}
        + (f" ({named}{more})." if named else "."),
    ]
    if ahead.rehearsed < ahead.active:
        oldest = _("What follows is reckoned for the oldest %(count)d of them.")
        sentences.append(oldest % {"count": ahead.rehearsed})
    return tuple(sentences)


def choices_of(ahead: Prospect) -> list[tuple[str, str]]:
    """Return what may become of the contacts, each with what it would come to."""
    to_queue = _("Back to the queue, with their age: about %(placed)d go to others at once, %(left)d wait")
    by_draw = _("To others by draw: about %(placed)d find a place, %(left)d stay where they are")
    return [
        (KEEP, _("They stay: the operator goes on with them and gets nothing new")),
        ("leave_to_queue", to_queue % {"placed": ahead.rehearsed - ahead.waiting, "left": ahead.waiting}),
        ("leave_by_draw", by_draw % {"placed": ahead.rehearsed - ahead.without_place, "left": ahead.without_place}),
    ]
