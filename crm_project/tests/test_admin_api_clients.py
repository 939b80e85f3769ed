"""API clients and keys in the back office."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client

from crm_project.access.keys import make_key, revoke
from crm_project.access.models import ApiClient, ApiKey
from crm_project.admin.api_clients import MOST_KEYS_AT_ONCE
from crm_project.testing.admin_pages import address, messages, open_form, run, save
from crm_project.testing.clients import make_client, with_key
from crm_project.testing.rows import make_source

pytestmark = pytest.mark.django_db

KEY = re.compile(r"crm_[a-z0-9]{8}_[A-Za-z0-9_-]{43}")


def add(client: Client, **typed: Any) -> Any:
    url = address("access_apiclient", "add")
    return save(client, url, open_form(client, url, "apiclient_form"), **{"name": "Bot", **typed})


def key_in(response: Any) -> str:
    """Return the key that the page shows."""
    [key] = {key for message in messages(response) for key in KEY.findall(message)}
    return str(key)


def test_a_new_client_gets_a_key_that_is_shown_once(admin_client: Client) -> None:
    source = make_source()

    response = add(admin_client, may_read="on", sources=[source.pk])
    key = key_in(response)

    assert list(ApiClient.objects.get().sources.all()) == [source]
    assert with_key(key).get("/api/contacts").status_code == 200
    for page in ("changelist", "change"):
        arguments = [ApiClient.objects.get().pk] if page == "change" else []
        assert key not in admin_client.get(address("access_apiclient", page, *arguments)).content.decode()


def test_the_keys_of_a_client_come_on_pages_the_newest_first(admin_client: Client) -> None:
    client = make_client("read")
    for _number in range(21):
        revoke(ApiKey.objects.all())
        make_key(client)
    newest, oldest = ApiKey.objects.latest("pk"), ApiKey.objects.earliest("pk")
    url = address("access_apiclient", "change", client.pk)

    first, second = (admin_client.get(url, {"keys-page": number}).content.decode() for number in (1, 2))

    assert str(newest) in first
    assert str(oldest) not in first
    assert str(oldest) in second


def test_a_client_that_may_nothing_is_told_at_the_form(admin_client: Client) -> None:
    response = add(admin_client)

    assert "Choose at least one thing" in response.content.decode()
    assert not ApiClient.objects.exists()


def test_changing_the_rights_makes_no_key(admin_client: Client) -> None:
    client = make_client("read")
    key = make_key(client)
    url = address("access_apiclient", "change", client.pk)

    save(admin_client, url, open_form(admin_client, url, "apiclient_form"), may_read=None, may_register="on")

    assert ApiKey.objects.count() == 1
    assert with_key(key).get("/api/leads").status_code == 403


def test_a_second_key_is_made_by_the_action_and_a_third_is_refused(admin_client: Client) -> None:
    client = make_client()
    first, second = (key_in(run(admin_client, "access_apiclient", "make_keys", client)) for _ in range(2))

    assert first != second
    assert "two valid keys" in messages(run(admin_client, "access_apiclient", "make_keys", client))[0]
    assert ApiKey.objects.count() == 2


def test_so_many_keys_at_once_that_the_session_would_keep_them_are_refused(admin_client: Client) -> None:
    clients = [make_client() for _ in range(MOST_KEYS_AT_ONCE + 1)]

    assert messages(run(admin_client, "access_apiclient", "make_keys", *clients)) == ["At most 10 clients at once."]
    assert not ApiKey.objects.exists()
    run(admin_client, "access_apiclient", "make_keys", *clients[1:])
    assert ApiKey.objects.count() == MOST_KEYS_AT_ONCE
    for session in Session.objects.all():
        assert not KEY.search(str(session.get_decoded()))


def test_a_key_is_revoked_by_the_action(admin_client: Client) -> None:
    key = make_key(make_client())

    response = run(admin_client, "access_apikey", "revoke", ApiKey.objects.get())

    assert messages(response) == ["1 key revoked."]
    assert with_key(key).get("/api/contacts").status_code == 401


@pytest.mark.parametrize("page", ["changelist", "change", "history"])
@pytest.mark.parametrize("model", ["access_apiclient", "access_apikey"])
def test_every_page_opens(admin_client: Client, model: str, page: str) -> None:
    make_key(make_client(sources=[make_source()]))
    row = (ApiClient if model == "access_apiclient" else ApiKey).objects.get()

    assert admin_client.get(address(model, page, *([] if page == "changelist" else [row.pk]))).status_code == 200


@pytest.mark.parametrize("method", ["add", "delete"])
def test_a_key_is_neither_added_nor_deleted_by_hand(admin_client: Client, method: str) -> None:
    make_key(make_client())
    arguments = [] if method == "add" else [ApiKey.objects.get().pk]

    assert admin_client.post(address("access_apikey", method, *arguments), {"post": "yes"}).status_code == 403
    assert ApiKey.objects.count() == 1


def test_whoever_may_only_look_can_neither_make_nor_revoke(client: Client) -> None:
    user = User.objects.create(username="auditor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_apiclient", "view_apikey"]))
    client.force_login(user)
    api_client = make_client()
    make_key(api_client)

    run(client, "access_apiclient", "make_keys", api_client)
    run(client, "access_apikey", "revoke", ApiKey.objects.get())

    assert ApiKey.objects.get().revoked_at is None
