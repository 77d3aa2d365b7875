"""What the jobs know about the fashion recommender."""

from vitrina.families.layers.recommender_spec import MONITORED
from vitrina.training.spec import FamilySpec

SPEC = FamilySpec(
    name="fashion_recommender",
    package="vitrina.families.fashion_recommender",
    summary="Predicts how many stars a customer would give a product, from photos and reviews, and ranks by it.",
    tables=("catalogue", "images", "reviews"),
    primary_metric="r2",
    inputs=("user_id",),
    monitored=MONITORED,
)
