"""Endpoints: who is told of events, and whether they hear. A secret is shown once, when it is made."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import ActionLocation
from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext, ngettext_lazy, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldBooleanSwitchWidget

from crm_project.admin.api_clients import key_box
from crm_project.admin.base import settings_typed
from crm_project.admin.columns import label, list_link, moment, short
from crm_project.admin.deletion import DeletionAdmin
from crm_project.admin.forms import AutocompleteSeveral, TouchedFieldsForm
from crm_project.admin.outcome import apply_to_each, tell
from crm_project.webhooks import endpoints as services
from crm_project.webhooks.models import Delivery, DeliveryState, Endpoint, EventKind, Subscription
from distribution.events import send_test
from leads.models import Source

MOST_SECRETS_AT_ONCE = 5  # more would not fit into the cookie that shows them, and be kept by the session
LONGEST_NAME_TOLD = 40
MOST_SOURCES_NAMED = 3
SECONDS_WORTH_TELLING = 5
EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]
HEARING = {"kinds", "all_sources", "sources"}
TO_BE_HEARD = [kind for kind in EventKind if kind != EventKind.TEST]

TEST_SENT = ngettext_lazy("%(count)d test is on its way.", "%(count)d tests are on their way.", "count")
SWITCHED_ON = ngettext_lazy("%(count)d endpoint switched on.", "%(count)d endpoints switched on.", "count")


def kind_choices() -> list[tuple[str, SafeString]]:
    """Return the events that can be chosen, each by its code and in words."""
    return [(kind.value, format_html("<code>{}</code> {}", kind.value, kind.label)) for kind in TO_BE_HEARD]


class EndpointForm(TouchedFieldsForm):
    """An endpoint with what it hears of."""

    kinds = forms.MultipleChoiceField(
        choices=kind_choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label=_("Hears of"),
        error_messages={"required": _("Choose at least one event.")},
    )
    all_sources = forms.BooleanField(
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        label=_("All sources"),
        help_text=_("When off, it hears only of the sources chosen below."),
    )
    sources = forms.ModelMultipleChoiceField(
        Source.objects.all(),
        required=False,
        widget=AutocompleteSeveral(Subscription._meta.get_field("source"), admin.site),
        label=_("Sources"),
    )

    def __init__(self, *arguments: Any, initial: Mapping[str, Any] | None = None, **options: Any) -> None:
        heard = heard_by(options.get("instance"))
        super().__init__(*arguments, initial={**heard, **(initial or {})}, **options)

    def clean(self) -> dict[str, Any]:
        """Require a source where not all of them are meant."""
        typed = super().clean() or self.cleaned_data
        if not typed.get("all_sources") and "sources" in typed and not typed["sources"]:
            self.add_error("sources", _("Choose at least one source, or all."))
        return typed


@admin.register(Endpoint)
class EndpointAdmin(DeletionAdmin):
    """Who is told of what, how they are, and what waits for them."""

    count_of_rows = ngettext_lazy("%(count)d endpoint", "%(count)d endpoints", "count")
    list_display = ("name", "state", "waiting", "hears", "address")
    list_filter = ("is_active",)
    search_fields = ("name", "url")
    list_before_template = "admin/sending_behind.html"
    form = EndpointForm
    fields = ("name", "url", "is_active", "kinds", "all_sources", "sources")
    readonly_fields = ("state", "waiting", "deliveries", "hears", "secrets", "created")
    actions = ("make_secrets", "send_tests", "switch_on", "delete_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        """Return the endpoints with what they hear of and how many deliveries wait for each."""
        pending = Delivery.objects.filter(endpoint=OuterRef("pk"), state=DeliveryState.PENDING).order_by()
        number = Subquery(pending.values("endpoint").annotate(number=Count("pk")).values("number"))
        rows = super().get_queryset(request).annotate(waiting_count=Coalesce(number, 0))
        return rows.prefetch_related("subscriptions__source")

    def get_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> list[Any]:
        """Return what is typed, and of an endpoint that exists how it is; whoever only looks sees it in words."""
        if obj is None:
            return list(self.fields)
        if not self.has_change_permission(request, obj):
            return ["name", "url", "state", "waiting", "deliveries", "hears", "created"]
        return [*self.fields, "state", "waiting", "deliveries", "secrets", "created"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Answer the list, which tells by how much the sending is behind."""
        return super().changelist_view(request, {**(extra_context or {}), "behind": how_far_behind()})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *arguments: Any, **options: Any
    ) -> HttpResponse:
        """Offer only the actions that make sense for the endpoint as it is."""
        endpoint, form = context["original"], context.get("action_form")
        if endpoint is not None and form:
            pointless = {"switch_on"} if is_well(endpoint) else set()
            pointless |= set() if endpoint.is_active else {"send_tests"}
            field = form.fields["action"]
            field.choices = [choice for choice in field.choices if choice[0] not in pointless]
        return super().render_change_form(request, context, *arguments, **options)

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        """Store what was typed; a new endpoint gets its first secret."""
        if change:
            change_endpoint(obj, settings_typed(form), form.changed_data)
        else:
            obj.pk = create_endpoint(settings_typed(form)).pk
            self._make_secret(request, obj)

    def delete_row(self, row: Endpoint) -> None:
        """Delete the endpoint with its log."""
        services.remove(row)

    def get_deleted_objects(
        self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest
    ) -> tuple[Any, Any, Any, Any]:
        """Return the endpoints, each with how many deliveries go with it; they are not read one by one."""
        endpoints = list(objs)
        number = Delivery.objects.filter(endpoint__in=endpoints).count()
        counts = {self.opts.verbose_name_plural: len(endpoints), Delivery._meta.verbose_name_plural: number}
        return [str(one) for one in endpoints], counts, set(), []

    @admin.display(description=_("address"), ordering="url")
    def address(self, endpoint: Endpoint) -> str:
        """Show the address on one line."""
        return short(endpoint.url)

    @admin.display(description=_("hears of"))
    def hears(self, endpoint: Endpoint) -> str:
        """Show the events by their codes, and the sources."""
        return told_hearing(list(endpoint.subscriptions.all()))

    @admin.display(description=_("state"))
    def state(self, endpoint: Endpoint) -> str:
        """Show whether it hears."""
        return state_of(endpoint)

    @admin.display(description=_("waiting deliveries"), ordering="waiting_count")
    def waiting(self, endpoint: Any) -> str:
        """Show how many deliveries are still to be sent, leading to them."""
        filters = {"endpoint__id__exact": endpoint.pk, "state__exact": DeliveryState.PENDING}
        return list_link("webhooks_delivery", endpoint.waiting_count, **filters)

    @admin.display(description=_("deliveries"))
    def deliveries(self, endpoint: Endpoint) -> str:
        """Lead to the log of the endpoint."""
        return list_link("webhooks_delivery", gettext("To the list"), endpoint__id__exact=endpoint.pk)

    @admin.display(description=_("secrets"))
    def secrets(self, endpoint: Endpoint) -> str:
        """Show when the valid ones were made and end; never what they are."""
        return format_html_join(SafeString("<br>"), "{}", ((told_secret(one),) for one in endpoint.secrets.valid()))

    @admin.action(
        permissions=["change"],
        description=_("New secret"),
        description_plural=_("New secret for each"),
        location=EVERYWHERE,
    )
    def make_secrets(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        """Make a secret of each endpoint and show it."""
        if endpoints.count() > MOST_SECRETS_AT_ONCE:
            messages.error(request, _("At most %(most)d endpoints at once.") % {"most": MOST_SECRETS_AT_ONCE})
            return
        for endpoint in endpoints:
            self._make_secret(request, endpoint)

    @admin.action(
        permissions=["change"],
        description=_("Send a test"),
        description_plural=_("Send a test to each"),
        location=EVERYWHERE,
    )
    def send_tests(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        """Send each endpoint that is on a message about nothing in particular."""
        outcome = apply_to_each(endpoints.filter(is_active=True), lambda one: self._send_test(request, one))
        tell(request, outcome, TEST_SENT)
        if outcome.changed:
            link = list_link("webhooks_delivery", gettext("To the tests"), event__kind__exact=EventKind.TEST)
            messages.info(request, format_html("{} {}", gettext("See what comes of it:"), link))
        for endpoint in endpoints.filter(is_active=False):
            sentence = gettext("%(endpoint)s is off, so nothing is sent to it. Switch it on first.")
            messages.warning(request, sentence % {"endpoint": endpoint})

    @admin.action(permissions=["change"], description=_("Switch on again"), location=EVERYWHERE)
    def switch_on(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        """Let the endpoints be told again, of what waits for them too."""
        tell(request, apply_to_each(endpoints, lambda one: self._switch_on(request, one)), SWITCHED_ON)

    def _make_secret(self, request: HttpRequest, endpoint: Endpoint) -> None:
        secret = services.add_secret(endpoint)
        is_another = endpoint.secrets.valid().count() > 1
        sentence = gettext("The secret of {}, shown only this once: {}")
        if is_another:
            self.log_change(request, endpoint, [{"added": {"name": "secret", "object": str(endpoint)}}])
            sentence = gettext("The new secret of {}, shown only this once: {} The old one is valid for another day.")
        name = Truncator(endpoint.name).chars(LONGEST_NAME_TOLD)
        messages.warning(request, format_html(sentence, name, key_box(secret)))

    def _send_test(self, request: HttpRequest, endpoint: Endpoint) -> bool:
        send_test(endpoint.pk)
        self.log_change(request, endpoint, [{"added": {"name": "a test", "object": str(endpoint)}}])
        return True

    def _switch_on(self, request: HttpRequest, endpoint: Endpoint) -> bool:
        if is_well(endpoint):
            return False
        services.switch_on(endpoint)
        self.log_change(request, endpoint, [{"changed": {"fields": ["active"]}}])
        return True


def heard_by(endpoint: Endpoint | None) -> dict[str, Any]:
    """Return what the form of the endpoint begins with beside its columns; nothing for a new one."""
    if endpoint is None or endpoint.pk is None:
        return {}
    sources = services.sources_heard(endpoint)
    return {"kinds": services.kinds_heard(endpoint), "all_sources": sources is None, "sources": sources or []}


@transaction.atomic
def create_endpoint(typed: Mapping[str, Any]) -> Endpoint:
    """Store and return a new endpoint with what it hears of."""
    endpoint = Endpoint.objects.create(**{name: typed[name] for name in ("name", "url", "is_active")})
    services.subscribe(endpoint, typed["kinds"], sources_typed(typed))
    return endpoint


def change_endpoint(endpoint: Endpoint, typed: Mapping[str, Any], touched: Collection[str]) -> None:
    """Store what was touched; the sender may have noted something on the endpoint meanwhile."""
    columns = {name: typed[name] for name in ("name", "url") if name in touched}
    with transaction.atomic():
        Endpoint.objects.filter(pk=endpoint.pk).update(**columns)
        if HEARING.intersection(touched):
            services.subscribe(endpoint, typed["kinds"], sources_typed(typed))
    if "is_active" in touched and typed["is_active"]:
        services.switch_on(endpoint)
    elif "is_active" in touched:
        Endpoint.objects.filter(pk=endpoint.pk).update(is_active=False)


def sources_typed(typed: Mapping[str, Any]) -> list[int] | None:
    """Return the ids of the sources chosen, None for all."""
    return None if typed["all_sources"] else [source.pk for source in typed["sources"]]


def is_well(endpoint: Endpoint) -> bool:
    """Return whether there is nothing to switch on: it is on, does not fail and has not asked to wait."""
    is_paused = endpoint.paused_until is not None and endpoint.paused_until > timezone.now()
    return endpoint.is_active and not (endpoint.is_gone or endpoint.failing_since or is_paused)


def state_of(endpoint: Endpoint) -> SafeString:
    """Return how the endpoint is, the gravest first, as a label in its colour."""
    now = timezone.now()
    if endpoint.is_gone:
        return label(pgettext("of an endpoint", "gone"), "danger")
    if not endpoint.is_active:
        return label(pgettext("of an endpoint", "off"), None)
    if endpoint.failing_since:
        is_grave = endpoint.failing_since < now - services.FAILING_TOO_LONG
        told = format_html(gettext("failing since {}"), moment(endpoint.failing_since))
        return label(told, "danger" if is_grave else "warning")
    if endpoint.paused_until and endpoint.paused_until > now:
        return label(format_html(gettext("asked to wait until {}"), moment(endpoint.paused_until)), "info")
    return label(pgettext("of an endpoint", "active"), "success")


def told_hearing(subscriptions: Collection[Subscription]) -> SafeString:
    """Return which events on which sources these are, in a line."""
    heard = {subscription.kind for subscription in subscriptions}
    if not heard:
        return SafeString(gettext("nothing"))
    kinds: Any = gettext("everything")
    if not heard.issuperset(TO_BE_HEARD):
        codes = ((kind.value,) for kind in TO_BE_HEARD if kind in heard)
        kinds = format_html_join(", ", '<code class="whitespace-nowrap">{}</code>', codes)
    return format_html("{} · {}", kinds, told_sources(subscriptions))


def told_sources(subscriptions: Collection[Subscription]) -> str:
    """Return the names of the sources, the first few of many."""
    if any(subscription.source_id is None for subscription in subscriptions):
        return gettext("all sources")
    names = sorted({subscription.source.name for subscription in subscriptions if subscription.source})
    told = ", ".join(names[:MOST_SOURCES_NAMED])
    if (more := len(names) - MOST_SOURCES_NAMED) <= 0:
        return told
    others = ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more}
    return f"{told} {others}"


def told_secret(secret: Any) -> SafeString:
    """Return when a secret was made and until when it is valid."""
    made = format_html(gettext("made {}"), moment(secret.created_at))
    if secret.expires_at is None:
        return made
    return format_html("{}, {}", made, format_html(gettext("valid until {}"), moment(secret.expires_at)))


def how_far_behind() -> str:
    """Return in words by how many seconds the sending is behind; nothing for a few."""
    seconds = int(services.seconds_behind())
    if seconds <= SECONDS_WORTH_TELLING:
        return ""
    sentence = ngettext("Sending is %(count)d second behind.", "Sending is %(count)d seconds behind.", seconds)
    return sentence % {"count": seconds}
