"""Contacts from a table."""

import csv
import io
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command

from crm_project.testing.rows import arrive, assert_rules_hold, make_operator, make_source
from crm_project.testing.waiting import wait_until
from distribution.erasing import erase_lead
from distribution.intake_in_bulk import register_chunk
from distribution.tests.commands import started
from distribution.verification import verify
from leads import importing
from leads.models import Contact, Lead, Source, SourceEvent

pytestmark = pytest.mark.django_db

CODE = "list"

type Import = Callable[..., str]


@pytest.fixture
def source() -> Source:
    return make_source({make_operator(max_load=10_000): 1, make_operator(max_load=10_000): 3}, code=CODE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "contacts.csv"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Import:
    """Run the command and return what it says."""

    def run_command(*arguments: Any, code: int = 0) -> str:
        if code:
            with pytest.raises(SystemExit) as ended:
                call_command("import_contacts", *map(str, arguments))
            assert ended.value.code == code
        else:
            call_command("import_contacts", *map(str, arguments))
        return capsys.readouterr().out.strip()

    return run_command


def write(file: Path, *rows: str, number: int = 0) -> None:
    lines = [*rows, *[f"lead_{place}" for place in range(number)]]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))


class TestStoring:
    def test_registers_each_row_in_its_order(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", number=250)

        assert run(file, "--source", CODE) == "Stored: 250. Stored before: 0."

        stored = Contact.objects.order_by("pk").values_list("external_id", flat=True)
        assert list(stored) == [f"lead_{place}" for place in range(250)]
        assert_rules_hold()
        assert list(verify()) == []

    def test_takes_every_field_and_keeps_what_else_there_is(self, run: Import, file: Path, source: Source) -> None:
        other = make_source(code="other")
        write(
            file,
            "external_id,source_code,name,phone,email,text,Город,Пусто",
            'tg:1,other,Анна,8 (912),a@b.c,"Здравствуйте,\nэто я",Пермь,',
        )

        run(file)

        contact = Contact.objects.get()
        assert (contact.source, contact.external_id, contact.name, contact.phone) == (other, "tg:1", "Анна", "8 (912)")
        assert (contact.email, contact.text, contact.data) == ("a@b.c", "Здравствуйте,\nэто я", {"Город": "Пермь"})

    def test_knows_a_column_by_another_heading(self, run: Import, file: Path, source: Source) -> None:
        write(file, "Телефон;Имя", "+7 912;Анна")

        run(file, "--source", CODE, "--column", "external_id=Телефон", "--column", "name=Имя")

        contact = Contact.objects.get()
        assert (contact.external_id, contact.name, contact.data) == ("+7 912", "Анна", {})

    @pytest.mark.parametrize("text", ["external_id\ntg:1", "\ufeffexternal_id\r\ntg:1\r\n", "external_id\n\ntg:1\n\n"])
    def test_reads_what_spreadsheets_write(self, run: Import, file: Path, source: Source, text: str) -> None:
        file.write_bytes(text.encode())

        run(file, "--source", CODE)

        assert Contact.objects.get().external_id == "tg:1"

    def test_reads_what_the_exports_write(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id,phone,text", "'+79123456789,'+79123456789,'quoted'")

        run(file, "--source", CODE)

        contact = Contact.objects.get()
        assert (contact.external_id, contact.phone, contact.text) == ("+79123456789", "+79123456789", "'quoted'")

    def test_reads_the_standard_input(
        self, run: Import, source: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"external_id\ntg:1\n\xd1\x8f\n")))

        assert run("-", "--source", CODE) == "Stored: 2. Stored before: 0."

    def test_of_a_table_without_rows_stores_nothing(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id")

        assert run(file, "--source", CODE) == "Stored: 0. Stored before: 0."

    def test_gives_what_waits_to_whoever_has_room(self, run: Import, file: Path) -> None:
        make_source({make_operator(max_load=3): 1}, code=CODE)
        write(file, "external_id", number=5)

        run(file, "--source", CODE)

        assert (Contact.objects.active().count(), Contact.objects.waiting().count()) == (3, 2)
        assert_rules_hold()


class TestRefusedRows:
    def test_are_listed_with_the_reason_and_hinder_no_other(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id,source_code,City", f"tg:1,{CODE},Perm", ",,Omsk", "tg:3,nowhere,", f"tg:4,{CODE}")

        said = run(file, code=3)

        listed = file.with_name("contacts.refused.csv")
        assert said == f"Stored: 2. Stored before: 0. Refused: 2, listed in {listed}."
        rows = rows_of(listed)
        assert [(row["external_id"], row["City"], row["# line"]) for row in rows] == [
            ("", "Omsk", "3"),
            ("tg:3", "", "4"),
        ]
        assert rows[1]["# why it was refused"] == (
            "source_code: There is no such source. Check the code, or create the source first."
        )

    def test_mended_are_imported_from_their_list(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", "", "tg:1")
        write(file, "external_id,name", ",Анна", "tg:2,Борис")
        run(file, "--source", CODE, code=3)
        listed = file.with_name("contacts.refused.csv")
        listed.write_text(listed.read_text(encoding="utf-8").replace(",Анна", "tg:1,Анна"), encoding="utf-8")

        run(listed, "--source", CODE)

        assert set(Contact.objects.values_list("external_id", flat=True)) == {"tg:1", "tg:2"}
        assert list(Contact.objects.values_list("data", flat=True)) == [{}, {}]

    @pytest.mark.parametrize("mapping", [(), ("--column", "event_id=Update")], ids=["no event ids", "event ids"])
    @pytest.mark.parametrize("list_first", [True, False], ids=["the list first", "the table first"])
    def test_and_their_table_are_imported_in_either_order_without_doubles(
        self, run: Import, file: Path, mapping: tuple[str, ...], list_first: bool
    ) -> None:
        write(file, "external_id,Update", "tg:1,", "tg:2,", "tg:3,update_3")
        run(file, "--source", CODE, *mapping, code=3)
        listed = file.with_name("contacts.refused.csv")
        make_source(code=CODE)

        first, second = (listed, file) if list_first else (file, listed)
        assert run(first, "--source", CODE, *mapping) == "Stored: 3. Stored before: 0."
        assert run(second, "--source", CODE, *mapping) == "Stored: 0. Stored before: 3."

    def test_of_a_list_of_refused_rows_are_listed_in_the_same_way(
        self, run: Import, file: Path, source: Source
    ) -> None:
        write(file, "external_id,name", ",Анна", "tg:2,Борис")
        run(file, "--source", CODE, code=3)

        run(file.with_name("contacts.refused.csv"), "--source", CODE, code=3)

        first, second = (file.with_name(f"contacts.{name}.csv") for name in ("refused", "refused.refused"))
        assert second.read_text(encoding="utf-8") == first.read_text(encoding="utf-8")

    def test_are_not_written_over_a_list_that_is_there(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id,name", ",Анна")
        run(file, "--source", CODE, code=3)
        listed = file.with_name("contacts.refused.csv")
        listed.write_text("mended", encoding="utf-8")

        assert run(file, "--source", CODE, code=3).endswith(f"{file.with_name('contacts.2.refused.csv')}.")

        assert listed.read_text(encoding="utf-8") == "mended"

    @pytest.mark.parametrize("name", ["contacts.csv", "bad.csv", "bad"])
    def test_are_not_written_over_anything_that_one_names(
        self, run: Import, file: Path, tmp_path: Path, name: str
    ) -> None:
        named = tmp_path / name
        write(named, "something else")
        write(file, "external_id", "tg:1")

        run(file, "--source", "nowhere", "--refused", tmp_path / ".." / tmp_path.name / name, code=3)

        second = named.with_name(f"{named.stem}.2{named.suffix}")
        assert [row["external_id"] for row in rows_of(second)] == ["tg:1"]
        assert named.read_text() == ("external_id\ntg:1\n" if named == file else "something else\n")

    def test_go_nowhere_when_one_says_so(self, run: Import, file: Path) -> None:
        write(file, "external_id", "tg:1")

        assert run(file, "--source", "nowhere", "--refused", "/dev/null", code=3).endswith("listed in /dev/null.")

        assert list(file.parent.iterdir()) == [file]

    def test_open_in_a_spreadsheet_as_their_table_does_and_run_nothing_there(
        self, run: Import, file: Path, source: Source
    ) -> None:
        file.write_text("external_id;name;phone\n;=1+1;+7 912\n", encoding="utf-8-sig")

        run(file, "--source", CODE, code=3)

        listed = file.with_name("contacts.refused.csv")
        assert listed.read_bytes().startswith(b"\xef\xbb\xbf# line;")
        assert listed.read_text(encoding="utf-8").rstrip().endswith(";;'=1+1;'+7 912")
        write(listed, *listed.read_text(encoding="utf-8-sig").replace(";;'=1", ";tg:1;'=1").splitlines())
        run(listed, "--source", CODE)
        contact = Contact.objects.get()
        assert (contact.external_id, contact.name, contact.phone) == ("tg:1", "=1+1", "+7 912")

    def test_have_the_numbers_that_a_spreadsheet_shows(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id,name", "tg:1,Анна", "", ",Борис")

        run(file, "--source", CODE, code=3)

        assert [row["# line"] for row in rows_of(file.with_name("contacts.refused.csv"))] == ["4"]

    def test_keep_a_field_whose_heading_begins_like_a_comment(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id,# phone,# note", "tg:1,+7 912,left out", ",+7 913,left out")

        run(file, "--source", CODE, "--column", "phone=# phone", code=3)

        contact = Contact.objects.get()
        assert (contact.phone, contact.data) == ("+7 912", {})
        [row] = rows_of(file.with_name("contacts.refused.csv"))
        assert (row["# phone"], "# note" in row) == ("'+7 913", False)

    def test_are_none_where_only_empty_cells_have_no_heading(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id,,name,,", "tg:1,,Анна,,", "tg:2")

        assert run(file, "--source", CODE) == "Stored: 2. Stored before: 0."

    def test_are_those_with_more_cells_than_headings(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id,text", "tg:1,Hello, I need help", "tg:2,Hello,,")

        run(file, "--source", CODE, code=3)

        assert [(one.external_id, one.text) for one in Contact.objects.all()] == [("tg:2", "Hello")]
        _headings, (_line, why, _event_id, *cells) = csv.reader(
            file.with_name("contacts.refused.csv").read_text().splitlines()
        )
        assert why == "A cell of the row has no heading above it."
        assert cells == ["tg:1", "Hello", " I need help"]

    def test_go_where_one_says(self, run: Import, file: Path, tmp_path: Path) -> None:
        write(file, "external_id", "tg:1")

        run(file, "--source", "nowhere", "--refused", tmp_path / "bad.csv", code=3)

        assert len(rows_of(tmp_path / "bad.csv")) == 1

    def test_make_no_file_when_there_are_none(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", "tg:1")

        run(file, "--source", CODE)

        assert list(file.parent.iterdir()) == [file]


class TestRunAgain:
    def test_stores_nothing_twice(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", number=120)
        run(file, "--source", CODE)

        assert run(file, "--source", CODE) == "Stored: 0. Stored before: 120."

        assert Contact.objects.count() == 120

    def test_after_it_broke_off_goes_on(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", number=250)
        with breaking_off_at(3), pytest.raises(RuntimeError):
            run(file, "--source", CODE)
        assert Contact.objects.count() == 200

        assert run(file, "--source", CODE).endswith("Stored: 50. Stored before: 200.")

        assert Contact.objects.count() == SourceEvent.objects.count() == 250

    def test_brings_nobody_back_who_was_erased(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id,name", "tg:1,Анна", "tg:2,Борис")
        run(file, "--source", CODE)
        erase_lead(Contact.objects.get(name="Анна").lead_id)

        assert run(file, "--source", CODE) == "Stored: 0. Stored before: 2."

        assert set(Contact.objects.values_list("name", flat=True)) == {"", "Борис"}

    def test_of_the_same_lead_in_two_rows_keeps_both(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", "tg:1", "tg:1")

        run(file, "--source", CODE)

        assert Contact.objects.count() == 2

    def test_goes_by_the_event_ids_of_the_table(self, run: Import, file: Path, source: Source) -> None:
        arrive(source, "tg:1", event_id="update_1")
        write(file, "external_id,event_id", "tg:1,update_1", "tg:2,update_2")

        assert run(file, "--source", CODE) == "Stored: 1. Stored before: 1."


def breaking_off_at(chunk: int) -> Any:
    calls = iter(range(1, chunk))

    def call(*args: Any, **kwargs: Any) -> Any:
        if next(calls, None) is None:
            raise RuntimeError
        return register_chunk(*args, **kwargs)

    return patch.object(importing, "register_chunk", call)


class TestAPart:
    def test_has_its_hundreds_of_the_rows_and_the_parts_have_all(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", number=250)

        assert run(file, "--source", CODE, "--part", "2/2") == "Stored: 100. Stored before: 0."
        assert {*Contact.objects.values_list("external_id", flat=True)} == {f"lead_{one}" for one in range(100, 200)}

        assert run(file, "--source", CODE, "--part", "1/2") == "Stored: 150. Stored before: 0."
        assert run(file, "--source", CODE) == "Stored: 0. Stored before: 250."
        assert_rules_hold()

    def test_that_no_row_falls_to_stores_nothing(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", number=100)

        assert run(file, "--source", CODE, "--part", "2/2") == "Stored: 0. Stored before: 0."

    def test_is_rehearsed_by_itself(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", number=250)

        said = run(file, "--source", CODE, "--part", "3/3", "--dry-run")

        assert said == "Nothing was written; would be stored: 50, stored before: 0, would be refused: 0."

    def test_lists_its_refused_rows_by_themselves(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id,source_code", *["a,nowhere"] * 101)

        for part in ("1/2", "2/2"):
            run(file, "--part", part, code=3)

        numbers = [
            [row["# line"] for row in rows_of(file.with_name(f"contacts.{part}_of_2.refused.csv"))] for part in (1, 2)
        ]
        assert numbers == [[*map(str, range(2, 102))], ["102"]]

    @pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3"])
    def test_that_there_is_not_is_told_in_a_line(self, file: Path, part: str) -> None:
        with pytest.raises(CommandError, match=f"--part {part}: write K/N"):
            call_command("import_contacts", str(file), f"--part={part}")


class TestADryRun:
    def test_writes_nothing_and_says_what_would_happen(
        self, file: Path, source: Source, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_source(code="resting", is_active=False)
        write(file, "external_id,source_code", f"tg:1,{CODE}", "tg:2,nowhere", "tg:3,resting", f",{CODE}")

        with pytest.raises(SystemExit) as ended:
            call_command("import_contacts", str(file), "--dry-run")

        said = capsys.readouterr()
        assert ended.value.code == 3
        assert said.out == "Nothing was written; would be stored: 1, stored before: 0, would be refused: 3.\n"
        assert [line.partition(":")[0] for line in said.err.splitlines()] == ["Line 3", "Line 4", "Line 5"]
        assert not Contact.objects.exists()
        assert list(file.parent.iterdir()) == [file]

    def test_after_it_broke_off_tells_what_is_left(self, run: Import, file: Path, source: Source) -> None:
        write(file, "external_id", number=250)
        with breaking_off_at(3), pytest.raises(RuntimeError):
            run(file, "--source", CODE)
        Source.objects.update(is_active=False)

        said = run(file, "--source", CODE, "--dry-run", code=3)

        assert said.endswith("would be stored: 0, stored before: 200, would be refused: 50.")


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("content", "arguments", "said"),
        [
            (b"name\nAnna\n", [], "There is no column external_id. The headings are: name."),
            (b"", [], "There is no column external_id"),
            (b"external_id\n\xff\xfe\n", [], "no CSV in UTF-8"),
            (b"external_id\n", ["--column", "phone=Phone"], "There is no column Phone"),
            (b"external_id,City,City,#,#\n", [], "Several columns are called City."),
            (b"external_id\n", ["--column", "phone"], "write FIELD=HEADING"),
            (b"external_id\n", ["--column", "shoe=Size"], "write FIELD=HEADING"),
            (None, [], "No such file"),
        ],
        ids=[
            "no id",
            "empty",
            "no UTF-8",
            "no such heading",
            "twice the same",
            "half a column",
            "no such field",
            "no file",
        ],
    )
    def test_is_told_in_a_line(self, file: Path, content: bytes | None, arguments: list[str], said: str) -> None:
        if content is not None:
            file.write_bytes(content)

        with pytest.raises(CommandError, match=said):
            call_command("import_contacts", str(file), *arguments)


class TestInterrupted:
    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
    def test_and_run_again_stores_everything_once(
        self, run: Import, file: Path, number: signal.Signals, code: int
    ) -> None:
        make_source({make_operator(max_load=1_000): 1, make_operator(max_load=1_900): 1}, code=CODE)
        write(file, "external_id", number=3_000)
        with started("import_contacts", str(file), "--source", CODE) as process:
            wait_until(Contact.objects.exists)
            process.send_signal(number)
            assert process.wait(timeout=10) == code
        stored = Contact.objects.count()

        run(file, "--source", CODE)

        assert 0 < stored < 3_000
        assert stored % 100 == 0
        assert Contact.objects.count() == SourceEvent.objects.count() == 3_000
        assert (Contact.objects.active().count(), Contact.objects.waiting().count()) == (2_900, 100)
        assert_rules_hold()
        assert list(verify()) == []

    def test_one_of_two_parts_and_the_whole_run_again_store_everything_once(
        self, run: Import, file: Path, source: Source
    ) -> None:
        write(file, "external_id", *[f"lead_{place % 150}" for place in range(3_000)])
        parts = [("import_contacts", str(file), "--source", CODE, "--part", part) for part in ("1/2", "2/2")]
        with started(*parts[0]) as killed, started(*parts[1]) as other:
            wait_until(lambda: Contact.objects.count() >= 200)
            killed.kill()
            assert killed.wait(timeout=10) == -signal.SIGKILL
            assert other.wait(timeout=60) == 0
        assert 1_500 <= Contact.objects.count() < 3_000

        run(file, "--source", CODE)

        assert Contact.objects.count() == SourceEvent.objects.count() == 3_000
        assert Lead.objects.count() == 150
        assert_rules_hold()
        assert list(verify()) == []
