"""A helper of the rig in a process of its own, told by JSON, that tells by lines of JSON."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self


class RigProcess:
    """``python -m MODULE`` with ``orders``; what it tells is read from a file, so it never waits for a reader."""

    def __init__(self, module: str, **orders: Any) -> None:
        self._told = tempfile.NamedTemporaryFile("w+", suffix=".jsonl")  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(orders)],
            stdout=self._told,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
        self._told.close()

    def lines(self) -> list[dict[str, Any]]:
        """What it told so far."""
        text = Path(self._told.name).read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def wait(self, seconds: float) -> None:
        """For its end."""
        self._process.wait(seconds)


def tell(**facts: Any) -> None:
    """In the process: a line."""
    print(json.dumps(facts), flush=True)
