"""`reviews`: one row a review; published sets often hide the user."""

from __future__ import annotations

from vitrina.contracts.columns import IDENTIFIER, SANE_TIME, Between, Column, Length, Reference, Table

REVIEWS = Table(
    name="reviews",
    columns=(
        Column("review_id", "string", (IDENTIFIER,)),
        Column("user_id", "string", (IDENTIFIER,), nullable=True),
        Column("product_id", "string", (IDENTIFIER,)),
        Column("rating", "integer", (Between(1, 5),)),
        Column("title", "string", (Length(1, 1000),), nullable=True),
        Column("text", "string", (Length(1, 20_000),)),
        Column("recommended", "boolean", nullable=True),
        Column("timestamp", "timestamp", (SANE_TIME,), nullable=True),
    ),
    key=("review_id",),
    references=(Reference("product_id", "catalogue", "product_id", at_least=0.9),),
)
