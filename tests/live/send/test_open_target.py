import io
import socket

import av
from flv_tracks import add_picture_track, add_sound_track, picture, sound

from sr4k.live.send.flv import FlvSplitter
from sr4k.live.send.flv_muxer import FlvMuxer
from sr4k.live.send.open_target import _PROMPT_TS, _Rtmp, _Rtsp, _Srt


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


def test_what_waits_in_sockets_before_the_first_packet_makes_no_negative_count() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(bytes(5000))  # such as the head of the stream, for a server that is too busy to take it
        target = _Rtmp(av.open(io.BytesIO(), "w", format="data"))
        assert [target.arrived(written) for written in (0, 100)] == [0, 0]


class Pipe(io.BytesIO):
    """In place of the pipe to an ffmpeg, which none of this reaches."""

    def seekable(self) -> bool:
        return False

    def sent(self) -> int:
        return 0


def test_in_mpeg_ts_for_the_network_a_picture_without_sound_waits_for_the_next_one_at_most() -> None:
    pipe = Pipe()
    target = _Srt(pipe)  # type: ignore[arg-type]
    written = {"video": 0, "audio": 0}
    with av.open(io.BytesIO(pictures_then_sound()), format="flv") as source:
        target.begin(source)
        for packet in source.demux():
            if packet.size:
                kind = packet.stream.type
                target.write(packet, packet.dts)
                written[kind] += 1
                assert units(pipe, kind) >= written[kind] - 1
        target.container.close()
    assert {kind: units(pipe, kind) for kind in written} == written, "no two blocks of sound share a unit"


def test_where_rtp_carries_it_a_picture_is_sent_at_once_and_sound_waits_for_the_next_block() -> None:
    pipe = Pipe()
    target = _Rtsp(av.open(pipe, "w", format="mpegts", options=_PROMPT_TS))  # instead of rtsp, which needs a server
    with av.open(io.BytesIO(pictures_then_sound()), format="flv") as source:
        target.begin(source)
        packets = [packet for packet in source.demux() if packet.size]
        pictures = [packet for packet in packets if packet.stream.type == "video"]
        sounds = [packet for packet in packets if packet.stream.type == "audio"]
        target.write(sounds[0], sounds[0].dts)
        for count, packet in enumerate(pictures, 1):
            target.write(packet, packet.dts)
            assert units(pipe, "video") == count
        for count, packet in enumerate(sounds[1:], 1):
            target.write(packet, packet.dts)
            assert units(pipe, "audio") >= count - 1, "the muxer of MPEG-TS itself holds one more"
        target.container.close()


def units(pipe: Pipe, kind: str) -> int:
    """Number of PES packets of a track."""
    return pipe.getvalue().count({"video": b"\0\0\1\xe0", "audio": b"\0\0\1\xc0"}[kind])


def test_in_mpeg_ts_for_the_network_the_length_of_a_picture_is_told() -> None:
    pipe = Pipe()
    target = _Srt(pipe)  # type: ignore[arg-type]
    with av.open(io.BytesIO(pictures_then_sound()), format="flv") as source:
        target.begin(source)
        for packet in source.demux():
            if packet.size:
                target.write(packet, packet.dts)
        target.container.close()
    lengths = [unit[:2] for unit in pipe.getvalue().split(b"\0\0\1\xe0")[1:]]
    assert len(lengths) == 5
    assert bytes(2) not in lengths, "else a receiver waits for the next picture"


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
