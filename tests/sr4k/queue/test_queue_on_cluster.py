"""``sr4k serve --cluster``: machines make what is in the queue, as one machine does, and the service tells of each."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from clips import packet_bytes, video_times, write_clip
from queues import until

from sr4k import Job

pytest.importorskip("ray")

SR4K = Path(sys.executable).parent / "sr4k"


@pytest.mark.long
@pytest.mark.slow(seconds=35)
def test_machines_make_the_jobs_of_a_queue_with_the_same_packets_and_are_told_with_their_shares(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=200, rate=1, size=(64, 48))  # four segments of a minute
    Job(clip, tmp_path / "alone.mkv", engine="nearest").run()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ["--listen", f"127.0.0.1:{port}", "--library", tmp_path, "--state", tmp_path / "state"]
    service = subprocess.Popen([SR4K, "serve", *where, "--cluster", "local:2"], stderr=subprocess.PIPE)

    def ask(method: str, path: str, **more: Any) -> Any:
        try:
            return httpx.request(method, f"http://127.0.0.1:{port}/api/v1{path}", timeout=60, **more).json()
        except httpx.TransportError:
            assert service.poll() is None, service.stderr and service.stderr.read().decode()
            return None

    try:
        options = {"engine": "nearest"}
        whole = {"sources": [str(clip)], "target": str(tmp_path / "spread.mkv"), "options": options}
        until(lambda: ask("POST", "/jobs", json=whole) is not None)
        part = {"sources": [str(clip)], "target": str(tmp_path / "part.mkv"), "options": options | {"part": "5s"}}
        ask("POST", "/jobs", json=part)
        until(lambda: {job["state"] for job in ask("GET", "/jobs")} <= {"done", "failed"})
        spread, alone = ask("GET", "/jobs")
    finally:
        service.terminate()
        service.communicate(timeout=60)
    assert spread["state"] == "done", spread["error"]
    assert packet_bytes(tmp_path / "spread.mkv", "video") == packet_bytes(tmp_path / "alone.mkv", "video")
    assert video_times(tmp_path / "spread.mkv") == video_times(tmp_path / "alone.mkv")
    assert all(check["ok"] for check in spread["result"]["checks"])
    machines = spread["result"]["machines"]
    assert sum(machine["segments"] for machine in machines) >= 4  # a slow one may be made twice
    assert sum(machine["share"] for machine in machines) == pytest.approx(1)
    seen = spread["progress"]["machines"]
    assert {machine["name"] for machine in seen} == {machine["name"] for machine in machines}
    assert alone["state"] == "done", alone["error"]
    assert alone["result"]["machines"] == []
    assert "whole videos" in alone["progress"]["alone"]
