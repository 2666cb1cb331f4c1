"""Probes of FFmpeg and of the codecs that run on the CPU."""

import io
from collections.abc import Iterator

import av

from sr4k.doctor import Finding, State
from sr4k.doctor.tiny_clips import FRAMES, WHEEL, encoded, why

_TRIED = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "libdav1d", "libvpx-vp9": "vp9"}
"""Encoders to try, and the decoder for each."""

_DEFAULT = "libx264"
"""Encoder of the default video codec."""

_OTHER_DECODERS = ("mpeg2video", "mpeg4", "vc1", "vp8", "mjpeg", "prores", "dnxhd", "ffv1")


def _ffmpeg() -> Iterator[Finding]:
    text = f"{av.ffmpeg_version_info} in PyAV {av.__version__}"
    yield Finding("FFmpeg", "ok", text, facts={"ffmpeg": av.ffmpeg_version_info, "pyav": av.__version__})


def _codecs() -> Iterator[Finding]:
    clips = dict[str, bytes]()
    for encoder, decoder in _TRIED.items():
        if encoder not in av.codecs_available:
            state: State = "problem" if encoder == _DEFAULT else "optional"
            yield Finding(f"encoder {encoder}", state, "PyAV's FFmpeg is built without it", WHEEL)
            continue
        try:
            clips[decoder] = encoded(encoder)
        except Exception as err:
            yield Finding(f"encoder {encoder}", "problem", f"fails to encode ({why(err)})", WHEEL)
        else:
            yield Finding(f"encoder {encoder}", "ok", "works")
    for decoder in _TRIED.values():
        yield _decoded(decoder, clips[decoder]) if decoder in clips else _presence(decoder)
    yield from map(_presence, _OTHER_DECODERS)


def _decoded(decoder: str, clip: bytes) -> Finding:
    name = f"decoder {decoder}"
    try:
        with av.open(io.BytesIO(clip), "r") as source:
            took = source.streams.video[0].codec_context.codec.name
            frames = len(list(source.decode(video=0)))
    except Exception as err:
        return Finding(name, "problem", f"fails to decode ({why(err)})", WHEEL)
    if took != decoder:
        return Finding(name, "optional", f"missing; {took} is used instead", WHEEL)
    if frames != FRAMES:
        return Finding(name, "problem", f"returned {frames} of {FRAMES} frames", WHEEL)
    return Finding(name, "ok", "works")


def _presence(decoder: str) -> Finding:
    if decoder not in av.codecs_available:
        return Finding(f"decoder {decoder}", "optional", "PyAV's FFmpeg is built without it", WHEEL)
    return Finding(f"decoder {decoder}", "ok", "installed, not tried")


PROBES = (_ffmpeg, _codecs)
