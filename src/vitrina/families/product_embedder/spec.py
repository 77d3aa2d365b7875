"""What the jobs know about the product embedder."""

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="product_embedder",
    package="vitrina.families.product_embedder",
    summary="Turns products and search queries into vectors that lie close together where they mean the same.",
    tables=("catalogue",),
    optional_tables=("pairs",),
    primary_metric="ndcg_at_10",
    task="sentence-similarity",
    inputs=("title",),
    optional_inputs=("description", "brand", "category", "price", "currency", "attributes", "language"),
    monitored=Monitored(
        categorical=("label", "language", "currency"),
        numerical=("confidence", "price", "length"),
        text="title",
    ),
)
