"""A WHIP server that views what is published to it: WebRTC by aiortc, on loopback."""

import asyncio
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any

from rig.process import RigProcess, emit
from rig.servers import MissingServerError, free_port
from rig.view import hear, look

_PROFILES = ("42e01f", "42001f", "4d001f", "64001f", "640c1f")
"""H.264 profiles that it accepts, at any level; aiortc knows the first two, though its decoder takes all of them."""


class WhipServer(RigProcess):
    """A server at ``url``, which takes one session at a time; it reports like `rig.view.Viewer`, and what it is asked.

    It ends a session whose publisher doesn't answer its checks of consent for some seconds.

    Time stamps are those of the publisher's clock, by its RTCP sender reports, as a browser synchronizes tracks.

    Args:
        port: port of 127.0.0.1 to listen on; a free one by default.
        token: bearer token that it requires.

    Raises:
        MissingServerError: aiortc is not installed.
    """

    def __init__(self, port: int | None = None, *, token: str = "") -> None:
        require_aiortc()
        self.port = port or free_port()
        self.url = f"whip://{f'{token}@' if token else ''}127.0.0.1:{self.port}/live/whip"
        super().__init__("rig.whip_server", port=self.port, token=token)

    def asked(self, method: str) -> int:
        """Return the number of requests with this method."""
        return sum(line.get("asked") == method for line in self.lines())


def require_aiortc() -> None:
    """Check that a `WhipServer` can be started.

    Raises:
        MissingServerError: aiortc is not installed.
    """
    if find_spec("aiortc") is None:
        raise MissingServerError("aiortc: pip install aiortc")


class _Endpoint:
    """The WebRTC side, in an event loop of its own."""

    def __init__(self) -> None:
        from aioice import ice
        from aiortc import codecs

        ice.get_host_addresses = lambda **_families: ["127.0.0.1"]
        ice.CONSENT_INTERVAL, ice.CONSENT_FAILURES = 1, 3  # seconds, and how many checks in a row
        template = next(codec for codec in codecs.CODECS["video"] if codec.mimeType == "video/H264")
        codecs.CODECS["video"] = [
            type(template)(**vars(template) | {"parameters": template.parameters | {"profile-level-id": profile}})
            for profile in _PROFILES
        ]
        self._peer: Any = None
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def answer(self, offer: str) -> str:
        """Begin a session, which ends the one before, and return its SDP."""
        from aiortc import RTCPeerConnection, RTCSessionDescription

        await self.end()
        self._peer = peer = RTCPeerConnection()
        peer.on("track", lambda track: asyncio.ensure_future(_view(track, peer)))
        peer.on("connectionstatechange", lambda: emit(state=peer.connectionState))
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return str(peer.localDescription.sdp)

    async def end(self) -> None:
        """End the session."""
        if self._peer is not None:
            await self._peer.close()
            self._peer = None


async def _view(track: Any, peer: Any) -> None:
    """Report each picture, block of sound and beep of a track."""
    from aiortc.mediastreams import MediaStreamError

    receiver = next(each for each in peer.getReceivers() if each.track is track)
    clock, quiet, early = _Clock(receiver), 0.0, []
    while True:
        try:
            early.append(await track.recv())
        except MediaStreamError:
            return
        if clock.is_set:
            for frame in early:
                frame.pts = clock.at(frame)
                if track.kind == "video":
                    look(frame, time.monotonic(), is_key=bool(frame.key_frame))
                else:
                    emit(sound=float(frame.pts * frame.time_base), at=time.monotonic())
                    quiet = hear(frame, quiet)
            early.clear()


class _Clock:
    """Maps RTP timestamps to the publisher's clock."""

    def __init__(self, receiver: Any) -> None:
        self._mapper = receiver._RTCRtpReceiver__timestamp_mapper
        self._report: Any = None
        handle = receiver._handle_rtcp_packet

        async def note(packet: Any) -> None:
            self._report = getattr(packet, "sender_info", None) or self._report
            await handle(packet)

        receiver._handle_rtcp_packet = note

    @property
    def is_set(self) -> bool:
        """Whether a sender report has come."""
        return self._report is not None

    def at(self, frame: Any) -> int:
        """Return the time of a frame in ticks of its time base, from an origin that all tracks share."""
        ticks = frame.pts + self._mapper._origin - self._report.rtp_timestamp
        ahead = (ticks + (1 << 31)) % (1 << 32) - (1 << 31)
        return int(ahead + (self._report.ntp_timestamp / frame.time_base) // (1 << 32))


def _main(port: int, token: str) -> None:
    endpoint = _Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self._may():
                answer = asyncio.run_coroutine_threadsafe(endpoint.answer(body), endpoint.loop).result(20)
                self._reply(201, answer, {"Content-Type": "application/sdp", "Location": "/live/whip/session"})

        def do_DELETE(self) -> None:
            if self._may():
                asyncio.run_coroutine_threadsafe(endpoint.end(), endpoint.loop).result(20)
                self._reply(200, "", {})

        def _may(self) -> bool:
            emit(asked=self.command, path=self.path, offered=self.headers.get("Authorization"))
            if token and self.headers.get("Authorization") != f"Bearer {token}":
                self._reply(401, "", {})
                return False
            return True

        def _reply(self, code: int, text: str, headers: dict[str, str]) -> None:
            self.send_response(code)
            for name, value in headers.items() | {("Content-Length", str(len(text.encode())))}:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    emit(listening=port)
    server.serve_forever()


if __name__ == "__main__":
    _main(**json.loads(sys.argv[1]))
