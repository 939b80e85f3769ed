from typing import Any
from unittest.mock import patch

import pytest
from rest_framework.test import APIClient

from crm_project.testing.api import errors
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution.errors import SourceNotFound
from leads.models import Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db


def share(row: dict[str, Any]) -> tuple[int, float]:
    return row["weight"], row["share"]


class TestSources:
    def test_creating_answers_with_the_source(self, api: APIClient) -> None:
        response = api.post("/api/sources", {"name": "Telegram бот", "code": "bot_telegram"})

        assert response.status_code == 201
        assert response.json() == {
            "id": Source.objects.get().pk,
            "name": "Telegram бот",
            "code": "bot_telegram",
            "is_active": True,
            "reuse_open_contact": False,
            "strategy": "weighted_random",
            "prefer_same_operator": False,
            "identified_by": "external_id",
            "link_template": "",
        }

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"name": "x"}, ("required", "code")),
            ({"name": "x", "code": " "}, ("blank", "code")),
            ({"name": "x", "code": "taken"}, ("unique", "code")),
            ({"name": "x", "code": "y", "weights": []}, ("unknown_field", "weights")),
        ],
        ids=str,
    )
    def test_what_is_wrong_is_named(self, api: APIClient, body: dict[str, Any], expected: tuple[str, str]) -> None:
        make_source(code="taken")

        response = api.post("/api/sources", body)

        assert (response.status_code, errors(response)) == (400, [expected])

    def test_listing_and_filters(self, api: APIClient) -> None:
        make_source(is_active=False)
        source = make_source(code="bot")

        for filters in ("is_active=true", "code=bot"):
            assert [row["id"] for row in api.get(f"/api/sources?{filters}").json()["results"]] == [source.pk]

    def test_switching_on_gives_its_queue_away(self, api: APIClient) -> None:
        operator = make_operator(max_load=0)
        contact = arrive(make_source({operator: 1}))
        api.patch(f"/api/sources/{contact.source_id}", {"is_active": False})
        api.patch(f"/api/operators/{operator.pk}", {"max_load": 1})

        response = api.patch(f"/api/sources/{contact.source_id}", {"is_active": True})

        contact.refresh_from_db()
        assert (response.status_code, contact.operator) == (200, operator)


class TestWeights:
    def test_setting_answers_with_all_of_the_source(self, api: APIClient) -> None:
        first, second = make_operator(name="Оператор 1"), make_operator(name="Оператор 2", external_id="crm-2")
        source = make_source({first: 10})

        response = api.post(
            f"/api/sources/{source.pk}/operators", {"operator_weights": [{"operator_id": second.pk, "weight": 30}]}
        )

        assert response.status_code == 200
        assert response.json() == {
            "operator_weights": [
                {
                    "operator_id": first.pk,
                    "operator_name": "Оператор 1",
                    "operator_external_id": None,
                    "weight": 10,
                    "share": 0.25,
                },
                {
                    "operator_id": second.pk,
                    "operator_name": "Оператор 2",
                    "operator_external_id": "crm-2",
                    "weight": 30,
                    "share": 0.75,
                },
            ]
        }

    def test_replacing_makes_the_list_the_whole(self, api: APIClient) -> None:
        first, second = make_operator(), make_operator()
        source = make_source({first: 10})

        response = api.put(
            f"/api/sources/{source.pk}/operators/", {"operator_weights": [{"operator_id": second.pk, "weight": 1}]}
        )

        assert [row["operator_id"] for row in response.json()["operator_weights"]] == [second.pk]

    def test_those_not_available_have_no_share(self, api: APIClient) -> None:
        source = make_source(
            {make_operator(): 10, make_operator(is_active=False): 10, make_operator(max_load=0): 10, make_operator(): 0}
        )

        body = api.get(f"/api/sources/{source.pk}/operators").json()

        assert [share(row) for row in body["operator_weights"]] == [(10, 1.0), (10, 0), (10, 0), (0, 0)]

    def test_nobody_available_has_no_share_either(self, api: APIClient) -> None:
        source = make_source({make_operator(max_load=0): 10})

        assert [share(row) for row in api.get(f"/api/sources/{source.pk}/operators").json()["operator_weights"]] == [
            (10, 0)
        ]

    def test_a_new_weight_gives_a_waiting_contact_away(self, api: APIClient) -> None:
        operator, source = make_operator(), make_source()
        contact = arrive(source)

        api.post(
            f"/api/sources/{source.pk}/operators", {"operator_weights": [{"operator_id": operator.pk, "weight": 1}]}
        )

        contact.refresh_from_db()
        assert contact.operator == operator

    @pytest.mark.parametrize(
        ("rows", "expected"),
        [
            ([{"operator_id": 404, "weight": 1}], ("operator_not_found", "operator_weights.0.operator_id")),
            ([{"operator_id": 2**63, "weight": 1}], ("max_value", "operator_weights.0.operator_id")),
            ([{"operator_id": None, "weight": 1}], ("null", "operator_weights.0.operator_id")),
            ([{"operator_id": 1, "weight": -1}], ("min_value", "operator_weights.0.weight")),
            ([{"operator_id": 1, "weight": 1_000_001}], ("max_value", "operator_weights.0.weight")),
            ([{"operator_id": 1}], ("required", "operator_weights.0.weight")),
            ([{"operator_id": 1, "weight": 1, "share": 1}], ("unknown_field", "operator_weights.0.share")),
            ([{"operator_id": 1, "weight": 1}] * 2, ("duplicate_operator", "operator_weights")),
            ([{"operator_id": "1", "weight": 1}], ("invalid", "operator_weights.0.operator_id")),
            ([{}] * 2_001, ("max_length", "operator_weights.non_field_errors")),
            (["x"], ("invalid", "operator_weights.0.non_field_errors")),
            ("x", ("not_a_list", "operator_weights.non_field_errors")),
            (None, ("null", "operator_weights")),
        ],
        ids=lambda value: str(value)[:80],
    )
    def test_what_is_wrong_is_named_and_nothing_changes(
        self, api: APIClient, rows: Any, expected: tuple[str, str]
    ) -> None:
        source = make_source({make_operator(): 5})

        response = api.post(f"/api/sources/{source.pk}/operators", {"operator_weights": rows})

        assert (response.status_code, errors(response)) == (400, [expected])
        assert Weight.objects.get().weight == 5

    def test_an_unknown_source_is_404(self, api: APIClient) -> None:
        for call in (api.get, api.post, api.put):
            response = call("/api/sources/404/operators", {"operator_weights": []} if call != api.get else None)
            assert (response.status_code, errors(response)) == (404, [("not_found", None)])


def test_the_answer_to_new_weights_is_the_same_when_it_is_given_again(api: APIClient) -> None:
    operator = make_operator(max_load=1)
    source = make_source()
    arrive(source)
    body = {"operator_weights": [{"operator_id": operator.pk, "weight": 1}]}

    first, again = (
        api.post(f"/api/sources/{source.pk}/operators", body, headers={"Idempotency-Key": "key"}) for _ in range(2)
    )

    assert first.json() == again.json()
    assert first.json()["operator_weights"][0]["share"] == 1
    assert Operator.objects.get().load == 1


@pytest.mark.parametrize("call", ["patch", "put"])
def test_a_source_that_was_deleted_meanwhile_is_404(api: APIClient, call: str) -> None:
    source = make_source()
    address, body = {
        "patch": (f"/api/sources/{source.pk}", {"name": "Another"}),
        "put": (f"/api/sources/{source.pk}/operators", {"operator_weights": []}),
    }[call]

    with patch("distribution.roster.lock_source", side_effect=SourceNotFound):
        response = getattr(api, call)(address, body)

    assert (response.status_code, errors(response)) == (404, [("not_found", None)])
