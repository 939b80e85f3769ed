"""What the verification finds, each with a sentence that names the row."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from distribution.proof.balance import LedgerFlaw
from distribution.proof.replay import Flaw


@dataclass(frozen=True)
class WrongDecision:
    """A decision that contradicts itself, the rules or the ledger."""

    decision_id: int
    flaw: Flaw

    def __str__(self) -> str:
        return _("Decision %(id)s: %(flaw)s.") % {"id": self.decision_id, "flaw": self.flaw.label}


@dataclass(frozen=True)
class WrongCount:
    """A source whose count of draws does not follow from its decisions."""

    source_id: int

    def __str__(self) -> str:
        return _("Source %(source_id)s: the count of its draws does not follow from its decisions.") % vars(self)


@dataclass(frozen=True)
class WrongEntry:
    """A row of a ledger that does not follow from the one before, or that no decision explains."""

    operator_id: int
    number: int
    flaw: LedgerFlaw

    def __str__(self) -> str:
        row = {"operator_id": self.operator_id, "number": self.number, "flaw": self.flaw.label}
        return _("Ledger of operator %(operator_id)s, row %(number)s: %(flaw)s.") % row


@dataclass(frozen=True)
class WrongEnd:
    """An operator whose load, limit or length of the ledger is not that of the ledger's last row."""

    operator_id: int

    def __str__(self) -> str:
        return _(
            "Operator %(operator_id)s: the load, the limit or the length of the ledger is not what its last row says."
        ) % vars(self)


@dataclass(frozen=True)
class WrongLimits:
    """An operator whose limits in the ledger are not those in the history of settings."""

    operator_id: int

    def __str__(self) -> str:
        return _("Operator %(operator_id)s: the limits in the ledger are not those in the history of settings.") % vars(
            self
        )


@dataclass(frozen=True)
class WrongContact:
    """A contact that is active with an operator whose ledger does not count it, or counted by one it is not with."""

    contact_id: int

    def __str__(self) -> str:
        return _("Contact %(contact_id)s: it is not with the operator whose ledger counts it.") % vars(self)


@dataclass(frozen=True)
class WrongSetting:
    """A setting of an operator or a source, or a weight of both, that is not what it was last set to."""

    setting: str
    operator_id: int | None = None
    source_id: int | None = None

    def __str__(self) -> str:
        if self.source_id is None:
            sentence = _("Operator %(operator_id)s: “%(setting)s” is not what the history says.")
        elif self.operator_id is None:
            sentence = _("Source %(source_id)s: “%(setting)s” is not what the history says.")
        else:
            sentence = _("Operator %(operator_id)s on source %(source_id)s: the weight is not what the history says.")
        return sentence % vars(self)


type Finding = WrongDecision | WrongCount | WrongEntry | WrongEnd | WrongLimits | WrongContact | WrongSetting
