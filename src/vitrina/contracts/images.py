"""`images`: one row a photo, JPEG bytes inside."""

from __future__ import annotations

from vitrina.contracts.columns import IDENTIFIER, Between, Column, Reference, Table

IMAGES = Table(
    name="images",
    columns=(
        Column("image_id", "string", (IDENTIFIER,)),
        Column("product_id", "string", (IDENTIFIER,)),
        Column("jpeg", "bytes"),
        Column("width", "integer", (Between(1, 20_000),)),
        Column("height", "integer", (Between(1, 20_000),)),
    ),
    key=("image_id",),
    references=(Reference("product_id", "catalogue", "product_id", at_least=0.95),),
)
