"""The trigger decision: what was compared, what was found, and whether to train again. Written as `decision.json`."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from vitrina.artifacts import MANIFEST, read_json, read_manifest
from vitrina.monitoring import feedback as labels
from vitrina.monitoring.drift import Drift, measure
from vitrina.monitoring.predictions import Window
from vitrina.monitoring.triggers import Facts, Policy, reasons_to_retrain

if TYPE_CHECKING:
    import pandas as pd

    from vitrina.training.spec import FamilySpec

EVERYTHING = "all"
REGISTERED = "models:/"


class Decision(BaseModel):
    """One look at a served model.

    Attributes:
        reference: the model as it was asked for.
        version: the version whose answers were compared; None: no answers.
        other_rows: rows of the window that other versions answered, left out.
        reasons: what drifted, or why nothing was tested.
        live_accuracy: `all` and each language → accuracy, its 95% interval and rows, where labels exist.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str | None
    reference: str
    decided_at: datetime
    since: datetime | None
    until: datetime | None
    first: datetime | None
    last: datetime | None
    rows: int
    minimum_rows: int
    other_rows: int
    torn_lines: int
    corrupt_lines: int
    drifted: bool
    reasons: list[str]
    retrain: bool
    retrain_reasons: list[str]
    policy: Policy
    age_days: float | None
    new_labels: int
    tests: list[dict[str, Any]]
    missing: dict[str, float]
    live_accuracy: dict[str, dict[str, float]]


def decide(
    spec: FamilySpec,
    reference: str,
    folder: Path,
    window: Window,
    feedback: pd.DataFrame,
    policy: Policy,
    *,
    minimum_rows: int = 200,
    version: str | None = None,
) -> tuple[Decision, Drift | None]:
    """Compare the window with the model in `folder`; the drift is None where there were too few rows to test.

    Raises:
        ArtifactError: when the model folder has no usable reference. DataError: when the log lacks a column.
    """
    rows, answered = answers_of(reference, folder, window.frame, version)
    drift = measure(spec, folder, rows) if len(rows) >= max(minimum_rows, 2) else None
    drifted = drift is not None and drift.drifted
    joined = labels.join(rows, feedback)
    facts = _facts(folder, drift, joined)
    retrain = reasons_to_retrain(policy, facts)
    few = [f"{len(rows)} rows are too few to tell: at least {minimum_rows} are needed"]
    decision = Decision(
        model=spec.name,
        version=answered,
        reference=reference,
        decided_at=datetime.now(UTC),
        since=window.since,
        until=window.until,
        first=rows["timestamp"].min().to_pydatetime() if len(rows) else None,
        last=rows["timestamp"].max().to_pydatetime() if len(rows) else None,
        rows=len(rows),
        minimum_rows=minimum_rows,
        other_rows=len(window.frame) - len(rows),
        torn_lines=window.torn,
        corrupt_lines=window.corrupt,
        drifted=drifted,
        reasons=few if drift is None else drift.reasons,
        retrain=bool(retrain),
        retrain_reasons=retrain,
        policy=policy,
        age_days=facts.age_days,
        new_labels=facts.new_labels,
        tests=[] if drift is None else drift.test_rows(),
        missing={} if drift is None else drift.missing(),
        live_accuracy=live_accuracy(joined),
    )
    return decision, drift


def answers_of(
    reference: str, folder: Path, frame: pd.DataFrame, version: str | None = None
) -> tuple[pd.DataFrame, str | None]:
    """The rows that the model itself answered, and the version under which they were logged.

    A registered model is logged under its version, a folder under the start of its manifest's digest. Where a log names
    neither (a folder packaged under another version), the version that answered last is taken.
    """
    if frame.empty:
        return frame, version
    logged = frame["version"].astype(str)
    if version is None and reference.startswith(REGISTERED):
        version = folder.name
    if version is None:
        own = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:12]
        version = own if (logged == own).any() else str(logged.iloc[-1])
    return frame[logged == version].reset_index(drop=True), version


def _facts(folder: Path, drift: Drift | None, joined: pd.DataFrame) -> Facts:
    import pandas as pd

    made = read_manifest(folder).get("created_at")
    trained = pd.Timestamp(made) if made else None
    given = pd.to_datetime(joined["labelled_at"], utc=True, errors="coerce", format="ISO8601")
    live = labels.accuracy(joined)
    return Facts(
        drift=[] if drift is None else drift.reasons,
        age_days=None if trained is None else (pd.Timestamp.now(UTC) - trained) / pd.Timedelta(days=1),
        new_labels=len(joined) if trained is None else int((given > trained).sum()),
        live_accuracy=None if live is None else live.high,
        evaluated_accuracy=_evaluated_accuracy(folder),
    )


def _evaluated_accuracy(folder: Path) -> float | None:
    """The accuracy that the model folder states of itself."""
    path = folder / "metrics.json"
    stated = read_json(path).get("metrics", {}).get("accuracy") if path.is_file() else None
    return float(stated) if isinstance(stated, int | float) else None


def live_accuracy(joined: pd.DataFrame) -> dict[str, dict[str, float]]:
    """`all` and each language → accuracy, low, high, rows; empty where nothing is labelled."""
    whole = labels.accuracy(joined)
    if whole is None:
        return {}
    return {name: asdict(each) for name, each in ({EVERYTHING: whole} | labels.accuracy_by(joined)).items()}
