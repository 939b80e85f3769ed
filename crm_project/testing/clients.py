"""Callers of the API, each with rights of their own."""

from typing import Any

from rest_framework.test import APIClient

from crm_project.access.keys import make_key
from crm_project.access.models import ApiClient
from leads.models import Source


def make_client(*scopes: str, sources: list[Source] | None = None, **fields: Any) -> ApiClient:
    """Store an API client with these scopes, for the sources or for all."""
    rights = {f"may_{scope}": True for scope in scopes or ("register", "read", "manage")}
    name = f"Client {ApiClient.objects.count() + 1}"
    client = ApiClient.objects.create(**{"name": name, "all_sources": sources is None, **rights, **fields})
    client.sources.set(sources or [])
    return client


def with_key(key: str) -> APIClient:
    """Return what calls the API with the key."""
    return APIClient(headers={"Authorization": f"Bearer {key}"})


def key_for(*scopes: str, sources: list[Source] | None = None) -> APIClient:
    """Return what calls the API with a new key that has these scopes, for the sources or for all."""
    return with_key(make_key(make_client(*scopes, sources=sources)))
