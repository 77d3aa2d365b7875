"""Let the gates decide between a candidate and the champion."""

from kfp.dsl import Artifact, Dataset, Input, Output

from components._base import component


@component
def promote(name: str, version: str, data: Input[Dataset], policy: str, report: Output[Artifact]) -> bool:
    """`policy` is a promotion policy as text; empty: the project's own. Answers whether it was promoted."""
    from pathlib import Path

    from vitrina.jobs import promote as job

    chosen = Path("mlflow/promotion.yaml")
    if policy:
        chosen = Path(report.path).with_name("policy.yaml")
        chosen.write_text(policy, encoding="utf-8")
    return job(name, version, Path(data.path), policy=chosen, report=Path(report.path)).promoted
