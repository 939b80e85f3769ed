"""API clients, their keys, and the answers kept for retries."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

KEYS_OF_A_CLIENT = 2


class ApiClient(models.Model):
    """A bot or another program that calls the API; its rights stay while its keys change."""

    name = models.CharField(pgettext_lazy("of an API client", "name"), max_length=100, unique=True)
    may_register = models.BooleanField(
        _("may register"),
        default=False,
        help_text=_("Scope register: registers contacts, and reads and closes those of its sources."),
    )
    may_read = models.BooleanField(_("may read"), default=False, help_text=_("Scope read: reads everything."))
    may_manage = models.BooleanField(
        _("may manage"),
        default=False,
        help_text=_("Scope manage: reads, reassigns and closes contacts, changes operators, sources and weights."),
    )
    all_sources = models.BooleanField(
        _("all sources"), default=False, help_text=_("When off, only the sources chosen below exist for it.")
    )
    sources = models.ManyToManyField(
        "leads.Source",
        blank=True,
        related_name="+",
        verbose_name=_("sources"),
        help_text=_("What it sees and works on."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("API client")
        verbose_name_plural = _("API clients")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="client_has_a_name"),
            models.CheckConstraint(
                condition=Q(may_register=True) | Q(may_read=True) | Q(may_manage=True),
                name="client_may_something",
                violation_error_message=_("Choose at least one thing that it may do."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Keys by whether they open anything."""

    def valid(self) -> "ApiKeyQuerySet":
        """Return those neither revoked nor expired."""
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()), revoked_at__isnull=True)


class ApiKey(models.Model):
    """One secret of a client, of which only a hash is kept.

    A client has two places for keys, so that a new one can be in use everywhere before the old one is revoked.
    """

    client = models.ForeignKey(
        ApiClient, on_delete=models.CASCADE, related_name="keys", verbose_name=_("API client"), db_index=False
    )
    place = models.PositiveSmallIntegerField(_("place"), editable=False)
    prefix = models.CharField(
        _("prefix"),
        max_length=8,
        unique=True,
        editable=False,
        help_text=_("The readable beginning, to tell keys apart."),
    )
    digest = models.CharField(_("hash"), max_length=64, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "place"], condition=Q(revoked_at__isnull=True), name="key_place_of_client"
            ),
            models.CheckConstraint(condition=Q(place__gte=1, place__lte=KEYS_OF_A_CLIENT), name="key_place_range"),
        ]
        indexes = [models.Index("client", name="key_client")]

    def __str__(self) -> str:
        return f"crm_{self.prefix}_…"

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= timezone.now()


class KeptAnswer(models.Model):
    """The first answer to a call with an Idempotency-Key, given again when the call is repeated."""

    caller = models.CharField(_("caller"), max_length=64)
    key = models.CharField(_("key"), max_length=255)
    fingerprint = models.CharField(
        _("fingerprint"), max_length=64, help_text=_("Of the method, the path and the body.")
    )
    status = models.PositiveSmallIntegerField(_("status"))
    body = models.TextField(_("body"))
    etag = models.CharField(
        _("tag"), max_length=64, default="", db_default="", help_text=_("The ETag of the answer, if it had one.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("kept answer")
        verbose_name_plural = _("kept answers")
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="kept_answer_once_per_caller_and_key")]
        indexes = [models.Index("created_at", name="kept_answer_age")]

    def __str__(self) -> str:
        return f"{self.caller}: {self.key}"
