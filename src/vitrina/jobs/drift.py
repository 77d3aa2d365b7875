"""Job: has the traffic drifted from what the model was made for, and is it time to train again?"""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class DriftResult(JobResult):
    """The decision. `columns`: those that drifted; `report`: HTML, absent when there were too few rows to test."""

    drifted: bool
    retrain: bool
    reasons: list[str]
    rows: int
    columns: list[str]
    report: Path | None
    decision: Path
    gauges: Path


def drift(
    model: str,
    predictions: Path,
    output: Path,
    *,
    since: str | None = None,
    until: str | None = None,
    minimum_rows: int = 200,
    version: str | None = None,
    policy: Path | None = None,
) -> DriftResult:
    """Compare a window of the prediction log with the reference of the model that answered.

    The folder `output` is replaced whole: `decision.json`, `drift.prom` and, with enough rows, `report.html`.

    Args:
        since, until: ISO 8601 moments or ages such as `24h`; default: the whole log.
        minimum_rows: with fewer, nothing is tested and nothing has drifted.
        version: compare only the answers of this version; default: the model's own.
        policy: YAML of the retraining triggers (`vitrina.monitoring.triggers.Policy`).

    Raises:
        UsageError: no such log, moment or policy.
        ArtifactError: a damaged model folder, or one without a reference.
        DataError: a log that lacks a monitored column.
    """
    from vitrina.artifacts import read_manifest, staged_folder, write_json
    from vitrina.families import catalog
    from vitrina.monitoring import feedback
    from vitrina.monitoring.decision import decide
    from vitrina.monitoring.drift import write_report
    from vitrina.monitoring.exporter import Exporter
    from vitrina.monitoring.predictions import read_window
    from vitrina.monitoring.triggers import load_policy
    from vitrina.registry.models import resolve

    rules = load_policy(policy)
    folder = resolve(model)
    spec = catalog.get(str(read_manifest(folder).get("family")))
    window = read_window(Path(predictions), since=since, until=until)
    labels = feedback.read(Path(predictions))
    decision, drift = decide(spec, model, folder, window, labels, rules, minimum_rows=minimum_rows, version=version)
    exporter = Exporter()
    exporter.update(decision)
    output = Path(output)
    with staged_folder(output) as staged:
        write_json(staged / "decision.json", decision.model_dump(mode="json"))
        exporter.write(staged / "drift.prom")
        if drift is not None:
            write_report(drift, staged / "report.html")
    return DriftResult(
        drifted=decision.drifted,
        retrain=decision.retrain,
        reasons=list(dict.fromkeys([*decision.reasons, *decision.retrain_reasons])),
        rows=decision.rows,
        columns=[test["column"] for test in decision.tests if test["drifted"]],
        report=output / "report.html" if drift is not None else None,
        decision=output / "decision.json",
        gauges=output / "drift.prom",
    )
