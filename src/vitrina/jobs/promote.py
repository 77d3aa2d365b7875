"""Decide whether a registered version becomes champion."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitrina.jobs.result import JobResult


class PromoteResult(JobResult):
    """The decision; `champion` is the version that was champion before it."""

    name: str
    version: str
    promoted: bool
    reasons: list[str]
    champion: str | None
    comparison: dict[str, Any] | None


def promote(
    name: str,
    version: str,
    data: Path,
    *,
    policy: Path = Path("mlflow/promotion.yaml"),
    report: Path | None = None,
) -> PromoteResult:
    """Make `version` of `name` champion if it passes the policy's gates and is not worse than the champion.

    A rejection is a result, not an error: pipelines go on from it.

    Args:
        data: a prepared folder, whose `test` split both models are evaluated on, or one file of examples.
        policy: the promotion policy.
        report: JSON file for the whole decision: metrics, every gate, the comparison.
    """
    from vitrina.artifacts import write_json
    from vitrina.evaluation.policy import load_policy
    from vitrina.jobs.switch import switch
    from vitrina.registry import promotion

    decision = promotion.promote(name, str(version), Path(data), load_policy(Path(policy), name))
    if decision.promoted:
        switch(name)
    if report is not None:
        write_json(Path(report), {"name": name, "version": str(version), **asdict(decision)})
    return PromoteResult(
        name=name,
        version=str(version),
        promoted=decision.promoted,
        reasons=decision.reasons,
        champion=decision.champion,
        comparison=asdict(decision.comparison) if decision.comparison else None,
    )
