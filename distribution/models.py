"""What is written beside every change, and never changed afterwards: decisions, the ledger of loads, settings.

And bulk runs, which are not kept: what is to be done to many rows, and what became of each so far.
"""

from typing import Any, NoReturn

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from crm_project.access.acting import LONGEST_REASON
from crm_project.webhooks.models import EventKind


class AppendOnly(models.Model):
    """A row that is stored once; only pruning removes it."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new row. Raises TypeError for one that is stored."""
        if not self._state.adding:
            raise TypeError("what was recorded stays as it is")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise TypeError."""
        raise TypeError("what was recorded stays until it is pruned")


class Signed(AppendOnly):
    """A record of when something was done, by whom and why."""

    at = models.DateTimeField(_("time"), default=timezone.now)
    actor = models.CharField(_("identity"), max_length=150, blank=True)
    actor_name = models.CharField(_("by"), max_length=150, blank=True)
    reason = models.CharField(_("reason"), max_length=LONGEST_REASON, blank=True)

    class Meta:
        abstract = True


class RosterVersion(AppendOnly):
    """A long list of operators as it stood once; decisions near it store only what differs."""

    source = models.ForeignKey("leads.Source", on_delete=models.CASCADE, related_name="+", verbose_name=_("source"))
    roster: Any = models.JSONField(_("operators"))

    class Meta:
        verbose_name = _("list of operators")
        verbose_name_plural = _("lists of operators")

    def __str__(self) -> str:
        return str(self.pk)


class Trigger(models.TextChoices):
    """What set a decision off."""

    ARRIVAL = "arrival", pgettext_lazy("trigger of a decision", "arrival")
    DRAIN = "drain", pgettext_lazy("trigger of a decision", "drain of the queue")
    REASSIGNMENT = "reassignment", pgettext_lazy("trigger of a decision", "reassignment")
    BULK = "bulk", pgettext_lazy("trigger of a decision", "bulk run")
    REOPENING = "reopening", pgettext_lazy("trigger of a decision", "reopening")


class Kind(models.TextChoices):
    """Who chose: the strategy of the source, or somebody by hand."""

    DRAW = "draw", pgettext_lazy("kind of a decision", "draw")
    BY_HAND = "by_hand", pgettext_lazy("kind of a decision", "by hand")


class Decision(Signed):
    """One attempt to assign a contact, failures included.

    `details` is written and read by `distribution.records`. With a winner, `ledger_number` names the row of the
    winner's ledger that counts the contact.
    """

    contact = models.ForeignKey(
        "leads.Contact", on_delete=models.PROTECT, related_name="decisions", verbose_name=_("contact")
    )
    source = models.ForeignKey(
        "leads.Source", on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("source")
    )
    trigger = models.CharField(_("set off by"), max_length=20, choices=Trigger)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    strategy = models.CharField(_("strategy"), max_length=32, blank=True)
    operator = models.ForeignKey(
        "operators.Operator",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        db_index=False,
        verbose_name=_("operator"),
    )
    ledger_number = models.PositiveBigIntegerField(_("number in the ledger"), null=True)
    roster = models.ForeignKey(
        RosterVersion, on_delete=models.PROTECT, related_name="+", null=True, verbose_name=_("list of operators")
    )
    details: Any = models.JSONField(_("details"), default=dict)

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        ordering = ["-id"]
        indexes = [models.Index("source", "at", name="decision_of_source")]
        constraints = [
            models.UniqueConstraint(
                "operator", "ledger_number", name="decision_once_in_ledger", condition=Q(operator__isnull=False)
            ),
            models.CheckConstraint(
                name="decision_counted_when_won",
                condition=Q(operator__isnull=True, ledger_number__isnull=True)
                | Q(operator__isnull=False, ledger_number__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class LoadChange(AppendOnly):
    """A row of an operator's ledger: the load and the limit after one change, numbered under the operator's lock."""

    class Cause(models.TextChoices):
        """Why the load or the limit changed."""

        GIVEN = "given", pgettext_lazy("cause in the ledger", "a contact came")
        CLOSED = "closed", pgettext_lazy("cause in the ledger", "a contact was closed")
        LEFT = "left", pgettext_lazy("cause in the ledger", "a contact left")
        LIMIT = "limit", pgettext_lazy("cause in the ledger", "the limit was set")
        COUNTED = "counted", pgettext_lazy("cause in the ledger", "the load was counted anew")

    operator = models.ForeignKey(
        "operators.Operator",
        on_delete=models.CASCADE,
        related_name="ledger",
        db_index=False,
        verbose_name=_("operator"),
    )
    number = models.PositiveBigIntegerField(_("number"))
    at = models.DateTimeField(_("time"), default=timezone.now)
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    load = models.PositiveIntegerField(_("load"))
    max_load = models.PositiveIntegerField(_("limit"))
    contact = models.ForeignKey(
        "leads.Contact", on_delete=models.PROTECT, related_name="+", null=True, verbose_name=_("contact")
    )

    class Meta:
        verbose_name = _("change of a load")
        verbose_name_plural = _("changes of loads")
        ordering = ["operator_id", "number"]
        constraints = [models.UniqueConstraint("operator", "number", name="ledger_numbered_once")]

    def __str__(self) -> str:
        return f"{self.operator_id}: {self.number}"


class Event(AppendOnly):
    """Something that others are told of, stored in the transaction that makes it true.

    `sequence` numbers the events of a contact from 1. An operator who was deleted stays named by number.
    `transaction_id` is that of PostgreSQL, which the database fills in, and 0 on SQLite: in its order, what commits
    late is not passed by.
    """

    at = models.DateTimeField(_("time"), default=timezone.now)
    kind = models.CharField(_("event"), max_length=20, choices=EventKind)
    contact = models.ForeignKey(
        "leads.Contact",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        db_index=False,
        verbose_name=_("contact"),
    )
    source = models.ForeignKey(
        "leads.Source",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        db_index=False,
        verbose_name=_("source"),
    )
    operator = models.ForeignKey(
        "operators.Operator",
        on_delete=models.DO_NOTHING,
        related_name="+",
        null=True,
        db_index=False,
        db_constraint=False,
        verbose_name=_("operator"),
    )
    previous_operator = models.ForeignKey(
        "operators.Operator",
        on_delete=models.DO_NOTHING,
        related_name="+",
        null=True,
        db_index=False,
        db_constraint=False,
        verbose_name=_("previous operator"),
    )
    sequence = models.PositiveIntegerField(_("number among the events of the contact"), null=True)
    transaction_id = models.BigIntegerField(_("transaction"), db_default=0, editable=False)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint("contact", "sequence", name="event_numbered_once")]
        indexes = [models.Index("transaction_id", "id", name="event_in_order")]

    def __str__(self) -> str:
        return f"{self.pk}: {self.kind}"


class SettingChange(Signed):
    """One setting of an operator, of a source, or a weight, from what to what.

    Operators and sources are named by number alone: what was set remains known when they are deleted.
    """

    operator_id = models.PositiveBigIntegerField(_("operator"), null=True)
    source_id = models.PositiveBigIntegerField(_("source"), null=True)
    setting = models.CharField(_("setting"), max_length=40)
    before: Any = models.JSONField(_("before"), null=True)
    after: Any = models.JSONField(_("after"), null=True)

    class Meta:
        verbose_name = _("change of a setting")
        verbose_name_plural = _("history of settings")
        ordering = ["-id"]
        indexes = [
            models.Index("operator_id", "setting", "id", name="setting_of_operator"),
            models.Index("source_id", "setting", "id", name="setting_of_source"),
        ]

    def __str__(self) -> str:
        return f"{self.setting}: {self.before} → {self.after}"


class DrawCount(models.Model):
    """What a strategy that counts has given on a source since its candidates last changed."""

    source = models.OneToOneField(
        "leads.Source", on_delete=models.CASCADE, primary_key=True, related_name="+", verbose_name=_("source")
    )
    weights: Any = models.JSONField(_("weights"))
    given: Any = models.JSONField(_("given"))

    class Meta:
        verbose_name = _("count of draws")
        verbose_name_plural = _("counts of draws")

    def __str__(self) -> str:
        return str(self.source_id)


class Checkpoint(AppendOnly):
    """Where an operator's ledger begins after pruning: the load and the limit after its last row that was pruned."""

    operator = models.OneToOneField(
        "operators.Operator", on_delete=models.CASCADE, related_name="+", verbose_name=_("operator")
    )
    number = models.PositiveBigIntegerField(_("number"))
    load = models.PositiveIntegerField(_("load"))
    max_load = models.PositiveIntegerField(_("limit"))
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("checkpoint of a ledger")
        verbose_name_plural = _("checkpoints of ledgers")

    def __str__(self) -> str:
        return f"{self.operator_id}: {self.number}"


class BulkRun(models.Model):
    """One thing that somebody does to many rows, in steps that their page asks for.

    `receiver_id` is the operator who gets the contacts, `contacts` what becomes of those of whatever is deactivated:
    a work of `distribution.runs`, or nothing.
    """

    work = models.CharField(max_length=40)
    receiver_id = models.PositiveBigIntegerField(null=True)
    contacts = models.CharField(max_length=40, blank=True)
    identity = models.CharField(max_length=150)
    reason = models.CharField(_("reason"), max_length=LONGEST_REASON, blank=True)
    began_at = models.DateTimeField(_("begun"), default=timezone.now)

    class Meta:
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.pk)


class BulkRow(models.Model):
    """One row of a bulk run: the work, the id of the row, who had it when it was chosen; and what became of it."""

    class Outcome(models.TextChoices):
        """What became of a row."""

        TO_DO = "", pgettext_lazy("outcome of a bulk action", "to do")
        CHANGED = "changed", pgettext_lazy("outcome of a bulk action", "done")
        UNCHANGED = "unchanged", pgettext_lazy("outcome of a bulk action", "was so already")
        SKIPPED = "skipped", pgettext_lazy("outcome of a bulk action", "changed by others meanwhile")
        REFUSED = "refused", pgettext_lazy("outcome of a bulk action", "refused")

    run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, related_name="rows", db_index=False)
    work = models.CharField(max_length=40)
    target_id = models.PositiveBigIntegerField()
    had_by_id = models.PositiveBigIntegerField(null=True)
    taken_up_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True, default=Outcome.TO_DO)
    receiver_id = models.PositiveBigIntegerField(null=True)
    explanation = models.CharField(max_length=LONGEST_REASON, blank=True)

    class Meta:
        verbose_name = _("row of a bulk action")
        verbose_name_plural = _("rows of bulk actions")
        ordering = ["id"]
        indexes = [models.Index("run", "outcome", "id", name="bulk_row_to_do")]
        constraints = [models.UniqueConstraint("run", "work", "target_id", name="bulk_row_once")]

    def __str__(self) -> str:
        return f"{self.work} {self.target_id}: {self.outcome}"
