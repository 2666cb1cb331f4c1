"""Intake stage: frames from a live source, fresh or not at all, across failures of source and network."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from sr4k.errors import InputError
from sr4k.live.audio_blocks import pack
from sr4k.live.channel_reports import INTAKE, DropCause, IntakeReport, SourceState, none_dropped
from sr4k.live.guarded import guarded
from sr4k.live.rate import Rate
from sr4k.live.receive.ladder import Governor
from sr4k.live.receive.link import Ended, Opened, Sound, Tally
from sr4k.live.receive.puller import Puller
from sr4k.live.retries import Retries, Tried, keep_trying
from sr4k.live.settings import IntakeSettings
from sr4k.live.steering import StageEnd
from sr4k.live.thumbnail import Small
from sr4k.live.timeline import TICKS, TIME_BASE, Timeline
from sr4k.media.placement import second_input
from sr4k.media.planes import inside
from sr4k.media.video import info_of
from sr4k.pipeline import Buffers, Format, Frame, Source

log = logging.getLogger(__name__)

_GLANCE = 0.1
"""Interval of polling for a stop, in seconds."""

_WAITING = 4
"""Maximum number of frames that wait for the network: half of the puller's slots."""

_PROVEN = 2.0
"""Seconds of pictures after which a connection counts as a success, which resets the backoff."""


class Intake(Source):
    """Pulls a source until it is stopped: one thread receives, the stage's own passes frames on.

    Frames that wait too long are dropped, the oldest first.

    Raises:
        InputError: from `open` and `frames`: the source ended before its first picture, or all tries failed.
    """

    name = INTAKE

    def __init__(self, settings: IntakeSettings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._waiting: deque[Frame] = deque()
        self._form: Format | None = None
        self._ended: Ended | None = None
        self._timeline = Timeline()
        self._governor = Governor(time.monotonic())
        self._thread = threading.Thread(target=guarded("intake", self._pull), name="intake", daemon=True)
        self._state: SourceState = "connecting"
        self._reason = self._left_out = ""
        self._connects = self._losses = self._frames = 0
        self._rate, self._bits = Rate(), Rate()
        self._dropped = none_dropped()
        self._age = 0.0
        self._puller: Puller | None = None
        self._shown: float | None = None  # time of the connection's first picture
        self._past = Tally()  # sum over connections that have ended
        self._line = StageEnd(settings.line)
        self._takes_sound = False  # whether the playout accepts sound
        self._takes_frames = threading.Event()  # whether the playout accepts frames
        self._retries = Retries(log, str(settings.source), fields={"source": str(settings.source)})

    def open(self) -> Format:
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._form is not None or self._over)
            if self._form is None:
                reason = self._ended.reason if self._ended is not None else "stopped before its first picture"
                raise InputError(f"{self._settings.source}: {reason}.")
            return self._form

    def frames(self, buffers: Buffers) -> Iterator[Frame]:  # noqa: ARG002 - frames are in the puller's ring
        while self._settings.ready is not None and not self._over and not self._settings.ready.poll(_GLANCE):
            pass
        assert self._form is not None, "not open"
        twice = second_input(self._settings.size, info_of(self._form)) is not None
        # A new one forgets what arrived while the network was loaded.
        self._governor = Governor(time.monotonic(), twice=twice, light=self._settings.light)
        self._governor.pin(self._line.wishes.rung, time.monotonic())
        self._takes_sound = True
        self._takes_frames.set()
        while (frame := self._next()) is not None:
            self._heed(frame)
            self._age = time.monotonic() - frame.info.born
            if self._age > self._settings.freshness:
                self._governor.late()
                self._drop(frame, "late")
            elif (treatment := self._governor.treatment()) == "skip":
                self._drop(frame, "ladder")
            else:
                frame.info = replace(
                    frame.info,
                    plain=treatment == "plain",
                    once=treatment in ("once", "light"),
                    light=treatment == "light",
                )
                began = time.monotonic()
                yield frame
                ended = time.monotonic()
                self._governor.took(treatment, ended - began, ended)
            self._governor.look(time.monotonic())
        if self._ended is not None and not self._ended.final and not self._stopping.is_set():
            raise InputError(f"{self._settings.source}: {self._ended.reason}; giving up.")

    def stop(self) -> None:
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        self.stop()
        if self._thread.is_alive():
            self._thread.join()

    def report(self) -> IntakeReport:
        tally = self._tally
        return IntakeReport(
            source=str(self._settings.source),
            state=self._state,
            reason=self._reason or None,
            connects=self._connects,
            losses=self._losses,
            frames=self._frames,
            fps=self._rate.of(self._frames),
            bytes=tally.bytes,
            bitrate=self._bits.of(8 * tally.bytes),
            damaged=tally.damaged,
            interlaced=tally.interlaced,
            dropped={**self._dropped, "backlog": tally.backlog, "full": tally.full},
            restarts=self._timeline.restarts,
            rung=self._governor.rung,
            rung_name=self._governor.name,
            rungs=self._governor.names,
            pinned=self._governor.pinned,
            steps=self._governor.steps,
            age_ms=1000 * self._age,
        )

    @property
    def _tally(self) -> Tally:
        """Sum over all connections."""
        return self._past if self._puller is None else self._past + self._puller.tally

    @property
    def _over(self) -> bool:
        return self._ended is not None or self._stopping.is_set()

    def _next(self) -> Frame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over)
            if self._stopping.is_set() or not self._waiting:
                return None
            return self._waiting.popleft()

    def _heed(self, frame: Frame) -> None:
        """Do what operators want; ``frame``: the picture that they may look at."""
        before = self._line.wishes.rung
        if self._line.hear() and self._line.wishes.rung != before:
            self._governor.pin(self._line.wishes.rung, time.monotonic())
        assert self._form is not None, "not open"
        info, (luma, chroma) = info_of(self._form), frame.planes
        self._line.show(lambda: Small.of(inside(luma, chroma, (info.width, info.height)), info))

    def _drop(self, frame: Frame, cause: DropCause) -> None:
        self._dropped[cause] += 1
        frame.release()

    def _pull(self) -> None:
        """Connect again and again until a stop or a final end."""
        last = Ended("stopped before its first picture", final=True)

        def once() -> Tried:
            nonlocal last
            last = self._one_connection()
            seconds = 0.0 if self._shown is None else time.monotonic() - self._shown
            return Tried(last.reason, seconds, last.final)

        keep_trying(
            once,
            proven=_PROVEN,
            retries=self._retries,
            should_stop=self._stopping.is_set,
            on_wait=self._wait_for_another,
            tries=self._settings.tries,
        )
        with self._changed:
            self._ended = last
            self._changed.notify_all()

    def _wait_for_another(self, reason: str) -> None:
        self._state, self._reason = "away" if self._form else "connecting", reason

    def _one_connection(self) -> Ended:
        """Make one connection, and return why it ended."""
        about = info_of(self._form) if self._form else None
        self._shown = None
        try:
            puller = self._puller = Puller(self._settings.source, like=about)
        except OSError as err:
            return Ended(f"no process could be started ({err.strerror})")
        try:
            while not self._stopping.is_set():
                event = puller.receive(_GLANCE)
                if isinstance(event, Frame):
                    self._take(event)
                elif isinstance(event, Sound):
                    self._pass_on(event)
                elif isinstance(event, Opened):
                    self._opened(event)
                    self._wait_for_playout()
                    puller.go_on()
                elif isinstance(event, Ended):
                    return event
            return Ended("stopped", final=True)
        finally:
            puller.kill()
            self._past, self._puller = self._past + puller.tally, None
            self._losses += self._state == "live"

    def _wait_for_playout(self) -> None:
        """Hold a file or a pattern back until the playout is ready, so that nothing of it is lost."""
        if self._settings.source.begins_when_told and not self._takes_frames.is_set():
            self._state = "waiting"
            while not self._stopping.is_set() and not self._takes_frames.wait(_GLANCE):
                pass
            self._state = "live"

    def _opened(self, opened: Opened) -> None:
        self._connects += 1
        self._state, self._reason = "live", ""
        if self._form is None:
            self._retries.connected("connected")
        else:
            self._retries.connected("connected again", logging.WARNING)
        self._tell_what_is_left_out(opened.left_out)
        with self._changed:
            self._form = self._form or opened.form
            self._changed.notify_all()

    def _tell_what_is_left_out(self, tracks: str) -> None:
        """Log which tracks of the source are not sent, when they are others than at the last connection."""
        if tracks and tracks != self._left_out:
            only = "a live output has one track of pictures and one of sound"
            fields = {"source": str(self._settings.source)}
            log.warning("%s: %s; left out, as %s.", self._settings.source, tracks, only, extra=fields)
        self._left_out = tracks

    def _take(self, frame: Frame) -> None:
        self._frames += 1
        self._shown = self._shown or time.monotonic()
        placed = self._timeline.place("video", frame.info.pts, _now())
        if placed is None:
            self._drop(frame, "clock")
            return
        frame.info = replace(frame.info, pts=placed, time_base=TIME_BASE)
        with self._changed:
            self._waiting.append(frame)
            if len(self._waiting) > _WAITING:
                self._governor.late()
                self._drop(self._waiting.popleft(), "late")
            self._changed.notify_all()

    def _pass_on(self, sound: Sound) -> None:
        placed = self._timeline.place("audio", sound.pts, _now())
        if placed is not None and self._settings.sound is not None and self._takes_sound:
            self._settings.sound.send_bytes(pack(placed, sound.samples))


def _now() -> int:
    """Return the monotonic clock in the timeline's ticks."""
    return time.monotonic_ns() * TICKS // 1_000_000_000
