"""The house that is measured: ten operators, one source, and leads who have written before."""

from dataclasses import dataclass

import httpx

from benchmarks.load import SOURCE_CODE


@dataclass(frozen=True)
class House:
    """How many contacts each operator takes, and so what becomes of those that come."""

    name: str
    limit: int
    status: str
    operators: int = 10


ROOMY = House("room for all", limit=10_000, status="active")
FULL = House("everybody waits", limit=0, status="waiting")


def build(port: int, house: House) -> None:
    """Make the operators, the source and its weights, from 10 upwards, through the API of an empty server."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api", event_hooks={"response": [refuse_errors]}) as api:
        operators = [
            api.post("/operators", json={"name": f"Operator {number}", "max_load": house.limit}).json()["id"]
            for number in range(1, house.operators + 1)
        ]
        source = api.post("/sources", json={"name": "Benchmark", "code": SOURCE_CODE}).json()["id"]
        weights = [{"operator_id": operator, "weight": 10 * place} for place, operator in enumerate(operators, 1)]
        api.post(f"/sources/{source}/operators", json={"operator_weights": weights})


def refuse_errors(response: httpx.Response) -> None:
    """Raise HTTPStatusError when the server refused."""
    response.raise_for_status()
