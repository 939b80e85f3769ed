"""The price of a key and of an Idempotency-Key: the same load with and without, in turns."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.house import ROOMY, build
from benchmarks.load import Job
from benchmarks.measure import MeasuredServer, Plan, measure, started, warm_up

NOTHING, KEY, KEY_AND_RETRIES = "nothing", "a key", "a key and an Idempotency-Key"
TURNS = 3


@dataclass(frozen=True)
class Price:
    """What the calls carried, how many contacts a second that gave, and that as a part of the rate with nothing."""

    database: str
    carried: str
    rate: float
    of_nothing: float


def measure_prices(name: str, server: MeasuredServer, plan: Plan) -> Iterator[Price]:
    """Measure each kind of call in turns, so that a machine that slows down slows them all; medians are compared."""
    with started(server):
        build(server.port, ROOMY)
        measure(server, ROOMY, warm_up(server, plan))
        jobs = list(kinds(server, plan))
        turns = [[measure(server, ROOMY, job).rate for _carried, job in jobs] for _turn in range(TURNS)]
        rates = [median(rates) for rates in zip(*turns, strict=True)]
        for (carried, _job), rate in zip(jobs, rates, strict=True):
            yield Price(name, carried, rate, rate / rates[0])


def kinds(server: MeasuredServer, plan: Plan) -> Iterator[tuple[str, Job]]:
    """Yield what calls may carry, each with a job that sends such calls."""
    job = replace(warm_up(server, plan), clients=plan.clients[-1], seconds=plan.seconds, at_most=plan.at_most)
    key = server.manage("create_api_key", "benchmark", "--scope", "register").stdout.strip()
    yield NOTHING, job
    yield KEY, replace(job, api_key=key)
    yield KEY_AND_RETRIES, replace(job, api_key=key, with_idempotency_keys=True)
