"""What the page brings of others is what its list says, unchanged."""

import hashlib
import re

import sr4k.web.app as app_module

VENDOR = app_module.HERE / "static" / "vendor"


def test_each_vendored_file_has_the_sum_that_is_listed_and_none_is_missing() -> None:
    listed = dict(re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", (VENDOR / "README.md").read_text(), re.M))
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    del found["README.md"]
    assert found == listed


def test_scripts_load_only_what_is_there() -> None:
    asked = re.compile(r"""(?:from |import\()"(\S+)\"""")
    named = [(path, name) for path in VENDOR.parent.glob("*.js") for name in asked.findall(path.read_text())]
    assert len(named) > 10
    assert not [name for path, name in named if not (path.parent / name).is_file()]
