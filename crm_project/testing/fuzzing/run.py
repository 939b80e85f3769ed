"""One run of schemathesis as one caller, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from crm_project.setup.children import BASE_DIR, python_path
from crm_project.testing.fuzzing.house import House

SETTINGS = Path(__file__).with_name("schemathesis.toml")


def fuzz(
    house: House, caller: str, *arguments: str, seconds: int, settings: str = ""
) -> subprocess.CompletedProcess[str]:
    """Call every operation of the house as the caller; return how schemathesis ended and what it said.

    `settings` are added to those of every run. Raises TimeoutExpired when it is not done after so many seconds.
    """
    header = [f"--header=Authorization: {house.authorizations[caller]}"] if caller in house.authorizations else []
    with TemporaryDirectory(prefix="crm-fuzzing-") as directory:
        document, together = Path(directory) / "openapi.json", Path(directory) / SETTINGS.name
        document.write_text(house.document())
        together.write_text(f"{SETTINGS.read_text()}\n{settings}")
        return subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(together), "--no-color"),
                *("run", str(document), "--url", house.server.base_url, "--checks", "all"),
                *header,
                *arguments,
            ],
            cwd=BASE_DIR,
            env={**os.environ, "PYTHONPATH": python_path(), "FUZZING_CALLER": caller, "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
