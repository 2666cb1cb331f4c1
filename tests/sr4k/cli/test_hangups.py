"""SIGHUP: a request to end if the terminal has closed, or to reload if the command reloads."""

import os
import signal

import pytest

from sr4k.cli import signals
from sr4k.cli.signals import counted_signals


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def test_a_terminal_that_closes_asks_for_an_end_once_however_often_it_is_told() -> None:
    with counted_signals() as received:
        hang_up()
        hang_up()
        assert received == [signal.SIGHUP]
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGHUP, signal.SIGTERM]


def test_a_wish_to_begin_anew_is_no_wish_to_end() -> None:
    hangups: list[int] = []
    with counted_signals(hangups) as received:
        hang_up()
        hang_up()
        assert (received, hangups) == ([], [signal.SIGHUP] * 2)


def test_what_begins_anew_on_a_hangup_ends_when_its_terminal_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, True, False, False])
    monkeypatch.setattr(signals, "_has_terminal", lambda: next(answers))
    hangups: list[int] = []
    with counted_signals(hangups) as received:
        hang_up()
        assert (received, hangups) == ([], [signal.SIGHUP])
        hang_up()
        hang_up()
        assert (received, hangups) == ([signal.SIGHUP], [signal.SIGHUP])


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with counted_signals() as received:
            hang_up()
            assert received == []
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
