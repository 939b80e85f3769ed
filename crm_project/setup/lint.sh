#!/bin/sh
# Runs every check of the code, all of them even when one fails; exits with 1 when any did.
cd "$(dirname "$0")/../.." || exit 1
PATH="$PWD/.venv/bin:$PATH"
failed=

check() {
    echo "lint: $*" | cut -c 1-110
    "$@" || failed="$failed
  $1 $2"
}

sources() {
    find crm_project leads operators distribution benchmarks examples manage.py -name "*.py" -not -path "*/migrations/*"
}

check ruff check --quiet .
check ruff format --check --quiet .
check lint-imports --no-logo
check mypy .
check django-upgrade --check --target-version 6.1 $(sources)
check djade --check --target-version 6.1 $(find templates crm_project leads operators distribution -name "*.html")
check python manage.py check
check python manage.py check --deploy --fail-level ERROR
check python manage.py makemigrations --check --dry-run

if [ -n "$failed" ]; then
    echo "lint: failed:$failed" >&2
    exit 1
fi
echo "lint: all is well"
