"""Hardware encoders: tried by opening them, and what is missing where one doesn't work."""

import ctypes
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.codec.context import CodecContext
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from sr4k.media.libav_errors import cause_of, libav_errors
from sr4k.media.options import Codec, EncoderKind
from sr4k.media.writing.encoder_table import ENCODERS, EncoderRow

_DEVICES, _CARDS = Path("/dev/dri"), Path("/sys/class/drm")

SIDE, RATE, _PICTURES = 256, 25, 3
"""Side in pixels, which every hardware codec supports, rate and number of the pictures that one is tried with."""

_REBUILT = "pip install --no-binary av av  # needs the development files of an FFmpeg that has it"

_NVIDIAS = "0x10de"
"""PCI vendor of GPUs whose own driver has no VA-API."""

_VENDORS: dict[EncoderKind, tuple[str, str]] = {"qsv": ("0x8086", "Intel"), "amf": ("0x1002", "AMD")}
"""PCI vendor of the only GPUs that an encoder works on."""

_RUNTIMES: dict[EncoderKind, tuple[tuple[str, ...], str, str]] = {
    "qsv": (
        ("libmfx-gen.so.1.2", "libmfxhw64.so.1"),
        "Intel's VPL runtime",
        "sudo apt-get install libmfx-gen1.2 intel-media-va-driver",
    ),
    "amf": (("libamfrt64.so.1",), "AMD's AMF runtime", "install amf-amdgpu-pro, a package of AMD's own driver"),
    "vaapi": (("libva-drm.so.2",), "VA-API", "sudo apt-get install va-driver-all"),
}
"""Libraries of which one must be installed, their name, and the command that installs them."""

_NVIDIA = "libcuda.so.1"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an encoder can't be used. ``mend``: a command or advice that fixes it, if one is known."""

    reason: str
    mend: str | None = None

    def __str__(self) -> str:
        return self.reason if self.mend is None else f"{self.reason}: {self.mend}"


@dataclass(frozen=True, slots=True)
class RenderNode:
    """A GPU as Linux offers it to programs. ``vendor``: of PCI, such as ``0x8086``; empty if unknown."""

    path: Path
    vendor: str
    is_allowed: bool


def trouble_with(kind: EncoderKind, codec: Codec) -> Trouble | None:
    """Open an encoder and encode a few grey pictures; return why it can't be used, ``None`` if it can."""
    row = ENCODERS[kind, codec]
    if row.name not in av.codecs_available:
        return Trouble("PyAV's FFmpeg is built without it", _REBUILT)
    logged = _tried(row)
    return None if logged is None else missing(kind, logged)


def device_of(row: EncoderRow) -> HWAccel | None:
    """Return the device that the encoder's frames have to be uploaded to, ``None`` if it reads the CPU's memory."""
    return None if row.device is None else HWAccel(row.device, device=_node_of(row.device, list(render_nodes())))


def missing(
    kind: EncoderKind,
    logged: str,
    *,
    devices: Path = _DEVICES,
    cards: Path = _CARDS,
    is_installed: Callable[[str], bool] | None = None,
) -> Trouble:
    """Return what an encoder that failed to open lacks: a driver, a GPU, the right to use it, or its runtime.

    Args:
        kind: The encoder.
        logged: What libav says, told if nothing else is found.
        devices: Folder of the render nodes.
        cards: Folder that says what they belong to.
        is_installed: Whether a shared library can be loaded.
    """
    found = is_installed or _is_installed
    if kind == "nvenc":
        if found(_NVIDIA):
            return Trouble(logged)
        return Trouble(f"no NVIDIA driver or GPU was found ({_NVIDIA})", "install NVIDIA's driver")
    return _missing_node(kind, list(render_nodes(devices, cards))) or _missing_runtime(kind, found) or Trouble(logged)


def render_nodes(devices: Path = _DEVICES, cards: Path = _CARDS) -> Iterator[RenderNode]:
    """Yield the GPUs that this process sees."""
    for path in sorted(devices.glob("renderD*")):
        try:
            vendor = (cards / path.name / "device" / "vendor").read_text().strip()
        except OSError:
            vendor = ""
        yield RenderNode(path, vendor, os.access(path, os.R_OK | os.W_OK))


def _node_of(device: str, nodes: list[RenderNode]) -> str | None:
    """Return the render node to open, ``None``: libav's choice, which may be a GPU without a driver for VA-API."""
    fit = (node for node in nodes if node.is_allowed and node.vendor != _NVIDIAS)
    return next((str(node.path) for node in fit), None) if device == "vaapi" else None


def _missing_node(kind: EncoderKind, nodes: list[RenderNode]) -> Trouble | None:
    if not nodes:
        return Trouble(
            "there is no /dev/dri/renderD*, so no GPU, no driver for it, or a container that was not given it",
            "docker run --device /dev/dri …",
        )
    vendor, maker = _VENDORS.get(kind, ("", ""))
    fit = [node for node in nodes if vendor in (node.vendor, "") or not node.vendor]
    if not fit:
        return Trouble(f"there is no GPU of {maker}'s")
    if not any(node.is_allowed for node in fit):
        names = ", ".join(str(node.path) for node in fit)
        return Trouble(f"this user may not open {names}", "sudo usermod -aG render $USER  # then log in again")
    return None


def _missing_runtime(kind: EncoderKind, is_installed: Callable[[str], bool]) -> Trouble | None:
    libraries, name, mend = _RUNTIMES[kind]
    if any(map(is_installed, libraries)):
        return None
    return Trouble(f"{name} is not installed ({libraries[0]})", mend)


def _is_installed(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _tried(row: EncoderRow) -> str | None:
    """Return why an encoder fails on a few pictures, ``None`` if it returns them all."""
    with libav_errors() as lines:
        try:
            context = CodecContext.create(row.name, "w", device_of(row))
            assert isinstance(context, VideoCodecContext)
            context.width, context.height, context.pix_fmt = SIDE, SIDE, row.shallow or "yuv420p"
            context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
            made = sum(len(context.encode(picture)) for picture in (*map(trial_picture, range(_PICTURES)), None))
        except (av.error.FFmpegError, OSError, RuntimeError, ValueError) as err:  # NotImplementedError is one of these
            return cause_of(err, lines)
    return None if made == _PICTURES else f"it returned {made} of {_PICTURES} pictures"


def trial_picture(number: int) -> VideoFrame:
    """Return a grey picture to try a codec with, which is picture ``number`` of its video."""
    picture = VideoFrame(SIDE, SIDE, "yuv420p")
    for plane in picture.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    picture.pts, picture.time_base = number, Fraction(1, RATE)
    return picture
