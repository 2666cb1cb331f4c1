"""An RTSP server (over TCP) for one client: it forwards the RTP packets of an ffmpeg process."""

import contextlib
import re
import select
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Self


class RtspServer:
    """The server; a context manager.

    ``made``: ffmpeg's inputs, video first; ``video``, ``audio``: options of its encoders.
    """

    def __init__(self, ffmpeg: str, made: tuple[str, ...], video: tuple[str, ...], audio: tuple[str, ...]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._rtp = [_pair(), _pair()]  # of video and audio: RTP and RTCP
        sdp = Path(self._folder.name) / "a.sdp"
        urls = [f"rtp://127.0.0.1:{pair[0].getsockname()[1]}?pkt_size=1200" for pair in self._rtp]
        command = [ffmpeg, "-loglevel", "quiet", "-re", *made]
        command += ["-map", "0:v", *video, "-f", "rtp", "-sdp_file", str(sdp), urls[0]]
        command += ["-map", "1:a", *audio, "-f", "rtp", urls[1]]
        self._sender = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._sdp = sdp
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/a"
        self._closing = False
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        limit = time.monotonic() + 120
        while not self._sdp.exists() or self._sdp.read_text().count("m=") < 2:
            assert time.monotonic() < limit, "ffmpeg does not send"
            time.sleep(0.05)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing = True
        self.stop_sending()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for end in (end for pair in self._rtp for end in pair):
            end.close()
        self._folder.cleanup()

    def stop_sending(self) -> None:
        """Kill ffmpeg; the connection stays open."""
        self._sender.kill()
        self._sender.wait()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closing:
                with self._listener.accept()[0] as client:
                    client.settimeout(5)
                    self._play(client)

    def _play(self, client: socket.socket) -> None:
        """Answer requests until PLAY, then forward packets too."""
        asked, playing = b"", False
        channels = [end for pair in self._rtp for end in pair]
        while not self._closing:
            ready = select.select([client, *channels], [], [], 0.1)[0]
            for end in ready:
                if end is client:
                    if not (data := client.recv(4096)):
                        return
                    asked += data
                    while b"\r\n\r\n" in asked and not asked.startswith(b"$"):
                        request, _, asked = asked.partition(b"\r\n\r\n")
                        client.sendall(self._answer(request.decode()))
                        playing = playing or request.startswith(b"PLAY")
                else:
                    packet = end.recv(65536)
                    if playing:
                        client.sendall(b"$" + bytes([channels.index(end)]) + len(packet).to_bytes(2, "big") + packet)

    def _answer(self, request: str) -> bytes:
        number = re.search(r"CSeq: *(\d+)", request, re.IGNORECASE)
        lines, body = ["RTSP/1.0 200 OK", f"CSeq: {number[1] if number else 0}", "Session: 1"], ""
        if request.startswith("OPTIONS"):
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif request.startswith("DESCRIBE"):
            body = self._description()
            lines += ["Content-Type: application/sdp", f"Content-Base: {self.url}/", f"Content-Length: {len(body)}"]
        elif request.startswith("SETUP"):
            first = 2 * int(request.split(maxsplit=2)[1].rpartition("=")[2])
            lines.append(f"Transport: RTP/AVP/TCP;unicast;interleaved={first}-{first + 1}")
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def _description(self) -> str:
        kept, tracks = [], 0
        for line in self._sdp.read_text().splitlines():
            if line.startswith("m="):
                kept += [re.sub(r"(m=\w+) \d+", r"\1 0", line), f"a=control:streamid={tracks}"]
                tracks += 1
            elif not line.startswith(("c=", "SDP:")):
                kept.append(line)
        return "\r\n".join(kept) + "\r\n"


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return two UDP sockets on an even port and the next one."""
    while True:
        first, second = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        with contextlib.suppress(OSError):
            if port % 2 == 0:
                second.bind(("127.0.0.1", port + 1))
                return first, second
        first.close()
        second.close()
