"""What is there when the fuzzing starts: operators, sources, weights and contacts, and who calls."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import httpx

from crm_project.setup.children import BASE_DIR
from crm_project.testing.server import Server, StartServer

CALLERS = ("register", "read", "manage", "supervisor", "nobody")
APPLICATION = "crm_project.testing.fuzzing.application:application"
CREDENTIALS = "crm_project.testing.fuzzing.credentials"
HOW_MANY = 4


@dataclass(frozen=True)
class House:
    """A running server with something in it, and by caller the header by which they are known; nobody has none."""

    server: Server
    authorizations: dict[str, str]

    def document(self) -> str:
        """Return the OpenAPI document, as a supervisor gets it."""
        with self.client() as supervisor:
            answer = supervisor.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
            return answer.raise_for_status().text

    def fill(self) -> None:
        """Make some of everything; the ids of each kind are 1 to HOW_MANY."""
        with self.client() as supervisor:
            for number in range(1, HOW_MANY + 1):
                code = source_code(number)
                for path, body in {
                    "/operators": {"name": f"Operator {number}", "max_load": 10, "external_id": f"operator_{number}"},
                    "/sources": {"name": f"Source {number}", "code": code},
                    f"/sources/{number}/operators": {"operator_weights": [{"operator_id": number, "weight": number}]},
                    "/contacts": {"external_id": f"lead_{number}", "source_code": code},
                }.items():
                    supervisor.post(f"/api{path}", json=body).raise_for_status()

    def client(self) -> httpx.Client:
        """Return what calls as a supervisor."""
        return self.server.client(headers={"Authorization": self.authorizations["supervisor"]})


def open_house(start: StartServer) -> House:
    """Start a server on a database of its own, make all who call, and fill it."""
    server = start(application=APPLICATION, OPEN_API="0")
    house = House(server, credentials(server))
    house.fill()
    return house


def credentials(server: Server) -> dict[str, str]:
    """Make a supervisor and a key of each scope; return the header of each."""
    command = [sys.executable, "-m", CREDENTIALS]
    environment = {**os.environ, **server.environment}
    done = subprocess.run(command, cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    headers: dict[str, str] = json.loads(done.stdout)
    return headers


def source_code(number: int) -> str:
    """Return the code of a source by its id."""
    return f"source_{number}"
