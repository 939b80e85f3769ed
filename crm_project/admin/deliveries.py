"""The log of what endpoints were told: each delivery with its message and every attempt."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import ActionLocation
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext, gettext_noop, ngettext_lazy, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from crm_project.admin.base import RecordedAdmin
from crm_project.admin.columns import label, moment, page_link
from crm_project.admin.outcome import counted
from crm_project.webhooks.answers import Answer
from crm_project.webhooks.endpoints import send_again
from crm_project.webhooks.leases import GONE
from crm_project.webhooks.messages import body_of, headers
from crm_project.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint
from leads.models import Contact

MOST_ATTEMPTS_SHOWN = 50
EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]
TONES = {
    DeliveryState.PENDING: "info",
    DeliveryState.DELIVERED: "success",
    DeliveryState.GIVEN_UP: "danger",
}
# By the codes of crm_project.webhooks.answers.Failure.
FAILURES = {
    "address_refused": _("the name leads to an address that may not be called"),
    "not_secure": _("without https only the networks in WEBHOOK_NETWORKS are called"),
    "no_connection": _("no connection"),
    "no_tls": _("no encryption with a certificate that is trusted"),
    "timeout": _("no answer in time"),
    "no_http": _("what was answered is no HTTP"),
    "redirect": _("sent on to another address, which is not followed"),
    "unsigned": _("not sent: there is no secret to sign with"),
    "error": _("not sent: an error of ours, which the log of the sender names"),
}

SENT_AGAIN = ngettext_lazy(
    "%(count)d delivery will be sent again.", "%(count)d deliveries will be sent again.", "count"
)
LOGGED = gettext_noop("deliveries sent again")  # the history is translated for whoever reads it
STILL_TO_BE_SENT = ngettext_lazy(
    "%(count)d delivery is still to be sent and stays as it is.",
    "%(count)d deliveries are still to be sent and stay as they are.",
    "count",
)


@admin.register(Delivery)
class DeliveryAdmin(RecordedAdmin):
    """What was told to whom, and what came of it; written by the sender."""

    count_of_rows = ngettext_lazy("%(count)d delivery", "%(count)d deliveries", "count")
    list_display = ("time", "kind", "about", "endpoint", "state_label", "attempts", "next_attempt")
    list_filter = (
        ("endpoint", AutocompleteSelectFilter),
        ("state", ChoicesDropdownFilter),
        ("event__kind", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    list_select_related = ("event", "endpoint")
    search_fields = ("=event__contact__id",)
    search_help_text = _("The number of a contact.")
    show_full_result_count = False
    change_form_template = "admin/delivery.html"
    change_form_outer_before_template = "admin/row_actions.html"
    fields = ("time", "kind", "about", "to", "state_label", "attempts", "next_attempt")
    readonly_fields = fields
    actions = ("send_again",)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send again: whoever may change endpoints."""
        return admin.site.get_model_admin(Endpoint).has_change_permission(request)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *arguments: Any, **options: Any
    ) -> HttpResponse:
        """Show the message and what was answered; what is still to be sent need not be sent again."""
        delivery = context["original"]
        context["message"] = message_of(delivery)
        context["attempts"] = table_of(delivery)
        if delivery.state == DeliveryState.PENDING:
            context["action_form"] = None
        return super().render_change_form(request, context, *arguments, **options)

    @admin.display(description=_("time"), ordering="pk")
    def time(self, delivery: Delivery) -> str:
        """Show when it happened."""
        return moment(delivery.event.at)

    @admin.display(description=_("event"))
    def kind(self, delivery: Delivery) -> str:
        """Show what happened."""
        return delivery.event.get_kind_display()

    @admin.display(description=_("contact"))
    def about(self, delivery: Delivery) -> str | None:
        """Show the contact, leading to its page."""
        number = delivery.event.contact_id
        return page_link(Contact(pk=number), number) if number else None

    @admin.display(description=_("endpoint"))
    def to(self, delivery: Delivery) -> str:
        """Show the endpoint, leading to its page."""
        return page_link(delivery.endpoint, delivery.endpoint)

    @admin.display(description=_("state"), ordering="state")
    def state_label(self, delivery: Delivery) -> str:
        """Show how far it is, in colour."""
        return label(delivery.get_state_display(), TONES[DeliveryState(delivery.state)])

    @admin.display(description=_("next attempt"), ordering="due_at")
    def next_attempt(self, delivery: Delivery) -> str | None:
        """Show when it is sent next, if it is."""
        if delivery.state != DeliveryState.PENDING:
            return None
        if not delivery.endpoint.is_active:
            return gettext("when the endpoint is switched on")
        due = max(delivery.due_at, delivery.endpoint.paused_until or delivery.due_at)
        return moment(due) if due > timezone.now() else pgettext("a moment", "now")

    @admin.action(permissions=["send"], description=_("Send again"), location=EVERYWHERE)
    def send_again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        """Send those that are over once more, and tell of what was left as it is."""
        chosen = Delivery.objects.filter(pk__in=deliveries.order_by().values("pk"))
        pending = chosen.filter(state=DeliveryState.PENDING).count()
        counts = self._count_those_over(chosen)
        if sent := send_again(chosen):
            messages.success(request, counted(SENT_AGAIN, sent))
        if pending:
            messages.info(request, counted(STILL_TO_BE_SENT, pending))
        for endpoint, number in counts.items():
            self._tell_endpoint(request, endpoint, number)

    def _count_those_over(self, deliveries: QuerySet[Delivery]) -> dict[Endpoint, int]:
        over = deliveries.exclude(state=DeliveryState.PENDING).order_by()
        numbers = dict(over.values_list("endpoint").annotate(number=Count("pk")))
        return {endpoint: numbers[endpoint.pk] for endpoint in Endpoint.objects.filter(pk__in=numbers)}

    def _tell_endpoint(self, request: HttpRequest, endpoint: Endpoint, number: int) -> None:
        """Write into the history of the endpoint how many are sent again, and say if it is off."""
        self.log_change(request, endpoint, [{"added": {"name": LOGGED, "object": str(number)}}])
        if not endpoint.is_active:
            sentence = gettext("%(endpoint)s is off: they are sent when it is switched on.")
            messages.warning(request, sentence % {"endpoint": endpoint})


def message_of(delivery: Delivery) -> dict[str, Any]:
    """Return the message: the line of the address, the headers, and the body as it was sent, or would be now."""
    body = delivery.body or body_of(delivery.event)
    return {"was_sent": bool(delivery.body), "head": head_of(delivery), "body": body}


def head_of(delivery: Delivery) -> str:
    """Return the headers line by line; of those that differ from attempt to attempt, what they are made of."""
    made_anew = {
        "webhook-timestamp": gettext("‹the moment of the attempt, in seconds since 1970›"),
        "webhook-signature": gettext("‹made at each attempt with each secret that is valid then›"),
    }
    lines = headers(delivery.event_id, "", (), timezone.now()) | made_anew
    return "\n".join([f"POST {delivery.endpoint.url}", *(f"{name}: {value}" for name, value in lines.items())])


def table_of(delivery: Delivery) -> dict[str, Any]:
    """Return the attempts as a table for Unfold, the newest first."""
    names = [_("time"), _("milliseconds"), _("status"), _("outcome"), _("answer")]
    rows = [
        [to_the_second(one.at), one.milliseconds, one.status or "-", outcome_of(one), answer_of(one)]
        for one in delivery.log.all()[:MOST_ATTEMPTS_SHOWN]
    ]
    return {"headers": names, "rows": rows}


def to_the_second(time: datetime) -> SafeString:
    """Return the date and the time of day with its seconds: the first attempts follow each other quickly."""
    local = localtime(time)
    day = date_format(local, "SHORT_DATE_FORMAT")
    return format_html('<span class="whitespace-nowrap">{} {}</span>', day, local.strftime("%H:%M:%S"))


def outcome_of(attempt: Attempt) -> SafeString:
    """Return what came of an attempt, in words and in colour."""
    if attempt.failure:
        return label(FAILURES.get(attempt.failure, attempt.failure), "warning")
    if Answer(status=attempt.status).is_heard:
        return label(pgettext("of an attempt", "heard"), "success")
    if attempt.status == GONE:
        return label(_("wants to be told nothing any more"), "danger")
    return label(_("an error was answered"), "warning")


def answer_of(attempt: Attempt) -> SafeString:
    """Return the beginning of the answer as it came."""
    if not attempt.answer:
        return SafeString("-")
    return format_html('<pre class="webhook-text">{}</pre>', attempt.answer)
