#!/bin/sh
# Makes .venv, or what CRM_VENV names, and installs the named requirements files into it: install.sh FILE...
# What is installed already is left alone, so that a second call takes no time.
set -eu
cd "$(dirname "$0")/../.."
venv=${CRM_VENV:-.venv}

if ! "$venv/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
    python=$(sh crm_project/setup/find_python.sh)
    echo "Making $venv with $python"
    "$python" -m venv --clear "$venv"
fi

for file in "$@"; do
    installed=$venv/installed-$(basename "$file")
    if ! cmp -s "$file" "$installed"; then
        echo "Installing $file into $venv, which takes a minute the first time"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$file"
        cp "$file" "$installed"
    fi
done
