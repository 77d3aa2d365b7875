from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from vitrina.contracts.http import FeedbackRecord, PredictionRecord
from vitrina.monitoring.predictions import read_window
from vitrina.serving import prediction_log
from vitrina.serving.prediction_log import FLUSH_SECONDS, PredictionLog, append_lines


def record(number: int) -> PredictionRecord:
    return PredictionRecord(
        request_id=f"r{number}",
        timestamp=datetime.now(UTC),
        model="intent_classifier",
        version="3",
        text="¿dónde está\nmi pedido? 📦",
        language="es",
        length=25,
        label="order_status",
        confidence=0.9,
        needs_clarification=False,
        out_of_scope=False,
    )


def test_what_is_logged_can_be_read_back_by_monitoring(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log", dropped=pytest.fail)
    for number in range(100):
        log.append(record(number))
    log.flush()
    window = read_window(tmp_path / "log")
    assert list(window.frame["request_id"]) == [f"r{number}" for number in range(100)]
    assert window.frame["text"].iloc[0] == "¿dónde está\nmi pedido? 📦"
    assert (window.torn, window.corrupt) == (0, 0)
    assert [path.name for path in (tmp_path / "log").iterdir()] == [f"{datetime.now(UTC):%Y-%m-%d}.{os.getpid()}.jsonl"]


def test_the_background_thread_writes_without_being_asked(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, dropped=pytest.fail)
    log.start()
    log.append(record(1))
    time.sleep(3 * FLUSH_SECONDS)
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    log.append(record(2))
    log.close()
    assert len(read_window(tmp_path).frame) == 2


def test_a_line_torn_by_a_killed_process_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"request_id": "a", "tex')
    append_lines(path, b'{"request_id": "b"}\n')
    append_lines(path, b'{"request_id": "c"}\n')
    assert path.read_bytes().splitlines() == [
        b'{"request_id": "a", "tex',
        b'{"request_id": "b"}',
        b'{"request_id": "c"}',
    ]


def test_a_folder_that_cannot_be_written_drops_lines_but_never_raises(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    dropped: list[int] = []
    log = PredictionLog(tmp_path / "file" / "log", dropped.append)
    for _ in range(2):
        log.append(record(1))
        log.append(record(2))
        log.flush()
    assert dropped == [2, 2]
    assert len(caplog.records) == 1  # once a minute
    with pytest.raises(OSError, match="file"):
        log.feedback(FeedbackRecord("r1", "refund", datetime.now(UTC)))


def test_memory_is_bounded_when_the_disk_does_not_keep_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "MAX_WAITING", 3)
    dropped: list[int] = []
    log = PredictionLog(tmp_path, dropped.append)
    for number in range(5):
        log.append(record(number))
    log.flush()
    assert dropped == [1, 1]
    assert len(read_window(tmp_path).frame) == 3


def test_feedback_is_on_disk_when_the_call_returns(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, dropped=pytest.fail)
    log.feedback(FeedbackRecord("r1", "refund", datetime(2026, 11, 21, tzinfo=UTC)))
    log.feedback(FeedbackRecord("r2", "order_status", datetime(2026, 11, 21, tzinfo=UTC)))
    lines = (tmp_path / "feedback.jsonl").read_bytes().splitlines()
    assert msgspec.json.decode(lines[0]) == {"request_id": "r1", "label": "refund", "timestamp": "2026-11-21T00:00:00Z"}
    assert len(lines) == 2


KILLED = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from vitrina.contracts.http import FeedbackRecord
from vitrina.serving.prediction_log import PredictionLog
log = PredictionLog(Path(sys.argv[1]), dropped=print)
log.start()
number = 0
while True:
    log.append(FeedbackRecord(f"r{number}", "refund", datetime.now(UTC)))
    number += 1
    print(number, flush=True)
    time.sleep(0.001)
"""


def test_a_killed_process_loses_at_most_the_last_flush_interval(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 1000:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    (path,) = tmp_path.glob("*.jsonl")
    kept = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert [row["request_id"] for row in kept] == [f"r{number}" for number in range(len(kept))]
    at_most_lost = 1000 * 2 * FLUSH_SECONDS  # one line a millisecond at most; twice, because a flush takes time
    assert len(kept) >= 1000 - at_most_lost
