"""What the jobs know about the few-shot classifier."""

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="few_shot_classifier",
    package="vitrina.families.few_shot_classifier",
    summary="Labels texts or images by classes it never saw in training, from one to five examples of each.",
    tables=(),
    optional_tables=("messages", "catalogue", "images"),
    primary_metric="accuracy",
    task="text-classification",
    # Labels and their confidence follow the callers' label sets, not the model: what can drift is what is sent.
    monitored=Monitored(categorical=("language",), numerical=("length",), text="text"),
)
