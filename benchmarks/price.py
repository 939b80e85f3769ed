"""The price of keys, of decisions and of webhooks: the same load with and without, in turns."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.house import ROOMY, build
from benchmarks.load import Job
from benchmarks.measure import MeasuredServer, Plan, measure, new_server, started, warm_up
from crm_project.testing.databases import Databases

NOTHING, KEY, KEY_AND_RETRIES = "nothing", "a key", "a key and an Idempotency-Key"
WITHOUT, WITH = "nothing, and no decision is recorded", "nothing, and its decision is recorded"
UNHEARD, HEARD = "nothing, and nobody is told", "nothing, and an endpoint is to be told"
WITHOUT_DECISIONS = "benchmarks.without_decisions:application"
TURNS = 3
MAKE_AN_ENDPOINT = (
    "from crm_project.webhooks import endpoints, models;"
    "endpoint = models.Endpoint.objects.create(name='benchmark', url='https://localhost/');"
    "endpoints.subscribe(endpoint, ['contact.assigned'], None)"
)


@dataclass(frozen=True)
class Price:
    """What the calls carried, how many contacts a second that gave, and that as a part of the first rate."""

    database: str
    carried: str
    rate: float
    of_first: float


type Load = tuple[str, MeasuredServer, Job]


def measure_prices(name: str, databases: Databases, processes: int, plan: Plan) -> Iterator[Price]:
    """Measure what a key costs, what a decision costs, and what it costs to store whom to tell."""
    yield from price_of_keys(name, new_server(databases, processes), plan)
    bare = new_server(databases, processes, WITHOUT_DECISIONS)
    yield from price_of_decisions(name, bare, new_server(databases, processes), plan)
    yield from price_of_webhooks(name, new_server(databases, processes), new_server(databases, processes), plan)


def price_of_keys(name: str, server: MeasuredServer, plan: Plan) -> Iterator[Price]:
    """Measure calls with and without a key and an Idempotency-Key."""
    with prepared(server, plan):
        yield from compared(name, [(carried, server, job) for carried, job in kinds(server, plan)])


def price_of_decisions(name: str, bare: MeasuredServer, server: MeasuredServer, plan: Plan) -> Iterator[Price]:
    """Measure the same calls on a server that records no decisions, and on one that does."""
    with prepared(bare, plan), prepared(server, plan):
        yield from compared(name, [(WITHOUT, bare, load_on(bare, plan)), (WITH, server, load_on(server, plan))])


def price_of_webhooks(name: str, unheard: MeasuredServer, heard: MeasuredServer, plan: Plan) -> Iterator[Price]:
    """Measure the same calls without an endpoint, and with one that is to be told of each."""
    with prepared(unheard, plan), prepared(heard, plan):
        heard.manage("shell", "-c", MAKE_AN_ENDPOINT)
        yield from compared(name, [(UNHEARD, unheard, load_on(unheard, plan)), (HEARD, heard, load_on(heard, plan))])


@contextmanager
def prepared(server: MeasuredServer, plan: Plan) -> Iterator[None]:
    """Keep the server running, with a house and warmed up."""
    with started(server):
        build(server.port, ROOMY)
        measure(server, ROOMY, warm_up(server, plan))
        yield


def compared(name: str, loads: list[Load]) -> Iterator[Price]:
    """Measure the loads in turns, so that a machine that slows down slows them all; medians are compared."""
    turns = [[measure(server, ROOMY, job).rate for _carried, server, job in loads] for _turn in range(TURNS)]
    rates = [median(rates) for rates in zip(*turns, strict=True)]
    for (carried, _server, _job), rate in zip(loads, rates, strict=True):
        yield Price(name, carried, rate, rate / rates[0])


def kinds(server: MeasuredServer, plan: Plan) -> Iterator[tuple[str, Job]]:
    """Yield what calls may carry, each with a job that sends such calls."""
    job = load_on(server, plan)
    key = server.manage("create_api_key", "benchmark", "--scope", "register").stdout.strip()
    yield NOTHING, job
    yield KEY, replace(job, api_key=key)
    yield KEY_AND_RETRIES, replace(job, api_key=key, with_idempotency_keys=True)


def load_on(server: MeasuredServer, plan: Plan) -> Job:
    """Return the job of as many clients as the plan has at most."""
    return replace(warm_up(server, plan), clients=plan.clients[-1], seconds=plan.seconds, at_most=plan.at_most)
