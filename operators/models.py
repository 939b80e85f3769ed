"""Who takes contacts, and how large a part of each source."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from operators.fields import LoadField

DEFAULT_LIMIT = 10
HIGHEST_LIMIT = 10_000
HIGHEST_WEIGHT = 1_000_000


class Operator(models.Model):
    """Somebody who takes contacts, up to a limit."""

    name = models.CharField(_("name"), max_length=200)
    external_id = models.CharField(
        _("external id"),
        max_length=255,
        unique=True,
        null=True,
        blank=True,
        help_text=_("Their id in another system, returned by the API beside ours."),
    )
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("When off, the operator keeps their contacts and gets no new ones.")
    )
    is_paused = models.BooleanField(
        _("paused"),
        default=False,
        db_default=False,
        help_text=_("The operator's own switch, for a break: they keep their contacts and get no new ones."),
    )
    max_load = models.PositiveIntegerField(
        _("limit"),
        default=DEFAULT_LIMIT,
        validators=[MinValueValidator(0), MaxValueValidator(HIGHEST_LIMIT)],
        help_text=_("The highest number of active contacts at a time, 0 to 10,000. Lowering it takes nothing away."),
    )
    load = LoadField(
        _("load"), default=0, db_default=0, editable=False, help_text=_("How many contacts are active now.")
    )
    ledger_length = LoadField(
        _("length of the ledger"),
        default=0,
        db_default=0,
        editable=False,
        help_text=_("How often the load or the limit has changed."),
    )
    limit_set_at = models.DateTimeField(
        _("limit set"), default=timezone.now, editable=False, help_text=_("When the limit got its present value.")
    )
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="operator",
        verbose_name=_("account"),
        help_text=_("With whom the operator logs in, to see the page of their own contacts."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("operator")
        verbose_name_plural = _("operators")
        permissions = [("work_as_operator", gettext_noop("Can work on their own contacts"))]
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(max_load__gte=0, max_load__lte=HIGHEST_LIMIT), name="operator_limit"),
            models.CheckConstraint(condition=Q(load__gte=0), name="operator_load_not_negative"),
            models.CheckConstraint(condition=~Q(name=""), name="operator_has_a_name"),
            models.CheckConstraint(
                condition=Q(external_id__isnull=True) | ~Q(external_id=""), name="operator_external_id_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def takes_contacts(self) -> bool:
        """Whether they are active and not paused, as they were read."""
        return self.is_active and not self.is_paused

    @property
    def has_room(self) -> bool:
        """Whether the load, as it was read, is below the limit."""
        return self.load < self.max_load


class Weight(models.Model):
    """The weight of one operator on one source."""

    source = models.ForeignKey(
        "leads.Source", on_delete=models.CASCADE, related_name="weights", verbose_name=_("source"), db_index=False
    )
    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="weights", verbose_name=_("operator"))
    weight = models.PositiveIntegerField(
        _("weight"),
        validators=[MinValueValidator(0), MaxValueValidator(HIGHEST_WEIGHT)],
        help_text=_("A whole number, 0 to 1,000,000. The share is weight / sum of weights; 0 draws nothing."),
    )

    class Meta:
        verbose_name = _("weight")
        verbose_name_plural = _("weights")
        ordering = ["source_id", "operator_id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "operator"], name="weight_once_per_source_and_operator"),
            models.CheckConstraint(condition=Q(weight__gte=0, weight__lte=HIGHEST_WEIGHT), name="weight_range"),
        ]

    def __str__(self) -> str:
        return f"{self.operator} – {self.source}: {self.weight}"
