"""What the jobs know about the intent classifier."""

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="intent_classifier",
    package="vitrina.families.intent_classifier",
    summary="Says what a customer's message wants, how sure it is, and when the shop does not handle it.",
    tables=("messages",),
    primary_metric="accuracy",
    task="text-classification",
    monitored=Monitored(
        categorical=("label", "language"),
        numerical=("confidence", "length"),
        text="text",
    ),
)
