"""What travels between the browser and the matrix of weights: what the page was made from, and what was typed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from distribution.errors import WeightsChanged
from distribution.selectors import Cell, Cells, weights_of_each
from operators.models import HIGHEST_WEIGHT

SALT = "matrix of weights"
MINE, THEIRS = "mine", "theirs"


@dataclass(frozen=True)
class Sheet:
    """The weights that a page was made from; it travels through the browser signed.

    `asked` are the cells that somebody else has changed meanwhile, with what the user had seen before that.
    """

    source_ids: Sequence[int]
    operator_ids: Sequence[int]
    weights: Mapping[Cell, int]
    asked: Cells = field(default_factory=dict)

    @classmethod
    def as_stored(cls, source_ids: Sequence[int], operator_ids: Sequence[int]) -> "Sheet":
        """Return the sheet of these sources and operators as the database has it now."""
        return cls(source_ids, operator_ids, weights_of_each(source_ids, operator_ids))

    @classmethod
    def of_page(cls, text: str) -> "Sheet":
        """Return what `signed` returned. Raises WeightsChanged for any other text."""
        try:
            source_ids, operator_ids, weights, asked = signing.loads(text, salt=SALT)
        except signing.BadSignature as error:
            raise WeightsChanged from error
        return cls(source_ids, operator_ids, _cells(weights), _cells(asked))

    def signed(self) -> str:
        """Return the sheet as a text that cannot be altered unnoticed."""
        cells = [[[*cell, weight] for cell, weight in some.items()] for some in (self.weights, self.asked)]
        return signing.dumps([self.source_ids, self.operator_ids, *cells], salt=SALT, compress=True)

    def cells(self) -> list[Cell]:
        """Return every cell, row by row."""
        return [Cell(source, operator) for operator in self.operator_ids for source in self.source_ids]


@dataclass
class Typed:
    """What the user typed into a sheet: the texts, the weights that they come to, what is wrong, whose it shall be."""

    texts: dict[Cell, str] = field(default_factory=dict)
    wanted: dict[Cell, int | None] = field(default_factory=dict)
    errors: dict[Cell, str] = field(default_factory=dict)
    undecided: set[Cell] = field(default_factory=set)
    choices: dict[Cell, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """Reads a form; `may` says which of add, change and delete the user may do to a weight."""

    sheet: Sheet
    form: Mapping[str, Any]
    may: Callable[[str], bool]

    def typed(self) -> Typed:
        """Return what the user typed."""
        typed = Typed()
        for cell in self.sheet.cells():
            self._read(cell, typed)
        return typed

    def _read(self, cell: Cell, typed: Typed) -> None:
        choice = self.form.get(name_of("choice", cell))
        text = self.form.get(name_of("weight", cell))
        if text is None:
            return
        if cell in self.sheet.asked and choice in (MINE, THEIRS):
            typed.choices[cell] = choice
        if typed.choices.get(cell) == THEIRS:
            typed.texts[cell] = text
            return
        seen = self.sheet.weights.get(cell)
        try:
            weight = as_weight(text)
        except ValidationError as error:
            typed.texts[cell], typed.errors[cell] = text, error.messages[0]
            return
        if cell in self.sheet.asked and choice != MINE:
            typed.texts[cell] = text
            typed.undecided.add(cell)
        elif weight != seen:
            typed.texts[cell], typed.wanted[cell] = text, weight
            if not self.may(kind_of_change(seen, weight)):
                typed.errors[cell] = _("You may not do this to a weight.")


def name_of(what: str, cell: Cell) -> str:
    """Return the name of the field of a cell."""
    return f"{what}-{cell.source_id}-{cell.operator_id}"


def as_weight(text: str) -> int | None:
    """Return the weight that was typed, None for nothing. Raises ValidationError."""
    return forms.IntegerField(min_value=0, max_value=HIGHEST_WEIGHT, required=False).clean(text)


def kind_of_change(before: int | None, after: int | None) -> str:
    """Return what is done to a weight: add, change or delete."""
    if before is None:
        return "add"
    return "delete" if after is None else "change"


def _cells(rows: Sequence[Sequence[Any]]) -> dict[Cell, Any]:
    return {Cell(source, operator): weight for source, operator, weight in rows}
