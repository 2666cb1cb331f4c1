"""Probes of NVDEC: whether PyAV's FFmpeg has it, and whether it works here."""

import io
from collections.abc import Callable, Iterator
from functools import partial

import av
from av.codec import Codec
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext

from sr4k.doctor import Finding
from sr4k.doctor.tiny_clips import FRAMES, WHEEL, encoded, why
from sr4k.engines.nvidia import driver

_DECODERS = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9"}
"""FFmpeg's native decoders, the only ones that can use NVDEC, and an encoder that makes a clip for each."""


def _decoding() -> Iterator[Finding]:
    for name, encoder in _DECODERS.items():
        there = any(config.device_type.name == "cuda" for config in Codec(name, "r").hardware_configs)
        yield _tried(f"NVDEC {name}", there, partial(_decoded_of, name, encoder))


def _tried(label: str, there: bool, count: Callable[[], int]) -> Finding:
    if not there:
        return Finding(label, "optional", "PyAV's FFmpeg is built without it", WHEEL)
    try:
        made = count()
    except Exception as err:
        return Finding(label, "optional", f"does not open here ({why(err)})" if driver().gpus else "no NVIDIA GPU")
    if made != FRAMES:
        return Finding(label, "problem", f"opens, but returned {made} of {FRAMES} frames")
    return Finding(label, "ok", "works")


def _decoded_of(decoder: str, encoder: str) -> int:
    """Count the frames of a clip that NVDEC returns in GPU memory."""
    accelerator = HWAccel("cuda", device="0", allow_software_fallback=False, is_hw_owned=True)
    with av.open(io.BytesIO(encoded(encoder)), "r") as source:
        stream = source.streams.video[0]
        context = av.CodecContext.create(decoder, "r", hwaccel=accelerator)
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1  # each FFmpeg thread takes a surface of NVDEC, which has at most 32
        context.extradata = stream.codec_context.extradata
        frames = [frame for packet in source.demux(stream) for frame in context.decode(packet)]
    return sum(frame.format.name == "cuda" for frame in frames)


PROBES = (_decoding,)
