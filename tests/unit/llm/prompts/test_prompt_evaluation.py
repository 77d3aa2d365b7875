"""Evaluation on a real server, and what its report says; comparison on a prediction log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.llm_server import LLMServer
from vitrina.contracts import TABLES
from vitrina.data.tables import write_table
from vitrina.errors import DataError, UsageError
from vitrina.jobs import compare_prompts, evaluate_prompts
from vitrina.llm.endpoint import Endpoint
from vitrina.llm.prompts.checks import Finding
from vitrina.llm.prompts.evaluation import Judged, paired, quality
from vitrina.llm.prompts.prompt import built_in
from vitrina.llm.prompts.structured import Tokens
from vitrina.llm.prompts.tasks import task
from vitrina.llm.prompts.variables import DescribeAnswer


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No registry."""
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    for name in ("TRACKING_URI", "BACKEND_STORE_URI"):
        monkeypatch.delenv(f"VITRINA_{name}", raising=False)


@pytest.fixture
def catalogue(store: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "catalogue.parquet"
    write_table(store[:600], TABLES["catalogue"], path)
    return path


def _judged(acceptable: bool, **changes: Any) -> Judged:
    inputs = task("describe").validated({"product": {"title": "Taza", "attributes": {"a": "x", "b": "y"}}})
    finding = Finding("invented", "error", "Nobody gave the number 7.")
    values: dict[str, Any] = {
        "answer": DescribeAnswer(title="Taza", description="Una taza de gres azul."),
        "error": None,
        "findings": [] if acceptable else [finding],
        "attempts": 1,
        "repaired": False,
        "usage": Tokens(100, 40),
        "seconds": 2.0,
    }
    return Judged(inputs, **(values | changes))


def test_quality_sums_up_what_was_found() -> None:
    missing = Finding("missing", "warning", "…", ("a",))
    answers = [
        _judged(True),
        _judged(True, findings=[missing], repaired=True),
        _judged(False, attempts=2, usage=Tokens(200, 80)),
        _judged(True, answer=None, error="no", attempts=3),
    ]

    found = quality(built_in("describe"), answers)

    assert (found.valid.value, found.at_once.value, found.acceptable.value) == (0.75, 0.25, 0.5)
    assert found.valid.low < 0.75 < found.valid.high
    assert {kind: share.value for kind, share in found.findings.items()} == {"missing": 0.25, "invented": 0.25}
    assert found.coverage == pytest.approx((1 + 0.5 + 1) / 3)
    assert (found.words, found.seconds, found.tokens) == (6, 2.0, 40)


def test_two_prompts_are_compared_case_by_case() -> None:
    good, bad = [_judged(True)] * 20, [_judged(False)] * 12 + [_judged(True)] * 8

    assert paired(bad, good, ("version 1", "version 2")).sentence.startswith("version 2 is better: only version 1")
    assert paired(good, good, ("a", "b")).p_value == 1
    assert paired(good[:3], bad[:3], ("a", "b")).sentence.startswith("No difference is shown")


def test_prompts_are_evaluated_on_products_of_a_catalogue(
    llm_server: LLMServer, catalogue: Path, tmp_path: Path
) -> None:
    other = tmp_path / "brief.yaml"
    other.write_text('system: Answer with JSON.\nuser: "{{ product }} Answer with JSON: title, description."\n')
    told: list[str] = []

    result = evaluate_prompts(
        "describe",
        Endpoint(url=llm_server.url, first_token_timeout=60),
        ["production", str(other)],
        catalogue=catalogue,
        count=3,
        examples=1,
        output=tmp_path / "report.json",
        tell=told.append,
    )

    assert (result.task, result.cases, result.model) == ("describe", 3, llm_server.model)
    assert [each["prompt"] for each in result.prompts] == ["built-in", "brief.yaml"]
    assert "is acceptable in" in (result.verdict or "")
    assert told[-1] == "asking with brief.yaml: 3 answers"
    report = json.loads((tmp_path / "report.json").read_text())
    [first, second] = (report["answers"][name] for name in ("built-in", "brief.yaml"))
    assert [each["inputs"] for each in first] == [each["inputs"] for each in second]
    for each in (*first, *second):
        assert "description" not in each["inputs"]["product"]
        assert (each["answer"] is None) == (each["error"] is not None)
        assert each["completion_tokens"] > 0


def test_cases_come_from_lines_of_inputs(llm_server: LLMServer, tmp_path: Path) -> None:
    lines = tmp_path / "inputs.jsonl"
    lines.write_text('{"message": "¿Dónde está mi pedido?"}\n\n{"message": "Where is it?", "language": "en"}\n')

    result = evaluate_prompts("reply", Endpoint(url=llm_server.url, first_token_timeout=60), inputs=lines)

    assert (result.cases, result.verdict) == (2, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"message": ""}', "line 1: `message`: String should have at least 1 character"),
        ('{"message": "a"}\n{', "line 2 is no JSON"),
        ("", "holds no inputs"),
    ],
)
def test_lines_that_are_no_inputs_are_refused(tmp_path: Path, content: str, message: str) -> None:
    lines = tmp_path / "inputs.jsonl"
    lines.write_text(content)

    with pytest.raises(DataError, match=message):
        evaluate_prompts("reply", Endpoint(url="http://127.0.0.1:9"), inputs=lines)


def test_a_task_without_cases_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Say what 'reply' is to be asked: --inputs FILE\."):
        evaluate_prompts("reply", Endpoint(url="http://127.0.0.1:9"))


def _log(folder: Path, users: int, rates: dict[str, float]) -> None:
    folder.mkdir()
    now, lines, feedback = datetime.now(UTC), [], []
    for version, rate in rates.items():
        for number in range(users):
            good = number < rate * users
            request_id = f"{version}-{number}"
            line = {"request_id": request_id, "timestamp": (now - timedelta(hours=1)).isoformat(), "task": "describe"}
            line |= {
                "version": version,
                "label": "accepted" if good else "flagged",
                "attempts": 1,
                "repaired": not good,
            }
            lines.append(json.dumps(line | {"user": f"u{number}" if number else None}))
            if number % 2 == 0:
                label = "accepted" if number % 4 == 0 else "rejected"
                feedback.append(json.dumps({"request_id": request_id, "label": label, "timestamp": now.isoformat()}))
    (folder / f"{now:%Y-%m-%d}.1.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "feedback.jsonl").write_text("\n".join(feedback) + "\n")


def test_live_traffic_decides_between_two_versions(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    _log(folder, 1000, {"1": 0.80, "2": 0.90, "3": 0.5})
    versions = {"production": "1", "candidate": "2"}

    found = compare_prompts("describe", folder, **versions)
    assert (found.decision, found.production["users"], found.candidate["rate"]) == ("candidate better", 1000, 0.9)
    assert compare_prompts("describe", folder, metric="at_once", **versions).decision == "candidate better"
    liked = compare_prompts("describe", folder, metric="liked", **versions)
    assert (liked.decision, liked.production["trials"], liked.production["rate"]) == ("no difference shown", 500, 0.5)
    assert compare_prompts("describe", folder, **versions, minimum=5000).decision == "too few"
    assert compare_prompts("reply", folder, **versions).decision == "too few"


def test_a_comparison_needs_a_candidate_a_metric_and_a_log(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'describe' has no candidate"):
        compare_prompts("describe", tmp_path)
    with pytest.raises(UsageError, match="no metric 'clicks'; choose acceptable, at_once, liked"):
        compare_prompts("describe", tmp_path, metric="clicks", candidate="2")
    with pytest.raises(DataError, match="holds no answers of the assistant"):
        compare_prompts("describe", tmp_path, candidate="2")
