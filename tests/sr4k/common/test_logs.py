import io
import json
import logging
import multiprocessing
import re
import sys
import threading
import time
import warnings
from datetime import UTC, datetime

import pytest
from log_writers import log_for_ever, log_in_process
from toy_statuses import SECRETS, SOURCE, addresses

from sr4k.common import logs
from sr4k.common.logs import JsonLines, LogWire, TextLines, collected_logs, log_wire, of_channel, without_repeats
from sr4k.service.redaction import Redaction

log = logging.getLogger("sr4k.test")


def handler(form: logging.Formatter) -> tuple[logging.Handler, io.StringIO]:
    written = io.StringIO()
    made = logging.StreamHandler(written)
    made.setFormatter(form)
    made.addFilter(Redaction(*addresses()))
    return made, written


def test_a_json_line_has_time_level_logger_message_and_no_more() -> None:
    made, written = handler(JsonLines())
    with collected_logs(made, logging.INFO):
        log.info("%d frames", 3, extra={"secretive": object()})
    line = json.loads(written.getvalue())
    assert datetime.fromisoformat(line.pop("time")).astimezone(UTC).year >= 2025
    assert line == {"level": "INFO", "logger": "sr4k.test", "message": "3 frames"}


def test_a_json_line_has_the_fields_that_programs_look_for() -> None:
    made, written = handler(JsonLines())
    with collected_logs(made, logging.INFO), of_channel("news"):
        log.info("again", extra={"event": "retry", "target": "rtmp://a/***", "reason": "refused", "delay": 1.5})
    line = json.loads(written.getvalue())
    assert [line[name] for name in ("channel", "event", "target", "reason", "delay")] == [
        "news",
        "retry",
        "rtmp://a/***",
        "refused",
        1.5,
    ]


def test_a_plain_line_of_what_runs_for_weeks_begins_with_the_time() -> None:
    made, written = handler(TextLines(timed=True))
    with collected_logs(made, logging.INFO):
        log.info("one")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO one\n", written.getvalue())


def test_warnings_of_python_are_records() -> None:
    made, written = handler(JsonLines())
    with collected_logs(made, logging.INFO), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # pytest looks for them where this one has them
        warnings.warn("something is odd", RuntimeWarning, stacklevel=1)
    line = json.loads(written.getvalue())
    assert (line["logger"], line["level"]) == ("py.warnings", "WARNING")
    assert "something is odd" in line["message"]


def test_an_exception_is_in_its_json_line() -> None:
    made, written = handler(JsonLines())
    with collected_logs(made, logging.INFO):
        try:
            raise OSError(SOURCE)
        except OSError:
            log.exception("failed\nin two lines")
    (line,) = written.getvalue().splitlines()
    assert "Traceback" in json.loads(line)["exception"]
    assert not [secret for secret in SECRETS if secret in line]


def test_json_lines_can_be_written_without_a_collector() -> None:
    made = logging.LogRecord("a", logging.INFO, "", 0, "x", None, None)
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "why" in json.loads(JsonLines().format(made))["exception"]


def test_lines_bear_their_channel() -> None:
    made, written = handler(TextLines())
    with collected_logs(made, logging.INFO):
        with of_channel("news"):
            log.info("one")
        log.info("two")
    assert written.getvalue() == "INFO news: one\nINFO two\n"


def test_records_of_other_processes_bear_their_channel_and_no_secret() -> None:
    made, written = handler(JsonLines())
    context = multiprocessing.get_context("spawn")
    with collected_logs(made, logging.INFO), of_channel("news"), log_wire() as wire:
        process = context.Process(target=log_in_process, args=(wire,))
        process.start()
        process.join(240)
        assert process.exitcode == 0
    line = json.loads(written.getvalue())
    assert line["channel"] == "news"
    assert line["message"] == "can't open rtmp://in.example/live/***?***"


def test_secrets_go_from_records_that_come_through_the_queue() -> None:
    made, written = handler(TextLines())
    context = multiprocessing.get_context("spawn")
    with collected_logs(made, logging.INFO), log_wire() as queue:
        process = context.Process(target=log_in_process, args=(queue,))
        process.start()
        process.join(240)
    assert written.getvalue() == "WARNING can't open rtmp://in.example/live/***?***\n"


@pytest.mark.slow(seconds=1)
def test_a_process_that_is_killed_while_it_logs_silences_nobody() -> None:
    made, written = handler(TextLines())
    context = multiprocessing.get_context("spawn")
    with collected_logs(made, logging.INFO), of_channel("news"), log_wire() as wire:
        for _ in range(3):
            process = context.Process(target=log_for_ever, args=(wire,))
            process.start()
            lines = len(written.getvalue())
            while len(written.getvalue()) < lines + 10_000 and process.is_alive():
                time.sleep(0.01)
            process.kill()
            process.join(240)
        process = context.Process(target=log_in_process, args=(wire,))
        process.start()
        process.join(240)
    assert "can't open" in written.getvalue().splitlines()[-1]


def test_records_that_come_faster_than_they_are_written_take_no_memory() -> None:
    made, written = handler(TextLines())
    may_write = threading.Event()
    made.addFilter(lambda _: may_write.wait(240))
    record = logging.makeLogRecord({"msg": "x" * 500, "levelname": "INFO", "levelno": logging.INFO})
    with collected_logs(made, logging.INFO), of_channel("news"), log_wire() as wire:
        for _ in range(10_000):
            wire.put_nowait(record)
        may_write.set()
    assert 0 < len(written.getvalue().splitlines()) < 5_000


def test_a_record_that_comes_when_the_log_has_ended_is_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logs, "_LEAVING", 0.0)
    late = logging.makeLogRecord({"name": "sr4k.late", "msg": "streamkey1", "levelname": "ERROR", "levelno": 40})
    with log_wire() as wire:
        (reader,) = [thread for thread in threading.enumerate() if thread.name == "sr4k-log"]
        other = LogWire(wire._end.dup(), {})  # of a process that ends later
    other.put_nowait(late)
    other._end.close()
    reader.join(240)
    assert not caplog.records


def test_long_messages_are_cut() -> None:
    made, written = handler(TextLines())
    with collected_logs(made, logging.INFO), log_wire() as wire:
        wire.put_nowait(logging.makeLogRecord({"msg": "x" * 1_000_000, "levelname": "INFO", "levelno": logging.INFO}))
    assert len(written.getvalue()) == pytest.approx(8192, abs=20)


def test_arguments_that_do_not_fit_lose_no_record() -> None:
    made, written = handler(TextLines())
    made.handle(logging.makeLogRecord({"msg": "%d frames", "args": ("many",), "levelname": "INFO"}))
    assert written.getvalue() == "INFO %d frames ('many',)\n"


def test_what_was_told_is_not_told_again_inside(caplog: pytest.LogCaptureFixture) -> None:
    with without_repeats({"one is dark"}):
        logging.getLogger("sr4k.some").warning("%s is dark", "one")
        logging.getLogger("sr4k.some").warning("%s is dark", "two")
    logging.getLogger("sr4k.some").warning("%s is dark", "one")
    assert caplog.messages == ["two is dark", "one is dark"]
