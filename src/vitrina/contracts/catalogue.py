"""`catalogue`: one row a product. Category, price and currency may be unknown: published sets often lack them."""

from __future__ import annotations

from vitrina.contracts.columns import (
    IDENTIFIER,
    LANGUAGE,
    SANE_TIME,
    Between,
    Column,
    Length,
    Matches,
    Reference,
    Table,
)

PATH_SEPARATOR = " > "

CATALOGUE = Table(
    name="catalogue",
    columns=(
        Column("product_id", "string", (IDENTIFIER,)),
        Column("title", "string", (Length(1, 1000),)),
        Column("description", "string", (Length(1, 20_000),), nullable=True),
        Column(
            "category",
            "string",
            (Matches(r"^[^>]*[^>\s][^>]*(?:>[^>]*[^>\s][^>]*)*\Z", "a path such as Clothing > Shirts"),),
            nullable=True,
        ),
        Column("brand", "string", (Length(1, 200),), nullable=True),
        Column("price", "float", (Between(0, 10_000_000),), nullable=True),
        Column("currency", "string", (Matches(r"^[A-Z]{3}\Z", "a three-letter code such as EUR"),), nullable=True),
        Column("attributes", "attributes", nullable=True),
        Column("image_id", "string", (IDENTIFIER,), nullable=True),
        LANGUAGE,
        Column("created_at", "timestamp", (SANE_TIME,), nullable=True),
        # Units that can be sold now; 0: sold out, empty: nobody said.
        Column("stock", "integer", (Between(0, 1_000_000_000),), nullable=True),
    ),
    key=("product_id",),
    references=(Reference("image_id", "images", "image_id", at_least=0.95),),
)


def category_path(path: str) -> str:
    """A path as filters compare it: lower case, one separator."""
    return PATH_SEPARATOR.join(part.strip() for part in path.lower().split(PATH_SEPARATOR.strip()))


def at_or_below(path: str, parent: str) -> bool:
    """Whether a category path is `parent` or lies below it; both as `category_path` gives them."""
    return path == parent or path.startswith(parent + PATH_SEPARATOR)
