#!/usr/bin/env python
"""Django's command-line entry point."""

import logging
import os
import sys


def main() -> None:
    """Run the management command named on the command line; what it does not handle is logged, with exit code 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crm_project.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except Exception:
        # Python would print the error with its whole text; the formatter of the log leaves out whom it names.
        logging.getLogger("manage").exception("The command failed")
        sys.exit(1)


if __name__ == "__main__":
    main()
