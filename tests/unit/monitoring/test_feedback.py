from __future__ import annotations

import json
import resource
from pathlib import Path

import pandas as pd
import pytest

from vitrina.errors import DataError, UsageError
from vitrina.monitoring import feedback


def labels(**by_request: str) -> pd.DataFrame:
    moment = pd.Timestamp("2026-11-21T12:00:00Z")
    return pd.DataFrame([(request, label, moment) for request, label in by_request.items()], columns=feedback.COLUMNS)


def predictions(**by_request: str) -> pd.DataFrame:
    rows = [{"request_id": request, "label": label, "language": "es"} for request, label in by_request.items()]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_labels_are_read_from_every_format(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"request_id": ["007", "8"], "label": ["devolución", "NA"], "extra": [1, 2]})
    path = tmp_path / f"labels.{suffix}"
    write = {
        "csv": lambda: frame.to_csv(path, index=False),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(path),
    }
    write[suffix]()
    found = feedback.read_source(path)
    assert found[["request_id", "label"]].to_numpy().tolist() == [["007", "devolución"], ["8", "NA"]]
    assert found["timestamp"].notna().all()


def test_stated_moments_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("request_id,label,timestamp\na,x,2026-11-01T10:00:00+01:00\nb,x,\n")
    found = feedback.read_source(path)["timestamp"]
    assert found[0] == pd.Timestamp("2026-11-01T09:00:00Z")
    assert found[1] > pd.Timestamp("2026-11-02T00:00:00Z")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("request_id,intent\na,x\n", "has no column 'label'; it has request_id, intent"),
        ("request_id,label\na,x\n,y\nc,\n", r"'request_id' is empty or no text in 1 of 3 rows \(row 2"),
        ("request_id,label,timestamp\na,x,noon\n", r"'timestamp' is no ISO 8601 moment in 1 of 1 rows \(row 1: 'noon'"),
        ("", "is empty"),
    ],
)
def test_a_bad_file_names_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        feedback.read_source(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"labels\.csv does not exist"):
        feedback.read_source(tmp_path / "labels.csv")


def test_labels_given_twice_are_kept_once(tmp_path: Path) -> None:
    assert feedback.append(tmp_path, labels(a="x", b="y")) == 2
    assert feedback.append(tmp_path, labels(a="x", b="y")) == 0
    assert len((tmp_path / "feedback.jsonl").read_text().splitlines()) == 2


def test_the_last_label_of_a_request_wins(tmp_path: Path) -> None:
    feedback.append(tmp_path, labels(a="x", b="y"))
    assert feedback.append(tmp_path, labels(a="z", b="y")) == 1
    assert feedback.read(tmp_path).set_index("request_id")["label"].to_dict() == {"a": "z", "b": "y"}


def test_what_a_service_wrote_is_read_and_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    record = {"request_id": "s", "label": "x", "timestamp": "2026-11-21T00:00:00Z"}
    (tmp_path / "feedback.jsonl").write_text(json.dumps(record) + '\n{"request_id": "torn", "la')
    feedback.append(tmp_path, labels(a="y"))
    assert feedback.read(tmp_path)["request_id"].tolist() == ["s", "a"]


def test_a_full_disk_is_told_and_a_second_run_completes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file-size limit makes the real write fail half-way, as a full disk does."""
    import signal

    many = labels(**{f"r{number}": "x" for number in range(200)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(DataError, match=r"feedback\.jsonl cannot be written: File too large"):
            feedback.append(tmp_path, many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    kept = len(feedback.read(tmp_path))
    assert 0 < kept < 200
    assert feedback.append(tmp_path, many) == 200 - kept
    assert len(feedback.read(tmp_path)) == 200


def test_labels_join_the_predictions_of_their_requests_only() -> None:
    joined = feedback.join(predictions(a="x", b="y"), labels(a="x", ghost="y"))
    assert joined[["request_id", "label", "true_label"]].to_numpy().tolist() == [["a", "x", "x"]]


def test_live_accuracy_has_a_wilson_interval() -> None:
    ids = [f"r{number}" for number in range(10)]
    joined = feedback.join(
        predictions(**dict.fromkeys(ids, "x")), labels(**{request: "x" if request != "r0" else "y" for request in ids})
    )
    found = feedback.accuracy(joined)
    assert found is not None
    assert (found.accuracy, found.rows) == (0.9, 10)
    assert (found.low, found.high) == pytest.approx((0.596, 0.982), abs=1e-3)


def test_live_accuracy_is_sliced_and_absent_where_nothing_is_labelled() -> None:
    logged = predictions(a="x", b="y", c="y").assign(language=["es", "en", None])
    joined = feedback.join(logged, labels(a="x", b="x", c="y"))
    found = feedback.accuracy_by(joined)
    assert {name: each.accuracy for name, each in found.items()} == {"en": 0.0, "es": 1.0, "unknown": 1.0}
    nothing = feedback.join(logged, feedback.read(Path("nowhere")))
    assert feedback.accuracy(nothing) is None
    assert feedback.accuracy_by(nothing) == {}


def test_an_answer_that_showed_several_things_was_right_where_the_truth_is_among_them() -> None:
    joined = pd.DataFrame(
        {"label": ["Shoes", "Shoes", "refund"], "shown": [["a", "b"], ["a"], None], "true_label": ["b", "b", "refund"]}
    )
    found = feedback.accuracy(joined)
    assert found is not None
    assert (found.accuracy, found.rows) == (pytest.approx(2 / 3), 3)
