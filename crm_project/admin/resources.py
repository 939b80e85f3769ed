"""What a file says of operators, sources and weights: columns, checks and the services that store each row."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.widgets import Widget

from crm_project.admin.outcome import EXPLAINED, explanation
from crm_project.admin.spreadsheets import EXCEL_DELIMITER, EXCEL_MARK
from crm_project.cells import harmless
from crm_project.exports import Column, Table
from distribution import roster
from distribution.history import settings_of
from distribution.selectors import Cell, keys_of_weights
from distribution.strategy import STRATEGIES
from leads.models import IdentityKind, Source
from operators.models import Operator, Weight

LARGEST_ID = 2**63 - 1
YES = {"1", "true", "yes", "да", "истина"}
NO = {"0", "false", "no", "нет", "ложь"}


class TextCell(Widget):
    """A text; an empty cell is none."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> str | None:
        """Return what was written."""
        return value or None


class BlankCell(Widget):
    """A text that may be empty."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> str:
        """Return what was written."""
        return value or ""


class NumberCell(Widget):
    """A whole number."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> int:
        """Return the number. Raises ValueError."""
        number = whole_number(value)
        if number is None:
            raise ValueError(_("Write a whole number."))
        return number

    def render(self, value: Any, obj: Any = None, **options: Any) -> Any:
        """Return the number as it is; nothing for the id of a row that is not stored yet."""
        return "" if value is None else value


class YesNoCell(Widget):
    """Yes or no, in words or as 1 and 0."""

    def clean(self, value: Any, row: Any = None, **options: Any) -> bool:
        """Return whether it is yes. Raises ValueError."""
        if value.lower() in YES | NO:
            return value.lower() in YES
        raise ValueError(_("Write 1 or 0, yes or no."))

    def render(self, value: Any, obj: Any = None, **options: Any) -> int:
        """Return 1 or 0."""
        return int(value)


def column(name: str, widget: Widget, attribute: str = "", *, readonly: bool = False) -> Field:
    """Return a column of the file; one that is `readonly` says which row is meant, or is there to be read."""
    return Field(attribute=attribute or name, column_name=name, widget=widget, readonly=readonly)


def rendered(widget: Widget, value: Any) -> object:
    """Return the cell of a value, which no spreadsheet runs."""
    return harmless(widget.render(value))


class ServiceResource(ModelResource):
    """Rows that are checked all together and stored by services, one by one; the library saves nothing.

    Subclasses say which row of the table a row of the file is, and how it is stored.
    """

    checked_by_us: ClassVar[tuple[str, ...]] = ()

    def import_data(self, dataset: Any, dry_run: bool = False, raise_errors: bool = False, **options: Any) -> Any:
        """Import in no transaction of the library's: each service has its own, and a rehearsal writes nothing."""
        return self.import_data_inner(dataset, dry_run, raise_errors, False, False, **options)

    def before_import(self, dataset: Any, **options: Any) -> None:
        """Check the headings, and read what the file names. Raises ValueError, and what the database raises."""
        self._named: set[object] = set()
        try:
            check_headers(dataset.headers, [field.column_name for field in self.get_import_fields()])
            self.read(rows_of(dataset))
        except Exception:
            del dataset[:]  # else the library would go on with the rows, of which nothing was read
            raise

    def read(self, rows: list[Mapping[str, str]]) -> None:
        """Read, in a few statements, what the rows name. Raises ValueError when a column is missing."""
        raise NotImplementedError

    def meant(self, row: Mapping[str, str]) -> tuple[Any, bool]:
        """Return the row of the table that the row of the file means, and whether it is new. Raises ValidationError."""
        raise NotImplementedError

    def store(self, instance: Any, changes: dict[str, Any], *, new: bool) -> None:
        """Store the row by a service. Raises Refusal."""
        raise NotImplementedError

    def get_or_init_instance(self, instance_loader: Any, row: Mapping[str, str]) -> tuple[Any, bool]:
        """Return what `meant` returns; each row may stand in the file once."""
        instance, new = self.meant(row)
        self._before = {} if new else self.values_of(instance)
        return instance, new

    def skip_row(self, instance: Any, original: Any, row: Any, import_validation_errors: Any = None) -> bool:
        """Return whether the row says nothing new."""
        return not instance._state.adding and super().skip_row(instance, original, row, import_validation_errors)

    def check_once(self, key: object) -> None:
        """Raise ValidationError for a key that stood in the file before."""
        if key in self._named:
            raise ValidationError(_("This stands in the file twice."))
        self._named.add(key)

    def values_of(self, instance: Any) -> dict[str, Any]:
        """Return the settings of a row."""
        return settings_of(instance)

    def validate_instance(
        self, instance: Any, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        """Check the fields as a form would, in no statement of its own. Raises ValidationError."""
        errors: dict[str, Any] = dict(import_validation_errors or {})
        try:
            instance.clean_fields(exclude=[*errors, *self.checked_by_us])
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)
        self.check(instance)

    def check(self, instance: Any) -> None:
        """Check what the fields alone do not show. Raises ValidationError."""

    def save_instance(self, instance: Any, is_create: bool, row: Mapping[str, str], **options: Any) -> None:
        """Store the row by its service, unless this is the rehearsal. Raises ValidationError."""
        if options["dry_run"]:
            return
        values = {name: value for name, value in self.values_of(instance).items() if is_create or name in row}
        changes = {name: value for name, value in values.items() if is_create or value != self._before[name]}
        try:
            self.store(instance, changes, new=is_create)
        except EXPLAINED as error:
            raise ValidationError(explanation(error)) from error

    def after_import(self, dataset: Any, result: Any, **options: Any) -> None:
        """Do nothing: the library would set the sequences of ids, which the services leave in order."""

    def export_resource(self, instance: Any, selected_fields: Any = None, **options: Any) -> list[Any]:
        """Return the cells of a row, none of which a spreadsheet runs."""
        return [harmless(cell) for cell in super().export_resource(instance, selected_fields, **options)]

    def table(self) -> Table:
        """Return the columns of a CSV of any length, with the same cells."""
        columns = [
            Column(field.column_name, field.attribute, partial(rendered, field.widget))
            for field in self.get_export_fields()
        ]
        return Table(columns, EXCEL_DELIMITER, EXCEL_MARK)


class OperatorResource(ServiceResource):
    """Operators, known by our id, else by their external id; without either the row is a new one."""

    id = column("id", NumberCell(), readonly=True)
    external_id = column("external_id", TextCell())
    name = column("name", TextCell())
    is_active = column("is_active", YesNoCell())
    max_load = column("max_load", NumberCell())

    class Meta:
        model = Operator
        fields = ("id", "external_id", "name", "is_active", "max_load")
        skip_unchanged = True
        report_skipped = True

    def read(self, rows: list[Mapping[str, str]]) -> None:
        """Read the operators that the rows name."""
        require(rows, "id", "external_id", "name")
        operators = operators_named(rows, "id", "external_id")
        self._by_id = {operator.pk: operator for operator in operators}
        self._by_external_id = {operator.external_id: operator for operator in operators}
        self._owner_of: dict[str | None, int | None] = {name: one.pk for name, one in self._by_external_id.items()}

    def meant(self, row: Mapping[str, str]) -> tuple[Operator, bool]:
        """Return the operator of the row."""
        number, external_id = row.get("id", ""), row.get("external_id", "")
        if number:
            operator = self._by_id.get(whole_number(number) or 0)
            if operator is None:
                raise ValidationError({"id": _("There is no operator with this id. Leave it empty for a new one.")})
        else:
            operator = self._by_external_id.get(external_id)
        if operator is None:
            return Operator(), True
        self.check_once(operator.pk)
        return operator, False

    def check(self, instance: Operator) -> None:
        """Refuse an external id that somebody else has, or gets by this file."""
        if instance.external_id is None:
            return
        if self._owner_of.setdefault(instance.external_id, instance.pk) != instance.pk:
            raise ValidationError({"external_id": _("Another operator has this external id.")})
        if instance._state.adding:
            self.check_once(instance.external_id)

    def store(self, instance: Operator, changes: dict[str, Any], *, new: bool) -> None:
        """Store the operator."""
        if new:
            instance.pk = roster.create_operator(**changes).pk
        else:
            roster.change_operator(instance.pk, **changes)


class SourceResource(ServiceResource):
    """Sources, known by their code."""

    code = column("code", TextCell(), readonly=True)
    name = column("name", TextCell())
    is_active = column("is_active", YesNoCell())
    strategy = column("strategy", TextCell())
    prefer_same_operator = column("prefer_same_operator", YesNoCell())
    reuse_open_contact = column("reuse_open_contact", YesNoCell())
    identified_by = column("identified_by", TextCell())
    link_template = column("link_template", BlankCell())

    class Meta:
        model = Source
        fields = (
            "code",
            "name",
            "is_active",
            "strategy",
            "prefer_same_operator",
            "reuse_open_contact",
            "identified_by",
            "link_template",
        )
        skip_unchanged = True
        report_skipped = True

    def read(self, rows: list[Mapping[str, str]]) -> None:
        """Read the sources that the rows name."""
        require(rows, "code")
        codes = {row["code"] for row in rows}
        self._by_code = {source.code: source for source in Source.objects.filter(code__in=codes)}

    def meant(self, row: Mapping[str, str]) -> tuple[Source, bool]:
        """Return the source of the row."""
        self.check_once(row["code"])
        source = self._by_code.get(row["code"])
        return (Source(code=row["code"]), True) if source is None else (source, False)

    def check(self, instance: Source) -> None:
        """Refuse a strategy, or a kind of external ids, that there is not."""
        if instance.strategy not in STRATEGIES:
            sentence = _("There is no such strategy. Write one of: %(names)s.")
            raise ValidationError({"strategy": sentence % {"names": ", ".join(STRATEGIES)}})
        if instance.identified_by not in IdentityKind.values:
            sentence = _("External ids are none of that. Write one of: %(names)s.")
            raise ValidationError({"identified_by": sentence % {"names": ", ".join(IdentityKind.values)}})

    def store(self, instance: Source, changes: dict[str, Any], *, new: bool) -> None:
        """Store the source."""
        if new:
            instance.pk = roster.create_source(**changes).pk
        else:
            roster.change_source(instance.pk, **changes)


class WeightResource(ServiceResource):
    """Weights, known by the code of the source with the id or the external id of the operator."""

    source_code = column("source_code", TextCell(), "source__code", readonly=True)
    operator_id = column("operator_id", NumberCell(), readonly=True)
    operator_external_id = column("operator_external_id", TextCell(), "operator__external_id", readonly=True)
    operator_name = column("operator_name", TextCell(), "operator__name", readonly=True)
    weight = column("weight", NumberCell())

    checked_by_us = ("source", "operator")

    class Meta:
        model = Weight
        fields = ("source_code", "operator_id", "operator_external_id", "operator_name", "weight")
        skip_unchanged = True
        report_skipped = True

    def read(self, rows: list[Mapping[str, str]]) -> None:
        """Read the sources, the operators and the weights that the rows name."""
        require(rows, "source_code")
        require(rows, "weight")
        require(rows, "operator_id", "operator_external_id")
        operators = operators_named(rows, "operator_id", "operator_external_id")
        self._sources = {one.code: one for one in Source.objects.filter(code__in={row["source_code"] for row in rows})}
        self._operators: dict[Any, Operator] = {one.pk: one for one in operators}
        self._by_external_id = {one.external_id: one for one in operators}
        weights = Weight.objects.filter(source__in=self._sources.values(), operator__in=operators)
        named = weights.select_related("source", "operator")
        self._new: dict[Cell, Weight] = {}
        self._weights = {(weight.source_id, weight.operator_id): weight for weight in named}

    def meant(self, row: Mapping[str, str]) -> tuple[Weight, bool]:
        """Return the weight of the row."""
        source, operator = self._sources.get(row["source_code"]), self._operator(row)
        if source is None:
            raise ValidationError({"source_code": _("There is no source with this code.")})
        if operator is None:
            raise ValidationError({"operator_id": _("There is no such operator.")})
        self.check_once((source.pk, operator.pk))
        weight = self._weights.get((source.pk, operator.pk))
        return (Weight(source=source, operator=operator), True) if weight is None else (weight, False)

    def _operator(self, row: Mapping[str, str]) -> Operator | None:
        if number := row.get("operator_id", ""):
            return self._operators.get(whole_number(number))
        return self._by_external_id.get(row.get("operator_external_id", "") or 0)  # type: ignore[arg-type]

    def values_of(self, instance: Weight) -> dict[str, Any]:
        """Return the weight."""
        return {"weight": instance.weight}

    def store(self, instance: Weight, changes: dict[str, Any], *, new: bool) -> None:
        """Set the weight, unless somebody else has changed it since it was read."""
        cell = Cell(instance.source_id, instance.operator_id)
        roster.change_weights({cell: instance.weight}, {cell: self._before.get("weight")})
        if new:
            self._new[cell] = instance

    def after_import(self, dataset: Any, result: Any, **options: Any) -> None:
        """Give the new weights the keys that they have by now."""
        for cell, key in keys_of_weights(self._new).items():
            self._new[cell].pk = key

    def filter_export(self, queryset: QuerySet[Weight], **options: Any) -> QuerySet[Weight]:
        """Return the weights with the names, and without the shares that the list shows."""
        chosen = Weight.objects.filter(pk__in=queryset.order_by().values("pk"))
        return chosen.select_related("source", "operator").order_by("source_id", "operator_id")


def check_headers(headers: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError for headings that are unknown or stand twice."""
    unknown = [header for header in headers if header not in known]
    if unknown:
        sentence = _("Unknown columns: %(unknown)s. Known are: %(known)s.")
        raise ValueError(sentence % {"unknown": ", ".join(unknown), "known": ", ".join(known)})
    if len(set(headers)) != len(headers):
        raise ValueError(_("A column stands in the file twice."))


def require(rows: list[Mapping[str, str]], *columns: str) -> None:
    """Raise ValueError when the rows have none of the columns."""
    if rows and not set(columns) & rows[0].keys():
        raise ValueError(_("A column is missing: %(columns)s.") % {"columns": _(" or ").join(columns)})


def rows_of(dataset: Any) -> list[Mapping[str, str]]:
    """Return the rows of the table by its headings."""
    return [dict(zip(dataset.headers, line, strict=True)) for line in dataset]


def operators_named(rows: list[Mapping[str, str]], id_column: str, external_id_column: str) -> list[Operator]:
    """Return the operators that the rows name, by either column."""
    ids = known_ids(row.get(id_column, "") for row in rows)
    external_ids = {row.get(external_id_column, "") for row in rows} - {""}
    return list(Operator.objects.filter(Q(pk__in=ids) | Q(external_id__in=external_ids)))


def known_ids(cells: Iterable[str]) -> set[int]:
    """Return the ids that the database can hold."""
    return {number for cell in cells if (number := whole_number(cell)) is not None and 0 < number <= LARGEST_ID}


def whole_number(text: str) -> int | None:
    """Return the number; None for any other text."""
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 20 else None
