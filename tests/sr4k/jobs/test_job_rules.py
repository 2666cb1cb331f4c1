"""Jobs refuse invalid fields when they are made, and list the facts that their result depends on."""

import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from clips import MakeClip

from sr4k import Job, LiveJob, Preset, Upscaler, load_preset
from sr4k.errors import FieldError, OptionError
from sr4k.jobs.file_job import NO_FACTS
from sr4k.media.options import Box, Scale, TimeSpan, VideoChoice

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
PART = TimeSpan(Fraction(1), Fraction(2))


def encoded(**options: Any) -> Preset:
    return PRESET.updated("encode", **options)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Box(0, 4),
        lambda: Box(-2, 4),
        lambda: Job("in.mp4", "out.mp4", size=Box(3, 4)),
        lambda: Job("in.mp4", "out.mp4", size=Box(2, 4)),
        lambda: LiveJob("pattern://64x48", "out.mkv", size=Box(2, 4)),
        lambda: Box(4, 16386),
        lambda: TimeSpan(Fraction(-1), Fraction(2)),
        lambda: TimeSpan(Fraction(1), Fraction(0)),
        lambda: VideoChoice(-1),
        lambda: PRESET.updated("encod", crf=9),  # type: ignore[arg-type]
    ],
)
def test_values_that_cant_be_are_refused_where_they_are_made(wrong: Callable[[], object]) -> None:
    with pytest.raises(OptionError):
        wrong()


def test_a_part_and_a_track_may_be_given_as_text() -> None:
    job = Job("in.mp4", "out.mp4", part="2s@1", track="1")
    assert (job.part, job.track) == (PART, VideoChoice(1))


@pytest.mark.parametrize(
    ("key", "words"), [("engine", "There is no engine 'vulkan'"), ("model", "There is no model 'vulkan'")]
)
def test_engines_and_models_that_do_not_exist_are_refused_when_a_job_is_made(key: str, words: str) -> None:
    keyword: dict[str, Any] = {key: "vulkan"}
    with pytest.raises(OptionError, match=words):
        Job("in.mp4", "out.mp4", **keyword)
    with pytest.raises(OptionError, match=words):
        LiveJob("pattern://160x90@10", "out.mkv", **keyword)


@pytest.mark.parametrize("preset", ["file", "fast"])
def test_webm_has_av1_from_python_as_well(
    preset: str, make_clip: MakeClip, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    of_speed = load_preset(preset).encode
    target = tmp_path / "b.webm"
    Job(make_clip("a.mp4", frames=3), target, preset=PRESET.model_copy(update={"encode": of_speed})).run()
    assert "b.webm: WebM can't hold h264, so it is av1" in caplog.text
    with av.open(str(target)) as result:
        assert result.streams.video[0].codec_context.codec.canonical_name == "av1"


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "Pictures can't be resumed: leave resume out.": ("out.png", {"resume": True}),
    "A part of a video can't be resumed: leave resume or part out.": ("out.mp4", {"resume": True, "part": PART}),
    "Pictures have no codec, crf": ("out.png", {"preset": encoded(crf=20)}),
    "Pictures have no codec, ": ("%04d.png", {"preset": encoded(codec="h264")}),
    "Pictures have no ": ("out.jpg", {"preset": encoded(bitrate=1_000_000)}),
    "leave crf or bitrate out": ("out.mp4", {"preset": encoded(crf=20, bitrate=1_000_000)}),
    "option qp does the same as crf": ("out.mp4", {"preset": encoded(crf=20, options={"qp": "0"})}),
    "option crf does the same as bitrate": ("out.mp4", {"preset": encoded(bitrate=1_000_000, options={"crf": "20"})}),
    "in.mp4 is not: leave rate out": ("out.mp4", {"rate": Fraction(24)}),
    "webm files can't hold h264": ("out.webm", {"preset": encoded(codec="h264")}),
    "use auto, off, double": ("out.mp4", {"deinterlace": "on"}),
    "cpus can't be 0": ("out.mp4", {"cpus": 0}),
    r"^size can't be 3: use \(width, height\), such as \(1280, 720\), or text": ("out.mp4", {"size": 3}),
    r"^size can't be \(100,\): use": ("out.mp4", {"size": (100,)}),
    r"^size can't be \(True, 80\): use": ("out.mp4", {"size": (True, 80)}),
    "^scale can't be '2x': use a factor, such as 2 or 1.5": ("out.mp4", {"scale": "2x"}),
    "^'2x' isn't a size: use .* or a factor, such as x2": ("out.mp4", {"size": "2x"}),
    "use a factor, such as 1.5": ("out.mp4", {"scale": (3, 2)}),
    "A scale can't be nan": ("out.mp4", {"scale": float("nan")}),
    "A scale of 0 isn't supported": ("out.mp4", {"scale": 0}),
    "'101x68' isn't supported: both sides must be even": ("out.mp4", {"size": "101x68"}),
    "'101x67' isn't supported: both sides must be even": ("-", {"scale": "101x67"}),
    "^preset can't be 7: use a preset": ("out.mp4", {"preset": 7}),
    "^track can't be 0.5: use a number, from 0": ("out.mp4", {"track": 0.5}),
    "^track can't be True: use a number, from 0": ("out.mp4", {"track": True}),
    "^part can't be 2: use text such as '10s@00:05:00'": ("out.mp4", {"part": 2}),
    "'x' isn't": ("out.mp4", {"part": "x"}),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cant_be_is_refused_by_the_job_itself(words: str) -> None:
    target, options = REFUSED[words]
    with pytest.raises(OptionError, match=words):
        Job("in.mp4", target, **options)


@pytest.mark.parametrize("scale", [2, 3, "x2", "4k"])
@pytest.mark.parametrize("size", ["x2", "4k", Box(64, 48), Scale(Fraction(2))])
def test_a_size_and_a_scale_are_refused_whatever_they_say(scale: Any, size: Any) -> None:
    for made in (
        lambda: Job("in.mp4", "out.mp4", size=size, scale=scale),
        lambda: LiveJob("pattern://160x90@10", "out.mkv", size=size, scale=scale),
        lambda: Upscaler(engine="nearest", size=size, scale=scale),
    ):
        with pytest.raises(OptionError, match="size and scale both say how large the result is"):
            made()


def test_a_job_that_was_twice_as_large_may_get_another_scale() -> None:
    job = Job("in.mp4", "out.mp4", size="x2")
    assert job.size is None
    assert replace(job, scale=3).size == Scale(Fraction(3))


@pytest.mark.parametrize("preset", ["file", "fast", "quality", "gpu", "nvenc"])
def test_a_preset_that_ships_does_for_pictures_and_webm(preset: str) -> None:
    Job("in.mp4", "out.png", preset=preset)
    Job("in.mp4", "out.webm", preset=preset)


def test_fields_have_other_names_on_a_command_line_and_values_are_no_names() -> None:
    error = pickle.loads(pickle.dumps(FieldError("{rate} is not for {0}: see {encode.crf}.", "{rate}.mp4")))
    assert str(error) == "rate is not for {rate}.mp4: see crf."
    assert error.told({"rate": "--rate", "encode.crf": "--crf"}) == "--rate is not for {rate}.mp4: see --crf."


OTHERS: dict[str, Any] = {
    "size": Box(64, 48),
    "part": PART,
    "deinterlace": "double",
    "track": VideoChoice(1),
    "rate": Fraction(24),
}


def test_every_field_of_a_job_is_in_its_fingerprint_or_excused_by_name() -> None:
    assert {*OTHERS} | NO_FACTS == {field.name for field in fields(Job)}
    assert not {*OTHERS} & NO_FACTS


@pytest.mark.parametrize("name", OTHERS)
def test_a_job_with_another_value_is_another(name: str, tmp_path: Path) -> None:
    (tmp_path / "001.png").touch()
    job = Job(tmp_path / "%03d.png", "out.mp4", preset=PRESET)
    other = replace(job, **{name: OTHERS[name]}).facts()
    changed = {key for key in {*other, *job.facts()} if other.get(key) != job.facts().get(key)}
    assert changed
    assert all(key.partition(".")[0] == name for key in changed)


def test_a_scale_is_a_size_of_the_result(tmp_path: Path) -> None:
    (tmp_path / "001.png").touch()
    jobs = [
        Job(tmp_path / "%03d.png", "out.mp4", **given)  # type: ignore[arg-type]
        for given in ({"scale": 3}, {"scale": 3.0}, {"scale": "x3"}, {"size": "3"}, {"size": Scale(Fraction(3))})
    ]
    assert {job.size for job in jobs} == {Scale(Fraction(3))}
    assert len({str(job.facts()) for job in jobs}) == 1
    assert jobs[0].facts()["size.factor"] == "3"
    assert replace(jobs[0], overwrite=True).size == Scale(Fraction(3))
    assert {Job("a.mp4", "b.mp4", scale=scale).size for scale in (2, "2", "x2", 2.0)} == {None}
    assert Job("a.mp4", "b.mp4", scale=1.1).size == Scale(Fraction(11, 10))


def test_what_a_preset_asks_of_the_result_is_in_it_and_its_speed_is_not(tmp_path: Path) -> None:
    (tmp_path / "001.png").touch()

    def facts(preset: Preset) -> dict[str, Any]:
        return Job(tmp_path / "%03d.png", "out.mp4", preset=preset).facts()

    assert facts(encoded(crf=20)) != facts(PRESET)
    assert facts(PRESET.updated("engine", model="rcan2")) != facts(PRESET)
    assert facts(PRESET.updated("engine", threads=1).updated("graph", slots=8)) == facts(PRESET)


def test_facts_are_fields_that_json_has_words_for(tmp_path: Path) -> None:
    (tmp_path / "001.png").touch()
    facts = Job(tmp_path / "%03d.png", "out.mp4", preset=PRESET, part=PART, size="4k").facts()
    assert (facts["part.start"], facts["part.seconds"], facts["size.width"], facts["rate"]) == ("1", "2", 3840, None)
    assert not [key for key, value in facts.items() if "(" in str(value)]
