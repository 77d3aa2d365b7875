"""What the jobs know about the product classifier."""

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="product_classifier",
    package="vitrina.families.product_classifier",
    summary="Says a product's category and attributes, how good its listing is, and what would make it better.",
    tables=(),
    optional_tables=("catalogue", "reviews"),
    primary_metric="accuracy",
    task="text-classification",
    inputs=("title",),
    optional_inputs=("description", "brand", "price", "currency", "language", "review"),
    monitored=Monitored(
        categorical=("label", "language"),
        numerical=("confidence", "quality", "price", "length"),
        text="title",
    ),
)
