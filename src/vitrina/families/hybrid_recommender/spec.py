"""What the jobs know about the hybrid recommender."""

from vitrina.families.layers.recommender_card import LIMITS, SPLITS
from vitrina.training.spec import FamilySpec, Monitored

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
    monitored=Monitored(categorical=("label", "segment"), numerical=("popularity", "score", "length")),
)
