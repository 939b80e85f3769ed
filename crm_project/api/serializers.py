"""Bodies that are taken to the letter."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import cached_property
from operator import attrgetter
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.validators import ProhibitSurrogateCharactersValidator

UNKNOWN_FIELD = "unknown_field"
HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


class WholePairs(ProhibitSurrogateCharactersValidator):
    """Refuses half of a surrogate pair.

    The validator of REST framework looks at each character: at 60,000 of them for 4 ms, where this takes 0.4.
    """

    def __call__(self, value: str) -> None:
        """Raise ValidationError for a text that has one."""
        if HALF_OF_A_PAIR.search(value):
            super().__call__(value)


class Text(serializers.CharField):
    """A text; a number is not taken for one."""

    takes: tuple[type, ...] = (str,)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        slow = ProhibitSurrogateCharactersValidator()
        self.validators = [WholePairs() if one == slow else one for one in self.validators]

    def to_internal_value(self, data: Any) -> str:
        """Return the text. Raises ValidationError."""
        if type(data) not in self.takes:
            self.fail("invalid")
        return super().to_internal_value(data)


class TextOrNumber(Text):
    """A text that other systems often have as a whole number: an id, a phone. It is kept as a text."""

    takes = (str, int)


class WholeNumber(serializers.IntegerField):
    """A whole number; one in quotes is a text and not taken."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        del self.error_messages["max_string_length"]  # of texts, so nothing raises it here

    def to_internal_value(self, data: Any) -> int:
        """Return the number. Raises ValidationError."""
        if isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class YesNo(serializers.BooleanField):
    """A switch: true or false, no number and no word."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the position of the switch. Raises ValidationError."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Moment(serializers.DateTimeField):
    """A moment, shown in UTC whatever the zone of the installation or of a browser."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class ShownModelSerializer(serializers.ModelSerializer[Any]):
    """A serializer that shows rows of a model."""

    serializer_field_mapping = {**serializers.ModelSerializer.serializer_field_mapping, models.DateTimeField: Moment}


class UsedAgain(serializers.Serializer[Any]):
    """A serializer that is built once and used for many calls: it looks through its fields once, not at each call."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the fields of the instance as the API shows them."""
        shown = {}
        for name, read, show in self._shown:
            value = read(instance)
            shown[name] = None if value is None else show(value)
        return shown

    @cached_property
    def _shown(self) -> list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]:
        """For each field that is shown its name, what reads it and what shows it."""
        return [(str(field.field_name), _reader(field), field.to_representation) for field in self._readable_fields]

    @cached_property
    def _writable_fields(self) -> list[serializers.Field]:
        return [field for field in self.fields.values() if not field.read_only]


def _reader(field: serializers.Field) -> Callable[[Any], Any]:
    is_plain = len(field.source_attrs) == 1 and type(field).get_attribute is serializers.Field.get_attribute
    return attrgetter(field.source_attrs[0]) if is_plain else field.get_attribute


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know or cannot set: a misspelt one must not be dropped in silence."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values. Raises ValidationError."""
        if isinstance(data, Mapping):
            self._refuse_unknown(data)
        return super().to_internal_value(data)

    def _refuse_unknown(self, data: Mapping[str, Any]) -> None:
        known = [str(field.field_name) for field in self._writable_fields]
        unknown = [name for name in data if name not in known]
        if unknown:
            message = (
                _("This field cannot be set. Known are: %(known)s.") % {"known": ", ".join(known)}
                if known
                else _("This call takes no fields.")
            )
            raise ValidationError({name: [ErrorDetail(str(message), UNKNOWN_FIELD)] for name in unknown})


class StrictModelSerializer(StrictSerializer, ShownModelSerializer):
    """The same for a model."""

    serializer_field_mapping = {
        **ShownModelSerializer.serializer_field_mapping,
        models.BooleanField: YesNo,
        models.CharField: Text,
        models.IntegerField: WholeNumber,
        models.PositiveIntegerField: WholeNumber,
    }


class NoBody(StrictSerializer):
    """For calls that take no fields."""


@extend_schema_field({"type": "object", "additionalProperties": {}})
class StoredObjectField(serializers.JSONField):
    """A JSON object as it is stored."""


class JSONObjectField(serializers.DictField):
    """A JSON object of a bounded size whose texts every database can store."""

    default_error_messages = {
        "too_large": _("The object is too large: at most %(highest)d bytes as JSON."),
        "unstorable": _("The object holds NUL characters or half of a surrogate pair. Take them out."),
    }

    def __init__(self, *, highest_bytes: int, **kwargs: Any) -> None:
        self.highest_bytes = highest_bytes
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Return the object as sent. Raises ValidationError."""
        value = super().to_internal_value(data)
        try:
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:
            self.fail("unstorable")
        if len(text) > self.highest_bytes:
            raise ValidationError(self.error_messages["too_large"] % {"highest": self.highest_bytes}, "too_large")
        if rb"\u0000" in text.replace(rb"\\", b""):
            self.fail("unstorable")
        return value
