"""Exporting operators, sources and weights to a file."""

import io
from threading import BoundedSemaphore

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from crm_project import exports
from crm_project.cells import as_written, harmless
from crm_project.testing.admin_pages import address, messages
from crm_project.testing.rows import make_operator, make_source
from crm_project.tests.test_admin_transfer import (
    CSV,
    OPERATOR,
    SOURCE,
    WEIGHT,
    XLSX,
    exported,
    kinds,
    rehearse,
)

pytestmark = pytest.mark.django_db


class TestExport:
    @pytest.mark.parametrize("model", [OPERATOR, SOURCE, WEIGHT])
    @pytest.mark.parametrize("file_format", [CSV, XLSX])
    def test_an_export_can_be_imported_again_and_changes_nothing(
        self, admin_client: Client, model: str, file_format: str
    ) -> None:
        make_source({make_operator(name="+7 999, Анна", external_id="=1+1"): 3}, name="@Телеграм", code="-tele")
        content = exported(admin_client, model, file_format)
        assert kinds(rehearse(admin_client, model, content)) == ["skip"]

    @pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t="])
    def test_no_cell_is_a_formula(self, admin_client: Client, sign: str) -> None:
        make_operator(name=f"{sign}cmd|'/c calc'!A1")
        assert f"'{sign}cmd" in exported(admin_client, OPERATOR).decode("utf-8-sig")
        sheet = load_workbook(io.BytesIO(exported(admin_client, OPERATOR, XLSX))).worksheets[0]
        cell = sheet["C2"]
        assert (cell.data_type, str(cell.value)[:1]) == ("s", "'")

    @pytest.mark.parametrize("text", ["Anna", "'quoted'", "-5", "+7 999", "=x", "' =x", " =x", "", "it's"])
    def test_the_mark_against_formulas_goes_when_the_text_is_read(self, text: str) -> None:
        assert as_written(str(harmless(text))) == text

    @pytest.mark.parametrize("model", [OPERATOR, SOURCE, WEIGHT])
    def test_a_csv_is_sent_while_it_is_read(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch, model: str
    ) -> None:
        for number in range(7):
            make_source({make_operator(name=f"operator_{number}"): 1}, name=f"source_{number}")
        monkeypatch.setattr(exports, "ROWS_AT_ONCE", 2)

        response = admin_client.post(address(model, "export"), {"format": CSV, "resource": "0"})
        with CaptureQueriesContext(connection) as queries:
            _headings, *lines = b"".join(response).decode("utf-8-sig").splitlines()

        assert response.streaming
        assert len(queries) == 2  # the first two batches, of two rows each, were read before the answer began
        assert [f"_{number}" in line for number, line in enumerate(lines)] == [True] * 7

    def test_more_than_the_process_sends_at_a_time_are_refused(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exports, "places", BoundedSemaphore(1))
        with exports.place():
            there = address(OPERATOR, "export") + "?is_active__exact=0"
            response = admin_client.post(there, {"format": CSV, "resource": "0"}, follow=True)

        assert messages(response) == [str(exports.TooManyExports.message)]
        assert response.request["QUERY_STRING"] == "is_active__exact=0"
        assert not LogEntry.objects.exists()

    def test_it_is_written_down_who_exported_what(self, admin_client: Client) -> None:
        exported(admin_client, OPERATOR)

        entry = LogEntry.objects.get()
        assert (entry.object_repr, entry.change_message) == ("operators", "Export of all rows")

    def test_only_what_matches_the_filter_is_exported(self, admin_client: Client) -> None:
        make_operator(name="Anna"), make_operator(name="Boris", is_active=False)
        text = exported(admin_client, OPERATOR, filters="?is_active__exact=0").decode("utf-8-sig")
        assert ("Boris" in text, "Anna" in text) == (True, False)

    def test_a_filter_that_cannot_be_read_is_refused(self, admin_client: Client) -> None:
        admin_client.raise_request_exception = False
        response = admin_client.post(address(OPERATOR, "export") + "?id=x", {"format": CSV, "resource": "0"})
        assert response.status_code == 400

    def test_the_list_leads_to_both(self, admin_client: Client) -> None:
        page = admin_client.get(address(OPERATOR)).content.decode()
        for name in ("import", "export"):
            assert address(OPERATOR, name) in page
            assert admin_client.get(address(OPERATOR, name)).status_code == 200
