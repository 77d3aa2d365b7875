"""What the jobs know about the fashion recommender."""

from vitrina.families.layers.recommender_spec import LIMITS, MONITORED
from vitrina.training.spec import FamilySpec

SPEC = FamilySpec(
    name="fashion_recommender",
    package="vitrina.families.fashion_recommender",
    summary="Predicts how many stars a customer would give a product, from photos and reviews, and ranks by it.",
    tables=("catalogue", "images", "reviews"),
    primary_metric="r2",
    inputs=("user_id",),
    limits=(
        "Stars are those of customers who chose to buy and to review; what others would think of a product is not "
        "known.",
        *LIMITS,
    ),
    splits="by time: the latest reviews are the test, those before validate; a held-out row knows only what came "
    "before its split.",
    monitored=MONITORED,
)
