from sr4k.cli.progress import Gauge
from sr4k.pipeline import WorkerStatus
from sr4k.pipeline.chain import StageClock


def statuses(frames: int, infer: float, encode: float) -> dict[str, WorkerStatus]:
    source = {"expected_frames": 100, "rate": 25.0}
    return {
        "upscale": WorkerStatus("upscale", (StageClock("infer", infer, frames + 2),), 0, 0, 0, 0, 0, {"infer": {}}),
        "encode": WorkerStatus(
            "encode", (StageClock("encode", encode, frames),), 0, 0, 0, 0, 0, {"encode": {}, "decode": source}
        ),
    }


def test_speed_time_left_and_load_are_of_the_last_seconds() -> None:
    gauge = Gauge()
    gauge.update(statuses(0, 0.0, 0.0), now=0.0)
    gauge.update(statuses(1, 10.0, 0.1), now=10.0)
    for second in range(1, 11):
        gauge.update(statuses(1 + 5 * second, 10.0 + 0.9 * second, 0.1 + 0.2 * second), now=10.0 + second)
    assert gauge.text() == "51/100 frames  5.0 fps  0.20x real time  ETA 0:00:10"
    assert gauge.load() == "infer 90%  encode 20%"


def test_nothing_is_known_before_the_first_frame() -> None:
    gauge = Gauge()
    gauge.update({}, now=0.0)
    assert gauge.text() == "0 frames  0.0 fps"
    assert gauge.load() == ""
