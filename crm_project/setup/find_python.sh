#!/bin/sh
# Prints the path of a Python that the product runs on: $PYTHON when it is set, else the first found.
# Each candidate is really run, because a command of the right name may be a shim that fails.
# Prints what to do and exits with 1 when there is none.

fits() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

found() {
    "$1" -c 'import sys; print(sys.executable)'
    exit 0
}

if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" && found "$PYTHON"
    echo "PYTHON=$PYTHON is not a Python 3.12 or newer with the modules venv and ensurepip." >&2
    exit 1
fi

for candidate in python3.14 python3.13 python3.12 python3 python \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3 \
    "${UV_PYTHON_INSTALL_DIR:-$HOME/.local/share/uv/python}"/cpython-3.1[2-9]*/bin/python3; do
    fits "$candidate" && found "$candidate"
done

cat >&2 <<'END'
No Python 3.12 or newer (with the modules venv and ensurepip) was found. To install one:

  Debian 13        sudo apt install python3 python3-venv
  Ubuntu 24.04     sudo apt install python3 python3-venv
  older Ubuntu     sudo add-apt-repository ppa:deadsnakes/ppa && sudo apt install python3.12 python3.12-venv
  macOS            brew install python@3.13
  Debian 12, or no administrator's rights:
                   curl -LsSf https://astral.sh/uv/install.sh | sh && ~/.local/bin/uv python install 3.13

Then run make again. A Python in an unusual place is named so: PYTHON=/path/to/python3 make run
END
exit 1
