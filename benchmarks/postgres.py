"""A throw-away PostgreSQL that waits for the disk, as PostgreSQL does unless told otherwise.

The one of the tests does not wait, which would flatter the figures. Run as a program, this module is the guard of
such a server, as crm_project.testing.postgres is of the other kind.
"""

import subprocess
import sys
from typing import Self

from crm_project.setup.children import BASE_DIR
from crm_project.testing import postgres


class DurablePostgres(postgres.Postgres):
    """A running throw-away server whose commits are on the disk."""

    @classmethod
    def start(cls) -> Self:
        """Start a server; raise PostgresError when that is not possible."""
        guard = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=BASE_DIR,
            start_new_session=True,
        )
        url = guard.stdout.readline().strip() if guard.stdout else ""
        if not url:
            guard.communicate()
            raise postgres.PostgresError("The throw-away PostgreSQL did not start: its message stands above.")
        return cls(url, guard)


if __name__ == "__main__":
    postgres.FAST_AND_FORGETFUL.clear()
    postgres.watch()
