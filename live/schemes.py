"""The schemes of live streams: how each is opened, its default port, and whether it uses TLS and the proxy."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["rtmp", "rtsp", "http", "udp", "srt", "whip", "file", "hls", "pattern"]
"""How an address is opened; rtmps, rtsps, https and whips are of the same kind as rtmp, rtsp, http and whip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One scheme.

    Attributes:
        kind: how its addresses are opened.
        port: its default port; 0: it has none, and each URL must name one.
        has_tls: whether the first connection uses TLS.
        is_source: whether it can be read from; ``is_target``: whether it can be written to.
        options: names that a query may have, where libav reads it; ``None``: it is for the server.
    """

    kind: Kind
    port: int = 0
    has_tls: bool = False
    is_source: bool = True
    is_target: bool = True
    options: frozenset[str] | None = None

    @property
    def uses_proxy(self) -> bool:
        """Whether its connections go through the proxy in ``http_proxy``, in libav as in Python."""
        return self.has_tls or self.kind in ("http", "whip")


_OF_UDP = """
    bitrate block broadcast buffer_size burst_bits connect dscp fifo_size localaddr localport overrun_nonfatal pkt_size
    reuse sources timeout ttl
"""
_OF_SRT = """
    connect_timeout enforced_encryption ffs inputbw iptos ipttl kmpreannounce kmrefreshrate latency linger
    listen_timeout lossmaxttl maxbw messageapi minversion mode mss nakreport oheadbw passphrase payload_size pbkeylen
    peerlatency pkt_size rcvbuf rcvlatency smoother snddropdelay sndbuf srt_streamid streamid timeout tlpktdrop
    transtype tsbpd tsbpddelay
"""
"""Names of options of a query (https://ffmpeg.org/ffmpeg-protocols.html). libav ignores all others."""

SCHEMES = {
    "rtmp": Scheme(kind="rtmp", port=1935),
    "rtmps": Scheme(kind="rtmp", port=443, has_tls=True),
    "rtsp": Scheme(kind="rtsp", port=554),
    "rtsps": Scheme(kind="rtsp", port=322, has_tls=True, is_target=False),
    "http": Scheme(kind="http", port=80, is_target=False),
    "https": Scheme(kind="http", port=443, has_tls=True, is_target=False),
    "udp": Scheme(kind="udp", options=frozenset(_OF_UDP.split())),
    "srt": Scheme(kind="srt", options=frozenset(_OF_SRT.split())),
    "whip": Scheme(kind="whip", port=80, is_source=False),
    "whips": Scheme(kind="whip", port=443, has_tls=True, is_source=False),
    "pattern": Scheme(kind="pattern", is_target=False),
}
"""All schemes that reach libav, by name."""
