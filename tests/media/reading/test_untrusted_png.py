import struct
import subprocess
import sys
import zlib
from pathlib import Path

import av
import numpy as np
import pytest

from sr4k.media.reading.untrusted_png import without_bombs

MOST = 8 << 20


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(kind: bytes, size: int) -> bytes:
    head = {b"iCCP": b"x\0\0", b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0en\0x\0"}[kind]
    return chunk(kind, head + zlib.compress(bytes(size), 1))


def png(*beside: bytes) -> bytes:
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * 48 for _ in range(16)))
    head = chunk(b"IHDR", struct.pack(">2I5B", 16, 16, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(beside) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt"])
def test_chunks_that_decompress_to_too_much_are_left_out(kind: bytes) -> None:
    assert without_bombs(png(packed(kind, MOST + 1))) == png()
    fine = png(packed(kind, MOST // 2))
    assert without_bombs(fine) is fine


def test_many_small_ones_count_together() -> None:
    plain = without_bombs(png(*[packed(b"zTXt", MOST // 4)] * 40))
    assert plain.count(b"zTXt") == 4


def test_uncompressed_texts_stay() -> None:
    text = chunk(b"iTXt", b"Comment\0\0\0\0\0" + b"x" * 1000) + chunk(b"tEXt", b"a\0b")
    assert without_bombs(png(text, packed(b"zTXt", MOST + 1))) == png(text)


@pytest.mark.parametrize("cut", [0, 5, 20, 60])
def test_data_that_are_not_png_come_back(cut: int) -> None:
    data = png(packed(b"iCCP", 1000))[:cut]
    assert without_bombs(data) == data
    assert without_bombs(b"rubbish" * 9) == b"rubbish" * 9


def test_the_picture_is_all_there() -> None:
    context = av.CodecContext.create("png", "r")
    assert isinstance(context, av.VideoCodecContext)
    (picture,) = context.decode(av.Packet(without_bombs(png(packed(b"zTXt", MOST + 1)))))
    assert np.all(picture.to_ndarray(format="rgb24") == 0x80)


@pytest.mark.slow
def test_a_bomb_beside_a_picture_is_never_decompressed(tmp_path: Path) -> None:
    """It covers a single file, a sequence and a video."""
    data = png(packed(b"iCCP", 300 << 20))
    for name in ("in.png", "seq1.png", "seq2.png"):
        (tmp_path / name).write_bytes(data)
    with av.open(str(tmp_path / "in.mov"), "w") as out:
        video = out.add_stream("png", rate=25)
        video.width, video.height, video.pix_fmt = 16, 16, "rgb24"
        packet = av.Packet(data)
        packet.pts = packet.dts = 0
        packet.stream, packet.is_keyframe = video, True
        out.mux(packet)
    code = f"""
from pathlib import Path
from sr4k import Job, load_preset
preset = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
for name, frames in (("in.png", 1), ("seq%d.png", 2), ("in.mov", 1)):
    target = Path({str(tmp_path)!r}) / f"{{frames}}%d.png"
    assert Job(Path({str(tmp_path)!r}) / name, target, preset=preset, overwrite=True).run().frames == frames
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-2]) < 250 << 10, "kB, of which 300 MB would be the profile's"
