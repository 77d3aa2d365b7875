from __future__ import annotations

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="toy",
    package="toy_family",
    summary="Says on which side of a wavy line a point lies.",
    tables=(),
    primary_metric="accuracy",
    inputs=("x", "y"),
    monitored=Monitored(categorical=("label",), numerical=("confidence",)),
)
