from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from vitrina.families import catalog
from vitrina.monitoring import feedback
from vitrina.monitoring.decision import Decision, answers_of, decide
from vitrina.monitoring.predictions import read_window
from vitrina.monitoring.triggers import Policy

Traffic = Callable[..., pd.DataFrame]
WriteLog = Callable[..., Path]


def decision(model: Path, log: Path, **policy: object) -> Decision:
    window, labels = read_window(log), feedback.read(log)
    rules = Policy.model_validate(policy)
    return decide(catalog.get("message_toy"), str(model), model, window, labels, rules)[0]


def label(log: Path, right: int, wrong: int, given: str = "2026-11-20T00:00:00Z") -> None:
    """Feed back the truth about the first predictions: `right` of them agree, `wrong` do not."""
    rows = read_window(log).frame.head(right + wrong)
    truth = [*rows["label"][:right], *["something else"] * wrong]
    frame = pd.DataFrame({"request_id": rows["request_id"], "label": truth, "timestamp": pd.Timestamp(given)})
    feedback.append(log, frame)


def test_quiet_traffic_leaves_the_model_alone(model: Path, write_log: WriteLog, traffic: Traffic) -> None:
    found = decision(model, write_log(traffic(300, seed=2)))
    assert (found.drifted, found.retrain, found.rows, found.reasons) == (False, False, 300, [])
    assert found.age_days is not None
    assert found.age_days > 19


def test_drift_asks_for_a_retraining(model: Path, write_log: WriteLog, traffic: Traffic) -> None:
    found = decision(model, write_log(traffic(300, seed=2, new=0.5)))
    assert found.drifted
    assert found.retrain
    assert found.retrain_reasons == found.reasons != []


def test_too_few_rows_decide_nothing_and_say_so(model: Path, write_log: WriteLog, traffic: Traffic) -> None:
    found = decision(model, write_log(traffic(199, seed=2, new=1.0)))
    assert not found.drifted
    assert found.reasons == ["199 rows are too few to tell: at least 200 are needed"]
    assert found.tests == []


def test_live_accuracy_far_below_the_evaluated_one_asks_too(model: Path, write_log: WriteLog, traffic: Traffic) -> None:
    log = write_log(traffic(50, seed=2))
    label(log, right=40, wrong=10)
    found = decision(model, log)
    assert found.live_accuracy["all"]["accuracy"] == 0.8
    assert {"es", "en"} <= set(found.live_accuracy)
    assert found.retrain_reasons == ["live accuracy is at most 0.888, 0.062 below the evaluated 0.950"]


def test_only_labels_given_since_the_training_count_as_new(model: Path, write_log: WriteLog, traffic: Traffic) -> None:
    log = write_log(traffic(50, seed=2))
    label(log, right=10, wrong=0, given="2026-10-01T00:00:00Z")
    assert decision(model, log, minimum_new_labels=10).retrain_reasons == []
    label(log, right=0, wrong=12)
    assert decision(model, log, minimum_new_labels=12, maximum_accuracy_drop=None).new_labels == 12


def test_answers_of_other_versions_are_left_out(model: Path, write_log: WriteLog, traffic: Traffic) -> None:
    write_log(traffic(300, seed=2, new=1.0), version="1")
    found = decision(model, write_log(traffic(250, seed=3), start=300))
    assert (found.rows, found.other_rows, found.drifted) == (250, 300, False)


@pytest.mark.parametrize(
    ("reference", "stated", "version"),
    [
        ("models:/message_toy/2", None, "2"),
        ("models:/message_toy/9", None, "9"),
        ("folder", None, "3"),
        ("x", "1", "1"),
    ],
)
def test_the_version_compared_is_the_models_own(
    model: Path, tmp_path: Path, reference: str, stated: str | None, version: str
) -> None:
    """A registered model by its number; an unknown folder by who answered last; a stated version first of all."""
    folder = model.rename(tmp_path / reference.rsplit("/", 1)[-1])
    frame = pd.DataFrame({"request_id": list("abc"), "version": ["1", "2", "3"]})
    rows, found = answers_of(reference, folder, frame, stated)
    assert found == version
    assert len(rows) == (version != "9")
