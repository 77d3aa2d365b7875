"""What the jobs know about the multimodal model."""

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="multimodal_product",
    package="vitrina.families.multimodal_product",
    summary="Understands a product from whichever it has of text, photo, price and metadata, in one transformer.",
    tables=("catalogue",),
    optional_tables=("images", "reviews"),
    primary_metric="accuracy",
    task="any-to-any",
    inputs=("title",),
    optional_inputs=("image", "description", "brand", "price", "currency", "language", "review"),
    monitored=Monitored(
        categorical=("label", "language", "modalities"),
        numerical=("confidence", "quality", "price", "length"),
        text="title",
    ),
    splits="Rows are held out by a hash of the product's title or the review's text.",
)
