from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vitrina.errors import UsageError
from vitrina.monitoring.predictions import moment, read_window


def line(request_id: str, timestamp: str, **fields: object) -> str:
    return json.dumps({"request_id": request_id, "timestamp": timestamp, "version": "1", **fields}) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two processes over two days, and feedback beside them."""
    (tmp_path / "2026-11-20.11.jsonl").write_text(line("a", "2026-11-20T10:00:00Z") + line("b", "2026-11-20T23:59:00Z"))
    (tmp_path / "2026-11-20.12.jsonl").write_text(line("c", "2026-11-20T12:00:00+00:00", text="ñandú 🦩"))
    (tmp_path / "2026-11-21.11.jsonl").write_text(line("d", "2026-11-21T08:00:00.123456Z"))
    (tmp_path / "feedback.jsonl").write_text(line("a", "2026-11-22T00:00:00Z", label="x"))
    return tmp_path


def ids(folder: Path, **window: str) -> list[str]:
    return read_window(folder, **window).frame["request_id"].tolist()


def test_rows_of_all_processes_come_back_in_time_order(log: Path) -> None:
    assert ids(log) == ["a", "c", "b", "d"]
    assert read_window(log).frame["text"].dropna().tolist() == ["ñandú 🦩"]


def test_the_window_includes_its_start_and_excludes_its_end(log: Path) -> None:
    assert ids(log, since="2026-11-20T12:00:00", until="2026-11-21T08:00:00.123456+00:00") == ["c", "b"]


def test_a_window_may_be_stated_in_another_time_zone(log: Path) -> None:
    assert ids(log, since="2026-11-20T20:59:00-03:00") == ["b", "d"]


def test_a_line_torn_by_kill_is_counted_and_the_rest_is_read(log: Path) -> None:
    with (log / "2026-11-21.11.jsonl").open("a") as file:
        file.write('{"request_id": "e", "timest')
    window = read_window(log)
    assert (len(window.frame), window.torn, window.corrupt) == (4, 1, 0)


def test_corrupt_lines_are_counted_and_never_fatal(log: Path) -> None:
    with (log / "2026-11-21.11.jsonl").open("ab") as file:
        file.write(b"\xff\xfe\n[1, 2]\n" + b'{"request_id": "x"}\n' + b"\n")
        file.write(line("y", "yesterday at noon").encode())
        file.write(line("z", "2026-11-21T09:00:00Z").encode())
    window = read_window(log)
    assert (window.frame["request_id"].tolist()[-1], window.torn, window.corrupt) == ("z", 0, 4)


def test_a_request_logged_twice_counts_once(log: Path) -> None:
    (log / "2026-11-21.13.jsonl").write_text(line("d", "2026-11-21T08:00:01Z"))
    assert ids(log) == ["a", "c", "b", "d"]


def test_an_empty_log_gives_no_rows_but_its_columns(tmp_path: Path) -> None:
    frame = read_window(tmp_path).frame
    assert frame.empty
    assert {"request_id", "timestamp", "model", "version"} <= set(frame.columns)


def test_a_missing_log_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no prediction log: .*nowhere is not a folder"):
        read_window(tmp_path / "nowhere")


@pytest.mark.parametrize(("text", "hours"), [("90m", 1.5), ("24h", 24), ("7d", 168)])
def test_an_age_counts_back_from_now(text: str, hours: float) -> None:
    found = moment(text)
    assert found is not None
    assert abs(datetime.now(UTC) - timedelta(hours=hours) - found) < timedelta(seconds=5)


def test_a_moment_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match="'last week' is neither"):
        moment("last week")


def test_what_was_flushed_before_kill_9_is_read_back(tmp_path: Path) -> None:
    """A real writer is killed while it logs: everything older than its flush interval must be there."""
    script = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from vitrina.contracts.http import PredictionRecord
from vitrina.serving.prediction_log import PredictionLog
log = PredictionLog(Path(sys.argv[1]), lambda count: None)
log.start()
number = 0
while True:
    log.append(PredictionRecord(f"k{number}", datetime.now(UTC), "m", "1", "text", "en", 4, "a", 0.5, False, False))
    number += 1
    if number == 500:
        time.sleep(0.6)
        print("flushed", flush=True)
    time.sleep(0.0002)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "flushed\n"
        os.kill(process.pid, signal.SIGKILL)
    window = read_window(tmp_path)
    assert {f"k{number}" for number in range(500)} <= set(window.frame["request_id"])
    assert window.corrupt == 0
