"""Importing operators, sources and weights from a file."""

import io
import zipfile
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client
from openpyxl import Workbook

from crm_project.testing.admin_pages import Page, address, messages
from crm_project.testing.rows import arrive, assert_loads_are_true, make_operator, make_source
from crm_project.testing.staff import staff
from distribution import roster
from distribution.models import SettingChange
from leads.models import Contact, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

OPERATOR, SOURCE, WEIGHT = "operators_operator", "leads_source", "operators_weight"
CSV, XLSX = "0", "1"


def rehearse(client: Client, model: str, content: str | bytes, name: str = "team.csv") -> Page:
    """Send the file and return the page that shows what it would do."""
    data = content.encode() if isinstance(content, str) else content
    sent = {"import_file": SimpleUploadedFile(name, data), "format": "0", "resource": "0"}
    return client.post(address(model, "import"), sent)


def confirm(client: Client, model: str, rehearsed: Page, **altered: str) -> Page:
    """Press the button on that page."""
    fields = rehearsed.context["confirm_form"].initial
    return client.post(address(model, "process_import"), {**fields, **altered}, follow=True)


def load(client: Client, model: str, content: str | bytes) -> Page:
    return confirm(client, model, rehearse(client, model, content))


def told(response: Page) -> list[str]:
    """Return what is wrong with the file, or with its rows."""
    result = response.context.get("result")
    if result is None:
        return [str(error) for error in response.context["form"].errors["import_file"]]
    rows = [f"{row.number}: {' '.join(row.error.messages)}" for row in result.invalid_rows]
    return [str(error.error) for error in result.base_errors] + rows


def kinds(response: Page) -> list[str]:
    return [row.import_type for row in response.context["result"].rows]


def exported(client: Client, model: str, file_format: str = CSV, filters: str = "") -> bytes:
    response = client.post(address(model, "export") + filters, {"format": file_format, "resource": "0"})
    assert "attachment" in response["Content-Disposition"]
    return response.getvalue()


def workbook(*lines: list[Any]) -> bytes:
    book = Workbook()
    for line in lines:
        book.active.append(line)  # type: ignore[union-attr]
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


class TestReading:
    @pytest.mark.parametrize("delimiter", [";", ",", "\t"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
    def test_what_excel_writes_is_read(self, admin_client: Client, delimiter: str, encoding: str) -> None:
        text = "\r\n".join(delimiter.join(line) for line in (["name", "max_load"], ["Анна Ёлкина", "7"]))
        load(admin_client, OPERATOR, text.encode(encoding))
        assert Operator.objects.values_list("name", "max_load").get() == ("Анна Ёлкина", 7)

    def test_a_workbook_is_read(self, admin_client: Client) -> None:
        load(admin_client, OPERATOR, workbook(["Name", "max_load", "is_active"], ["Анна", 7.0, False]))
        assert Operator.objects.values_list("name", "max_load", "is_active").get() == ("Анна", 7, False)

    def test_empty_lines_and_cells_beyond_the_last_are_nothing(self, admin_client: Client) -> None:
        response = rehearse(admin_client, OPERATOR, "name;max_load;;\n;;;\nAnna;7;;\n\n")
        assert kinds(response) == ["new"]

    def test_a_delimiter_inside_quotes_belongs_to_the_text(self, admin_client: Client) -> None:
        load(admin_client, OPERATOR, 'name,max_load\n"Anna, of sales",7\n')
        assert Operator.objects.get().name == "Anna, of sales"

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "empty"),
            (b"\n;;\n", "The file is empty."),
            (b"PK\x03\x04 broken", "cannot be read"),
            (b"name\nAn\x00na", "cannot be read"),
            (b"\x98\xd0\x98", "cannot be read"),
            (b"name;max_load\nAnna;1;2\n", "Row 1 has more cells"),
            (b"name;salary\nAnna;1\n", "Unknown columns: salary."),
            (b"name;name\nAnna;Anna\n", "twice"),
            (b"max_load\n7\n", "A column is missing: id or external_id or name."),
            (b"name\n", "No valid data"),
        ],
    )
    def test_a_file_that_is_no_such_table_is_told(self, admin_client: Client, content: bytes, what: str) -> None:
        response = rehearse(admin_client, OPERATOR, content)
        assert response.status_code == 200
        assert what in " ".join(told(response))
        assert "confirm_form" not in response.context

    def test_too_many_rows_and_too_large_a_file_are_told(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crm_project.admin.spreadsheets.MOST_ROWS", 1)
        many = [["name"], ["a"], ["b"], ["c"]]
        for content in (b"name\na\nb\n", workbook(*many)):
            assert "more than 1 rows" in " ".join(told(rehearse(admin_client, OPERATOR, content)))
        monkeypatch.setattr("crm_project.admin.transfer.LARGEST_FILE", 10)
        assert "larger than 0 KB" in " ".join(told(rehearse(admin_client, OPERATOR, "name\nAnna Maria\n")))

    def test_a_workbook_that_unpacks_to_a_mountain_is_refused(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crm_project.admin.spreadsheets.MOST_UNPACKED_BYTES", 1000)
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/workbook.xml", b" " * 5000)
        assert "cannot be read" in told(rehearse(admin_client, OPERATOR, bomb.getvalue()))[0]

    def test_no_file_is_told_at_the_field(self, admin_client: Client) -> None:
        response = admin_client.post(address(OPERATOR, "import"), {"format": "0", "resource": "0"})
        assert list(response.context["form"].errors) == ["import_file"]


class TestOperators:
    def test_the_rehearsal_stores_nothing(self, admin_client: Client) -> None:
        anna = make_operator(name="Anna", external_id="a1")
        content = "external_id;name;max_load\na1;Anna M.;3\nb1;Boris;4\n"

        response = rehearse(admin_client, OPERATOR, content)

        assert kinds(response) == ["update", "new"]
        assert Operator.objects.get() == anna
        assert Operator.objects.get().name == "Anna"
        assert not SettingChange.objects.exists()

    def test_rows_are_stored_through_the_services(self, admin_client: Client) -> None:
        anna = make_operator(name="Anna", external_id="a1", max_load=9)

        response = load(admin_client, OPERATOR, "external_id;name;max_load\na1;Anna;3\nb1;Boris;4\n")

        assert messages(response) == ["Import finished. New: 1. Changed: 1. Unchanged: 0."]
        assert set(Operator.objects.values_list("name", "max_load", "is_active")) == {
            ("Anna", 3, True),
            ("Boris", 4, True),
        }
        change = SettingChange.objects.get(operator_id=anna.pk)
        assert (change.setting, change.after, change.reason, change.actor_name) == (
            "max_load",
            3,
            "Import of team.csv",
            "admin",
        )
        assert LogEntry.objects.count() == 2

    def test_what_is_not_in_the_file_stays(self, admin_client: Client) -> None:
        anna = make_operator(name="Anna", external_id="a1", max_load=9, is_active=False)
        load(admin_client, OPERATOR, f"id;name\n{anna.pk};Maria\n")
        anna.refresh_from_db()
        assert (anna.name, anna.external_id, anna.max_load, anna.is_active) == ("Maria", "a1", 9, False)

    def test_a_row_that_says_nothing_new_is_left_alone(self, admin_client: Client) -> None:
        anna = make_operator(name="Anna")
        response = load(admin_client, OPERATOR, f"id;name;max_load;is_active\n{anna.pk};Anna;10;да\n")
        assert messages(response) == ["Import finished. New: 0. Changed: 0. Unchanged: 1."]
        assert not SettingChange.objects.exists()

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            ("id;name\n999;Anna\n", "1: There is no operator with this id."),
            ("id;name\nabc;Anna\n", "1: There is no operator with this id."),
            (f"id;name\n{'9' * 19};Anna\n", "1: There is no operator with this id."),
            ("name;max_load\nAnna;many\n", "1: Write a whole number."),
            ("name;max_load\nAnna;10001\n", "1: Ensure this value is less than or equal to 10000."),
            ("name;max_load\nAnna;-1\n", "1: Ensure this value is greater than or equal to 0."),
            ("name;max_load\nAnna;\n", "1: Write a whole number."),
            ("name;is_active\nAnna;perhaps\n", "1: Write 1 or 0, yes or no."),
            ("external_id;name\nx;\n", "1: This field cannot be null."),
            (f"name\n{'n' * 201}\n", "1: Ensure this value has at most 200 characters (it has 201)."),
            ("external_id;name\nx;Anna\nx;Boris\n", "2: This stands in the file twice."),
            ("external_id;name\ntaken;Anna\ntaken;Boris\n", "2: This stands in the file twice."),
        ],
    )
    def test_what_is_wrong_is_told_by_row_and_nothing_can_be_confirmed(
        self, admin_client: Client, content: str, what: str
    ) -> None:
        make_operator(external_id="taken")
        response = rehearse(admin_client, OPERATOR, content)
        assert what in " ".join(told(response))
        assert "confirm_form" not in response.context
        assert Operator.objects.count() == 1

    def test_an_external_id_of_somebody_else_is_refused(self, admin_client: Client) -> None:
        make_operator(external_id="taken")
        anna = make_operator()
        response = rehearse(admin_client, OPERATOR, f"id;external_id\n{anna.pk};taken\n")
        assert told(response) == ["1: Another operator has this external id."]

    def test_a_lowered_limit_takes_nothing_away_and_the_load_stays_true(self, admin_client: Client) -> None:
        operator = make_operator(external_id="a1")
        source = make_source({operator: 1})
        for _number in range(3):
            arrive(source)
        load(admin_client, OPERATOR, "external_id;max_load\na1;1\n")
        operator.refresh_from_db()
        assert (operator.load, operator.max_load) == (3, 1)
        assert_loads_are_true()

    def test_the_queue_is_given_once_all_rows_are_stored(self, admin_client: Client) -> None:
        early, late = (make_operator(external_id=name, is_active=False, max_load=50) for name in ("a", "b"))
        source = make_source({early: 1, late: 1})
        waiting = [arrive(source) for _number in range(20)]
        with patch("distribution.queue.drain") as drain:
            load(admin_client, OPERATOR, "external_id;is_active\na;1\nb;1\n")
        assert drain.call_count == 1
        roster.change_operator(early.pk, is_active=True)
        assert Contact.objects.active().count() == len(waiting)

    def test_a_row_that_is_refused_meanwhile_is_told_and_the_others_are_stored(self, admin_client: Client) -> None:
        make_operator(external_id="a1")
        rehearsed = rehearse(admin_client, OPERATOR, "external_id;name;max_load\na1;Anna;3\nb1;Boris;4\n")
        with patch("distribution.roster.change_operator", side_effect=OperationalError):
            response = confirm(admin_client, OPERATOR, rehearsed)
        assert "Row 1 was refused: The database did not answer in time." in messages(response)[1]
        assert Operator.objects.filter(name="Boris").exists()

    def test_of_many_refused_rows_ten_are_told_and_the_others_counted(self, admin_client: Client) -> None:
        lines = [f"{make_operator(external_id=f'x{number}').external_id};Anna" for number in range(12)]
        rehearsed = rehearse(admin_client, OPERATOR, "\n".join(["external_id;name", *lines]))
        with patch("distribution.roster.change_operator", side_effect=OperationalError):
            response = confirm(admin_client, OPERATOR, rehearsed)
        assert [message.split(":")[0] for message in messages(response)[1:11]] == [
            f"Row {number} was refused" for number in range(1, 11)
        ]
        assert messages(response)[11:] == ["2 more rows were refused."]

    def test_an_import_that_could_not_begin_is_told_and_is_no_success(self, admin_client: Client) -> None:
        rehearsed = rehearse(admin_client, OPERATOR, "external_id;name\na1;Anna\n")
        with patch("crm_project.admin.resources.OperatorResource.before_import", side_effect=OperationalError):
            response = confirm(admin_client, OPERATOR, rehearsed)
        [message] = messages(response)
        assert message.startswith("The database did not answer in time.")
        assert not Operator.objects.exists()

    @pytest.mark.parametrize("rows", [5, 50])
    def test_the_rehearsal_takes_as_many_queries_for_many_rows_as_for_few(
        self, admin_client: Client, rows: int, django_assert_max_num_queries: Any
    ) -> None:
        lines = [f"x{number};Anna;{number}" for number in range(rows)]
        with django_assert_max_num_queries(10):
            assert (
                len(kinds(rehearse(admin_client, OPERATOR, "\n".join(["external_id;name;max_load", *lines])))) == rows
            )


class TestSources:
    def test_the_link_to_the_chat_goes_with_the_file_and_may_be_taken_away(self, admin_client: Client) -> None:
        load(admin_client, SOURCE, "code,name,link_template\ntelegram,Telegram,https://t.me/{external_id}\n")
        assert Source.objects.get().link_template == "https://t.me/{external_id}"
        assert b"https://t.me/{external_id}" in exported(admin_client, SOURCE)

        load(admin_client, SOURCE, "code,link_template\ntelegram,\n")
        assert Source.objects.get().link_template == ""

    def test_a_link_that_runs_something_is_refused(self, admin_client: Client) -> None:
        rehearsed = rehearse(admin_client, SOURCE, "code,name,link_template\nbot,Bot,javascript:{external_id}\n")

        assert "https or tg only" in told(rehearsed)[0]

    def test_sources_are_known_by_their_code(self, admin_client: Client) -> None:
        make_source(code="tele", name="Telegram")
        content = "code;name;is_active;strategy;prefer_same_operator\ntele;Telegram 2;0;least_loaded;1\nsite;Site;1;;\n"
        response = rehearse(admin_client, SOURCE, content)
        assert "2: Write 1 or 0, yes or no." in " ".join(told(response))

        load(admin_client, SOURCE, content.replace("site;Site;1;;", "site;Site;1;weighted_random;0"))

        assert set(Source.objects.values_list("code", "name", "is_active", "strategy", "prefer_same_operator")) == {
            ("tele", "Telegram 2", False, "least_loaded", True),
            ("site", "Site", True, "weighted_random", False),
        }

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            ("code;name;strategy\nx;X;by mood\n", "1: There is no such strategy."),
            ("code;name\nx;X\nx;Y\n", "2: This stands in the file twice."),
            ("code;name\n;X\n", "1: This field cannot be blank."),
            ("code\nx\n", "1: This field cannot be blank."),
            ("name\nX\n", "A column is missing: code."),
        ],
    )
    def test_what_is_wrong_is_told(self, admin_client: Client, content: str, what: str) -> None:
        assert what in " ".join(told(rehearse(admin_client, SOURCE, content)))


class TestWeights:
    def test_weights_are_set_and_contacts_given(self, admin_client: Client) -> None:
        anna, boris = make_operator(external_id="a1"), make_operator()
        source = make_source({anna: 0}, code="tele")
        waiting = arrive(source)

        load(
            admin_client,
            WEIGHT,
            f"source_code;operator_id;operator_external_id;weight\ntele;;a1;0\ntele;{boris.pk};;5\n",
        )

        assert dict(Weight.objects.values_list("operator", "weight")) == {anna.pk: 0, boris.pk: 5}
        waiting.refresh_from_db()
        assert waiting.operator == boris
        assert LogEntry.objects.get().object_id == str(Weight.objects.get(operator=boris).pk)

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            ("source_code;operator_external_id;weight\nnone;a1;5\n", "1: There is no source with this code."),
            ("source_code;operator_external_id;weight\ntele;none;5\n", "1: There is no such operator."),
            ("source_code;operator_external_id;weight\ntele;;5\n", "1: There is no such operator."),
            ("source_code;operator_id;weight\ntele;0;5\n", "1: There is no such operator."),
            ("source_code;operator_external_id;weight\ntele;a1;1000001\n", "1: Ensure this value is less"),
            ("source_code;operator_external_id;weight\ntele;a1;1\ntele;a1;2\n", "2: This stands in the file twice."),
            ("source_code;operator_external_id\ntele;a1\n", "A column is missing: weight."),
        ],
    )
    def test_what_is_wrong_is_told(self, admin_client: Client, content: str, what: str) -> None:
        make_operator(external_id="a1")
        make_source(code="tele")
        assert what in " ".join(told(rehearse(admin_client, WEIGHT, content)))

    @pytest.mark.parametrize("count", [3, 30])
    def test_neither_way_takes_more_queries_for_many_rows(
        self, admin_client: Client, count: int, django_assert_max_num_queries: Any
    ) -> None:
        make_source({make_operator(): 1 for _number in range(count)})
        with django_assert_max_num_queries(10):
            content = exported(admin_client, WEIGHT)
        with django_assert_max_num_queries(12):
            assert kinds(rehearse(admin_client, WEIGHT, content)) == ["skip"] * count


class TestWhoMay:
    @pytest.mark.parametrize("model", [OPERATOR, SOURCE, WEIGHT])
    def test_who_may_only_change_imports_nothing(self, model: str) -> None:
        name = model.split("_")[1]
        client = staff(f"view_{name}", f"change_{name}")
        assert client.get(address(model, "import")).status_code == 403
        assert rehearse(client, model, "name\nAnna\n").status_code == 403
        assert client.post(address(model, "process_import"), {}).status_code == 403
        assert address(model, "import") not in client.get(address(model)).content.decode()
        assert client.get(address(model, "export")).status_code == 200

    def test_who_may_not_see_exports_nothing(self) -> None:
        client = staff("view_contact")
        for model in (OPERATOR, SOURCE, WEIGHT):
            assert client.get(address(model, "export")).status_code == 403
            assert client.post(address(model, "export"), {"format": CSV, "resource": "0"}).status_code == 403

    @pytest.mark.parametrize(
        "altered",
        [
            {"import_file_name": "/etc/passwd"},
            {"import_file_name": "../../etc/passwd"},
            {"import_file_name": ""},
            {"import_file_name": "bmFtZQ:1sX:forged"},
        ],
    )
    def test_the_confirmation_takes_no_file_but_the_one_rehearsed(
        self, admin_client: Client, altered: dict[str, str]
    ) -> None:
        response = confirm(admin_client, OPERATOR, rehearse(admin_client, OPERATOR, "name\nAnna\n"), **altered)
        assert response.redirect_chain == [(address(OPERATOR, "import"), 302)]
        assert not Operator.objects.exists()

    def test_a_page_that_is_too_old_is_told(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        rehearsed = rehearse(admin_client, OPERATOR, "name\nAnna\n")
        monkeypatch.setattr("crm_project.admin.transfer.SECONDS_TO_CONFIRM", -1)
        assert messages(confirm(admin_client, OPERATOR, rehearsed)) == ["This page is too old. Choose the file again."]

    @pytest.mark.parametrize("altered", [{"format": "abc"}, {"format": "99"}, {"resource": "99"}, {"resource": "x"}])
    def test_other_altered_fields_do_no_harm(self, admin_client: Client, altered: dict[str, str]) -> None:
        confirm(admin_client, OPERATOR, rehearse(admin_client, OPERATOR, "name\nAnna\n"), **altered)
        assert Operator.objects.get().name == "Anna"

    def test_looking_at_the_address_of_the_confirmation_is_refused(self, admin_client: Client) -> None:
        assert admin_client.get(address(OPERATOR, "process_import")).status_code == 405
