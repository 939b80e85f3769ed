"""The preview of the next contact, and the shares that every page shows."""

from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from rest_framework.test import APIClient

from crm_project.testing.admin_pages import address
from crm_project.testing.clients import key_for
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution.models import DrawCount
from distribution.shares import Nobody, preview, shares, shares_of
from leads.models import Contact, ContactStatus, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

STRATEGIES = ("weighted_random", "smooth_weighted", "least_loaded")


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table of ours."""
    labels = ("leads", "operators", "distribution", "access")
    models = [model for label in labels for model in apps.get_app_config(label).get_models()]
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}


def probabilities_of(source: Source) -> list[float]:
    return [share.share for share in preview(source.pk).operators]


def test_it_says_how_each_operator_stands_and_why_somebody_is_not_available(api: APIClient) -> None:
    operators = [
        make_operator(name="Anna", max_load=4),
        make_operator(name="Boris", external_id="b7"),
        make_operator(name="Vera", is_active=False),
        make_operator(name="Gleb", max_load=0),
        make_operator(name="Dina"),
    ]
    source = make_source(dict(zip(operators, (10, 30, 5, 5, 0), strict=True)))

    body = api.get(f"/api/sources/{source.pk}/preview").json()

    assert (body["strategy"], body["nobody"]) == ("weighted_random", None)
    assert [(row["probability"], row["reason"]) for row in body["operators"]] == [
        (0.25, None),
        (0.75, None),
        (0, "inactive"),
        (0, "at_limit"),
        (0, "zero_weight"),
    ]
    assert body["operators"][0] == {
        "operator_id": operators[0].pk,
        "operator_name": "Anna",
        "operator_external_id": None,
        "weight": 10,
        "load": 0,
        "max_load": 4,
        "probability": 0.25,
        "reason": None,
    }


def test_a_strategy_that_counts_tells_from_what_it_has_given_who_is_next() -> None:
    source = make_source({make_operator(): 1, make_operator(): 3, make_operator(): 4}, strategy="smooth_weighted")
    assert probabilities_of(source) == [1 / 8, 3 / 8, 1 / 2]
    for _ in range(12):
        foreseen = probabilities_of(source) if DrawCount.objects.exists() else None
        winner = arrive(source).operator
        weights = source.weights.order_by("operator_id")
        if foreseen:
            assert sum(foreseen) == 1
            assert foreseen[[weight.operator for weight in weights].index(winner)] > 0  # type: ignore[arg-type]


def test_what_was_given_to_other_candidates_counts_for_nothing() -> None:
    first, second = make_operator(), make_operator()
    source = make_source({first: 1, second: 3}, strategy="smooth_weighted")
    arrive(source)
    Weight.objects.filter(operator=first).update(weight=3)

    assert probabilities_of(source) == [0.5, 0.5]


def test_the_least_loaded_are_next() -> None:
    source = make_source({make_operator(max_load=10): 1, make_operator(max_load=2): 9}, strategy="least_loaded")
    assert probabilities_of(source) == [0.5, 0.5]
    winner = arrive(source).operator

    assert {share.operator: share.share for share in preview(source.pk).operators if share.share == 1}.keys() == {
        operator for operator in Operator.objects.all() if operator != winner
    }


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_page_and_call_shows_the_same(api: APIClient, admin_client: Client, strategy: str) -> None:
    source = make_source({make_operator(): 1, make_operator(): 3, make_operator(max_load=0): 4}, strategy=strategy)
    make_source(dict.fromkeys(Operator.objects.all(), 7))
    for _ in range(3):
        arrive(source)
    foreseen = probabilities_of(source)
    url = f"/api/sources/{source.pk}"
    weights = Weight.objects.filter(source=source).order_by("operator_id")
    shown = [f"{100 * chance:.0f}%" for chance in foreseen[:2]]

    assert [share.share for share in shares(source.pk)] == foreseen
    assert [row["probability"] for row in api.get(f"{url}/preview").json()["operators"]] == foreseen
    assert [row["share"] for row in api.get(f"{url}/operators").json()["operator_weights"]] == foreseen
    assert [shares_of(Weight.objects.all())[weight.pk] for weight in weights] == foreseen
    assert all(text in admin_client.get(address("operators_weight")).content.decode() for text in shown)
    page = admin_client.get(address("leads_source", "change", source.pk)).content.decode()
    assert all(page.count(text) >= 2 for text in shown)  # beside the weight, and below


class TestNobody:
    def test_when_the_source_is_off(self) -> None:
        assert preview(make_source({make_operator(): 1}, is_active=False).pk).nobody == Nobody.SOURCE_INACTIVE

    def test_when_nobody_is_available(self) -> None:
        assert preview(make_source({make_operator(max_load=0): 1}).pk).nobody == Nobody.NOBODY_AVAILABLE
        assert preview(make_source().pk).nobody == Nobody.NOBODY_AVAILABLE

    def test_when_somebody_waits_already(self) -> None:
        operator = make_operator(max_load=0)
        source = make_source({operator: 1})
        waiting = arrive(source)
        Operator.objects.update(max_load=1)

        assert preview(source.pk).nobody == Nobody.LEFT_TO_QUEUE
        next_one = arrive(source)
        waiting.refresh_from_db()
        assert (waiting.status, next_one.status) == (ContactStatus.ACTIVE, ContactStatus.WAITING)

    def test_not_when_who_waits_cannot_be_given_to_all(self) -> None:
        shared, own = make_operator(max_load=0), make_operator()
        arrive(make_source({shared: 1}))
        Operator.objects.update(max_load=1)

        assert preview(make_source({shared: 1, own: 1}).pk).nobody is None

    def test_is_told_on_the_page_of_the_source(self, admin_client: Client) -> None:
        source = make_source({make_operator(max_load=0): 1})

        page = admin_client.get(address("leads_source", "change", source.pk)).content.decode()

        assert "Nobody is available: the next contact will wait." in page


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_is_changed_by_looking(api: APIClient, strategy: str) -> None:
    source = make_source({make_operator(): 1, make_operator(): 3}, strategy=strategy)
    for _ in range(4):
        arrive(source)
    before = everything()

    for _ in range(3):
        assert api.get(f"/api/sources/{source.pk}/preview").status_code == 200

    assert everything() == before
    arrive(source)
    assert everything() != before


@pytest.mark.parametrize("operators", [1, 120])
def test_it_takes_three_statements_however_many_operators(operators: int, django_assert_num_queries: Any) -> None:
    source = make_source({make_operator(): 1 for _ in range(operators)}, strategy="smooth_weighted")
    arrive(source)
    with django_assert_num_queries(3):
        preview(source.pk)


def test_a_key_needs_to_read_and_finds_only_its_own_sources() -> None:
    ours, theirs = make_source({make_operator(): 1}), make_source({make_operator(): 1})
    url = "/api/sources/{}/preview"

    assert key_for("read", sources=[ours]).get(url.format(ours.pk)).status_code == 200
    assert key_for("read", sources=[ours]).get(url.format(theirs.pk)).status_code == 404
    assert key_for("register", sources=[ours]).get(url.format(ours.pk)).status_code == 403


def test_a_source_that_is_not_there_is_404(api: APIClient) -> None:
    assert api.get("/api/sources/999/preview").status_code == 404
    assert not Contact.objects.exists()
