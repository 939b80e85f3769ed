"""Whatever the way in, a change of a setting is in the history: who, when, from what to what, why."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from rest_framework.test import APIClient

from crm_project.access.acting import Actor, acting
from crm_project.access.keys import make_key
from crm_project.testing.admin_pages import address, open_form, run, save
from crm_project.testing.clients import make_client, with_key
from crm_project.testing.rows import arrive, make_operator, make_source
from distribution import roster
from distribution.models import Checkpoint, Decision, LoadChange, SettingChange

pytestmark = pytest.mark.django_db


def changes(**of: Any) -> list[tuple[str, Any, Any]]:
    return list(SettingChange.objects.filter(**of).order_by("id").values_list("setting", "before", "after"))


class TestServices:
    def test_a_new_operator_begins_with_every_setting(self) -> None:
        operator = roster.create_operator(name="Анна", max_load=3)

        assert changes(operator_id=operator.pk) == [
            ("name", None, "Анна"),
            ("is_active", None, True),
            ("is_paused", None, False),
            ("max_load", None, 3),
        ]

    def test_only_what_differs_is_a_change(self) -> None:
        operator = make_operator(max_load=3, is_active=True)
        roster.change_operator(operator.pk, max_load=5, is_active=True)

        assert changes(operator_id=operator.pk) == [("max_load", 3, 5)]

    def test_a_source_with_its_strategy(self) -> None:
        source = make_source()
        roster.change_source(source.pk, strategy="least_loaded", is_active=False)

        assert set(changes(source_id=source.pk)) == {
            ("strategy", "weighted_random", "least_loaded"),
            ("is_active", True, False),
        }

    def test_weights_that_come_change_and_go(self) -> None:
        first, second, third = make_operator(), make_operator(), make_operator()
        source = make_source({first: 1, second: 2})
        roster.set_weights(source.pk, {second.pk: 5, third.pk: 7}, replace=True)
        roster.remove_weight(source.pk, third.pk)

        assert [(c.operator_id, c.before, c.after) for c in SettingChange.objects.order_by("id")] == [
            (first.pk, 1, None),
            (second.pk, 2, 5),
            (third.pk, None, 7),
            (third.pk, 7, None),
        ]

    def test_a_deletion_keeps_the_name(self) -> None:
        operator = make_operator(name="Анна")
        roster.delete_operator(operator.pk)

        assert changes(operator_id=operator.pk) == [("exists", "Анна", None)]


class TestWhoAndWhy:
    def test_a_supervisor_by_the_api(self, api: APIClient) -> None:
        operator = make_operator()
        api.patch(f"/api/operators/{operator.pk}", {"max_load": 4, "reason": "half a day"})

        change = SettingChange.objects.get()
        user = User.objects.get()
        assert (change.actor, change.actor_name, change.reason) == (f"user:{user.pk}", "supervisor", "half a day")

    def test_a_client_with_a_key(self) -> None:
        client = make_client("manage")
        source = make_source()
        operator = make_operator()
        body = {"operator_weights": [{"operator_id": operator.pk, "weight": 3}], "reason": "new colleague"}
        with_key(make_key(client)).post(f"/api/sources/{source.pk}/operators", body)

        change = SettingChange.objects.get()
        assert (change.actor, change.actor_name, change.reason) == (
            f"client:{client.pk}",
            client.name,
            "new colleague",
        )

    def test_the_reason_is_no_setting(self, api: APIClient) -> None:
        response = api.post("/api/sources", {"name": "Бот", "code": "bot", "reason": "launch"})

        assert "reason" not in response.json()
        assert set(SettingChange.objects.values_list("reason", flat=True)) == {"launch"}

    @pytest.mark.parametrize("reason", ["x" * 501, 5, None, ["x"]], ids=["long", "number", "null", "list"])
    def test_a_reason_that_cannot_be_kept_is_refused(self, api: APIClient, reason: Any) -> None:
        operator = make_operator(max_load=3)
        response = api.patch(f"/api/operators/{operator.pk}", {"max_load": 4, "reason": reason})

        operator.refresh_from_db()
        assert (response.status_code, operator.max_load) == (400, 3)

    def test_a_form_of_the_back_office(self, admin_client: Client) -> None:
        operator = make_operator(max_load=3)
        page = address("operators_operator", "change", operator.pk)
        fields = open_form(admin_client, page, "operator_form")
        save(admin_client, page, fields, max_load="4", reason="back from holiday")

        change = SettingChange.objects.get()
        assert (change.setting, change.after, change.reason) == ("max_load", 4, "back from holiday")
        assert change.actor_name == "admin"

    def test_an_action_of_the_back_office(self, admin_client: Client) -> None:
        operator = make_operator()
        run(admin_client, "operators_operator", "deactivate", operator)

        assert SettingChange.objects.get().actor_name == "admin"

    def test_a_command(self) -> None:
        operator = make_operator()
        call_command("reassign", "--from", str(operator.pk), "--to-queue", "--deactivate")

        change = SettingChange.objects.get()
        assert (change.actor, change.actor_name) == ("command:reassign", "reassign")

    def test_a_bulk_run_signs_its_decisions(self) -> None:
        first, second = make_operator(), make_operator()
        contact = arrive(make_source({first: 1}))
        call_command("reassign", "--from", str(first.pk), "--to", str(second.pk))

        decision = Decision.objects.filter(contact=contact).latest("id")
        assert (decision.trigger, decision.kind, decision.actor) == ("bulk", "by_hand", "command:reassign")

    def test_an_arrival_is_signed_by_the_bot(self) -> None:
        client = make_client("register")
        source = make_source({make_operator(): 1})
        with_key(make_key(client)).post("/api/contacts", {"external_id": "x", "source_code": source.code})

        assert Decision.objects.get().actor == f"client:{client.pk}"

    def test_nobody_acts_outside_a_call(self) -> None:
        with acting(Actor("user:1", "anna")):
            pass
        roster.change_operator(make_operator(max_load=1).pk, max_load=2)

        assert SettingChange.objects.get().actor == ""


@pytest.mark.django_db(transaction=True)
def test_records_begin_with_what_was_there_and_the_migration_can_be_taken_back() -> None:
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    operator = make_operator(max_load=7)
    source = make_source({operator: 30})
    arrive(source)
    LoadChange.objects.all()._raw_delete("default")
    MigrationExecutor(connection).migrate([("distribution", "0001_initial")])
    MigrationExecutor(connection).migrate(newest)

    checkpoint = Checkpoint.objects.get()
    assert (checkpoint.operator, checkpoint.load, checkpoint.max_load) == (operator, 1, 7)
    assert ("max_load", None, 7) in changes(operator_id=operator.pk, source_id=None)
    assert ("strategy", None, "weighted_random") in changes(source_id=source.pk, operator_id=None)
    assert changes(source_id=source.pk, operator_id=operator.pk) == [("weight", None, 30)]
