"""Lines that processes write to stderr past the log, in a process whose stderr is a pipe."""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sr4k.common.logs import collected_logs
from sr4k.service import stderr_lines

SCRIPT = """
import logging, os, subprocess, sys, warnings
from sr4k.cli.long_running import long_running
from sr4k.live.address import parse_source
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.redaction import Redaction

redaction = Redaction(parse_source("rtmp://in.example/live/streamkey1"))
with long_running([ChannelMonitor("news")], redaction, log_format="json"):
    os.write(2, b"double free or corruption\\n")
    subprocess.run([sys.executable, "-c", "raise ValueError('rtmp://in.example/live/streamkey1')"])
    warnings.warn("a tracker died")
    logging.getLogger("sr4k.test").info("in order")
print("after", file=sys.stderr)
"""


def test_what_is_written_to_stderr_past_the_log_becomes_lines_of_it_without_secrets() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr
    *lines, last = ran.stderr.splitlines()
    assert last == "after"
    told = [json.loads(line) for line in lines]
    words = "\n".join(line["message"] for line in told)
    assert "double free or corruption" in words
    assert "Traceback" in words
    assert "a tracker died" in words
    assert "in order" in words
    assert "streamkey1" not in ran.stderr


AT_THE_END = """
import os, sys
from sr4k.cli.long_running import long_running
from sr4k.live.address import parse_source
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.redaction import Redaction

redaction = Redaction(parse_source("rtmp://in.example/live/streamkey1"))
with long_running([ChannelMonitor("news")], redaction, log_format="json"):
    os.write(2, b"a long message " + b"and longer streamkey1 " * 1000 + b"\\n")
    os.write(2, b"lost streamkey1\\n" * 1999)  # as much as a pipe holds: most of it is read after the context has ended
"""


def test_lines_written_just_before_the_end_are_lines_of_the_log_as_well() -> None:
    ran = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "streamkey1" not in ran.stderr
    words = [json.loads(line)["message"] for line in ran.stderr.splitlines()]
    assert len(words) == 1999 + 3
    assert " ".join(words[:3]).split() == ["a", "long", "message", *["and", "longer", "***"] * 1000]


def test_a_line_that_is_being_logged_at_the_end_meets_the_handlers_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    class Heard(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.records: list[logging.LogRecord] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.records.append(record)

    monkeypatch.setattr(stderr_lines, "_LEAVING", 0.0)
    begun, may_go_on = threading.Event(), threading.Event()

    def held_up(_record: logging.LogRecord) -> bool:
        begun.set()
        return may_go_on.wait(60)

    monkeypatch.setattr(stderr_lines.log, "filters", [held_up])
    ours, others = Heard(), Heard()
    readable, writable = os.pipe()
    with os.fdopen(writable, "wb", buffering=0) as process, collected_logs(others, logging.INFO):
        with collected_logs(ours, logging.INFO):
            lines = stderr_lines._Lines(readable)
            process.write(b"one\n")
            assert begun.wait(60)
            threading.Timer(0.05, may_go_on.set).start()
            lines.finish()
        process.write(b"two\n")  # of a process that lives on
    lines._thread.join(60)
    assert [record.getMessage() for record in ours.records] == ["one"]
    assert not others.records


@pytest.mark.slow(seconds=1)
def test_what_ends_a_command_is_a_json_line_as_well(tmp_path: Path) -> None:
    command = [Path(sys.executable).parent / "sr4k-stream", "none.mp4", "out.mkv", "--realtime", "--log-format", "json"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 3
    (line,) = ran.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("failed", "ERROR")
    assert told["message"].startswith("none.mp4")
