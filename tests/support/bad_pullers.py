"""Replacements for `sr4k.live.receive.pull_process` that misbehave as a decoder may after malicious input."""

import os
import pickle
import socket
import subprocess
from contextlib import suppress
from typing import Any

from sr4k.live import sandbox
from sr4k.live.receive import pull_process
from sr4k.live.receive.link import Ended, PullerEnd
from sr4k.live.receive.pull_process import PullOrder
from sr4k.pipeline.channel import Memory


class Narrow:
    """A puller with little memory."""

    @staticmethod
    def main(order: PullOrder) -> None:
        pull_process.enter = lambda: sandbox.enter(40 << 20)  # type: ignore[assignment]
        pull_process.main(order)


class Spinning:
    """A puller whose decoder never returns."""

    @staticmethod
    def main(_order: PullOrder) -> None:
        sandbox._CPU_AHEAD = 1
        sandbox.enter()
        while True:
            pass


class Taken:
    """A puller taken over by an attacker: it sends a pickle."""

    @staticmethod
    def main(order: PullOrder) -> None:
        socket.socket(fileno=order.wire).send(pickle.dumps(_Call()))


class Meddling:
    """A puller that tries to delete a file and to run a program, and reports what succeeded."""

    @staticmethod
    def main(order: PullOrder) -> None:
        could = []
        for name, attempt in {
            "delete": lambda: os.unlink(os.environ["VICTIM"]),  # noqa: PTH108
            "run": lambda: subprocess.run(["/bin/true"], check=True),
        }.items():
            with suppress(PermissionError):
                attempt()
                could.append(name)
        PullerEnd(socket.socket(fileno=order.wire), Memory(order.memory)).end(Ended(f"it could {could}", final=True))


class Giving:
    """A puller that reports that a retry is useless."""

    @staticmethod
    def main(order: PullOrder) -> None:
        link = PullerEnd(socket.socket(fileno=order.wire), Memory(order.memory))
        link.end(Ended("never again", final=True))


class Crashing:
    """A puller whose decoder crashes."""

    @staticmethod
    def main(_order: PullOrder) -> None:
        os.kill(os.getpid(), 11)


class _Call:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.putenv, ("SR4K_CALLED", "1")


def main(order: PullOrder) -> None:
    {
        "meddling": Meddling,
        "giving": Giving,
        "narrow": Narrow,
        "spinning": Spinning,
        "taken": Taken,
        "crashing": Crashing,
    }[os.environ["BAD_PULLER"]].main(order)
