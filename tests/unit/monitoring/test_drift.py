from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitrina.errors import ArtifactError, DataError
from vitrina.families import catalog
from vitrina.monitoring import drift as subject
from vitrina.monitoring.drift import Drift, load_reference, measure, nearest_distance, reference_embeddings
from vitrina.settings import disable_telemetry

Traffic = Callable[..., pd.DataFrame]


@pytest.fixture
def window(model: Path, traffic: Traffic) -> pd.DataFrame:
    return catalog.get("message_toy").serving.load(model).predict_frame(traffic(400, seed=2))


def found(model: Path, window: pd.DataFrame) -> Drift:
    return measure(catalog.get("message_toy"), model, window)


def drifted(drift: Drift) -> set[str]:
    return {test.column for test in drift.tests if test.drifted}


def test_traffic_like_the_reference_has_not_drifted(model: Path, window: pd.DataFrame) -> None:
    drift = found(model, window)
    assert not drift.drifted
    assert drift.reasons == []
    assert {test.column for test in drift.tests} == {"label", "language", "confidence", "length", "embedding"}


def test_new_wording_shows_in_the_embeddings_and_the_reason_says_so(model: Path, traffic: Traffic) -> None:
    new = catalog.get("message_toy").serving.load(model).predict_frame(traffic(400, seed=3, new=0.3))
    drift = found(model, new)
    assert "embedding" in drifted(drift)
    assert any("mean something else" in reason for reason in drift.reasons)


def test_a_changed_language_mix_is_found(model: Path, traffic: Traffic) -> None:
    new = catalog.get("message_toy").serving.load(model).predict_frame(traffic(400, seed=3, spanish=0.6))
    drift = found(model, new)
    assert drifted(drift) == {"language"}
    assert re.search(r"mix of language changed \(effect 0\.\d+", drift.reasons[0])


def test_shorter_texts_are_found(model: Path, traffic: Traffic) -> None:
    new = catalog.get("message_toy").serving.load(model).predict_frame(traffic(400, seed=3, short=True))
    assert "length" in drifted(found(model, new))


def test_missing_values_are_watched(model: Path, window: pd.DataFrame) -> None:
    window.loc[:100, "language"] = None
    drift = found(model, window)
    assert "language" in drifted(drift)
    assert drift.missing()["language"] == pytest.approx(101 / 400)


def test_only_a_sample_of_a_large_window_is_embedded(
    model: Path, window: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "EMBEDDED_ROWS", 50)
    drift = found(model, window)
    assert drift.embeddings is not None
    assert len(drift.embeddings[1]) == 50
    assert len(drift.current) == 400


def test_a_window_without_texts_is_tested_on_its_other_columns(model: Path, window: pd.DataFrame) -> None:
    drift = found(model, window.assign(text=None))
    assert drift.embeddings is None
    assert "embedding" not in {test.column for test in drift.tests}


def test_what_is_missing_is_named(model: Path, window: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'text'"):
        found(model, window.drop(columns="text"))
    with pytest.raises(ArtifactError, match=r"has no reference\.parquet"):
        load_reference(tmp_path)
    with pytest.raises(ArtifactError, match="has no column 'embedding'"):
        reference_embeddings(window)
    (tmp_path / "reference.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(ArtifactError, match="not a readable Parquet file"):
        load_reference(tmp_path)


def test_the_nearest_reference_row_is_never_the_row_itself() -> None:
    rows = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]], dtype=np.float32)
    assert nearest_distance(rows, rows, itself=True).tolist() == [5.0, 1.0, 1.0]
    assert nearest_distance(rows[:1] + 1, rows).tolist() == pytest.approx([2**0.5])


def test_evidently_reports_the_very_same_decision(model: Path, traffic: Traffic, tmp_path: Path) -> None:
    """The HTML is self-contained, and Evidently's own verdict per column equals ours, an empty column included."""
    disable_telemetry()
    from evidently import Report

    window = catalog.get("message_toy").serving.load(model).predict_frame(traffic(400, seed=3, new=0.3))
    drift = found(model, window.assign(language=None))
    runs = []
    with pytest.MonkeyPatch.context() as patch:
        run = Report.run
        patch.setattr(Report, "run", lambda self, *args: runs.append(run(self, *args)) or runs[-1])
        subject.write_report(drift, tmp_path / "report.html")
    statuses = {
        test["metric_config"]["params"]["column"]: test["status"].value
        for test in runs[0].dict()["tests"]
        if "Value Drift" in test["name"]
    }
    expected = {
        subject.DISTANCE if test.column == "embedding" else test.column: "FAIL" if test.drifted else "SUCCESS"
        for test in drift.tests
        if test.test != "missing"
    }
    assert statuses == expected
    assert "FAIL" in expected.values()
    assert "SUCCESS" in expected.values()
    html = (tmp_path / "report.html").read_text()
    assert not re.search(r"<(script|link)[^>]+(src|href)=[\"']https?://", html)
