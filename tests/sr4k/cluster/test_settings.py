"""How a cluster is named, and what is refused before any is reached."""

from dataclasses import replace
from pathlib import Path

import pytest
from foreign_networks import convolutions, with_card
from typer.testing import CliRunner

from sr4k import load_preset
from sr4k.cli.stream_app import stream_app
from sr4k.cluster.job import ClusterJob, Reached, reached
from sr4k.cluster.machines import Need, largest, name_of, needed
from sr4k.cluster.settings import ClusterSettings, mapped, parse_path_map
from sr4k.errors import FieldError, OptionError
from sr4k.live.address import shown
from sr4k.media.resume.job_folder import claimed
from sr4k.media.resume.journal import Segment
from sr4k.models.foreign import store


@pytest.fixture
def with_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")


@pytest.mark.usefixtures("with_token")
@pytest.mark.parametrize("address", ["auto", "10.0.0.5:6379", "ray://head.example:10001", "[fd00::5]:6379", "local:3"])
def test_a_cluster_is_named_by_its_address(address: str) -> None:
    assert ClusterSettings(address=address).nodes == (3 if address == "local:3" else None)


@pytest.mark.usefixtures("with_token")
@pytest.mark.parametrize("address", ["", "local", "local:0", "head", "http://head:1", "head:99999", "a b:1"])
def test_another_address_is_refused(address: str) -> None:
    with pytest.raises(OptionError, match="use auto, HOST:PORT"):
        ClusterSettings(address=address)


def test_a_cluster_without_a_token_is_refused_unless_it_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    for address in ("auto", "10.0.0.5:6379", "ray://10.0.0.5:10001"):
        with pytest.raises(OptionError, match="RAY_AUTH_MODE=token"):
            ClusterSettings(address=address)
        assert ClusterSettings(address=address, trusts=True).nodes is None
    assert ClusterSettings(address="local:2").nodes == 2


@pytest.mark.usefixtures("with_token")
def test_auto_is_the_cluster_of_ray_address_where_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.5:6379")
    with reached(ClusterSettings(address="auto")) as there:
        assert there.address == "10.0.0.5:6379"
    assert ClusterSettings(address="10.0.0.6:6379").head == "10.0.0.6:6379"
    monkeypatch.setenv("RAY_ADDRESS", "user:GEHEIM@10.0.0.5:6379")
    with pytest.raises(OptionError, match=r"RAY_ADDRESS can't be '\*\*\*@10\.0\.0\.5:6379': use HOST:PORT"):
        ClusterSettings(address="auto")


def test_the_longest_folder_maps_a_path() -> None:
    paths = parse_path_map(["/films=/mnt/films", "/films/old=/mnt/archive"])
    assert mapped(Path("/films/a.mkv"), paths) == Path("/mnt/films/a.mkv")
    assert mapped(Path("/films/old/a.mkv"), paths) == Path("/mnt/archive/a.mkv")
    assert mapped(Path("/films-of-others/a.mkv"), paths) == Path("/films-of-others/a.mkv")
    for wrong in ("films=/mnt", "/films", "/films=mnt"):
        with pytest.raises(OptionError, match="maps no folder"):
            parse_path_map([wrong])


def node(name: str, node_id: str, **resources: float) -> dict[str, object]:
    return {"NodeID": node_id, "NodeName": name, "NodeManagerAddress": name, "Resources": resources}


def test_a_segment_asks_for_the_cpus_of_the_smallest_machine_that_has_any() -> None:
    nodes = [node("head", "0"), node("a", "1", CPU=8.0, memory=64e9), node("b", "2", CPU=64.0, memory=64e9, GPU=2.0)]
    assert needed(nodes, None, on_gpu=False).cpus == 8
    assert needed(nodes[2:], None, on_gpu=False).cpus == 16
    assert needed(nodes, 3, on_gpu=False).cpus == 3
    on_gpu = needed(nodes, None, on_gpu=True)
    assert (on_gpu.cpus, on_gpu.gpus) == (4, 1)
    assert [on_gpu.times_in(each["Resources"]) for each in nodes] == [0, 0, 2]  # type: ignore[arg-type]
    assert Need(cpus=8).times_in({"CPU": 64.0, "memory": 5e9}) == 2


def test_what_machines_have_is_told_without_heads_that_make_nothing() -> None:
    head = node("head", "0", memory=8e9)
    nodes = [head, node("a", "1", CPU=1.0, memory=8e9), node("b", "2", CPU=64.0, memory=64e9, GPU=2.0)]
    assert largest(nodes) == "the largest of 2 has 64 CPUs, 2 GPUs and 60 GiB"
    assert largest(nodes[:2]) == "the only one has 1 CPU, 0 GPUs and 7 GiB"
    assert largest([head]) == largest([]) == "it has no machine with CPUs for work"


def test_machines_of_one_name_are_told_apart() -> None:
    nodes = [node("a", "123456789"), node("a", "987654321"), node("b", "5")]
    assert [name_of(each, nodes) for each in nodes] == ["a/123456", "a/987654", "b"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"target": "out.png"}, "pictures and pipes are for one machine"),
        ({"source": "-"}, "pictures and pipes are for one machine"),
        ({"part": "10s@0"}, "leave part or the cluster out"),
        ({"reuse_threshold": 2}, "With reuse_threshold a frame depends on all before it"),
        ({"encoder": "nvenc"}, "needs encoder software"),
    ],
)
def test_what_would_depend_on_the_machine_is_refused(fields: dict[str, object], words: str) -> None:
    there = Reached(settings=ClusterSettings(address="local:2"), address="127.0.0.1:1")
    with pytest.raises(FieldError, match=words):
        ClusterJob(**({"source": "in.mkv", "target": "out.mkv", "cluster": there} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("card", "engine", "words"),
    [({"deterministic": False}, "auto", "something else of a picture each time"), ({}, "torch", "torch doesn't run")],
)
def test_a_network_that_can_not_make_the_same_everywhere_is_refused(
    card: dict[str, bool], engine: str, words: str, tmp_path: Path
) -> None:
    there = Reached(settings=ClusterSettings(address="local:2"), address="127.0.0.1:1")
    path = convolutions(tmp_path / "net.onnx")
    store.keep_card(replace(with_card(path), **card))
    with pytest.raises(FieldError, match=words):
        ClusterJob("in.mkv", "out.mkv", model=str(path), engine=engine, cluster=there)


def test_segments_that_end_after_a_time_of_work_are_refused() -> None:
    there = Reached(settings=ClusterSettings(address="local:2"), address="127.0.0.1:1")
    preset = load_preset("file").updated("encode", work_seconds=60)
    with pytest.raises(FieldError, match=r"work_seconds segments depend on how fast a machine is"):
        ClusterJob("in.mkv", "out.mkv", preset=preset, cluster=there)


@pytest.fixture
def never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a private cluster that is started end the test."""

    def start(_nodes: int) -> None:
        raise AssertionError("a cluster was started")

    monkeypatch.setattr("sr4k.cluster.private.private_cluster", start)


@pytest.mark.usefixtures("never_started")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("in.mkv https://films.example/out.mkv", "name as OUT a file or an s3:// address"),
        ("https:///a.mkv out.mkv", r"write it as https://host/name.mkv"),
        ("in.mkv s3://films/out", "has no suffix"),
        ("s3://films/a.mkv s3://films/a.mkv", "is the source itself"),
        ("in.mkv s3://films", "s3://films is a bucket: name an object in it"),
        ("s3://user:GEHEIM/x@films/a.mkv out.mkv", "write it as s3://bucket/name.mkv. Credentials belong in AWS_ACC"),
        ("in.mkv s3://films/a.mkv?X-Amz-Signature=GEHEIM", "a signed address begins with https://"),
        ("s3:// out.mkv", "An s3:// address is invalid: write it as s3://bucket/name.mkv"),
        ("in.mkv out.xyz", "'.xyz' isn't a container"),
        ("in.mkv there.mkv", "there.mkv exists: choose another name, or add --overwrite"),
        ("missing.mkv out.mkv", "missing.mkv does not exist"),
        ("missing.mkv missing2.mkv out/", "missing2.mkv does not exist"),
        ("in.mkv -", "pictures and pipes are for one machine"),
        ("in.mkv out.mkv --preview 1s", "leave --preview or the cluster out"),
        ("in.mkv out.mkv --encoder qsv", "a cluster needs --encoder software"),
        ("in.mkv out.mkv --reuse-threshold 3", "With --reuse-threshold a frame depends on all before it"),
        ("in.mkv out.mkv --cluster-cpus 0", "--cluster-cpus takes a whole number above 0"),
        ("in.mkv out.mkv --cluster-cpus abc", "--cluster-cpus takes a whole number above 0"),
    ],
)
def test_what_is_seen_from_the_command_line_is_told_in_a_line_before_a_cluster_is_started(
    arguments: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in.mkv", "there.mkv"):
        Path(name).write_bytes(b"anything")
    given = [*arguments.split(), "--cluster", "local:2"]
    done = CliRunner().invoke(stream_app, given)
    assert done.exit_code not in (0, 1) and words in done.output, done.output
    several = arguments.endswith("out/")
    if not several:
        assert len(done.output.splitlines()) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "there.mkv"]
    assert "GEHEIM" not in done.output and "GEHEIM" not in " ".join(map(shown, given))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["in.mkv", "s3://films/out.mkv"], "s3://films/out.mkv can be written by a cluster alone"),
        (["s3://films/a.mkv", "rtmp://127.0.0.1/live/out"], "can't be read from"),
    ],
)
def test_an_object_is_no_target_without_a_cluster_and_no_live_source(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(stream_app, arguments)
    assert done.exit_code != 0 and words in done.output


@pytest.mark.usefixtures("never_started")
def test_an_unfinished_job_is_told_before_a_cluster_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.mkv").write_bytes(b"anything")
    with claimed(Path("out.mkv")) as parts:
        parts.begin({"source.bytes": 1}, resume=False, overwrite=False)
        (parts.folder / "000000.packets").write_bytes(b"1234")
        parts.journal.add(Segment("000000.packets", 4, 1, 0, 0, 0, 0))
    for options, words in {(): "was begun before and is unfinished", ("--resume",): "can't be resumed: "}.items():
        done = CliRunner().invoke(stream_app, ["in.mkv", "out.mkv", "--cluster", "local:2", *options])
        assert done.exit_code != 0 and words in done.output


def test_a_password_in_an_address_is_not_told() -> None:
    with pytest.raises(OptionError) as told:
        ClusterSettings(address="user:GEHEIM@127.0.0.1:6399")
    assert "GEHEIM" not in str(told.value) and "***@127.0.0.1:6399" in str(told.value)
