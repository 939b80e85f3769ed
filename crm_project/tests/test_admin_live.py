"""The live refresh: every page of the back office can have a part that refreshes itself."""

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.test import Client
from django.utils.translation import override

pytestmark = pytest.mark.once


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["crm_project/live.js", "crm_project/back_office.css"])
def test_every_page_brings_our_script_and_our_style_from_this_host(admin_client: Client, path: str) -> None:
    assert f'"/static/{path}"' in admin_client.get("/admin/operators/operator/").content.decode()
    assert finders.find(path)


def test_the_words_of_the_status_are_handed_to_the_script() -> None:
    status = render_to_string("admin/live_status.html")
    assert 'data-updated="updated at {time}"' in status
    assert 'data-failed="cannot be refreshed; last updated at {time}"' in status


def test_the_place_of_the_time_outlives_a_translation() -> None:
    with override("ru"):
        assert render_to_string("admin/live_status.html").count("{time}") == 2
