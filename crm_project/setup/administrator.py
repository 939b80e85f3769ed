"""The first administrator of an installation."""

import secrets

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

LOGIN = "admin"


def create_first_administrator() -> str | None:
    """Make an administrator when there is none; return the password, which is stored nowhere.

    Returns None when there is an administrator, or an ordinary user has the login.
    """
    if User.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    rights = {"is_staff": True, "is_superuser": True, "password": make_password(password)}
    _user, created = User.objects.get_or_create(username=LOGIN, defaults=rights)
    return password if created else None
