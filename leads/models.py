"""Who wrote, from where, and what became of it."""

from typing import Any

from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from leads.identity import EndOfPhone
from leads.links import chat_link, validate_link_template

DEFAULT_STRATEGY = "weighted_random"
ERASED = "erased"  # the external id of those whose data was erased


class IdentityKind(models.TextChoices):
    """By what a lead is known."""

    EXTERNAL_ID = "external_id", pgettext_lazy("kind of an identity", "id in the bot, as it is")
    PHONE = "phone", pgettext_lazy("kind of an identity", "phone")
    EMAIL = "email", pgettext_lazy("kind of an identity", "e-mail")


class Source(models.Model):
    """A bot or channel that leads write from."""

    name = models.CharField(pgettext_lazy("of a source", "name"), max_length=200)
    code = models.CharField(
        _("code"), max_length=100, unique=True, help_text=_("The word by which a bot names this source.")
    )
    is_active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("When off, new contacts are refused and the queue rests, keeping its age."),
    )
    reuse_open_contact = models.BooleanField(
        _("reuse the open contact"),
        default=False,
        help_text=_("A lead whose contact on this source is still open gets that one back instead of a second."),
    )
    strategy = models.CharField(
        _("strategy"),
        max_length=32,
        default=DEFAULT_STRATEGY,
        db_default=DEFAULT_STRATEGY,
        help_text=_("How an operator is chosen among those available."),
    )
    prefer_same_operator = models.BooleanField(
        _("prefer the same operator"),
        default=False,
        db_default=False,
        help_text=_("A lead who wrote before goes back to the operator of their last contact, if available."),
    )
    identified_by = models.CharField(
        _("identified by"),
        max_length=20,
        choices=IdentityKind,
        default=IdentityKind.EXTERNAL_ID,
        db_default=IdentityKind.EXTERNAL_ID,
        help_text=_(
            "What the external ids of this source are. Phones and e-mails are the same lead however they are written."
        ),
    )
    link_template = models.CharField(
        _("link to the chat"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        validators=[validate_link_template],
        help_text=_(
            "Opens the chat with a lead: https://t.me/{external_id} or tg://resolve?domain={external_id}, say."
        ),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="source_has_a_name"),
            models.CheckConstraint(condition=~Q(code=""), name="source_has_a_code"),
            models.CheckConstraint(condition=~Q(strategy=""), name="source_has_a_strategy"),
            models.CheckConstraint(
                condition=Q(identified_by__in=IdentityKind.values), name="source_identified_by_a_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Lead(models.Model):
    """A person or company, across all sources; `external_id` is the first by which they were known."""

    external_id = models.CharField(
        _("external id"),
        max_length=255,
        validators=[MinLengthValidator(1)],
        help_text=_("A phone, an e-mail, or the id in the bot."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    erased_at = models.DateTimeField(_("erased"), null=True, editable=False)
    erased_by = models.CharField(_("by"), max_length=150, blank=True, default="", db_default="", editable=False)

    class Meta:
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        ordering = ["-id"]
        indexes = [models.Index("created_at", "id", name="lead_created")]
        constraints = [models.CheckConstraint(condition=~Q(external_id=""), name="lead_has_an_external_id")]

    def __str__(self) -> str:
        return self.external_id


class Identity(models.Model):
    """Something by which a lead is known; they have several when leads were merged."""

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="identities", verbose_name=_("lead"))
    kind = models.CharField(_("kind"), max_length=20, choices=IdentityKind)
    value = models.CharField(_("value"), max_length=255)

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["value", "kind"], name="identity_of_one_lead"),
            models.CheckConstraint(condition=~Q(value=""), name="identity_has_a_value"),
            models.CheckConstraint(condition=Q(kind__in=IdentityKind.values), name="identity_of_a_kind"),
        ]

    def __str__(self) -> str:
        return self.value


class Merge(models.Model):
    """Two leads that turned out to be one: `lead_id` is the one that is gone, and what came from it.

    Leads are named by number alone: the survivor may be merged in turn. Nothing here tells who the lead was, so that
    it may stay when their data is erased.
    """

    survivor_id = models.PositiveBigIntegerField(_("survivor"), db_index=True)
    lead_id = models.PositiveBigIntegerField(_("merged lead"), db_index=True)
    lead_created_at = models.DateTimeField(_("created"))
    identities: Any = models.JSONField(_("identities"))
    contacts: Any = models.JSONField(_("contacts"))
    newest_contact_id = models.PositiveBigIntegerField(_("newest contact at that time"))
    contact_count = models.PositiveBigIntegerField(_("number of contacts at that time"))
    at = models.DateTimeField(_("time"), default=timezone.now)
    actor_name = models.CharField(_("by"), max_length=150, blank=True)
    undone_at = models.DateTimeField(_("undone"), null=True)

    class Meta:
        verbose_name = _("merge of leads")
        verbose_name_plural = _("merges of leads")
        ordering = ["-id"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.lead_id} → {self.survivor_id}"


class ContactStatus(models.TextChoices):
    """The life of a contact."""

    WAITING = "waiting", pgettext_lazy("status of a contact", "waiting")
    ACTIVE = "active", pgettext_lazy("status of a contact", "active")
    CLOSED = "closed", pgettext_lazy("status of a contact", "closed")


class ContactQuerySet(models.QuerySet["Contact"]):
    """Contacts by their place in the work."""

    def waiting(self) -> "ContactQuerySet":
        """Return those without an operator."""
        return self.filter(status=ContactStatus.WAITING)

    def active(self) -> "ContactQuerySet":
        """Return those that count as load."""
        return self.filter(status=ContactStatus.ACTIVE)

    def open(self) -> "ContactQuerySet":
        """Return those not closed."""
        return self.filter(status__in=[ContactStatus.WAITING, ContactStatus.ACTIVE])

    def oldest_first(self) -> "ContactQuerySet":
        """Return them in the order of the queue: by age, and by id within the same instant."""
        return self.order_by("created_at", "id")


class Contact(models.Model):
    """One appeal of a lead from a source; it may be made of many messages."""

    lead = models.ForeignKey(
        Lead, on_delete=models.PROTECT, related_name="contacts", verbose_name=_("lead"), db_index=False
    )
    source = models.ForeignKey(
        Source, on_delete=models.PROTECT, related_name="contacts", verbose_name=_("source"), db_index=False
    )
    operator = models.ForeignKey(
        "operators.Operator",
        on_delete=models.PROTECT,
        related_name="contacts",
        verbose_name=_("operator"),
        null=True,
        blank=True,
        db_index=False,
    )
    status = models.CharField(
        _("status"), max_length=10, choices=ContactStatus, default=ContactStatus.WAITING, editable=False
    )
    external_id = models.CharField(
        _("external id"), max_length=255, help_text=_("The lead's id as this source sent it.")
    )
    name = models.CharField(_("name"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=100, blank=True)
    email = models.CharField(_("e-mail"), max_length=254, blank=True)
    text = models.TextField(_("text"), blank=True)
    data: Any = models.JSONField(_("data"), default=dict, blank=True)
    created_at = models.DateTimeField(
        _("created"),
        default=timezone.now,
        editable=False,
        help_text=_("The contact's age in the queue counts from here."),
    )
    assigned_at = models.DateTimeField(_("assigned"), null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    sequence = models.PositiveIntegerField(
        _("number of events"), default=0, db_default=0, editable=False, help_text=_("How often it has changed hands.")
    )

    objects = ContactQuerySet.as_manager()

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        ordering = ["-id"]
        indexes = [
            models.Index("source", "created_at", "id", name="contact_queue", condition=Q(status="waiting")),
            models.Index("operator", name="contact_load", condition=Q(status="active")),
            models.Index(EndOfPhone("phone"), name="contact_phone", condition=~Q(phone="")),
            models.Index(Lower("email"), name="contact_email", condition=~Q(email="")),
            # What a list by one filter is read by, in each order; a page's keys come out of them alone.
            models.Index("lead", "id", name="contact_lead"),
            models.Index("source", "id", name="contact_source"),
            models.Index("source", "created_at", "id", "operator", name="contact_source_created"),
            models.Index("operator", "id", name="contact_operator"),
            models.Index("operator", "created_at", "id", name="contact_operator_created"),
            models.Index("status", "id", name="contact_status"),
            models.Index("status", "created_at", "id", name="contact_status_created"),
            models.Index("external_id", "id", name="contact_external_id"),
            models.Index("created_at", "id", name="contact_created"),
        ]
        constraints = [
            models.CheckConstraint(
                name="contact_status_and_operator_agree",
                condition=(
                    Q(status="waiting", operator__isnull=True, assigned_at__isnull=True, closed_at__isnull=True)
                    | Q(status="active", operator__isnull=False, assigned_at__isnull=False, closed_at__isnull=True)
                    | Q(status="closed", operator__isnull=True, assigned_at__isnull=True, closed_at__isnull=False)
                    | Q(status="closed", operator__isnull=False, assigned_at__isnull=False, closed_at__isnull=False)
                ),
            ),
            models.CheckConstraint(condition=~Q(external_id=""), name="contact_has_an_external_id"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.external_id}"

    @property
    def is_waiting(self) -> bool:
        """Whether no operator has it yet."""
        return self.status == ContactStatus.WAITING

    @property
    def chat_link(self) -> str | None:
        """The address of the chat with the lead, if the source, read with the contact, has a template for it."""
        if self.external_id == ERASED:
            return None
        return chat_link(self.source.link_template, self.external_id)

    @property
    def is_closed(self) -> bool:
        """Whether the work on it is over."""
        return self.status == ContactStatus.CLOSED


ROW_OF_A_TABLE = r"^import:[0-9a-f]{20}:[0-9]+$"


def event_id_of_row(table: str, number: int) -> str:
    """Return the event id of a row of an imported table, twenty hexadecimal digits.

    It stays when a lead is erased: without the table it tells of nobody.
    """
    return f"import:{table}:{number}"


class SourceEvent(models.Model):
    """What a source sent, by an id of its own (that of a Telegram update, say), and the contact it belongs to."""

    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, related_name="+", verbose_name=_("source"), db_index=False
    )
    event_id = models.CharField(_("event id"), max_length=255)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="events", verbose_name=_("contact"))

    class Meta:
        verbose_name = _("event of a source")
        verbose_name_plural = _("events of sources")
        constraints = [
            models.UniqueConstraint(fields=["source", "event_id"], name="event_once_per_source"),
            models.CheckConstraint(condition=~Q(event_id=""), name="event_has_an_id"),
        ]

    def __str__(self) -> str:
        return self.event_id
