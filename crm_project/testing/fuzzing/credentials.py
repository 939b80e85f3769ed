"""Make a supervisor and a key of each scope, and print by caller the header that each sends, as JSON.

Run as a program, on the database of DATABASE_URL. The application comes first: it makes Django ready.
"""

from crm_project.testing.fuzzing import application  # noqa: F401, I001

import json
import sys
from base64 import b64encode

from django.contrib.auth.models import User

from crm_project.access.callers import Scope
from crm_project.access.keys import make_key
from crm_project.testing.clients import make_client

NAME, PASSWORD = "supervisor", "a supervisor's password"


def main() -> None:
    """Make them and print the headers."""
    User.objects.create_superuser(NAME, password=PASSWORD)
    headers = {str(scope): f"Bearer {make_key(make_client(scope))}" for scope in Scope}
    headers["supervisor"] = f"Basic {b64encode(f'{NAME}:{PASSWORD}'.encode()).decode()}"
    json.dump(headers, sys.stdout)


if __name__ == "__main__":
    main()
