"""Let the gates decide between a candidate and the champion."""

from kfp.dsl import Artifact, Dataset, Input, Output

from components._base import component


@component
def promote(name: str, version: str, data: Input[Dataset], policy: str, report: Output[Artifact]) -> bool:
    """`policy` is a promotion policy as text; empty: the project's own. Answers whether it was promoted."""
    from pathlib import Path

    from vitrina.jobs import promote as job

    options = {}
    if policy:
        options["policy"] = Path(report.path).with_name("policy.yaml")
        options["policy"].write_text(policy, encoding="utf-8")
    return job(name, version, Path(data.path), report=Path(report.path), **options).promoted
