"""A small code location whose runs do what a test needs: end, wait, not listen, or say which definitions they have."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import dagster as dg

from dataops_defs.defs.state_backed import CatalogueLoader

FOLDER = Path(os.environ["DATAOPS_HOME"])


@dg.asset
def trivial() -> None: ...


@dg.asset
def short() -> None:
    time.sleep(0.3)


@dg.asset
def waiting() -> None:
    """Waits until the test lets it go on."""
    (FOLDER / "waiting").touch()
    while not (FOLDER / "go").exists():
        time.sleep(0.02)


@dg.asset
def deaf() -> None:
    """Cannot be interrupted, and has a process of its own."""
    grandchild = subprocess.Popen(["/usr/bin/sleep", "1000"])
    (FOLDER / "grandchild").write_text(str(grandchild.pid))
    while True:
        try:
            time.sleep(0.1)
        except BaseException:
            continue


def read() -> dict[str, Any]:
    kept = FOLDER / "version"
    return {"version": kept.read_text() if kept.exists() else "first"}


def build(state: dict[str, Any]) -> dg.Definitions:
    @dg.asset
    def versioned() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"version": state["version"]})

    return dg.Definitions(assets=[trivial, short, waiting, deaf, versioned], executor=dg.in_process_executor)


@dg.definitions
def defs() -> dg.Definitions:
    return CatalogueLoader(read, build).build_defs()
