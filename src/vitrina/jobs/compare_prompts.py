"""Compare the production prompt of a task with its candidate by what the prediction log of the assistant says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    import pandas as pd

Metric = Literal["acceptable", "at_once", "liked"]
"""`acceptable`: no check objected and nothing fell back; `at_once`: valid without repair or second question; `liked`:
feedback said `accepted`, among the answers that got feedback."""


class ComparePromptsResult(JobResult):
    """`sentence` is the verdict; rates, interval (points of a rate) and p-value hold however often one looks."""

    task: str
    metric: str
    decision: str
    sentence: str
    production: dict[str, Any]
    candidate: dict[str, Any]
    difference: float
    low: float
    high: float
    p_value: float


def compare_prompts(
    task: str,
    predictions: Path,
    *,
    metric: str = "acceptable",
    production: str | None = None,
    candidate: str | None = None,
    since: str | None = None,
    until: str | None = None,
    minimum: int = 100,
) -> ComparePromptsResult:
    """Say whether the candidate of a task is better or worse, and how sure that is.

    Args:
        predictions: the assistant's prediction log, feedback in it.
        metric: `acceptable`, `at_once` or `liked`.
        production, candidate: versions; default: those that have the aliases now.
        since, until: ISO moments or ages (`7d`); default: all.
        minimum: users of each version without whom nothing is said.

    Raises:
        UsageError: an unknown metric, no candidate, no such folder. DataError: a log that is not the assistant's.
    """
    from dataclasses import asdict

    from vitrina.errors import UsageError
    from vitrina.llm.prompts import experiments
    from vitrina.llm.prompts.registry import in_use
    from vitrina.llm.prompts.tasks import task as task_of

    kind = task_of(task).name
    if metric not in get_args(Metric):
        raise UsageError(f"There is no metric '{metric}'; choose {', '.join(get_args(Metric))}.")
    if production is None or candidate is None:
        now = in_use(kind)
        production = production or now.production.version
        if candidate is None and now.candidate is None:
            raise UsageError(f"'{kind}' has no candidate; name two versions, or promote one with --candidate.")
        candidate = candidate or (now.candidate.version if now.candidate else "")
    rows = _rows(kind, Path(predictions), cast(Metric, metric), since, until)
    first, second = (
        experiments.tally(zip(own["user"], own["success"], strict=True))
        for own in (rows[rows["version"] == version] for version in (production, candidate))
    )
    found = experiments.verdict(first, second, metric=metric, minimum=minimum)
    return ComparePromptsResult(
        task=kind,
        metric=metric,
        decision=found.decision,
        sentence=found.sentence,
        production={"version": production, "rate": first.rate, **asdict(first)},
        candidate={"version": candidate, "rate": second.rate, **asdict(second)},
        difference=found.difference,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
    )


def _rows(kind: str, predictions: Path, metric: Metric, since: str | None, until: str | None) -> pd.DataFrame:
    """`version`, `user` and `success` of every answer that counts; who is not named is a user alone."""
    from vitrina.errors import DataError
    from vitrina.monitoring import feedback
    from vitrina.monitoring.predictions import read_window

    frame = read_window(predictions, since=since, until=until).frame
    if frame.empty or not {"task", "version", "label", "attempts", "repaired"} <= set(frame):
        raise DataError(f"{predictions} holds no answers of the assistant in this time.")
    frame = frame[frame["task"] == kind]
    if metric == "liked":
        frame = feedback.join(frame, feedback.read(predictions))
        success = frame["true_label"] == "accepted"
    elif metric == "at_once":
        success = (frame["attempts"] == 1) & (frame["repaired"] == False) & (frame["label"] != "failed")  # noqa: E712
    else:
        success = frame["label"] == "accepted"
    named = frame["user"] if "user" in frame else frame["request_id"]
    return frame.assign(user=named.fillna(frame["request_id"]).astype(str), success=success.astype(bool))
