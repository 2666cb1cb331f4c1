"""Run a live channel as a user does: the command, its log, its metrics and its exit code."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from rig.fair_time import Stopwatch
from rig.processes import below, command_of
from rig.servers import free_port


class Channel:
    """A process of ``sr4k-stream`` with JSON logs and a metrics endpoint. A context manager.

    ``watch`` runs from its start.
    """

    def __init__(
        self, source: str, *targets: str, options: tuple[str, ...] = (), environment: dict[str, str] | None = None
    ) -> None:
        self._log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115 - as long as the channel
        self.port = free_port()
        self.watch = Stopwatch()
        command = Path(sys.executable).with_name("sr4k-stream")
        self.process = subprocess.Popen(
            [command, source, *targets, "--log-format", "json", "--metrics", f"127.0.0.1:{self.port}", *options],
            stderr=self._log,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            for process in [self.process.pid, *self.children()]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self.process.wait()
        self._log.close()

    @property
    def log(self) -> str:
        """All log lines so far, as JSON."""
        return Path(self._log.name).read_text()

    def metrics(self) -> str:
        """Return the metrics in Prometheus' text format.

        Raises:
            OSError: The endpoint doesn't answer.
        """
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def value(self, name: str, *labels: str) -> float:
        """Return the first value of ``sr4k_NAME`` with all of these labels; NaN if there is none."""
        with contextlib.suppress(OSError):  # the endpoint may not be up yet
            for line in self.metrics().splitlines():
                if line.startswith(f"sr4k_{name}{{") and all(label in line for label in labels):
                    return float(line.rpartition(" ")[2])
        return float("nan")

    def states(self) -> dict[str, Any]:
        """Return what ``/ready`` reports about the only channel; empty if the endpoint doesn't answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=5) as answer:
                report = json.load(answer)
        except urllib.error.HTTPError as err:
            report = json.load(err)
        except OSError:
            return {}
        (channel,) = report["channels"].values()
        return dict(channel)

    def state_in(self) -> str:
        """Return the state of the source."""
        return str(self.states().get("in", {}).get("state"))

    def states_out(self) -> list[str]:
        """Return the state of each target."""
        return [str(out["state"]) for out in self.states().get("out", [])]

    def children(self) -> list[int]:
        """Return the ids of all descendants of the command."""
        return below(self.process.pid)

    def child(self, module: str) -> int:
        """Return the id of the descendant that runs a module.

        Raises:
            LookupError: No descendant runs it.
        """
        for process in self.children():
            if module in command_of(process):
                return process
        raise LookupError(module)

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM; return the exit code and the seconds until the exit, by `Stopwatch.fair`."""
        watch = Stopwatch()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120), watch.fair


def eventually(condition: Callable[[], object], seconds: float, what: str = "") -> float:
    """Wait until the condition holds, at most ``seconds``; return the seconds that it took, by `Stopwatch.fair`.

    Raises:
        AssertionError: The condition didn't hold in time.
    """
    watch = Stopwatch()
    while not condition():
        assert watch.fair < seconds, f"not within {seconds} s: {what or condition}"
        time.sleep(0.1)  # a look costs what is looked at some milliseconds too
    return watch.fair
