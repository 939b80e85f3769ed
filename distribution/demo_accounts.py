"""Who may look around in the demo: an account for each role."""

import secrets
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.db import transaction

from distribution.demo import operator
from distribution.roster import change_operator

WORKS_AS = "Анна Б."
ROLES = ("supervisor", "auditor", "operator")


@dataclass(frozen=True)
class Account:
    """A log-in, called like its role, with the password that is stored nowhere."""

    name: str
    password: str


def make_accounts() -> list[Account]:
    """Make an account for each role and return those that are new; the operator's is that of somebody in the story."""
    return [account for role in ROLES if (account := _make_account(role))]


def _make_account(role: str) -> Account | None:
    account = Account(role, secrets.token_urlsafe(12))
    user = _stored(account)
    if user and role == "operator":
        change_operator(operator(WORKS_AS).pk, user=user)
    return account if user else None


@transaction.atomic
def _stored(account: Account) -> User | None:
    rights = {"is_staff": True, "password": make_password(account.password)}
    user, created = User.objects.get_or_create(username=account.name, defaults=rights)
    if created:
        user.groups.add(Group.objects.get(name=account.name))
    return user if created else None
