"""A product as text for the cross-encoder: short, without repeats, its telling words kept."""

from __future__ import annotations

from vitrina.contracts.products import Product
from vitrina.families.product_reranker.reading import Idf, Reading
from vitrina.families.product_reranker.serialisation import side

SHOP = ["a black camera", "a black printer", "a black lamp", "a white camera"]
IDF = Idf.fitted(Reading(Product(title=title)) for title in SHOP)


def written(limit: int = 16, **fields: object) -> str:
    return side(Reading(Product(**fields)), IDF, limit)


def test_fields_come_in_order_and_only_where_known() -> None:
    text = written(
        title="Camera  X1", brand="Canon", attributes={"model": "SD1100"}, price=49.6, description="black kit"
    )
    assert text == "camera x1 | canon | sd1100 | 50 | black kit"
    assert written(title="Camera") == "camera"


def test_what_the_title_says_is_not_said_again() -> None:
    text = written(
        title="canon camera sd1100", brand="Canon", attributes={"model": "SD1100"}, description="canon camera"
    )
    assert text == "canon camera sd1100"


def test_a_price_of_0_says_nothing() -> None:
    assert written(title="camera", price=0.0) == "camera"


def test_of_a_description_the_rarest_words_stay_in_their_order() -> None:
    description = "a black zoom, a white tripod; zoom a black"
    assert written(limit=2, title="camera", description=description) == "camera | zoom tripod"
    assert written(limit=0, title="camera", description=description) == "camera"


def test_a_description_of_100000_characters_is_read_only_at_its_start() -> None:
    text = written(limit=1000, title="camera", description=" ".join(f"w{number}" for number in range(20_000)))
    assert len(text) < 2100
