"""A helper of the rig in a separate process: it gets its settings as JSON and reports in lines of JSON."""

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
    """A process of ``python -m MODULE`` with ``orders``. It reports into a file, so it never waits for a reader."""

    def __init__(self, module: str, **orders: Any) -> None:
        self._reports = tempfile.NamedTemporaryFile("w+", suffix=".jsonl")  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(orders)],
            stdout=self._reports,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
        self._reports.close()

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines that it has reported so far."""
        text = Path(self._reports.name).read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def freeze(self) -> None:
        """Stop the process with SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the process with SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process with SIGKILL and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()

    def wait(self, seconds: float) -> None:
        """Wait at most ``seconds`` for the end of the process.

        Raises:
            subprocess.TimeoutExpired: It is still running.
        """
        self._process.wait(seconds)


def emit(**facts: Any) -> None:
    """Write one line of the report; called in the process."""
    print(json.dumps(facts), flush=True)
