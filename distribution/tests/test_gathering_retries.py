"""Calls with an Idempotency-Key that are registered together: each is done once, and its own answer is kept."""

import json
from concurrent.futures import Future
from copy import copy
from unittest.mock import patch

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override
from model_bakery import baker
from rest_framework.response import Response

from crm_project.access.callers import OPEN
from crm_project.access.errors import IdempotencyKeyReused, StillRunning
from crm_project.access.idempotency import KEPT_FOR, AnsweredBefore, Keeping, Retryable
from crm_project.access.models import KeptAnswer
from crm_project.testing.concurrency import run_concurrently
from crm_project.testing.rows import assert_loads_are_true, make_operator, make_source
from distribution import gathering as module
from distribution.errors import PhoneUnreadable
from distribution.gathering import FEWEST_TOGETHER, MOST_ALONE, Gathering
from distribution.intake import Intake, Registration
from distribution.intake_in_bulk import Call, register_calls
from distribution.tests.test_gathering import Crowd, crowd, fail_at_what_follows
from leads.models import Contact, IdentityKind, Source

pytestmark = pytest.mark.django_db(transaction=True)

FINGERPRINT = "of the body"


@pytest.fixture(autouse=True)
def source() -> Source:
    return make_source({make_operator(max_load=100): 1}, code="telegram")


def shown(registration: Registration) -> Response:
    return Response({"id": registration.contact.pk, "created": registration.created}, status=201)


def keeping(key: str, fingerprint: str = FINGERPRINT) -> Keeping:
    return Keeping(Retryable(OPEN, key, fingerprint), shown)


def call(external_id: str, key: str | None = None, fingerprint: str = FINGERPRINT) -> Call:
    """Return a call with a key, its external id unless another is given."""
    return Call(Intake(source_code="telegram", external_id=external_id), keeping(key or external_id, fingerprint))


def answered(key: str, fingerprint: str = FINGERPRINT) -> KeptAnswer:
    body = json.dumps({"id": 7})
    return baker.make(
        KeptAnswer, caller=OPEN.identity, key=key, fingerprint=fingerprint, status=201, body=body, etag=""
    )


def kept() -> dict[str, int]:
    """Return the ids of the contacts that the kept answers tell of, by their keys."""
    return {answer.key: json.loads(answer.body)["id"] for answer in KeptAnswer.objects.all()}


def stored() -> dict[str, int]:
    return dict(Contact.objects.values_list("external_id", "pk"))


def arrive(there: Crowd, number: int) -> list[Future[Registration]]:
    return [there.call(name, keeping=keeping(name)) for name in (f"lead_{there.seen}_{at}" for at in range(number))]


class TestThoseWhoWait:
    def test_go_together_and_each_answer_is_kept(self, caplog: pytest.LogCaptureFixture) -> None:
        with (
            patch.object(module, "register_calls", wraps=register_calls) as together,
            crowd(Gathering()) as there,
        ):
            calls = arrive(there, MOST_ALONE + FEWEST_TOGETHER)
            there.release.set()
            contacts = {one.result().contact.external_id: one.result().contact.pk for one in calls}

        assert (together.call_count, caplog.text) == (1, "")
        assert kept() == contacts == stored()
        assert_loads_are_true()

    def test_are_each_done_once_alone_when_what_they_did_together_fails(self) -> None:
        with patch.object(module, "register_calls", side_effect=ZeroDivisionError), crowd(Gathering()) as there:
            arrive(there, MOST_ALONE + FEWEST_TOGETHER)

        assert kept() == stored()
        assert len(stored()) == MOST_ALONE + FEWEST_TOGETHER

    def test_with_one_key_get_one_contact(self) -> None:
        with crowd(Gathering()) as there:
            arrive(there, MOST_ALONE)
            same = [there.call("same", keeping=keeping("same")) for _number in range(FEWEST_TOGETHER)]

        [contact] = [one.result().contact for one in same if one.exception() is None]
        # Who asks for the answer at the very moment when another does is told to do so again.
        assert {type(one.exception()) for one in same} <= {type(None), AnsweredBefore, StillRunning}
        assert contact == Contact.objects.get(external_id="same")
        assert kept()["same"] == stored()["same"]

    def test_are_done_once_whose_key_was_used_a_day_ago(self, caplog: pytest.LogCaptureFixture) -> None:
        with crowd(Gathering()) as there:
            arrive(there, MOST_ALONE)
            for name in "abcd":
                answered(name)
            KeptAnswer.objects.update(created_at=timezone.now() - KEPT_FOR)
            used_before = [there.call(name, keeping=keeping(name)) for name in "abcd"]

        assert all(one.result().created for one in used_before)
        assert kept() == stored()
        assert caplog.text == ""

    def test_are_not_done_again_when_what_follows_the_commit_fails(self) -> None:
        answered("old")
        KeptAnswer.objects.update(created_at=timezone.now() - KEPT_FOR)
        with patch.object(module, "register_calls", fail_at_what_follows), crowd(Gathering()) as there:
            there.calls(MOST_ALONE)
            leader = there.call("old", keeping=keeping("old"))
            others = there.calls(FEWEST_TOGETHER)

        assert leader.result().created
        assert all(one.result().created for one in others)
        assert len(stored()) == Contact.objects.count() == MOST_ALONE + 1 + FEWEST_TOGETHER

    def test_are_refused_in_their_own_language(self) -> None:
        with crowd(Gathering()) as there:
            arrive(there, MOST_ALONE)
            answered("key", fingerprint="of another body")
            refused = there.call("lead", keeping=keeping("key"))
            arrive(there, FEWEST_TOGETHER)

        with override("ru"):
            said = str(copy(refused.exception()))
        assert said == "Этот Idempotency-Key уже приходил с другим вызовом. Давайте каждому вызову свой ключ."

    def test_are_each_told_what_became_of_their_own_key(self) -> None:
        before = answered("answered")
        with crowd(Gathering()) as there:
            arrive(there, MOST_ALONE)
            again = there.call("answered", keeping=keeping("answered"))
            others = arrive(there, FEWEST_TOGETHER)

        assert all(one.result().created for one in others)
        with pytest.raises(AnsweredBefore) as raised:
            again.result()
        assert raised.value.answer == before


class TestCallsThatAreRegisteredTogether:
    def test_that_were_answered_before_are_not_done(self) -> None:
        before = answered("first")

        again, new = register_calls([call("first"), call("second")])

        assert isinstance(again, AnsweredBefore)
        assert again.answer == before
        assert isinstance(new, Registration)
        assert stored() == {"second": new.contact.pk}

    def test_may_all_have_been_answered_before(self) -> None:
        for key in "ab":
            answered(key)

        results = register_calls([call("a"), call("b")])

        assert [type(one) for one in results] == [AnsweredBefore] * 2
        assert stored() == {}

    def test_with_one_key_are_done_once(self) -> None:
        first, *others = register_calls([call(external_id, key="same") for external_id in "abc"])

        assert isinstance(first, Registration)
        assert others == [None, None]
        assert kept() == {"same": stored()["a"]}

    def test_with_one_key_that_was_answered_are_all_told_the_answer(self) -> None:
        answered("same")

        results = register_calls([call(external_id, key="same") for external_id in "ab"])

        assert [type(one) for one in results] == [AnsweredBefore] * 2

    def test_do_not_suffer_from_another_with_their_key(self) -> None:
        before = answered("key")

        foreign, own = register_calls([call("foreign", "key", fingerprint="of another body"), call("own", "key")])

        assert isinstance(foreign, IdempotencyKeyReused)
        assert isinstance(own, AnsweredBefore)
        assert own.answer == before

    def test_with_the_key_of_another_call_are_refused(self) -> None:
        answered("key", fingerprint="of another body")

        [result] = register_calls([call("lead", key="key")])

        assert isinstance(result, IdempotencyKeyReused)
        assert stored() == {}

    def test_go_alone_when_the_answer_to_their_key_is_too_old(self) -> None:
        answered("lead")
        KeptAnswer.objects.update(created_at=timezone.now() - KEPT_FOR)

        assert register_calls([call("lead")]) == [None]
        assert stored() == {}

    def test_do_not_see_the_answers_to_other_callers(self) -> None:
        answered("lead")
        KeptAnswer.objects.update(caller="key:1")

        [result] = register_calls([call("lead")])

        assert isinstance(result, Registration)

    def test_that_are_refused_keep_no_answer(self, source: Source) -> None:
        Source.objects.update(identified_by=IdentityKind.PHONE)

        refused, done = register_calls([call("nobody"), call("+79123456789")])

        assert isinstance(refused, PhoneUnreadable)
        assert isinstance(done, Registration)
        assert set(kept()) == {"+79123456789"}

    def test_may_have_no_key(self) -> None:
        intake = Intake(source_code="telegram", external_id="without")

        register_calls([Call(intake), call("with")])

        assert set(stored()) == {"without", "with"}
        assert set(kept()) == {"with"}

    def test_take_as_many_statements_whatever_their_number(self) -> None:
        register_calls([call("first"), call("second")])

        assert statements(4) == statements(40)

    def test_leave_nothing_behind_when_their_transaction_fails(self) -> None:
        with (
            patch("distribution.intake_in_bulk.keep_all", side_effect=ZeroDivisionError),
            pytest.raises(ZeroDivisionError),
        ):
            register_calls([call("lead")])

        assert (stored(), kept()) == ({}, {})

    @pytest.mark.postgresql
    def test_are_refused_while_another_works_on_the_same_key(self) -> None:
        work = Keeping(keeping("same").call, lambda _results: Response({}))

        with transaction.atomic():
            [(busy, done)] = work(lambda: run_concurrently(lambda: register_calls([call("same"), call("other")])))

        assert isinstance(busy, StillRunning)
        assert isinstance(done, Registration)


def statements(number: int) -> int:
    """Return how many statements it takes to register so many calls."""
    with CaptureQueriesContext(connection) as queries:
        register_calls([call(f"lead_{number}_{place}") for place in range(number)])
    return len(queries)
