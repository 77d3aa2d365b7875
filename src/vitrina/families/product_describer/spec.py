"""What the jobs know about the product describer."""

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="product_describer",
    package="vitrina.families.product_describer",
    summary="Writes a product's description from its features, and says which of them it left out or made up.",
    tables=("catalogue",),
    primary_metric="bleu",
    task="text2text-generation",
    inputs=("title",),
    optional_inputs=("brand", "category", "price", "currency", "attributes", "language"),
    monitored=Monitored(
        categorical=("language", "category"),
        numerical=("length", "confidence", "missing"),
        text="title",
    ),
    splits="Products are held out by a hash of their features, so all texts of equal features are on one side.",
    limits=(
        "It says what the features say; a fact that was not given is reported where it appears.",
        "Languages, tones and audiences that the training descriptions do not show are not learned; answers say so.",
        "A person should read a description before it is published, above all one with missing or invented features.",
    ),
)
