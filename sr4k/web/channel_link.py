"""The link between the process that runs the live channels and the one with the page: questions, and their answers.

Each message is JSON: a page that was taken over can ask what `Channels` has, and nothing else.
"""

import json
import logging
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from multiprocessing.connection import Connection
from typing import Any

from sr4k.errors import MachineError
from sr4k.live.steering import End
from sr4k.queue.errand import raised, told
from sr4k.service.channel_desk import Action, Channels, NoSuchChannel
from sr4k.service.channel_editor import FileChanged
from sr4k.service.channel_history import Span

log = logging.getLogger(__name__)

_ANSWERS = frozenset(name for name in vars(Channels) if not name.startswith("_"))
"""What may be asked."""

_PATIENCE = 10.0
"""Seconds to wait for an answer."""

_LONG_PATIENCE = 300.0
"""The same where engines and encoders are tried."""

_KINDS: dict[str, type[Exception]] = {kind.__name__: kind for kind in (NoSuchChannel, FileChanged)}
"""Errors that are more than their exit code, by name."""

END = b"end"
"""Message to the page: end in order."""


class Answering:
    """Answers a page, from the process that runs the channels.

    Args:
        connection: to the page.
        channels: what it asks.
    """

    def __init__(self, connection: Connection, channels: Channels | None) -> None:
        self._connection, self._channels = connection, channels
        self._sending = threading.Lock()

    def answer_for_ever(self) -> None:
        """Answer until the page is gone, or sends what no page of ours does."""
        while True:
            try:
                asked = json.loads(self._connection.recv_bytes())
            except (EOFError, OSError):
                return
            except ValueError:
                log.error("The page's process has sent what is no question: it is ended.")
                return
            threading.Thread(target=self._answer, args=(asked,), name="sr4k-page-answer", daemon=True).start()

    def end(self) -> None:
        """Ask the page to end."""
        self._send(END)

    def _answer(self, asked: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"number": asked["number"]}
        try:
            if asked["what"] not in _ANSWERS or self._channels is None:
                raise MachineError("The page asked for what there is not: restart the service.")
            answer["result"] = getattr(self._channels, asked["what"])(*asked["args"])
        except Exception as err:
            log.debug("The page asked %s", asked["what"], exc_info=err)
            answer |= {**told(err), "kind": type(err).__name__}
        self._send(json.dumps(answer).encode())

    def _send(self, message: bytes) -> None:
        try:
            with self._sending:
                self._connection.send_bytes(message)
        except OSError:  # the page has just died, which its reader notices
            log.debug("The page took no answer", exc_info=True)


class LinkedChannels:
    """`Channels` that run in another process. Any thread may ask.

    Args:
        connection: to the process that answers.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._open: dict[int, Future[dict[str, Any]]] = {}
        self._asked = 0

    def listen_for_ever(self) -> None:
        """Take answers until the other process asks this one to end, or is gone."""
        while True:
            try:
                message = self._connection.recv_bytes()
            except (EOFError, OSError):
                return
            if message == END:
                return
            answer = json.loads(message)
            with self._lock:
                waiting = self._open.pop(answer["number"], None)
            if waiting is not None:
                waiting.set_result(answer)

    def overview(self) -> list[dict[str, Any]]:
        """See `Channels`."""
        found: list[dict[str, Any]] = self._ask("overview")
        return found

    def one(self, name: str) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("one", name)

    def history(self, name: str, span: Span) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("history", name, span)

    def act(self, name: str, action: Action) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("act", name, action)

    def show_slate(self, name: str, is_shown: bool) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("show_slate", name, is_shown)

    def switch_target(self, name: str, number: int, is_on: bool) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("switch_target", name, number, is_on)

    def pin_rung(self, name: str, rung: int | None) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("pin_rung", name, rung)

    def picture(self, name: str, end: End) -> str | None:
        """See `Channels`."""
        found: str | None = self._ask("picture", name, end)
        return found

    def playlist(self, name: str, number: int) -> str:
        """See `Channels`."""
        return str(self._ask("playlist", name, number))

    def file(self) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("file")

    def check_file(self, text: str, version: str) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("check_file", text, version, seconds=_LONG_PATIENCE)

    def save_file(self, text: str, version: str) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("save_file", text, version, seconds=_LONG_PATIENCE)

    def metrics(self) -> str:
        """See `Channels`."""
        return str(self._ask("metrics"))

    def readiness(self) -> dict[str, Any]:
        """See `Channels`."""
        return self._asked_for("readiness")

    def _asked_for(self, what: str, *args: Any, seconds: float = _PATIENCE) -> dict[str, Any]:
        found: dict[str, Any] = self._ask(what, *args, seconds=seconds)
        return found

    def _ask(self, what: str, *args: Any, seconds: float = _PATIENCE) -> Any:
        waiting: Future[dict[str, Any]] = Future()
        with self._lock:
            self._asked += 1
            number = self._asked
            self._open[number] = waiting
            self._connection.send_bytes(json.dumps({"number": number, "what": what, "args": args}).encode())
        try:
            answer = waiting.result(seconds)
        except TooLate:
            raise MachineError("The live channels don't answer: the service is overloaded.") from None
        finally:
            with self._lock:
                self._open.pop(number, None)
        if "error" not in answer:
            return answer["result"]
        kind = _KINDS.get(answer["kind"])
        raise kind(answer["error"]) if kind is not None else raised(answer["error"], answer["code"])
