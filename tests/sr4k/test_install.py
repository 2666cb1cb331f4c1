"""Dependencies of a plain install, and the files that ship."""

import re
from importlib.metadata import requires
from importlib.resources import files


def test_a_plain_install_brings_no_torch_and_no_tensorrt() -> None:
    core = [r for r in requires("sr4k-stream") or [] if "extra ==" not in r]
    names = {re.split(r"[<>=!~ ;\[]", r, maxsplit=1)[0].lower() for r in core}
    assert names == {
        "av",
        "numpy",
        "onnx",
        "opencv-python-headless",
        "openvino",
        "prometheus-client",
        "pydantic",
        "pyyaml",
        "rich",
        "safetensors",
        "setproctitle",
        "typer",
    }


def test_weights_and_presets_lie_in_the_package() -> None:
    assert files("sr4k.models.weights").joinpath("rcan2.safetensors").is_file()
    assert files("sr4k.models.weights").joinpath("rcan2.int8.safetensors").is_file()
    assert files("sr4k.configs").joinpath("file.yaml").is_file()
