"""The sentences in Russian: the plural forms, and no word that takes an operator for a man or a woman."""

import re
from collections.abc import Iterator

import pytest
from django.utils.translation import override
from rest_framework.test import APIClient

from crm_project.testing.rows import arrive, make_operator, make_source
from distribution.models import Decision, Kind, Trigger
from distribution.phrases import listed, named
from distribution.records import Account
from distribution.rounds import Outcome, Round
from distribution.sentences import sentences_of
from distribution.standing import Obstacle, Standing

NAMES = {1: "Оператор 1", 2: "Анна", 3: "Вера"}
FULL = Standing(1, 10, 10, 10, True)
FREE = Standing(2, 30, 3, 10, True)
ALSO_FREE = Standing(3, 20, 6, 20, True)
GENDERED = re.compile(r"\b(была?|выбрана?|пропущена?|назначена?|получила?|занята?|выключена)\b", re.IGNORECASE)


@pytest.fixture(autouse=True)
def russian() -> Iterator[None]:
    """Speak Russian."""
    with override("ru"):
        yield


def told(round_: Round, strategy: str = "weighted_random", trigger: Trigger = Trigger.ARRIVAL) -> str:
    won = round_.drawn if round_.outcome is Outcome.TAKEN else None
    decision = Decision(trigger=trigger, kind=Kind.DRAW, strategy=strategy, operator_id=won)
    return sentences_of(decision, Account(rounds=[round_]), NAMES)


def drawn(*standings: Standing, given: list[int] | None = None) -> Round:
    return Round(roster=standings, outcome=Outcome.TAKEN, ticket=0, drawn=2, given=given)


def full(count: int) -> list[Standing]:
    return [Standing(number, 1, 5, 5, True) for number in range(1, count + 1)]


def test_a_draw() -> None:
    assert told(drawn(FULL, FREE, ALSO_FREE)) == (
        "По розыгрышу обращение получает Анна: вес 30 из 50 (60\xa0%). Оператор 1 не участвует: 10 из 10."
    )


def test_a_fraction_has_its_comma() -> None:
    assert "(33,3\xa0%)" in told(drawn(FREE._replace(weight=10), ALSO_FREE))


@pytest.mark.parametrize(
    ("given", "told_so_far"),
    [([0, 1], "0 из 1 обращения"), ([1, 2], "1 из 3 обращений"), ([9, 12], "9 из 21 обращения")],
)
def test_contacts_are_counted(given: list[int], told_so_far: str) -> None:
    assert told_so_far in told(drawn(FREE, ALSO_FREE, given=given), "smooth_weighted")


@pytest.mark.parametrize(
    ("count", "expected"),
    [(2, "2 одинаково загруженных"), (5, "5 одинаково загруженных"), (21, "21 одинаково загруженного")],
)
def test_those_who_tie_are_counted(count: int, expected: str) -> None:
    standings = [Standing(number, 1, 0, 5, True) for number in range(1, count + 1)]

    assert f"среди {expected}:" in told(drawn(*standings), "least_loaded")


@pytest.mark.parametrize(
    ("count", "expected"),
    [(2, "2 оператора"), (3, "3 оператора"), (5, "5 операторов"), (11, "11 операторов"), (21, "21 оператор")],
)
def test_operators_are_counted(count: int, expected: str) -> None:
    sentence = told(Round(roster=full(count), outcome=Outcome.NOBODY))

    assert sentence.startswith(f"Все на пределе ({expected}): Оператор 1 (5 из 5), Анна (5 из 5)")


def test_each_reason_has_its_group() -> None:
    roster = [FULL, FREE._replace(is_active=False), ALSO_FREE._replace(weight=0)]

    assert told(Round(roster=roster, outcome=Outcome.NOBODY), trigger=Trigger.DRAIN) == (
        "Из очереди. Никто не доступен — приём выключен: Анна; вес 0: Вера; "
        "предел достигнут: Оператор 1 (10 из 10). Обращение ждёт дальше."
    )


def test_a_long_list_is_cut() -> None:
    assert listed(full(200), lambda standing: named(standing.operator_id, {})).endswith("Оператор №\xa010 и ещё 190")


def test_no_operator_is_taken_for_a_man_or_a_woman() -> None:
    rounds = [
        *[drawn(FULL, FREE, ALSO_FREE, given=given) for given in (None, [1, 2])],
        Round(roster=[FULL, FREE], outcome=Outcome.LEFT_TO_QUEUE, ticket=0, drawn=2),
        Round(roster=[FULL, FREE], outcome=Outcome.TAKEN, drawn=2),
        Round(roster=[FULL, FREE], outcome=Outcome.NOBODY, excluded={2: Obstacle.EXCLUDED}),
        Round(roster=[FULL, FREE._replace(is_active=False)], outcome=Outcome.NOBODY),
    ]
    sentences = [told(round_, strategy) for round_ in rounds for strategy in ("smooth_weighted", "least_loaded")]
    for standing, won in ((FREE, 2), (FULL, None)):
        for trigger in (Trigger.REASSIGNMENT, Trigger.BULK, Trigger.REOPENING):
            decision = Decision(trigger=trigger, kind=Kind.BY_HAND, operator_id=won)
            sentences.append(sentences_of(decision, Account(by_hand=standing, passed_queue=True), NAMES))

    assert [sentence for sentence in sentences if GENDERED.search(sentence)] == []
    assert [sentence for sentence in sentences if re.search("[a-z]", sentence)] == []
    assert GENDERED.search("Анна выбрана")


@pytest.mark.django_db
def test_the_api_tells_them_to_who_asks_in_russian(api: APIClient) -> None:
    contact = arrive(make_source({make_operator(name="Анна"): 1}))

    url = f"/api/contacts/{contact.pk}/decisions"
    sentences = [
        api.get(url, headers={"Accept-Language": language}).json()["decisions"][0]["sentence"]
        for language in ("ru", "en")
    ]

    assert sentences == [
        "По розыгрышу обращение получает Анна: вес 1 из 1 (100\xa0%).",
        "Анна was drawn: weight 1 of 1 (100%).",
    ]
