"""What the pictures show: the story of the demo, and whom and what to look at in it."""

import secrets
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db.models import Count

from crm_project.setup.administrator import LOGIN, create_first_administrator
from distribution.demo_accounts import WORKS_AS
from leads.models import Contact, Lead, Source
from operators.models import Operator

CONTACTS = 2000


@dataclass(frozen=True)
class Account:
    """Who logs in, and with what."""

    name: str
    password: str


@dataclass(frozen=True)
class House:
    """Who may look, and the ids that the addresses of pages name."""

    administrator: Account
    operator: Account
    ids: dict[str, int]


def furnish() -> House:
    """Tell the story into the empty database of DATABASE_URL and return what to look at."""
    call_command("demo", contacts=str(CONTACTS))
    operator = Operator.objects.get(name=WORKS_AS)
    source = Source.objects.alias(number=Count("contacts")).order_by("-number")[0]
    lead = Lead.objects.alias(number=Count("contacts")).order_by("-number")[0]
    contact = Contact.objects.active().order_by("-created_at")[0]
    rows = {"operator": operator, "source": source, "lead": lead, "contact": contact}
    return House(_administrator(), _account_of(operator), {name: row.pk for name, row in rows.items()})


def _administrator() -> Account:
    password = create_first_administrator()
    assert password
    return Account(LOGIN, password)


def _account_of(operator: Operator) -> Account:
    user = User.objects.get(operator=operator)
    account = Account(user.username, secrets.token_urlsafe(12))
    user.set_password(account.password)
    user.save(update_fields=["password"])
    return account
