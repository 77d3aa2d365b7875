"""What the jobs know about the hybrid recommender."""

from vitrina.families.layers.recommender_spec import LIMITS, MONITORED, SPLITS
from vitrina.training.spec import FamilySpec

SPEC = FamilySpec(
    name="hybrid_recommender",
    package="vitrina.families.hybrid_recommender",
    summary="Ranks a shop's products for a user by what the user did so far: the best mix of several recommenders.",
    tables=("catalogue", "interactions"),
    primary_metric="ndcg_at_10",
    inputs=("user_id",),
    optional_inputs=("history", "history_times", "history_events", "history_values"),
    limits=LIMITS,
    splits=SPLITS,
    monitored=MONITORED,
)
