"""The files in ``examples/`` are right as far as this machine can tell."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SR4K = Path(sys.executable).parent / "sr4k"


def keys() -> dict[str, str]:
    lines = (EXAMPLES / "keys.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def check(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of an example with ``--check``, on the example of a file."""
    program, *arguments = command
    assert Path(program).name == "sr4k"
    assert arguments[-1] == "/etc/sr4k/channels.yaml"
    return subprocess.run(
        [SR4K, *arguments[:-1], "--check", EXAMPLES / "channels.yaml"],
        env={**os.environ, **keys()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_service_runs_the_channels() -> None:
    start = re.search(r"^ExecStart=(.+)$", (EXAMPLES / "sr4k.service").read_text(), re.M)
    assert start is not None
    ran = check(*shlex.split(start[1]))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("Channels: news, lobby.\n")


def test_the_container_runs_the_channels() -> None:
    text = (EXAMPLES / "Containerfile").read_text()
    commands = dict(re.findall(r"^(ENTRYPOINT|CMD) (\[.+\])$", text, re.M))
    ran = check(*json.loads(commands["ENTRYPOINT"]), *json.loads(commands["CMD"]))
    assert ran.returncode == 0, ran.stderr


def test_the_containers_health_check_asks_what_the_service_answers() -> None:
    from sr4k.endpoint import serve_http

    text = (EXAMPLES / "Containerfile").read_text()
    found = re.search(r"HEALTHCHECK.*?CMD (\[.+?\])$", text, re.M | re.S)
    assert found is not None
    command = json.loads(found[1])
    with serve_http("127.0.0.1:0", []) as port:
        here = [sys.executable, *(part.replace(":9108", f":{port}") for part in command[1:])]
        assert subprocess.run(here, timeout=60, check=False).returncode == 0
    assert subprocess.run(here, timeout=60, check=False, stderr=subprocess.DEVNULL).returncode == 1


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_service(tmp_path: Path) -> None:
    unit = tmp_path / "sr4k.service"
    unit.write_text((EXAMPLES / "sr4k.service").read_text().replace("/opt/sr4k/bin/sr4k", str(SR4K)))
    ran = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
