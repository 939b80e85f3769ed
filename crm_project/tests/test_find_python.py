import os
import subprocess
import sys
from pathlib import Path

import pytest

from crm_project.setup.children import BASE_DIR

pytestmark = pytest.mark.once

SCRIPT = BASE_DIR / "crm_project/setup/find_python.sh"
RUNS = f'exec {sys.executable} "$@"'
IS_TOO_OLD = f"""exec {sys.executable} -c 'import sys; sys.version_info = (3, 11, 9); exec(sys.argv[2])' "$@" """
FAILS = "exit 127"


class Machine:
    """A machine with nothing but the Pythons that a test puts on it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "a home"
        self.path = directory / "bin"
        self.put("bin/cat", 'exec /bin/cat "$@"')

    def put(self, name: str, script: str) -> Path:
        """Put a program there."""
        program = self.home.parent / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    def find(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        ours = ("PYENV", "PYTHON", "UV")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environment = {**inherited, "PATH": str(self.path), "HOME": str(self.home), **environment}
        return subprocess.run(["/bin/sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_shim_that_fails_and_a_python_that_is_too_old_are_passed_over(machine: Machine) -> None:
    machine.put("bin/python3.13", FAILS)
    machine.put("bin/python3.12", RUNS)
    machine.put("bin/python3", IS_TOO_OLD)

    found = machine.find()

    assert (found.returncode, found.stdout) == (0, f"{sys.executable}\n")


def test_a_python_of_pyenv_is_found_without_being_on_the_path(machine: Machine) -> None:
    machine.put("bin/python3", IS_TOO_OLD)
    machine.put("a home/.pyenv/versions/3.13.0/bin/python3", RUNS)

    assert machine.find().stdout == f"{sys.executable}\n"


def test_without_a_python_the_commands_to_install_one_are_printed(machine: Machine) -> None:
    machine.put("bin/python3", IS_TOO_OLD)

    found = machine.find()

    assert (found.returncode, found.stdout) == (1, "")
    for system, command in {
        "Debian": "sudo apt install",
        "Ubuntu": "sudo apt install",
        "macOS": "brew install",
    }.items():
        assert any(system in line and command in line for line in found.stderr.splitlines())


def test_the_python_that_was_named_is_taken(machine: Machine) -> None:
    named = machine.put("elsewhere/my python", RUNS)

    assert machine.find(PYTHON=str(named)).stdout == f"{sys.executable}\n"


def test_a_named_python_that_does_not_do_is_an_error_even_beside_one_that_does(machine: Machine) -> None:
    machine.put("bin/python3.13", RUNS)
    named = machine.put("elsewhere/python", IS_TOO_OLD)

    found = machine.find(PYTHON=str(named))

    assert found.returncode == 1
    assert f"PYTHON={named}" in found.stderr
