"""Every call of a key for one source on every object of another: refused, and nothing changes.

The calls are read from the router, so that one that is added cannot be forgotten.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.urls import URLPattern
from rest_framework.test import APIClient

from crm_project.router import router
from crm_project.testing.clients import key_for
from crm_project.testing.rows import arrive, make_operator, make_source
from leads.models import Source

pytestmark = pytest.mark.django_db

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
APPS = ("leads", "operators", "access")
SECRET = "what only they may know"


class House:
    """A source of ours and one of theirs, which share nothing, each with an operator, a lead and a contact."""

    def __init__(self) -> None:
        self.ours = make_source({make_operator(): 1})
        self.operator = make_operator(name=SECRET)
        self.theirs = make_source({self.operator: 1}, name=SECRET)
        self.our_contact = arrive(self.ours)
        self.contact = arrive(self.theirs, SECRET, name=SECRET, text=SECRET, data={"key": SECRET})

    def id_of(self, kind: str) -> int:
        """Return the id of their object."""
        ids = {
            "contacts": self.contact.pk,
            "leads": self.contact.lead_id,
            "sources": self.theirs.pk,
            "operators": self.operator.pk,
        }
        return ids[kind]

    def bodies(self) -> list[dict[str, Any]]:
        """Return bodies that some call would take, each naming what is theirs."""
        weights = [{"operator_id": self.operator.pk, "weight": 7}]
        return [
            {},
            {"operator_id": self.operator.pk},
            {"operator_weights": weights},
            {"name": "Taken over", "is_active": False},
            {"max_load": 0},
            {"external_id": "lead", "source_code": self.theirs.code, "event_id": "1"},
        ]


def routes() -> Iterator[tuple[str, set[str]]]:
    """Yield every address of the router with the methods that it answers."""
    for pattern in router.urls:
        assert isinstance(pattern, URLPattern)
        address = re.sub(r"\(\?P<pk>[^)]*\)", "{id}", str(pattern.pattern)).strip("^$").removesuffix("/?")
        yield f"/api/{address}", set(pattern.callback.actions)  # type: ignore[attr-defined]


ROUTES = list(routes())


def state() -> dict[str, list[dict[str, Any]]]:
    """Return every row of ours in the database, but for when a key was used."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for label in APPS:
        for model in apps.get_app_config(label).get_models():
            rows[model.__name__] = [
                {name: value for name, value in row.items() if name != "last_used_at"}
                for row in model._default_manager.order_by("pk").values()
            ]
    return rows


def test_the_router_is_read_whole() -> None:
    assert {address for address, _methods in ROUTES} >= {
        "/api/contacts",
        "/api/contacts/{id}/decisions",
        "/api/contacts/{id}/reassign",
        "/api/sources/{id}/operators",
        "/api/operators/{id}",
        "/api/leads/{id}",
    }


def test_every_action_says_what_it_asks_of_a_key() -> None:
    silent = [
        (address, action)
        for pattern, (address, _methods) in zip(router.urls, ROUTES, strict=True)
        for action in pattern.callback.actions.values()  # type: ignore[union-attr]
        if action not in pattern.callback.cls.rights  # type: ignore[union-attr]
    ]

    assert silent == []


@pytest.mark.parametrize("scopes", [("register",), ("read",), ("manage",), ("register", "read", "manage")])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("address", [address for address, _methods in ROUTES if "{id}" in address])
def test_no_call_on_an_object_of_theirs_is_carried_out(address: str, method: str, scopes: tuple[str, ...]) -> None:
    house = House()
    client = key_for(*scopes, sources=[house.ours])
    url = address.format(id=house.id_of(address.split("/")[2]))
    before = state()

    for body in [None] if method in {"get", "head", "options"} else house.bodies():
        response = getattr(client, method)(url, body)

        assert response.status_code in ({200} if method == "options" else {403, 404, 405, 400}), (url, body)
        assert SECRET.encode() not in response.content
    assert state() == before


@pytest.mark.parametrize("scopes", [("register",), ("read",), ("manage",), ("register", "read", "manage")])
def test_no_list_shows_what_is_theirs(scopes: tuple[str, ...]) -> None:
    house = House()
    client = key_for(*scopes, sources=[house.ours])

    for address in [address for address, _methods in ROUTES if "{id}" not in address]:
        response = client.get(address)
        assert response.status_code in {200, 403, 405}
        assert SECRET.encode() not in response.getvalue()


@pytest.mark.parametrize("address", [address for address, _methods in ROUTES])
@pytest.mark.parametrize("method", METHODS)
def test_without_a_key_every_call_is_401(address: str, method: str) -> None:
    before = state()

    response = getattr(APIClient(), method)(address.format(id=1))

    assert response.status_code == 401
    assert state() == before


def test_what_is_ours_is_answered_by_the_same_calls() -> None:
    house = House()
    client = key_for(sources=[house.ours])

    assert client.get(f"/api/contacts/{house.our_contact.pk}").status_code == 200
    assert client.get(f"/api/leads/{house.our_contact.lead_id}").status_code == 200
    assert client.get(f"/api/sources/{house.ours.pk}/operators").status_code == 200
    assert client.post(f"/api/contacts/{house.our_contact.pk}/close").status_code == 200
    assert client.patch(f"/api/sources/{house.ours.pk}", {"name": "Renamed"}).status_code == 200
    assert Source.objects.get(pk=house.ours.pk).name == "Renamed"
