"""Missing optional dependencies of benchmarks are reported in one line."""

import math
import sys

import pytest
from extras import required


@pytest.mark.parametrize(("module", "extra"), [("ncnn", "bench"), ("skimage.data", "bench"), ("torch", "torch")])
def test_a_missing_module_is_told_with_its_extra(module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit, match=rf"needs {module.partition('.')[0]}, .* pip install -e '\.\[{extra}\]'"):
        required(module)


def test_what_is_there_is_given() -> None:
    assert required("math") is math
