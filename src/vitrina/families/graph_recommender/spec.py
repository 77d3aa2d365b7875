"""What the jobs know about the graph recommender."""

from vitrina.families.layers.recommender_spec import LIMITS, MONITORED, SPLITS
from vitrina.training.spec import FamilySpec

SPEC = FamilySpec(
    name="graph_recommender",
    package="vitrina.families.graph_recommender",
    summary="Recommends products by attention over the graph of users, products and attributes, and says why.",
    tables=("catalogue", "interactions"),
    primary_metric="ndcg_at_10",
    inputs=("user_id",),
    optional_inputs=("history", "history_times", "history_events", "history_values"),
    limits=LIMITS,
    splits=SPLITS,
    monitored=MONITORED,
)
