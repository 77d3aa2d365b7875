"""`interactions`: one row an event of a user with a product."""

from __future__ import annotations

from vitrina.contracts.columns import IDENTIFIER, SANE_TIME, Between, Column, OneOf, Reference, Table

EVENTS = ("view", "cart", "purchase", "rating")

INTERACTIONS = Table(
    name="interactions",
    columns=(
        Column("user_id", "string", (IDENTIFIER,)),
        Column("product_id", "string", (IDENTIFIER,)),
        Column("event", "string", (OneOf(EVENTS),)),
        # Stars for a rating, units for a purchase or a cart, nothing or 1 for a view.
        Column(
            "value",
            "float",
            (Between(0, 1_000_000), Between(1, 5, when=("event", "rating"))),
            nullable=True,
        ),
        Column("timestamp", "timestamp", (SANE_TIME,)),
    ),
    key=("user_id", "product_id", "event", "timestamp"),
    references=(Reference("product_id", "catalogue", "product_id", at_least=0.9),),
)
