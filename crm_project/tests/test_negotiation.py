"""The short way gives what the long one would."""

import pytest
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from crm_project.api.negotiation import Negotiation

DOCUMENT = [OpenApiYamlRenderer(), OpenApiJsonRenderer()]
CALLS = [JSONRenderer()]


def request(**headers: str) -> Request:
    return Request(APIRequestFactory().get("/api/contacts", headers=headers))


@pytest.mark.parametrize("renderers", [CALLS, DOCUMENT])
@pytest.mark.parametrize(
    "headers", [{}, {"accept": "*/*"}, {"accept": "application/*"}, {"accept": "application/json; indent=2, */*"}]
)
@pytest.mark.parametrize("suffix", [None, "json"])
def test_an_answer_is_of_the_type_rest_framework_chooses(
    headers: dict[str, str], renderers: list[BaseRenderer], suffix: str | None
) -> None:
    if suffix and renderers is DOCUMENT:
        renderers = [*DOCUMENT, *CALLS]

    chosen = Negotiation().select_renderer(request(**headers), renderers, suffix)

    assert chosen == DefaultContentNegotiation().select_renderer(request(**headers), renderers, suffix)


def test_what_cannot_be_given_is_refused() -> None:
    with pytest.raises(NotAcceptable):
        Negotiation().select_renderer(request(accept="text/html"), CALLS)
