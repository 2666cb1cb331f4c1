"""Push pictures by WHIP that are larger than the socket's buffer; run where the network is narrow (`unshare -n`)."""

import io
import time

import av
import numpy as np

from rig.channel import eventually
from rig.whip_server import WhipServer
from sr4k.live.address import parse_target
from sr4k.live.send import whip_target
from sr4k.live.send.push_process import milliseconds

BUFFER = 1 << 16
PICTURES = 20


def _stream() -> io.BytesIO:
    """Noise, without loss."""
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(16, 236, (360, 320), np.uint8)
    with av.open(stream, "w", format="flv") as container:
        video = container.add_stream("libx264", rate=10, options={"crf": "1", "tune": "zerolatency", "g": "1"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        for number in range(PICTURES):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.roll(noise, number), format="yuv420p")))
        container.mux(video.encode(None))
    stream.seek(0)
    return stream


def main() -> None:
    """Print the size of the smallest picture, and how many arrived."""
    whip_target._OPTIONS["ts_buffer_size"] = str(BUFFER)
    with WhipServer() as server, av.open(_stream()) as source:
        eventually(server.lines, 20)
        sizes = []
        with whip_target.whip_target(parse_target(server.url)) as target:
            target.begin(source)
            for packet in source.demux():
                if packet.dts is not None:
                    sizes.append(packet.size)
                    target.write(packet, milliseconds(packet))
                    time.sleep(0.1)
        eventually(lambda: any("picture" in line for line in server.lines()), 10)
        print(min(sizes) > BUFFER, len(sizes), sum("picture" in line for line in server.lines()) > 0)


if __name__ == "__main__":
    main()
