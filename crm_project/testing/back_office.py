"""A back office on a server of its own, and what tests do there past the browser."""

from typing import Any

from crm_project.testing.browser import Visit, Visitor
from crm_project.testing.server import Server, StartServer

PASSWORD = "a good long password"  # noqa: S105
OPERATORS = ("Anna", "Boris")
ANNAS_ACCOUNT = f"""
from django.contrib.auth.models import Group, User
from operators.models import Operator
user = User.objects.create_user("anna", password="{PASSWORD}", is_staff=True)
user.groups.add(Group.objects.get(name="operator"))
Operator.objects.filter(name="Anna").update(user=user)
"""


def open_house(start: StartServer, **options: Any) -> Server:
    """Start a server with an administrator."""
    house = start(DJANGO_SUPERUSER_PASSWORD=PASSWORD, **options)
    made = house.manage("createsuperuser", "--noinput", "--username", "admin", "--email", "")
    assert made.returncode == 0, made.stderr
    return house


def call(house: Server, address: str, **body: Any) -> Any:
    """Call the API and return its answer."""
    with house.client() as client:
        response = client.post(f"/api/{address}", json=body)
    assert response.is_success, response.text
    return response.json()


def add_telegram(house: Server) -> Server:
    """Add two operators, Anna with weight 10 and Boris with 30, on the source «Telegram»."""
    ids = [call(house, "operators", name=name)["id"] for name in OPERATORS]
    source = call(house, "sources", name="Telegram", code="telegram")
    weights = [{"operator_id": number, "weight": weight} for number, weight in zip(ids, (10, 30), strict=True)]
    call(house, f"sources/{source['id']}/operators", operator_weights=weights)
    return house


def add_annas_account(house: Server) -> None:
    """Let Anna log in, in the role of an operator."""
    made = house.manage("shell", "--command", ANNAS_ACCOUNT)
    assert made.returncode == 0, made.stderr


def arrive(house: Server, external_id: str, source_code: str = "telegram", **fields: str) -> Any:
    """Register a contact and return it."""
    return call(house, "contacts", external_id=external_id, source_code=source_code, **fields)


def supervisor(house: Server, visit: Visit, **options: Any) -> Visitor:
    """Open a window in which the administrator has logged in."""
    return visit(house, **options).log_in("admin", PASSWORD)
