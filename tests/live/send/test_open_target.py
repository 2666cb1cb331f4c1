import io

import av
from flv_tracks import add_picture_track, add_sound_track, picture, sound

from sr4k.live.send.flv import FlvSplitter
from sr4k.live.send.flv_muxer import FlvMuxer
from sr4k.live.send.open_target import _Rtmp


def test_on_its_way_to_an_rtmp_server_no_packet_waits_for_another() -> None:
    sent = io.BytesIO()
    sent.seekable = lambda: False  # type: ignore[method-assign]
    splitter = FlvSplitter()

    def news() -> list[tuple[str, int]]:
        tags = list(splitter.feed(sent.getvalue()))
        sent.seek(0)
        sent.truncate()
        return [(tag.kind, tag.time) for tag in tags]

    target = _Rtmp(av.open(sent, "w", format="data", options={"flush_packets": "1"}))
    with av.open(io.BytesIO(pictures_then_sound()), format="flv") as source:
        target.begin(source)
        assert news() == [("script", 0), ("video", 0), ("audio", 0)]
        assert splitter.header.startswith(b"FLV\x01\x05")
        for packet in source.demux():
            if packet.size:
                target.write(packet, packet.dts)
                assert news() == [(packet.stream.type, packet.dts)]
    target.close(ended=True)


def pictures_then_sound() -> bytes:
    muxer = FlvMuxer()
    pictures = add_picture_track(muxer.container("video"))
    sounds = add_sound_track(muxer.container("audio"))
    tags = muxer.begin()
    for number in range(5):
        tags += muxer.mux(pictures.encode(picture(1000 + 40 * number)))
    for number in range(8):
        tags += muxer.mux(sounds.encode(sound(1000 + number * 1024 // 48)))
    return muxer.header + b"".join(tag.data for tag in tags)
