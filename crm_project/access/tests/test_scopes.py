"""What each scope allows, and what a key for some sources sees."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from crm_project.testing.api import errors
from crm_project.testing.clients import key_for
from crm_project.testing.rows import arrive, make_lead, make_operator, make_source
from leads.models import Contact, Lead, Source
from operators.models import Operator, Weight

pytestmark = pytest.mark.django_db

# Method, address, body, and the scopes of which one is needed. There is a row with id {id} of each kind.
CALLS: list[tuple[str, str, Any, set[str]]] = [
    ("get", "/api/contacts", None, {"register", "read", "manage"}),
    ("get", "/api/contacts/{contact}", None, {"register", "read", "manage"}),
    ("get", "/api/contacts/{contact}/decisions", None, {"read", "manage"}),
    ("post", "/api/contacts", {"external_id": "new", "source_code": "code"}, {"register"}),
    ("post", "/api/contacts/bulk", {}, {"register"}),
    ("post", "/api/contacts/{contact}/close", {}, {"register", "manage"}),
    ("post", "/api/contacts/{contact}/reopen", {}, {"manage"}),
    ("post", "/api/contacts/{contact}/reassign", {"operator_id": 0}, {"manage"}),
    ("get", "/api/leads", None, {"read", "manage"}),
    ("get", "/api/leads/{lead}", None, {"read", "manage"}),
    ("get", "/api/sources", None, {"read", "manage"}),
    ("get", "/api/sources/{source}", None, {"read", "manage"}),
    ("post", "/api/sources", {}, {"manage"}),
    ("patch", "/api/sources/{source}", {}, {"manage"}),
    ("get", "/api/sources/{source}/operators", None, {"read", "manage"}),
    ("post", "/api/sources/{source}/operators", {"operator_weights": []}, {"manage"}),
    ("put", "/api/sources/{source}/operators", {"operator_weights": []}, {"manage"}),
    ("get", "/api/operators", None, {"read", "manage"}),
    ("get", "/api/operators/{operator}", None, {"read", "manage"}),
    ("post", "/api/operators", {}, {"manage"}),
    ("patch", "/api/operators/{operator}", {}, {"manage"}),
]


@pytest.fixture
def ids() -> dict[str, int]:
    operator = make_operator()
    source = make_source({operator: 1}, code="code")
    contact = arrive(source)
    return {"contact": contact.pk, "lead": contact.lead_id, "source": source.pk, "operator": operator.pk}


@pytest.mark.parametrize("scope", ["register", "read", "manage"])
@pytest.mark.parametrize(("method", "address", "body", "needed"), CALLS)
def test_a_scope_allows_its_calls_and_no_others(
    ids: dict[str, int], scope: str, method: str, address: str, body: Any, needed: set[str]
) -> None:
    response = getattr(key_for(scope), method)(address.format(**ids), body)

    if scope in needed:
        assert response.status_code not in {401, 403, 404}
    else:
        assert (response.status_code, errors(response)) == (403, [("missing_scope", None)])
        assert all(name in response.json()["errors"][0]["detail"] for name in needed)


class TestAKeyForOneSource:
    @pytest.fixture
    def shared(self) -> Lead:
        return make_lead("shared")

    def test_registers_on_it(self) -> None:
        source = make_source()

        response = key_for("register", sources=[source]).post(
            "/api/contacts", {"external_id": "lead", "source_code": source.code}
        )

        assert response.status_code == 201

    def test_is_told_of_another_source_what_it_is_told_of_none(self) -> None:
        client, other = key_for("register", sources=[make_source()]), make_source()
        answers = [
            client.post("/api/contacts", {"external_id": "lead", "source_code": code}) for code in (other.code, "none")
        ]

        assert [response.status_code for response in answers] == [400, 400]
        assert errors(answers[0]) == [("source_not_found", "source_code")]
        assert answers[0].content == answers[1].content
        assert not Contact.objects.exists()
        assert not Lead.objects.exists()

    def test_does_not_close_another_s_contact(self) -> None:
        theirs = arrive(make_source({make_operator(): 1}))

        response = key_for("register", sources=[make_source()]).post(f"/api/contacts/{theirs.pk}/close")

        assert response.status_code == 404
        assert Contact.objects.get().status == "active"

    def test_sees_of_a_lead_only_what_came_through_it(self, shared: Lead) -> None:
        ours, theirs = make_source(), make_source()
        mine = arrive(ours, "shared", name="Mine", text="Written here")
        arrive(theirs, "shared", name="Theirs", phone="+7", text="Written there", data={"secret": 1})
        stranger = arrive(theirs, "stranger").lead_id
        client = key_for("read", sources=[ours])

        assert [row["id"] for row in client.get("/api/contacts").json()["results"]] == [mine.pk]
        assert [row["id"] for row in client.get("/api/leads").json()["results"]] == [shared.pk]
        assert client.get(f"/api/leads/{stranger}").status_code == 404
        everything = b"".join(
            client.get(address).content for address in ("/api/contacts", "/api/leads", f"/api/leads/{shared.pk}")
        )
        assert b"there" not in everything
        assert b"Theirs" not in everything

    def test_overwrites_nothing_of_what_others_sent(self) -> None:
        ours, theirs = make_source(), make_source(reuse_open_contact=True)
        their_contact = arrive(theirs, "shared", name="Theirs", data={"kept": True})

        key_for("register", sources=[ours]).post(
            "/api/contacts", {"external_id": "shared", "source_code": ours.code, "name": "Mine", "data": {}}
        )

        their_contact.refresh_from_db()
        assert (their_contact.name, their_contact.data) == ("Theirs", {"kept": True})
        assert Lead.objects.count() == 1

    def test_filters_find_nothing_of_others(self) -> None:
        theirs = arrive(make_source(name="Theirs"), "their lead")
        client = key_for("read", sources=[make_source()])

        for query in (f"source={theirs.source_id}", "external_id=their+lead", f"lead={theirs.lead_id}", ""):
            assert client.get(f"/api/contacts?{query}").json()["count"] == 0

    def test_sees_the_operators_who_are_on_its_list(self) -> None:
        mine, theirs = make_operator(), make_operator()
        source = make_source({mine: 0})
        make_source({theirs: 1})

        client = key_for("read", sources=[source])

        assert [row["id"] for row in client.get("/api/operators").json()["results"]] == [mine.pk]
        assert client.get(f"/api/operators/{theirs.pk}").status_code == 404

    @pytest.mark.parametrize("method", ["post", "put"])
    def test_sets_weights_of_those_only(self, method: str) -> None:
        mine, theirs = make_operator(), make_operator()
        source = make_source({mine: 1})
        make_source({theirs: 1})
        weights = {"operator_weights": [{"operator_id": row.pk, "weight": 5} for row in (mine, theirs)]}

        response = getattr(key_for("manage", sources=[source]), method)(f"/api/sources/{source.pk}/operators", weights)

        assert (response.status_code, errors(response)) == (
            400,
            [("operator_not_found", "operator_weights.1.operator_id")],
        )
        assert list(Weight.objects.filter(source=source).values_list("operator", "weight")) == [(mine.pk, 1)]

    def test_reassigns_to_those_only(self) -> None:
        mine, also_mine, theirs = make_operator(), make_operator(max_load=0), make_operator()
        source = make_source({mine: 1, also_mine: 1})
        make_source({theirs: 1})
        contact = arrive(source)
        Operator.objects.filter(pk=also_mine.pk).update(max_load=5)
        client = key_for("manage", sources=[source])
        address = f"/api/contacts/{contact.pk}/reassign"

        assert errors(client.post(address, {"operator_id": theirs.pk})) == [("operator_not_found", "operator_id")]
        assert client.post(address, {"operator_id": also_mine.pk}).json()["operator_id"] == also_mine.pk

    @pytest.mark.parametrize("address", ["/api/operators", "/api/sources", "/api/operators/{operator}"])
    def test_changes_nothing_that_concerns_all_sources(self, ids: dict[str, int], address: str) -> None:
        client = key_for("manage", sources=[Source.objects.get()])
        call = client.patch if "{" in address else client.post

        response = call(address.format(**ids), {"name": "Changed", "code": "changed"})

        assert (response.status_code, errors(response)) == (403, [("needs_all_sources", None)])

    def test_changes_its_own_source(self, ids: dict[str, int]) -> None:
        client = key_for("manage", sources=[Source.objects.get()])

        assert client.patch(f"/api/sources/{ids['source']}", {"name": "Changed"}).status_code == 200

    def test_learns_no_code_of_another_by_trying_to_take_it(self, ids: dict[str, int]) -> None:
        client = key_for("manage", sources=[Source.objects.get()])
        make_source(code="taken")

        answers = [client.patch(f"/api/sources/{ids['source']}", {"code": code}) for code in ("taken", "free")]

        assert [errors(answer) for answer in answers] == [[("needs_all_sources", None)]] * 2

    def test_sees_nothing_once_its_source_is_gone(self) -> None:
        source = make_source()
        client = key_for("read", sources=[source])
        arrive(make_source())
        source.delete()

        assert [client.get(f"/api/{kind}").json()["count"] for kind in ("contacts", "leads", "sources")] == [0, 0, 0]


def test_staff_use_the_api_with_their_log_in(ids: dict[str, int], api: APIClient) -> None:
    assert api.get("/api/operators").json()["count"] == 1
