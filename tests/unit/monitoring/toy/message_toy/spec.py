"""What the jobs know about the toy family."""

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="message_toy",
    package="message_toy",
    summary="Says which topic's words a message shares.",
    tables=("messages",),
    primary_metric="accuracy",
    monitored=Monitored(categorical=("label", "language"), numerical=("confidence", "length"), text="text"),
)
