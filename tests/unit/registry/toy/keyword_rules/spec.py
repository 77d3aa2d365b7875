"""What the jobs know about keyword rules."""

from __future__ import annotations

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="keyword_rules",
    package="keyword_rules",
    summary="Finds the intent of a message by keywords.",
    tables=("messages",),
    primary_metric="accuracy",
    monitored=Monitored(categorical=("label",), text="text"),
)
