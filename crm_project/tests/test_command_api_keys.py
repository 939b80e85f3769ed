"""The commands that make and revoke API keys, and delete the answers kept for retries."""

from datetime import timedelta
from io import StringIO
from threading import Event
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from model_bakery import baker

from crm_project.access.models import ApiClient, ApiKey, KeptAnswer
from crm_project.management.commands import prune_kept_answers
from crm_project.testing.clients import with_key
from crm_project.testing.concurrency import run_concurrently, somebody_waits_for_a_lock
from crm_project.testing.rows import make_source
from crm_project.testing.waiting import wait_until

pytestmark = pytest.mark.django_db

SECONDS_TO_MEET = 10


def said(*arguments: str, **options: Any) -> str:
    """Run a command in this process and return what it prints on standard output."""
    output = StringIO()
    call_command(*arguments, stdout=output, **options)
    return output.getvalue()


class TestMaking:
    def test_prints_the_key_alone(self) -> None:
        key = said("create_api_key", "Bot", "--scope", "read")

        assert key.startswith("crm_")
        assert key.count("\n") == 1
        assert with_key(key.strip()).get("/api/contacts").status_code == 200

    def test_scopes_and_sources_may_repeat(self) -> None:
        first, second = make_source(), make_source()

        said(
            "create_api_key",
            "Bot",
            *("--scope", "read", "--scope", "register"),
            *("--source", first.code, "--source", second.code),
        )

        client = ApiClient.objects.get()
        assert (client.may_register, client.may_read, client.may_manage, client.all_sources) == (
            True,
            True,
            False,
            False,
        )
        assert set(client.sources.all()) == {first, second}

    def test_without_a_source_it_is_for_all(self) -> None:
        said("create_api_key", "Bot", "--scope", "manage")

        assert ApiClient.objects.get().all_sources

    def test_for_a_client_that_exists_a_second_key_is_made_with_its_rights(self) -> None:
        first = said("create_api_key", "Bot", "--scope", "read")
        second = said("create_api_key", "Bot")

        assert first != second
        assert ApiClient.objects.get().keys.count() == 2
        with pytest.raises(CommandError, match="two valid keys"):
            said("create_api_key", "Bot")

    def test_rights_are_not_changed_by_making_a_key(self) -> None:
        said("create_api_key", "Bot", "--scope", "read")

        with pytest.raises(CommandError, match="exists already"):
            said("create_api_key", "Bot", "--scope", "manage")

    def test_a_key_can_expire(self) -> None:
        said("create_api_key", "Bot", "--scope", "read", "--expires-in", "90d")

        now = timezone.now()
        assert ApiKey.objects.filter(expires_at__range=(now + timedelta(days=89), now + timedelta(days=91))).exists()

    def test_spaces_around_a_name_make_no_other_client(self) -> None:
        said("create_api_key", "Bot", "--scope", "read")
        said("create_api_key", " Bot ")

        assert ApiClient.objects.get().keys.count() == 2

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["Bot"], "what the client may do"),
            (["Bot", "--scope", "everything"], "everything"),
            (["Bot", "--scope", "read", "--source", "none"], "no source with the code"),
            (["Bot", "--scope", "read", "--expires-in", "soon"], "no duration"),
            ([" ", "--scope", "read"], "a name"),
            (["x" * 101, "--scope", "read"], "100"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_is_stored(self, arguments: list[str], reason: str) -> None:
        with pytest.raises(CommandError, match=reason):
            said("create_api_key", *arguments)

        assert not ApiClient.objects.exists()


class TestRevoking:
    @pytest.mark.parametrize("given", ["{prefix}", "crm_{prefix}", "{key}"])
    def test_takes_the_prefix_or_the_key(self, given: str) -> None:
        key = said("create_api_key", "Bot", "--scope", "read").strip()
        prefix = ApiKey.objects.get().prefix

        assert said("revoke_api_key", given.format(prefix=prefix, key=key)) == f"Revoked: crm_{prefix}.\n"
        assert with_key(key).get("/api/contacts").status_code == 401

    def test_twice_says_so(self) -> None:
        key = said("create_api_key", "Bot", "--scope", "read").strip()
        said("revoke_api_key", key)

        assert "before" in said("revoke_api_key", key)

    def test_a_key_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(CommandError, match="no API key"):
            said("revoke_api_key", "crm_nothing_")


class TestPruning:
    @pytest.fixture
    def answers(self) -> None:
        old = timezone.now() - timedelta(hours=24, minutes=1)
        baker.make(KeptAnswer, created_at=old, _quantity=5)
        baker.make(KeptAnswer, created_at=old + timedelta(minutes=2), _quantity=2)

    @pytest.mark.parametrize("rows_in_a_batch", [1, 2, 5, 1_000])
    def test_deletes_what_is_older_than_a_day(
        self, answers: None, monkeypatch: pytest.MonkeyPatch, rows_in_a_batch: int
    ) -> None:
        monkeypatch.setattr(prune_kept_answers, "ROWS_IN_A_BATCH", rows_in_a_batch)

        assert said("prune_kept_answers") == "5 deleted.\n"
        assert KeptAnswer.objects.count() == 2

    def test_a_dry_run_only_counts(self, answers: None) -> None:
        assert said("prune_kept_answers", "--dry-run") == "5 would be deleted.\n"
        assert KeptAnswer.objects.count() == 7

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.postgresql
    def test_is_repeated_after_a_deadlock_with_somebody_who_changes_answers(self, answers: None) -> None:
        old = KeptAnswer.objects.order_by("pk")[:5]
        first, last = old[0], old[4]
        last_is_held = Event()

        def change_the_last_and_then_the_first() -> None:
            with transaction.atomic():
                KeptAnswer.objects.filter(pk=last.pk).update(body="{}")
                last_is_held.set()
                wait_until(somebody_waits_for_a_lock)
                KeptAnswer.objects.filter(pk=first.pk).update(body="{}")

        def prune() -> None:
            assert last_is_held.wait(SECONDS_TO_MEET)
            list(prune_kept_answers.delete_in_batches(KeptAnswer.objects.filter(pk__lte=last.pk)))

        run_concurrently(change_the_last_and_then_the_first, prune)

        assert KeptAnswer.objects.count() == 2
