"""What the jobs know about the product imager."""

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="product_imager",
    package="vitrina.families.product_imager",
    summary="Draws a picture of a product from words, category and style, and says how like a real photo it is.",
    tables=("catalogue", "images"),
    primary_metric="class_accuracy",
    task="text-to-image",
    inputs=("text",),
    optional_inputs=("category", "style", "language"),
    monitored=Monitored(
        categorical=("language", "style", "label"), numerical=("length", "quality", "understood"), text="text"
    ),
    splits="Photos are held out by a hash of the product's id, so that all photos of a product are on one side.",
    limits=(
        "It draws what the shop's photos show: things, words and styles they do not show come out as something else.",
        "Every picture is generated; its PNG says so. It must not be passed off as a photo of a product that is sold.",
        "The quality score compares a picture with real photos of the shop; it does not say that it shows the prompt.",
    ),
)
