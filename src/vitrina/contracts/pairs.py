"""`pairs`: two products of the catalogue, and whether a person found them to be the same one."""

from __future__ import annotations

from vitrina.contracts.columns import IDENTIFIER, Column, OneOf, Reference, Table
from vitrina.contracts.messages import SPLITS

PAIRS = Table(
    name="pairs",
    columns=(
        Column("left_id", "string", (IDENTIFIER,)),
        Column("right_id", "string", (IDENTIFIER,)),
        Column("match", "boolean"),
        Column("split", "string", (OneOf((*SPLITS, "")),), default=""),
    ),
    key=("left_id", "right_id"),
    references=(
        Reference("left_id", "catalogue", "product_id", at_least=1.0),
        Reference("right_id", "catalogue", "product_id", at_least=1.0),
    ),
)
