"""Calling the API as its users do, and reading its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.test import APIClient


@pytest.fixture
def api(django_user_model: type[User], db: None) -> APIClient:
    """A client that is logged in as somebody who may do everything."""
    from rest_framework.test import APIClient  # not before the plugin has named the database

    client = APIClient()
    client.force_login(django_user_model.objects.create_superuser("supervisor"))
    return client


def errors(response: Any) -> list[tuple[Any, Any]]:
    """Return the (code, field) of each error of a response, whose shape is checked on the way."""
    body = response.json()
    assert body.keys() == {"type", "errors"}
    assert all(error.keys() == {"code", "detail", "attr"} and error["detail"] for error in body["errors"])
    return [(error["code"], error["attr"]) for error in body["errors"]]
