"""Processes that stand in for `sr4k.live.pull`: what a decoder may become when it is given the wrong bytes."""

import os
from multiprocessing.connection import Connection
from typing import Any

from sr4k.live import pull, sandbox
from sr4k.live.pull import Order


class Narrow:
    """One with little memory."""

    @staticmethod
    def main(order: Order) -> None:
        pull.enter = lambda: sandbox.enter(40 << 20)  # type: ignore[assignment]
        pull.main(order)


class Spinning:
    """One whose decoder never comes back."""

    @staticmethod
    def main(_order: Order) -> None:
        sandbox._CPU_AHEAD = 1
        sandbox.enter()
        while True:
            pass


class Taken:
    """One that is no longer its own."""

    @staticmethod
    def main(order: Order) -> None:
        Connection(order.wire).send(_Call())


class Crashing:
    """One whose decoder crashes."""

    @staticmethod
    def main(_order: Order) -> None:
        os.kill(os.getpid(), 11)


class _Call:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.putenv, ("SR4K_CALLED", "1")


def main(order: Order) -> None:
    {"narrow": Narrow, "spinning": Spinning, "taken": Taken, "crashing": Crashing}[os.environ["BAD_PULLER"]].main(order)
