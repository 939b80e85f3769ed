"""The one form of phones and e-mails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_project.setup.children import BASE_DIR
from leads.identity import email_address, phone_number

# What people write, read in Russia, and what becomes of it; None is refused.
PHONES = {
    # Russia
    "+79123456789": "+79123456789",
    "8 (912) 345-67-89": "+79123456789",
    "8-912-345-67-89": "+79123456789",
    "8.912.345.67.89": "+79123456789",
    "79123456789": "+79123456789",
    "9123456789": "+79123456789",
    "+7 912 345 67 89": "+79123456789",
    "tel:+7-912-345-67-89": "+79123456789",
    "810 7 912 345 67 89": "+79123456789",
    "+７９１２３４５６７８９": "+79123456789",
    "+7\u00a0912\u00a0345‑67‑89": "+79123456789",
    "8 (495) 123-45-67 доб. 12": "+74951234567;ext=12",
    "8 (495) 123-45-67 ext. 12": "+74951234567;ext=12",
    "8 8172 12-34-56": "+78172123456",
    # Kazakhstan
    "+7 777 123 45 67": "+77771234567",
    "8 777 123-45-67": "+77771234567",
    # Belarus
    "+375 29 123-45-67": "+375291234567",
    "8 10 375 29 123 45 67": "+375291234567",
    # Ukraine
    "+380 (44) 123-45-67": "+380441234567",
    "+38 044 123 45 67": "+380441234567",
    # Germany
    "+49 (0)30 123456": "+4930123456",
    "+49 30/123 456": "+4930123456",
    "8 10 49 30 123456": "+4930123456",
    # The United Kingdom
    "+44 (0) 20 7946 0958": "+442079460958",
    "+44 7400 123456": "+447400123456",
    # Italy, where the 0 belongs to the number
    "+39 06 1234567": "+39061234567",
    # The United States
    "+1 (212) 555-0123": "+12125550123",
    "+1 800 FLOWERS": "+18003569377",
    # None of them
    "": None,
    "112": None,
    "12-34-56": None,
    "+7": None,
    "+7 912 345 67 8": None,
    "8-912-345-67-8": None,
    "8 912 345 67 89 0": None,
    "89123456789, 89123456780": None,
    "89123456789/89123456780": None,
    "+7 912 345 67 89 WhatsApp": None,
    "tg:79123456789": None,
    "user 79123456789": None,
    "user_123": None,
    "ivan@example.com": None,
    "+999 123 456 789": None,
    "8 029 123 45 67": None,
}


@pytest.mark.parametrize(("written", "number"), PHONES.items())
def test_each_way_of_writing_a_phone_becomes_its_number(written: str, number: str | None) -> None:
    assert phone_number(written) == number


def test_the_document_shows_every_way_of_writing_a_phone() -> None:
    table = (BASE_DIR / "docs" / "phones.md").read_text(encoding="utf-8")
    rows = [f"| `{written}` | {f'`{number}`' if number else '—'} |" for written, number in PHONES.items() if written]

    assert [row for row in rows if row not in table] == []
    assert len(table.splitlines()) == table.splitlines().index("|---|---|---|") + 1 + len(rows)


@pytest.mark.parametrize("number", sorted({number for number in PHONES.values() if number}))
def test_the_one_form_of_a_phone_stays_as_it_is(number: str) -> None:
    assert phone_number(number) == number


def test_a_phone_without_its_country_is_one_of_the_region_of_the_house(settings: object) -> None:
    settings.PHONE_REGION = "DE"  # type: ignore[attr-defined]

    assert phone_number("030 123456") == "+4930123456"
    assert phone_number("8 (912) 345-67-89") != "+79123456789"


@given(st.text(max_size=255))
def test_any_text_is_a_phone_or_none(text: str) -> None:
    number = phone_number(text)

    assert number is None or phone_number(number) == number


EMAILS = {
    "ivan@example.com": "ivan@example.com",
    " Ivan@Example.COM ": "ivan@example.com",
    "IVAN.PETROV+site@EXAMPLE.com": "ivan.petrov+site@example.com",
    "ivan@пример.рф": "ivan@пример.рф",
    "ivan@ПРИМЕР.РФ": "ivan@пример.рф",
    "ivan@xn--e1afmkfd.xn--p1ai": "ivan@пример.рф",
    "Иван@пример.рф": "иван@пример.рф",
    "cafe\u0301@example.com": "caf\u00e9@example.com",
    "": None,
    "ivan": None,
    "ivan@": None,
    "@example.com": None,
    "ivan@example": None,
    "ivan@example..com": None,
    "ivan petrov@example.com": None,
    "ivan@example.com, petr@example.com": None,
    "tg:123": None,
    "+79123456789": None,
    f"{'i' * 64}@{'e' * 63}.{'e' * 63}.{'e' * 63}.com": None,
}


@pytest.mark.parametrize(("written", "address"), EMAILS.items())
def test_each_way_of_writing_an_email_becomes_its_address(written: str, address: str | None) -> None:
    assert email_address(written) == address


@given(st.one_of(st.text(max_size=255), st.emails()))
def test_any_text_is_an_email_or_none(text: str) -> None:
    address = email_address(text)

    assert address is None or email_address(address) == address
