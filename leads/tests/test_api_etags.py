"""Weights that are set only when they are still as they were read: ETag and If-Match."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from crm_project.testing.api import errors
from crm_project.testing.clients import key_for
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import roster
from distribution.models import SettingChange
from distribution.selectors import weights_of
from leads.models import Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

STALE = '"0123456789abcdef0123456789abcdef"'


@pytest.fixture
def operator() -> Operator:
    return make_operator()


@pytest.fixture
def source(operator: Operator) -> Source:
    return make_source({operator: 10})


def tag(api: APIClient, source: Source) -> str:
    return str(api.get(f"/api/sources/{source.pk}/operators").headers["ETag"])


def save(api: APIClient, source: Source, weights: dict[int, int], *, call: str = "post", **headers: str) -> Any:
    body = {"operator_weights": [{"operator_id": one, "weight": weight} for one, weight in weights.items()]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return getattr(api, call)(f"/api/sources/{source.pk}/operators", body, headers=named)


class TestTheTag:
    def test_is_strong(self, api: APIClient, source: Source) -> None:
        assert tag(api, source).startswith('"')
        assert tag(api, source).endswith('"')

    def test_changes_with_the_weights(self, api: APIClient, source: Source, operator: Operator) -> None:
        before = tag(api, source)

        roster.set_weights(source.pk, {operator.pk: 11})

        assert tag(api, source) != before

    def test_comes_back_with_the_weights(self, api: APIClient, source: Source, operator: Operator) -> None:
        before = tag(api, source)

        for weight in (11, 10):
            roster.set_weights(source.pk, {operator.pk: weight})

        assert tag(api, source) == before

    def test_tells_no_weight_from_a_weight_of_none(self, api: APIClient, source: Source, operator: Operator) -> None:
        roster.set_weights(source.pk, {operator.pk: 0})
        of_zero = tag(api, source)

        roster.set_weights(source.pk, {}, replace=True)

        assert tag(api, source) != of_zero

    def test_stays_while_loads_move_the_shares(self, api: APIClient, source: Source) -> None:
        roster.set_weights(source.pk, {make_operator(max_load=1).pk: 1_000_000})
        before = api.get(f"/api/sources/{source.pk}/operators")
        for _ in range(3):
            arrive(source)

        after = api.get(f"/api/sources/{source.pk}/operators")

        assert after.json() != before.json()
        assert after.headers["ETag"] == before.headers["ETag"]

    @pytest.mark.parametrize("call", ["post", "put"])
    def test_of_what_was_stored_comes_with_the_answer(
        self, api: APIClient, source: Source, operator: Operator, call: str
    ) -> None:
        answer = save(api, source, {operator.pk: 12}, call=call)

        assert answer.headers["ETag"] == tag(api, source)


@pytest.mark.parametrize("call", ["post", "put"])
class TestIfMatch:
    def test_of_the_tag_that_was_read_sets_the_weights(
        self, api: APIClient, source: Source, operator: Operator, call: str
    ) -> None:
        answer = save(api, source, {operator.pk: 12}, call=call, If_Match=tag(api, source))

        assert answer.status_code == 200
        assert weights_of(source.pk) == {operator.pk: 12}

    def test_of_another_tag_is_412_and_stores_nothing(
        self, api: APIClient, source: Source, operator: Operator, call: str
    ) -> None:
        seen = tag(api, source)
        roster.set_weights(source.pk, {operator.pk: 11})

        answer = save(api, source, {operator.pk: 12}, call=call, If_Match=seen)

        assert (answer.status_code, errors(answer)) == (412, [("weights_changed", None)])
        assert weights_of(source.pk) == {operator.pk: 11}

    def test_may_name_several(self, api: APIClient, source: Source, operator: Operator, call: str) -> None:
        several = f'{STALE} , "with,a_comma",, {tag(api, source)}'

        assert save(api, source, {operator.pk: 12}, call=call, If_Match=several).status_code == 200

    def test_of_none_of_several_is_412(self, api: APIClient, source: Source, operator: Operator, call: str) -> None:
        assert save(api, source, {operator.pk: 12}, call=call, If_Match=f'{STALE}, "x"').status_code == 412

    def test_of_a_weak_tag_never_matches(self, api: APIClient, source: Source, operator: Operator, call: str) -> None:
        answer = save(api, source, {operator.pk: 12}, call=call, If_Match=f"W/{tag(api, source)}")

        assert (answer.status_code, errors(answer)) == (412, [("weights_changed", None)])

    def test_of_whatever_it_is_matches_a_source_without_weights_too(
        self, api: APIClient, operator: Operator, call: str
    ) -> None:
        assert save(api, make_source(), {operator.pk: 12}, call=call, If_Match=" * ").status_code == 200

    @pytest.mark.parametrize(
        "header", ["", " ", ",", "x", '"', '"x', "W/*", 'w/"x"', '*, "x"', '"x" "y"', '"a b"', "\0", '"x";']
    )
    def test_that_cannot_be_read_is_400_and_stores_nothing(
        self, api: APIClient, source: Source, operator: Operator, call: str, header: str
    ) -> None:
        answer = save(api, source, {operator.pk: 12}, call=call, If_Match=header)

        assert (answer.status_code, errors(answer)) == (400, [("bad_if_match", None)])
        assert weights_of(source.pk) == {operator.pk: 10}

    def test_of_a_source_that_is_not_there_is_404(self, api: APIClient, call: str) -> None:
        answer = getattr(api, call)("/api/sources/404/operators", {"operator_weights": []}, headers={"If-Match": STALE})

        assert answer.status_code == 404

    def test_tells_a_key_for_other_sources_nothing(self, source: Source, operator: Operator, call: str) -> None:
        elsewhere = key_for("manage", sources=[make_source()])

        assert save(elsewhere, source, {operator.pk: 12}, call=call, If_Match=STALE).status_code == 404


class TestWithAnIdempotencyKey:
    def test_a_repeat_gets_the_first_answer_with_its_tag(
        self, api: APIClient, source: Source, operator: Operator
    ) -> None:
        headers = {"If_Match": tag(api, source), "Idempotency_Key": "key"}

        first, again = (save(api, source, {operator.pk: 12}, **headers) for _ in range(2))

        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["ETag"] == first.headers["ETag"] == tag(api, source)

    def test_what_was_refused_may_be_sent_again_with_the_tag_of_now(
        self, api: APIClient, source: Source, operator: Operator
    ) -> None:
        refused = save(api, source, {operator.pk: 12}, If_Match=STALE, Idempotency_Key="key")

        granted = save(api, source, {operator.pk: 12}, If_Match=tag(api, source), Idempotency_Key="key")

        assert (refused.status_code, granted.status_code) == (412, 200)

    def test_answers_without_a_tag_come_back_without_one(self, api: APIClient) -> None:
        body = {"name": "Bot", "code": "bot"}

        first, again = (api.post("/api/sources", body, headers={"Idempotency-Key": "key"}) for _ in range(2))

        assert "ETag" not in first.headers
        assert "ETag" not in again.headers


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("call", ["post", "put"])
def test_of_many_writers_with_one_tag_exactly_one_wins(call: str) -> None:
    operator = make_operator()
    source = make_source({operator: 1})
    clients = [key_for("manage") for _ in range(6)]
    seen = tag(clients[0], source)

    def writer(client: APIClient, weight: int) -> Any:
        return lambda: save(client, source, {operator.pk: weight}, call=call, If_Match=seen).status_code

    outcomes = run_concurrently(*(writer(client, 10 + number) for number, client in enumerate(clients)))

    assert sorted(outcomes) == [200, *[412] * 5]
    assert Weight.objects.get().weight == 10 + outcomes.index(200)
    assert SettingChange.objects.count() == 1
