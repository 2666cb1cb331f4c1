"""Encode one unbroken stream for all targets, whatever arrives.

Missing pictures are replaced by the last one or the slate, missing sound by silence.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from sr4k.live.audio_blocks import CHANNELS, SAMPLE_RATE, Samples, unpack
from sr4k.live.channel_reports import PLAYOUT, PlayoutReport
from sr4k.live.guarded import guarded
from sr4k.live.histogram import Histogram
from sr4k.live.rate import Rate
from sr4k.live.send.encoder_settings import encoder_settings, hls_form
from sr4k.live.send.flv import Tag
from sr4k.live.send.flv_muxer import FlvMuxer
from sr4k.live.send.live_target import LiveTarget
from sr4k.live.send.output_trial import try_choices
from sr4k.live.send.pacing import Pacing
from sr4k.live.send.slate import black, load_slate
from sr4k.live.send.soundtrack import Soundtrack
from sr4k.live.settings import PlayoutSettings
from sr4k.live.steering import StageEnd
from sr4k.live.thumbnail import Small
from sr4k.live.timeline import TICKS, TIME_BASE
from sr4k.media.planes import Block, as_picture, split_420
from sr4k.media.video import VideoInfo, info_of
from sr4k.media.writing.encoder import add_video, open_encoder, tag
from sr4k.pipeline import Format, Frame, Sink
from sr4k.pipeline.latency import spread

log = logging.getLogger(__name__)

_TICK = 0.01
"""Seconds between two checks for missing pictures or sound."""

_SOUND_AHEAD = TICKS // 10
"""Maximum lead of audio over video, in ticks; video arrives later by the network's latency."""

_LOADING = 5.0
"""Longest time in seconds that a source is held back because processes of targets start."""

_KEYS_APART = 0.5
"""Minimum seconds between two key frames, however many targets request one."""

_FAREWELL, _LONG_FAREWELL = 2.5, 15.0
"""Seconds that targets get to send what is queued: after a stop request, and at the end of the source."""

_REMEMBERED = 256
"""Number of latest pictures over which latency is reported."""


class Playout(Sink):
    """Stage that encodes pictures and sound into one FLV stream and offers it to every target.

    Raises:
        OptionError: the encoder can't be opened here, or the slate can't be read.
    """

    name = PLAYOUT

    def __init__(self, settings: PlayoutSettings) -> None:
        try_choices(settings)  # while the source is being opened, which may take hours
        self._settings = settings
        self._lock = threading.Lock()  # on everything below: pictures, sound and the clock have a thread each
        self._ended = threading.Event()
        self._targets: list[LiveTarget] = []
        self._output: _Output | None = None  # once it is open
        self._threads: list[threading.Thread] = []
        self._held: Frame | None = None  # the last picture
        self._key_wanted = False
        self._period = round(settings.key_seconds * TICKS)
        self._slot = -1  # the last multiple of the period in which a picture was encoded
        self._key_at = 0.0  # when the last key frame was encoded
        self._soundtrack: Soundtrack | None = None
        self._sound_at = 0.0  # when sound arrived last
        self._pending_sound: deque[tuple[int, Samples]] = deque()  # sound that isn't on the soundtrack yet
        self._ready_by: float | None = None  # by when the intake is told to begin; ``None``: not open, or told
        self._line = StageEnd(settings.line)
        self._slate: Block | None = None  # while an operator wants it to be sent
        self._counts, self._rate = _Counts(), Rate()
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)
        self._histogram = Histogram()  # of all latencies

    def open(self, source: Format) -> None:
        info = info_of(source)
        s = self._settings
        slate = None if s.slate is None else load_slate(s.slate, info)
        self._targets = [LiveTarget(t, hls=hls_form(s, info), wants_key=self._want_key) for t in s.targets]
        muxer = FlvMuxer()
        video = add_video(muxer.container("video"), replace(info, time_base=TIME_BASE), encoder_settings(s, info))
        audio = None
        if s.sound is not None:
            stream = muxer.container("audio").add_stream("aac", rate=SAMPLE_RATE)
            assert isinstance(stream, AudioStream)
            stream.layout, stream.bit_rate = "stereo", s.sound_bitrate
            audio = stream
        open_encoder(video)
        self._output = _Output(info, muxer, video, audio, slate, Pacing(info.rate, s.hold))
        self._offer(muxer.begin())
        for target in self._targets:
            target.start()
        runs = {"playout-clock": self._watch} | ({} if s.sound is None else {"playout-sound": self._listen})
        self._threads = [
            threading.Thread(target=guarded(name, run), name=name, daemon=True) for name, run in runs.items()
        ]
        self._ready_by = time.monotonic() + _LOADING * s.patient
        for thread in self._threads:
            thread.start()

    def consume(self, frame: Frame) -> None:
        with self._lock:
            if not self._out.pacing.receive(frame.info.pts, time.monotonic()):
                self._counts.past += 1
                frame.release()
                return
            if self._held is None:
                self._soundtrack = Soundtrack(frame.info.pts)
                self._sound_at = time.monotonic()
            else:
                self._held.release()
            self._held = frame
            self._encode_picture(frame.planes[0] if self._slate is None else self._slate, frame.info.pts)
            self._latencies.append(time.monotonic() - frame.info.born)
            self._histogram.add(self._latencies[-1])
            self._encode_sound()

    def finish(self, *, complete: bool) -> None:
        self._stop_threads()
        with self._lock:
            if self._soundtrack is not None and self._out.audio is not None:
                self._receive_rest()
                self._add_sound()
                self._soundtrack.fill(self._out.pacing.pts)
                self._encode_sound()
                self._mux(self._out.audio.encode(None))
            self._mux(self._out.video.encode(None))
            self._offer(self._out.muxer.close())
        self._close_targets(_LONG_FAREWELL if complete else _FAREWELL, ended=complete)

    def close(self) -> None:
        self._stop_threads()
        self._close_targets(0.0, ended=False)
        if self._held is not None:
            self._held.release()
            self._held = None

    def report(self) -> PlayoutReport:
        track, output, counts = self._soundtrack, self._output, self._counts
        return PlayoutReport(
            frames=counts.frames,
            fps=self._rate.of(counts.frames),
            slate=self._slate is not None,
            repeated=counts.repeated,
            keyframes=counts.keyframes,
            past=counts.past,
            seconds=0.0 if output is None else output.pacing.pts / TICKS,
            silence_seconds=0.0 if track is None else track.silence / SAMPLE_RATE,
            av_offset_ms=0.0 if track is None else 1000 * track.offset,
            latency=spread(tuple(self._latencies)),
            latency_histogram=self._histogram.report(),
            codec=None if output is None else output.video.codec_context.name,
            width=None if output is None else output.info.width,
            height=None if output is None else output.info.height,
            targets=tuple(target.report() for target in self._targets),
        )

    @property
    def _out(self) -> "_Output":
        assert self._output is not None, "not open"
        return self._output

    def _want_key(self) -> None:
        self._key_wanted = True

    def _mux(self, packets: "Sequence[Packet[Any]]") -> None:
        self._offer(self._out.muxer.mux(packets))

    def _offer(self, tags: Sequence[Tag]) -> None:
        for target in self._targets:
            target.offer(self._out.muxer.header, tags)

    def _encode_picture(self, block: Block, pts: int) -> None:
        """Encode a picture: as a key frame if it is the first of its period, or one is requested and none is near."""
        picture = as_picture(block, self._out.info.pixel_format)
        self._line.show(lambda: Small.of(split_420(block), self._out.info))
        now, slot = time.monotonic(), pts // self._period
        apart = min(now - self._key_at, ((slot + 1) * self._period - pts) / TICKS)
        key = slot != self._slot or (self._key_wanted and apart >= _KEYS_APART)
        if key:
            self._key_wanted, self._key_at, self._slot = False, now, slot
            self._counts.keyframes += 1
        picture.pts, picture.time_base = pts, TIME_BASE
        picture.pict_type = PictureType.I if key else PictureType.NONE
        tag(picture, self._out.info.tags)
        self._mux(self._out.video.encode(picture))
        self._out.pacing.encode(pts, now)
        self._counts.frames += 1

    def _add_sound(self) -> None:
        """Add the sound that has arrived to the soundtrack."""
        while self._pending_sound:
            pts, samples = self._pending_sound.popleft()
            if self._soundtrack is not None and self._slate is None:
                self._sound_at = time.monotonic()
                self._soundtrack.add(pts, samples)

    def _encode_sound(self) -> None:
        """Encode the sound up to the last picture, and `_SOUND_AHEAD` beyond."""
        self._add_sound()
        audio = self._out.audio
        if self._soundtrack is None or audio is None:
            return
        for at, samples in self._soundtrack.blocks(self._out.pacing.pts + _SOUND_AHEAD):
            self._mux(audio.encode(_sound_frame(at, samples)))

    def _listen(self) -> None:
        """Receive sound as it comes.

        This must not wait for the lock: while encoding takes all the time it might never get it, and the intake, which
        sends the sound, would block. Whichever thread holds the lock handles the sound that has arrived.
        """
        sound = self._settings.sound
        assert sound is not None
        while not self._ended.is_set():
            if not sound.poll(0.1):
                continue
            self._pending_sound.append(unpack(sound.recv_bytes()))
            if self._lock.acquire(blocking=False):
                try:
                    self._encode_sound()
                finally:
                    self._lock.release()

    def _receive_rest(self) -> None:
        """Receive the sound that was sent before the end; the thread that does it may have been late."""
        sound = self._settings.sound
        assert sound is not None
        with suppress(EOFError, OSError):  # the intake is gone
            while sound.poll(0):
                self._pending_sound.append(unpack(sound.recv_bytes()))

    def _watch(self) -> None:
        """Replace pictures and sound that fail to arrive."""
        pacing = self._out.pacing
        while not self._ended.wait(_TICK):
            self._tell_intake()
            if self._line.hear():
                self._heed()
            with self._lock:
                now = time.monotonic()
                if self._held is None or self._soundtrack is None or self._ended.is_set():
                    continue
                pts = pacing.stand_in(now)
                if pts is not None:
                    self._encode_picture(self._stand_in(), pts)
                    self._counts.repeated += 1
                self._add_sound()
                if self._slate is not None or now - self._sound_at > self._settings.hold:
                    self._soundtrack.fill(pacing.pts)
                self._encode_sound()

    def _tell_intake(self) -> None:
        """Signal that frames are accepted, once, when targets have started or have taken too long to."""
        if self._ready_by is None:
            return
        if time.monotonic() >= self._ready_by or all(target.is_loaded for target in self._targets):
            self._ready_by = None
            if self._settings.ready is not None:
                with suppress(OSError):  # the intake is gone
                    self._settings.ready.send(True)

    def _heed(self) -> None:
        """Do what operators want."""
        wishes, info = self._line.wishes, self._out.info
        if wishes.slate != (self._slate is not None):
            with self._lock:
                self._slate = (black(info) if self._out.slate is None else self._out.slate) if wishes.slate else None
            words = "The slate is sent, as an operator wants" if wishes.slate else "The source is sent again"
            log.warning("%s.", words, extra={"event": "slate"})
        for number, target in enumerate(self._targets, 1):
            target.switch(on=number not in wishes.off)

    def _stand_in(self) -> Block:
        assert self._held is not None
        if self._slate is not None:
            return self._slate
        block: Block = self._held.planes[0] if self._out.slate is None else self._out.slate
        return block

    def _stop_threads(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _close_targets(self, seconds: float, *, ended: bool) -> None:
        closing = [
            threading.Thread(target=target.close, args=(seconds,), kwargs={"ended": ended}) for target in self._targets
        ]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()


@dataclass(slots=True)
class _Counts:
    """Counts of pictures; see `sr4k.live.channel_reports.PlayoutReport`."""

    frames: int = 0
    repeated: int = 0
    keyframes: int = 0
    past: int = 0


@dataclass(frozen=True, slots=True)
class _Output:
    """The open encoders. ``audio``: ``None`` without sound; ``slate``: ``None`` if none was configured."""

    info: VideoInfo
    muxer: FlvMuxer
    video: VideoStream
    audio: AudioStream | None
    slate: Block | None
    pacing: Pacing


def _sound_frame(at: int, samples: Samples) -> AudioFrame:
    """Convert int16 samples of (n, 2) to a frame of planar floats at position ``at``, in samples."""
    planar = samples.T.astype("f4") / 32768
    frame = AudioFrame.from_ndarray(planar.copy(), format="fltp", layout="stereo" if CHANNELS == 2 else "mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, at, Fraction(1, SAMPLE_RATE)
    return frame
