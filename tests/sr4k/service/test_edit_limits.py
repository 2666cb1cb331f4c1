"""A page can't make channels read or write files outside the libraries, or tell variables of the service."""

from pathlib import Path

import pytest

from sr4k.errors import OptionError
from sr4k.service.channel_file import plan, service_in
from sr4k.service.edit_limits import _open_texts, check_addresses, check_settings

BEFORE = """
channels:
  one:
    source: rtmp://in.example/live/${ONE_KEY}
    targets: [/srv/hls/one.m3u8]
    options: {live: {slate: /srv/slate.png}, encode: {options: {tune: film}}}
"""
VARIABLES = {"ONE_KEY": "key-of-one", "OTHER_SECRET": "not-for-channels"}


def edited(after: str) -> None:
    """Check an edit; a library is /videos."""
    services = [service_in(text, "file") for text in (BEFORE, after)]
    check_settings(*services)
    known, jobs = (plan(service, Path("/"), VARIABLES) for service in services)
    check_addresses(jobs, known, lambda path: path.is_relative_to("/videos"))


@pytest.mark.parametrize(
    "edit",
    [
        ("[/srv/hls/one.m3u8]", "[/srv/hls/one.m3u8, /videos/one.mkv, rtmp://out.example/app/typed-key]"),
        ("options: {live", "options: {engine: {model: luma-fast}, live"),
        ("  one:", "  two: {source: /videos/a.mp4, targets: [/videos/b.mkv]}\n  one:"),
        ("slate: /srv/slate.png", "hold: 1.5"),
        ("options: {live", "options: {engine: {name: openvino, device: gpu.1}, live"),
    ],
)
def test_what_a_page_may_change(edit: tuple[str, str]) -> None:
    assert edit[0] in BEFORE
    edited(BEFORE.replace(*edit))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("[/srv/hls/one.m3u8]", "[/etc/one.mkv]"), "/etc/one.mkv isn't in a library"),
        (("rtmp://in.example/live/${ONE_KEY}", "/root/private.mp4"), "/root/private.mp4 isn't in a library"),
        (("${ONE_KEY}", "${OTHER_SECRET}"), r"the file has \$\{OTHER_SECRET\} in no address"),
        (("/srv/slate.png", "/root/private.png"), "options.live.slate could name a file"),
        (("tune: film", "stats: x"), "options.encode.options could name a file"),
        (
            ("options: {live", "options: {engine: {weights: w.safetensors}, live"),
            "options.engine.weights could name a file",
        ),
        (("/srv/slate.png", "picnoext"), "options.live.slate could name a file"),
        (("options: {live", "options: {engine: {weights: picnoext}, live"), "options.engine.weights could name a file"),
        (("options: {live", "options: {engine: {model: /root/x.onnx}, live"), "options.engine.model could name a file"),
        (("options: {live", "options: {engine: {model: clean+x.onnx}, live"), "options.engine.model could name a file"),
        (
            (
                "  one:",
                "  two: {source: 'pattern://64x48@9', targets: [/videos/b.mkv], config: /videos/c.yaml}\n  one:",
            ),
            "config can only be a preset by its name",
        ),
        (("channels:", "metrics: ':9108'\nchannels:"), "metrics takes effect when the service is restarted"),
    ],
)
def test_what_a_page_may_not_change(edit: tuple[str, str], words: str) -> None:
    assert edit[0] in BEFORE
    with pytest.raises(OptionError, match=words):
        edited(BEFORE.replace(*edit))


def test_every_path_of_a_preset_could_name_a_file() -> None:
    assert _open_texts() == {"engine.weights", "encode.options", "live.slate"}
