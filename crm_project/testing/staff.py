"""Users of the back office, each in a role."""

from importlib import import_module
from itertools import count
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db.models.signals import post_migrate
from django.test import Client

_numbers = count(1)


def make_user(*roles: str, **fields: Any) -> User:
    """Store a member of staff in these roles."""
    user = User.objects.create(**{"username": f"user_{next(_numbers)}", "is_staff": True, **fields})
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


def staff(*permissions: str) -> Client:
    """Return the browser of a member of staff who has these permissions, by their code names, and no role."""
    user = make_user()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def keep_roles() -> None:
    """Make the roles again whenever a test in real transactions has emptied every table behind it."""
    post_migrate.connect(_make_roles, sender=apps.get_app_config("distribution"))


def _make_roles(**_signal: Any) -> None:
    import_module("distribution.migrations.0004_roles").make_roles(apps, None)
    import_module("distribution.migrations.0006_roles_see_webhooks").let_roles_see(apps, None)
