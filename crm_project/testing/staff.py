"""Users of the back office, each in a role."""

from importlib import import_module
from itertools import count
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, User

_numbers = count(1)


def make_user(*roles: str, **fields: Any) -> User:
    """Store a member of staff in these roles."""
    user = User.objects.create(**{"username": f"user_{next(_numbers)}", "is_staff": True, **fields})
    if roles:
        make_roles()
        user.groups.set(Group.objects.filter(name__in=roles))
    return user


def make_roles() -> None:
    """Make the groups that the migration made: a test in real transactions empties every table behind it."""
    import_module("distribution.migrations.0004_roles").make_roles(apps, None)
