"""A serializer that is used again and again shows what any other would."""

import pytest
from rest_framework import serializers

from crm_project.testing.rows import arrive, make_operator, make_source
from leads.models import Contact
from leads.serializers import ContactSerializer

pytestmark = pytest.mark.django_db(transaction=True)


class BuiltForEachUse(serializers.ModelSerializer[Contact]):
    """The same fields, shown by the framework alone."""

    def get_fields(self) -> dict[str, serializers.Field]:
        return ContactSerializer().get_fields()

    class Meta(ContactSerializer.Meta):
        pass


@pytest.mark.parametrize("is_paused", [True, False])
def test_a_contact_with_or_without_an_operator_is_shown_as_the_framework_shows_it(is_paused: bool) -> None:
    source = make_source({make_operator(is_paused=is_paused, external_id="crm_1"): 1})
    contact = arrive(source, "tg:1", name="Иван", data={"a": [1, None]})

    assert ContactSerializer().to_representation(contact) == BuiltForEachUse(contact).data
