"""What the jobs know about the product re-ranker."""

from vitrina.training.spec import FamilySpec, Monitored

DETAILS = ("description", "brand", "category", "price", "currency", "attributes")

SPEC = FamilySpec(
    name="product_reranker",
    package="vitrina.families.product_reranker",
    summary="Says whether two products are the same, and puts the candidates of a search into a better order.",
    tables=("pairs", "catalogue"),
    primary_metric="f1",
    task="text-ranking",
    inputs=("left_title", "right_title"),
    optional_inputs=tuple(f"{side}_{name}" for side in ("left", "right") for name in DETAILS),
    monitored=Monitored(categorical=("label",), numerical=("confidence", "length"), text="left_title"),
)
