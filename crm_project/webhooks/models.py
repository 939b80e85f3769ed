"""Who is told of events, and what came of telling them: endpoints, their secrets, deliveries and attempts."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm_project.webhooks.validators import endpoint_address

LONGEST_ADDRESS = 500
LONGEST_ANSWER = 2_000


class EventKind(models.TextChoices):
    """What others can be told of."""

    ASSIGNED = "contact.assigned", _("a contact was given to an operator")
    WAITING = "contact.waiting", _("a contact waits in the queue")
    REASSIGNED = "contact.reassigned", _("a contact was moved to another operator")
    CLOSED = "contact.closed", _("a contact was closed")
    REOPENED = "contact.reopened", _("a contact was reopened")
    AT_LIMIT = "operator.at_limit", _("an operator reached the limit")
    TEST = "endpoint.test", _("a test")


class Endpoint(models.Model):
    """An address that is told of events; what it hears of stands in its subscriptions."""

    name = models.CharField(pgettext_lazy("of an endpoint", "name"), max_length=100, unique=True)
    url = models.CharField(
        _("address"),
        max_length=LONGEST_ADDRESS,
        validators=[endpoint_address],
        help_text=_("https://… of the receiver."),
    )
    is_active = models.BooleanField(_("active"), default=True, help_text=_("When off, it is told nothing new."))
    is_gone = models.BooleanField(_("gone"), default=False, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    paused_until = models.DateTimeField(_("asked to wait until"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("endpoint")
        verbose_name_plural = _("endpoints")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="endpoint_has_a_name"),
            models.CheckConstraint(condition=~Q(url=""), name="endpoint_has_an_address"),
        ]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """One kind of event that an endpoint is told of, on one source or on all."""

    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="subscriptions", db_index=False, verbose_name=_("endpoint")
    )
    kind = models.CharField(_("event"), max_length=20, choices=EventKind)
    source = models.ForeignKey(
        "leads.Source", on_delete=models.CASCADE, related_name="+", null=True, verbose_name=_("source")
    )

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "kind", "source"], condition=Q(source__isnull=False), name="subscription_of_source"
            ),
            models.UniqueConstraint(
                fields=["endpoint", "kind"], condition=Q(source__isnull=True), name="subscription_of_all_sources"
            ),
        ]
        indexes = [models.Index("kind", "source", name="subscription_to_kind")]

    def __str__(self) -> str:
        return f"{self.endpoint_id}: {self.kind}"


class SecretQuerySet(models.QuerySet["Secret"]):
    """Secrets by whether they sign anything."""

    def valid(self) -> "SecretQuerySet":
        """Return those that have not expired, the newest first."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())).order_by("-pk")


class Secret(models.Model):
    """What the messages to an endpoint are signed with; two are valid while one takes the other's place.

    It is kept as it is, for whoever signs needs it.
    """

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="secrets", verbose_name=_("endpoint"))
    value = models.CharField(_("secret"), max_length=64, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True, editable=False)

    objects = SecretQuerySet.as_manager()

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)


class DeliveryState(models.TextChoices):
    """How far a delivery is."""

    PENDING = "pending", pgettext_lazy("state of a delivery", "to be sent")
    DELIVERED = "delivered", pgettext_lazy("state of a delivery", "delivered")
    GIVEN_UP = "given_up", pgettext_lazy("state of a delivery", "given up")


class Delivery(models.Model):
    """One event for one endpoint, until it has been heard.

    Whoever sends it holds a lease, which ends by itself when they die. The columns with a default of the database are
    not named by the statement that stores a delivery beside its event.
    """

    event = models.ForeignKey(
        "distribution.Event", on_delete=models.CASCADE, related_name="deliveries", verbose_name=_("event")
    )
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False, verbose_name=_("endpoint")
    )
    contact = models.ForeignKey(
        "leads.Contact",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        db_index=False,
        verbose_name=_("contact"),
    )
    state = models.CharField(
        _("state"),
        max_length=10,
        choices=DeliveryState,
        default=DeliveryState.PENDING,
        db_default=DeliveryState.PENDING,
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, db_default=0)
    due_at = models.DateTimeField(_("next attempt"), default=timezone.now, db_default=Now())
    lease = models.UUIDField(_("lease"), null=True, editable=False)
    leased_until = models.DateTimeField(_("leased until"), null=True, editable=False)
    body = models.TextField(_("message"), default="", db_default="", editable=False)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["event", "endpoint"], name="delivery_once")]
        indexes = [
            models.Index("endpoint", "due_at", "id", name="delivery_due", condition=Q(state="pending")),
            models.Index("endpoint", "contact", "id", name="delivery_in_order", condition=Q(state="pending")),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Attempt(models.Model):
    """One time that a delivery was sent: when, how long it took, and what was answered."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="log", verbose_name=_("delivery"))
    at = models.DateTimeField(_("time"), default=timezone.now)
    milliseconds = models.PositiveIntegerField(_("milliseconds"))
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    failure = models.CharField(_("failure"), max_length=20, blank=True)
    answer = models.CharField(_("answer"), max_length=LONGEST_ANSWER, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.pk)
