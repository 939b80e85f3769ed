"""Links to the chats of leads: which templates a source may have, and what is made of them."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from rest_framework.test import APIClient

from crm_project.testing.admin_pages import address, open_form, save
from crm_project.testing.api import errors
from crm_project.testing.rows import arrive, make_source
from distribution import roster
from distribution.models import SettingChange
from leads.links import chat_link
from leads.models import Source

GOOD = [
    "",
    "https://t.me/{external_id}",
    "tg://resolve?domain={external_id}",
    "https://wa.me:443/{external_id}?text=%D0%B0#top",
    "https://crm.example?lead={external_id}&from=chat",
]
HOSTILE = [
    "javascript:alert({external_id})",
    "javascript://t.me/%0aalert(1)//{external_id}",
    "JaVaScRiPt:alert(1)//{external_id}",
    "data:text/html,{external_id}",
    "http://t.me/{external_id}",
    "//t.me/{external_id}",
    "t.me/{external_id}",
    "HTTPS://t.me/{external_id}",
    " https://t.me/{external_id}",
    "https://t.me/{external_id}\n",
    "https://t.me/\n{external_id}",
    "https://t.me/\r\nX:{external_id}",
    "javascript:alert(1)\nhttps://t.me/{external_id}",
    "https://t.me/{external_id}\njavascript:alert(1)",
    "https://t.me/\t{external_id}",
    "https://t.me/\0{external_id}",
    "https://t.me/",
    "https://t.me/{id}",
    "https://t.me/{}",
    "https://t.me/{0}",
    "https://t.me/{{external_id}}",
    "https://t.me/{external_id}/{external_id}",
    "https://t.me/{external_id}/{name}",
    "https://t.me/{external_id.__class__}",
    "https://t.me/{external_id!r}",
    "https://t.me/{external_id:>99}",
    "https://t.me/%(external_id)s",
    "https://{external_id}/",
    "https://{external_id}.t.me/",
    "https://t.me{external_id}",
    "https://t.me:{external_id}",
    "https://t.me@evil.example/{external_id}",
    "tg:{external_id}",
    "tg://{external_id}",
    'https://t.me/"onclick="alert(1)/{external_id}',
    "https://t.me/<b>{external_id}",
    "https://t.me/'{external_id}",
    "https://t.me/\\{external_id}",
    "https://т.ме/{external_id}",
    "https://t.me/\u202e{external_id}",
]


@pytest.mark.once
class TestTheTemplate:
    @pytest.mark.parametrize("template", GOOD)
    def test_of_a_chat_is_taken(self, template: str) -> None:
        Source(name="Telegram", code="bot", link_template=template).clean_fields()

    @pytest.mark.parametrize("template", HOSTILE)
    def test_of_anything_else_is_refused(self, template: str) -> None:
        with pytest.raises(ValidationError) as refusal:
            Source(name="Telegram", code="bot", link_template=template).clean_fields()

        assert list(refusal.value.error_dict) == ["link_template"]

    def test_is_at_most_255_characters_long(self) -> None:
        template = "https://t.me/{external_id}"
        with pytest.raises(ValidationError):
            Source(name="Telegram", code="bot", link_template=template + "a" * 230).clean_fields()


@pytest.mark.once
class TestTheLink:
    @pytest.mark.parametrize(
        ("external_id", "link"),
        [
            ("anna", "https://t.me/anna?start=1"),
            ("+7 900", "https://t.me/%2B7%20900?start=1"),
            ("Анна", "https://t.me/%D0%90%D0%BD%D0%BD%D0%B0?start=1"),
            ("../../evil", "https://t.me/..%2F..%2Fevil?start=1"),
            ("a?b#c&d=e", "https://t.me/a%3Fb%23c%26d%3De?start=1"),
            ("javascript:alert(1)", "https://t.me/javascript%3Aalert%281%29?start=1"),
            ('"><script>', "https://t.me/%22%3E%3Cscript%3E?start=1"),
            ("{external_id}", "https://t.me/%7Bexternal_id%7D?start=1"),
            ("100%\n", "https://t.me/100%25%0A?start=1"),
        ],
    )
    def test_holds_the_id_percent_encoded(self, external_id: str, link: str) -> None:
        assert chat_link("https://t.me/{external_id}?start=1", external_id) == link

    @pytest.mark.parametrize("template", ["", *HOSTILE])
    def test_is_not_made_of_a_template_that_no_form_would_take(self, template: str) -> None:
        assert chat_link(template, "anna") is None


@pytest.mark.django_db
class TestTheSetting:
    def test_is_set_and_shown_by_the_api(self, api: APIClient) -> None:
        body = {"name": "Bot", "code": "bot", "link_template": "https://t.me/{external_id}"}
        created = api.post("/api/sources", body).json()

        changed = api.patch(f"/api/sources/{created['id']}", {"link_template": "tg://resolve?domain={external_id}"})

        assert created["link_template"] == "https://t.me/{external_id}"
        assert changed.json()["link_template"] == "tg://resolve?domain={external_id}"
        assert api.get("/api/sources").json()["results"] == [changed.json()]

    # Around a text the API takes the white space away, as a form does.
    @pytest.mark.parametrize("template", [*(bad for bad in HOSTILE if bad == bad.strip()), None, 5, ["x"]])
    def test_that_is_hostile_is_400_and_changes_nothing(self, api: APIClient, template: Any) -> None:
        source = make_source()

        response = api.patch(f"/api/sources/{source.pk}", {"link_template": template})

        assert response.status_code == 400
        assert {field for _code, field in errors(response)} == {"link_template"}
        assert Source.objects.get().link_template == ""

    def test_is_changed_on_the_page_of_the_source_and_recorded(self, admin_client: Client) -> None:
        source = roster.create_source(name="Telegram", code="bot")
        url = address("leads_source", "change", source.pk)
        fields = open_form(admin_client, url, "source_form")

        save(admin_client, url, fields, link_template="https://t.me/{external_id}", reason="asked for")

        change = SettingChange.objects.get(setting="link_template", reason="asked for")
        assert (change.before, change.after) == ("", "https://t.me/{external_id}")
        assert Source.objects.get().link_template == "https://t.me/{external_id}"

    def test_that_is_hostile_is_told_at_the_field(self, admin_client: Client) -> None:
        source = make_source()
        url = address("leads_source", "change", source.pk)
        fields = open_form(admin_client, url, "source_form")

        page = save(admin_client, url, fields, link_template="javascript:alert(1)//{external_id}")

        assert list(page.context["adminform"].form.errors) == ["link_template"]
        assert Source.objects.get().link_template == ""

    def test_makes_the_link_of_a_contact_by_the_id_that_its_source_sent(self) -> None:
        source = make_source(link_template="https://t.me/{external_id}")

        assert arrive(source, "@anna").chat_link == "https://t.me/%40anna"
        assert arrive(make_source(), "@anna").chat_link is None


@pytest.mark.django_db(transaction=True)
def test_the_migration_goes_there_and_back_and_keeps_the_sources() -> None:
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    source = make_source(name="Telegram")
    try:
        MigrationExecutor(connection).migrate([("leads", "0006_contact_source_without_index")])
    finally:
        MigrationExecutor(connection).migrate(newest)

    source.refresh_from_db()
    assert (source.name, source.link_template) == ("Telegram", "")
