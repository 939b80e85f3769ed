"""The fairness report of decisions that were stored: the call, the command and the page."""

import random
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from crm_project.testing.api import errors
from crm_project.testing.clients import key_for
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import handling, roster
from distribution.fairness import Tally, Verdict
from distribution.fairness_report import Period, Report, fairness_report
from distribution.models import Decision, RosterVersion
from distribution.rounds import Outcome, Round
from distribution.standing import Obstacle, Standing
from distribution.strategy import STRATEGIES
from distribution.tallies import Tallies
from distribution.tests.histories import House, make_staffed_source, store
from leads.models import Source

pytestmark = pytest.mark.django_db

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


def report_on(source: Source) -> Report:
    return fairness_report(source, Period.of())


def tally_of(source: Source, operator_id: int) -> Tally:
    return next(row.tally for row in report_on(source).operators if row.operator_id == operator_id)


def worked(house: House, contacts: int) -> list[list[Round]]:
    """Return the rounds of so many contacts, while people close others, come and go."""
    everything = []
    for _ in range(contacts):
        everything.append(house.contact(lambda _operator_id: house.chance.random() < 0.1))
        while house.chance.random() < 0.5:
            house.close()
        if house.chance.random() < 0.05:
            house.switch(house.chance.choice(list(house.roster)))
    return everything


def once(standings: list[Standing]) -> list[list[Round]]:
    """Return the one draw of one contact."""
    return [[Round(roster=standings, ticket=0, drawn=standings[0].operator_id, outcome=Outcome.TAKEN)]]


def biased(operator_ids: list[int], standings: list[Standing]) -> Iterable[list[Round]]:
    """Yield the rounds of 3,000 contacts whose tickets name the first of two equals six times of ten."""
    chance = random.Random(1)
    for _ in range(3_000):
        place = int(chance.random() > 0.6)
        yield [Round(roster=standings, ticket=place, drawn=operator_ids[place], outcome=Outcome.TAKEN)]


@pytest.fixture
def skewed() -> Source:
    """A source whose draws were not fair."""
    source, standings = make_staffed_source([1, 1], name="Telegram", code="telegram")
    store(source, biased([one.operator_id for one in standings], standings))
    return source


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("operators", [3, 60])
def test_a_stored_history_adds_up_to_what_its_rounds_do(strategy: str, operators: int) -> None:
    source, standings = make_staffed_source([1 + number % 7 for number in range(operators)], strategy=strategy)
    contacts = worked(House(standings, random.Random(operators), STRATEGIES[strategy]), 300)
    store(source, contacts)
    tallies = Tallies()
    for round_ in (round_ for rounds in contacts for round_ in rounds):
        tallies.add(STRATEGIES[strategy], round_)

    report = report_on(source)

    assert RosterVersion.objects.exists() == (operators > 50)
    assert (report.draws, report.refused, report.unreadable) == (tallies.draws, tallies.refused, 0)
    for key, tally in tallies.result().items():
        found = next(row.tally for row in report.operators if row.operator_id == key)
        assert (found.expected, found.variance) == pytest.approx((tally.expected, tally.variance))
        assert (found.drawn, found.open, +found.missed) == (tally.drawn, tally.open, +tally.missed)


def test_an_honest_history_is_ordinary_chance() -> None:
    source, standings = make_staffed_source([10, 30])
    store(source, worked(House(standings, random.Random(3)), 2_000))

    assert report_on(source).judgement.verdict == Verdict.ORDINARY_CHANCE


def test_real_arrivals_are_counted_with_their_refused_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_operator(), make_operator()
    source = make_source({first: 1, second: 1})
    answers = iter([None, False])
    monkeypatch.setattr("distribution.intake.queue_before", lambda *_ids: next(answers))
    arrive(source)

    report = report_on(source)

    assert (report.draws, report.refused) == (2, 1)
    assert sorted(row.tally.expected for row in report.operators) == [0.5, 1.5]
    assert [row.tally.drawn for row in report.operators] == [1, 1]


def test_what_came_by_hand_or_back_is_no_draw() -> None:
    first, second = make_operator(), make_operator(max_load=0)
    source = make_source({first: 1, second: 1}, prefer_same_operator=True)
    contact = arrive(source, "lead")
    arrive(source, "lead")
    roster.change_operator(second.pk, max_load=9)
    handling.reassign_to_operator(contact.pk, second.pk)

    one, other = tally_of(source, first.pk), tally_of(source, second.pk)

    assert (one.drawn, one.returned, one.by_hand, one.alone) == (1, 1, 0, 1)
    assert (other.drawn, other.returned, other.by_hand) == (0, 0, 1)
    assert other.missed == {Obstacle.AT_LIMIT: 1, Obstacle.NOT_LISTED: 0}


def test_a_decision_that_was_tampered_with_is_counted_and_no_more() -> None:
    source = make_source({make_operator(): 1, make_operator(): 1})
    tampered: list[Any] = [
        [],
        {"rounds": 7},
        {"rounds": [{"roster": [["x"]], "outcome": "taken"}]},
        {"rounds": [{"roster": [[1, 1, 0, 9, 1]], "ticket": 0, "drawn": [], "outcome": "taken"}]},
    ]
    for details in tampered:
        arrive(source)
        Decision.objects.filter(pk=Decision.objects.latest("pk").pk).update(details=details)
    arrive(source)

    assert (report_on(source).unreadable, report_on(source).draws) == (4, 1)


def test_so_is_one_that_stands_beside_a_stored_roster() -> None:
    source = make_source({make_operator(): 1 for _ in range(60)})
    arrive(source)
    Decision.objects.update(details={"rounds": [{"changes": [[]], "ticket": 0, "drawn": 1, "outcome": "taken"}]})

    assert report_on(source).unreadable == 1


@pytest.mark.parametrize("contacts", [1, 40])
def test_it_takes_three_statements_however_long_the_history(contacts: int, django_assert_num_queries: Any) -> None:
    source, standings = make_staffed_source([1] * 60)
    store(source, worked(House(standings, random.Random(1)), contacts))
    with django_assert_num_queries(3):
        report_on(source)


class TestTheCall:
    @staticmethod
    def get(api: APIClient, source: Source, query: str = "") -> Any:
        return api.get(f"/api/sources/{source.pk}/fairness{query}")

    def test_names_whom_a_skew_concerns(self, api: APIClient, skewed: Source) -> None:
        body = self.get(api, skewed).json()

        assert (body["verdict"], body["draws"]) == ("real_skew", 3_000)
        assert body["skewed_operator_ids"] == [row["operator_id"] for row in body["operators"]]
        often, rarely = body["operators"]
        assert often["difference"] == -rarely["difference"] > often["band"]
        assert often["p_value"] < 1e-6
        assert often["z"] > 5

    def test_is_about_the_last_thirty_days(self, api: APIClient) -> None:
        source, standings = make_staffed_source([1, 1])
        now = datetime.now(UTC)
        for days in (1, 29, 31):
            store(source, once(standings), now - timedelta(days=days))

        body = self.get(api, source).json()

        assert body["draws"] == 2
        assert datetime.fromisoformat(body["end"]) - datetime.fromisoformat(body["start"]) == timedelta(days=30)

    def test_or_about_what_lies_from_one_moment_to_before_another(self, api: APIClient) -> None:
        source, standings = make_staffed_source([1, 1])
        for hours in (0, 1, 2):
            store(source, once(standings), NOVEMBER + timedelta(hours=hours))

        def draws(query: str) -> int:
            return int(self.get(api, source, query).json()["draws"])

        assert draws("?from=2026-11-01T00:00:00Z&to=2026-11-01T02:00:00Z") == 2
        assert draws("?from=2026-11-01T00:00:01Z&to=2026-11-01T02:00:00Z") == 1
        assert draws("?to=2026-11-01T03:00:00%2B03:00") == 0

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("?from=yesterday", ("invalid", "from")),
            ("?to=2026-13-01", ("invalid", "to")),
            ("?from=", ("empty_filter", "from")),
            ("?since=2026-11-01", ("unknown_filter", "since")),
            ("?page=1", ("unknown_filter", "page")),
            ("?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", ("empty_period", "from")),
            ("?from=2026-11-01T00:00:00Z&to=2026-11-01T00:00:00Z", ("empty_period", "from")),
            ("?to=0001-01-01T00:00:00Z", ("unreadable_value", None)),
        ],
    )
    def test_refuses_what_is_no_period(self, api: APIClient, query: str, found: tuple[str, str | None]) -> None:
        response = self.get(api, make_source(), query)

        assert (response.status_code, errors(response)) == (400, [found])

    def test_is_for_keys_that_read_the_source(self) -> None:
        ours, theirs = make_source(), make_source()

        assert self.get(key_for("read", sources=[ours]), ours).status_code == 200
        assert self.get(key_for("read", sources=[ours]), theirs).status_code == 404
        assert self.get(key_for("register"), ours).status_code == 403


type Run = Callable[..., tuple[int, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; return its exit code and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        code = 0
        try:
            call_command("fairness", *arguments)
        except SystemExit as ending:
            code = int(ending.code or 0)
        return code, capsys.readouterr().out

    return run


class TestTheCommand:
    def test_shows_a_table_and_the_verdict(self, command: Run, skewed: Source) -> None:
        roster.change_operator(skewed.weights.order_by("operator")[0].operator_id, name="[red]Anna")

        code, printed = command("--source", "telegram")

        assert code == 3
        assert re.search(r"\[red\]Anna .* 1500.0 ", printed)
        assert "Draws: 3000, of them refused: 0." in printed
        assert "[red]Anna was drawn too often: " in printed

    def test_ends_well_when_there_is_no_skew(self, command: Run) -> None:
        make_source(code="telegram")

        code, printed = command("--source", "telegram", "--from", "2026-11-01", "--to", "2026-11-02T10:00+03:00")

        assert (code, printed.splitlines()[-1]) == (0, "There were no draws in this period.")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--source", "none"], "no source with the code “none”"),
            (["--source", "telegram", "--from", "soon"], "“soon” is no moment"),
            (["--source", "telegram", "--to", "0001-01-01"], "“0001-01-01” is no moment"),
            (["--source", "telegram", "--from", "2199-01-01"], "Nothing lies in this period"),
        ],
    )
    def test_says_what_is_wrong(self, command: Run, arguments: list[str], said: str) -> None:
        make_source(code="telegram")

        with pytest.raises(CommandError, match=said):
            command(*arguments)


class TestThePage:
    @staticmethod
    def get(client: Client, source_id: object, query: str = "") -> Any:
        return client.get(f"/admin/leads/source/{source_id}/fairness/{query}")

    def test_shows_the_verdict_and_a_chart_that_has_titles(self, admin_client: Client, skewed: Source) -> None:
        page = self.get(admin_client, skewed.pk).content.decode()

        assert "A real skew, which chance does not explain." in page
        assert len(re.findall(r'<svg class="fairness-strip" role="img" aria-labelledby="strip-\d">', page)) == 2
        assert len(re.findall(r"<title id=\"strip-\d\">Operator \d+: drawn \d+, expected 1500.0 ± ", page)) == 2

    def test_is_reached_from_the_page_of_the_source(self, admin_client: Client) -> None:
        source = make_source()

        page = admin_client.get(f"/admin/leads/source/{source.pk}/change/").content.decode()

        assert f'href="/admin/leads/source/{source.pk}/fairness/"' in page

    def test_is_about_the_days_chosen_the_last_included(self, admin_client: Client) -> None:
        source, standings = make_staffed_source([1, 1])
        store(source, once(standings), NOVEMBER + timedelta(hours=12))

        def has_draws(query: str) -> bool:
            return "no draws" not in self.get(admin_client, source.pk, query).content.decode()

        assert has_draws("?first=2026-11-01&last=2026-11-01")
        assert not has_draws("?first=2026-10-01&last=2026-10-31")

    @pytest.mark.parametrize(
        "query",
        ["?first=2026-11-02&last=2026-11-01", "?first=x", "?first=0001-01-01&last=9999-12-31", "?a=1", "?first=%00"],
    )
    def test_says_what_is_wrong_with_the_days(self, admin_client: Client, query: str) -> None:
        response = self.get(admin_client, make_source().pk, query)

        assert response.status_code == 200
        assert response.context["form"].errors

    def test_is_for_those_who_may_see_sources(self, client: Client) -> None:
        client.force_login(User.objects.create_user("anna", is_staff=True))

        assert self.get(client, make_source().pk).status_code == 403

    @pytest.mark.parametrize("source_id", ["999", "x", "9" * 40])
    def test_of_a_source_that_is_not_there_is_404(self, admin_client: Client, source_id: str) -> None:
        assert self.get(admin_client, source_id).status_code == 404
