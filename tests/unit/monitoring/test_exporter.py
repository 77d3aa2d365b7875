from __future__ import annotations

import re
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from vitrina.errors import ArtifactError, ServiceError
from vitrina.llm.assistant.metrics import AssistantTelemetry
from vitrina.monitoring.decision import Decision
from vitrina.monitoring.exporter import Exporter
from vitrina.monitoring.triggers import load_policy

ROOT = Path(__file__).parents[3]
TEST = {"column": "label", "test": "mix", "effect": 0.31, "p_value": 0.0002, "drifted": True}


def decision(**fields: object) -> Decision:
    values = dict.fromkeys(Decision.model_fields) | {
        "model": "intents",
        "version": "3",
        "reference": "models:/intents@champion",
        "decided_at": datetime(2026, 11, 21, tzinfo=UTC),
        "rows": 400,
        "minimum_rows": 200,
        "other_rows": 0,
        "torn_lines": 1,
        "corrupt_lines": 2,
        "drifted": True,
        "reasons": ["the mix of label changed"],
        "retrain": True,
        "retrain_reasons": ["the mix of label changed"],
        "policy": load_policy(None),
        "new_labels": 5,
        "tests": [TEST],
        "missing": {"language": 0.25},
        "live_accuracy": {"es": {"accuracy": 0.8, "low": 0.4, "high": 0.9, "rows": 5}},
    }
    return Decision.model_validate(values | fields)


def samples(text: str) -> dict[tuple[str, str], float]:
    """(gauge, its own label's value) → value."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = [value for name, value in sample.labels.items() if name not in ("model", "version", "test")]
            found[sample.name, own[0] if own else ""] = sample.value
    return found


@pytest.fixture
def exporter() -> Exporter:
    made = Exporter()
    made.update(decision())
    return made


def test_the_file_holds_every_gauge_of_the_decision(exporter: Exporter, tmp_path: Path) -> None:
    exporter.write(tmp_path / "collector" / "drift.prom")
    assert samples((tmp_path / "collector" / "drift.prom").read_text()) == {
        ("vitrina_drift_detected", ""): 1,
        ("vitrina_retrain_wanted", ""): 1,
        ("vitrina_window_rows", ""): 400,
        ("vitrina_log_unreadable_lines", ""): 3,
        ("vitrina_drift_checked_timestamp_seconds", ""): datetime(2026, 11, 21, tzinfo=UTC).timestamp(),
        ("vitrina_drift_score", "label"): 0.31,
        ("vitrina_drift_p_value", "label"): 0.0002,
        ("vitrina_null_share", "language"): 0.25,
        ("vitrina_live_accuracy", "es"): 0.8,
        ("vitrina_labelled_rows", "es"): 5,
    }
    assert [path.name for path in (tmp_path / "collector").iterdir()] == ["drift.prom"]


def test_a_later_decision_replaces_the_earlier_one(exporter: Exporter, tmp_path: Path) -> None:
    exporter.update(decision(version="4", drifted=False, tests=[], live_accuracy={}))
    exporter.write(tmp_path / "drift.prom")
    text = (tmp_path / "drift.prom").read_text()
    assert 'version="3"' not in text
    assert samples(text)["vitrina_drift_detected", ""] == 0
    assert ("vitrina_live_accuracy", "es") not in samples(text)


def test_the_gauges_are_served_over_http(exporter: Exporter, free_port: int) -> None:
    exporter.serve(free_port)
    with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/metrics", timeout=5) as answer:
        assert samples(answer.read().decode())["vitrina_drift_score", "label"] == 0.31
    with pytest.raises(ServiceError, match=f"Port {free_port} cannot be used for metrics: Address already in use"):
        exporter.serve(free_port)


def test_a_folder_that_cannot_be_written_is_named(exporter: Exporter, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=r"drift\.prom cannot be written"):
        exporter.write(tmp_path / "file" / "drift.prom")


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/models.json"])
def test_alerts_and_dashboard_use_metrics_that_exist(exporter: Exporter, tmp_path: Path, file: str) -> None:
    exporter.write(tmp_path / "drift.prom")
    text = (tmp_path / "drift.prom").read_text() + AssistantTelemetry().exposition().decode()
    types = re.findall(r"^# TYPE (\w+) (\w+)", text, re.MULTILINE)
    exported = {f"{name}_bucket" if kind == "histogram" else name for name, kind in types}
    used = set(re.findall(r"\bvitrina_[a-z_]+", (ROOT / "deploy" / file).read_text()))
    assert len(used) > 5
    assert used <= exported


def test_every_alert_has_an_expression_and_a_summary() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert all(rule["expr"] and rule["annotations"]["summary"] for rule in rules)
