"""Fixtures shared by several test folders: a tiny text encoder and a small messages table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.llm_server import LLMServer, recipe, tiny_granite_folder
from tests.redis_server import RedisServer

WORDS = {
    "order_status": ["where is my order", "dónde está mi pedido", "track the parcel", "has my package shipped"],
    "refund": ["i want my money back", "quiero un reembolso", "refund this purchase", "return my money please"],
    "opening_hours": ["when do you open", "a qué hora abren", "opening hours today", "are you open on sunday"],
}
OUT_OF_SCOPE = ["what is the capital of france", "play some jazz music", "cuéntame un chiste malo"]


@pytest.fixture(scope="session")
def install_family(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a folder that, on the Python path, installs a package with a family's entry point, as pip would."""

    def install(package: str, family: str | None = None) -> Path:
        site = tmp_path_factory.mktemp("site")
        info = site / f"{package}-1.0.dist-info"
        info.mkdir()
        name = package.replace("_", "-")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[vitrina.families]\n{family or package} = {package}.spec:SPEC\n")
        (info / "top_level.txt").write_text(f"{package}\n")
        return site

    return install


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a hub checkout: a random 2-layer, 32-wide BERT and a WordPiece tokenizer."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny_encoder")
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    texts = [text for texts in WORDS.values() for text in texts] + OUT_OF_SCOPE
    tokenizer.train_from_iterator(texts * 3, vocab_size=300, min_frequency=1, show_progress=False)
    BertTokenizerFast(tokenizer_object=tokenizer._tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def messages_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A canonical messages table of three easy intents and a few out-of-scope rows, without stated splits."""
    import pandas as pd

    rows = [
        {"text": f"{text} {number}", "intent": intent, "language": "es" if " mi " in text or "qu" in text else "en"}
        for intent, texts in WORDS.items()
        for text in texts
        for number in range(20)
    ]
    rows += [
        {"text": f"{text} {n}", "intent": "out_of_scope", "language": "en"} for text in OUT_OF_SCOPE for n in range(8)
    ]
    frame = pd.DataFrame(rows).assign(split="")
    frame["domain"] = frame["intent"].map({"order_status": "orders", "refund": "payments", "opening_hours": "stores"})
    path = tmp_path_factory.mktemp("tables") / "messages.parquet"
    frame.to_parquet(path, index=False)
    return path


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole exported model folder with random weights: 2 layers, 128 wide, 150 intents. Copy it before a change."""
    from benchmarks._models import untrained

    texts = [text for texts in WORDS.values() for text in texts] + OUT_OF_SCOPE
    return untrained(tmp_path_factory.mktemp("models") / "student", texts)


@pytest.fixture(scope="session")
def embedder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole product embedder's folder with random weights: 2 layers, 128 wide. Copy it before a change."""
    from benchmarks._models import STUDENT, untrained_embedder
    from vitrina.contracts.products import Product

    names = ["red wool shirt", "blue shirt", "black shoes for running", "green bag", "camisa roja de lana"]
    kinds = ["Clothing > Shirts", "Clothing > Shirts", "Shoes", "Bags", None]
    products = [
        Product(name, category=kind, price=10.0 + i, currency="EUR")
        for i, (name, kind) in enumerate(zip(names, kinds, strict=True))
    ]
    folder = tmp_path_factory.mktemp("models") / "embedder"
    return untrained_embedder(folder, products, STUDENT, lexical_buckets=2048, lexical_width=32)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running redis-server of Debian's package; tests stop and start it."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (deploy/system-packages.sh)")
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def few_shot_folder(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A trained few-shot model of texts; its prepared data lie beside it in `splits`. Copy it before a change."""
    from tests.few_shot_models import text_model

    return text_model(tmp_path_factory.mktemp("few_shot"), tiny_encoder)


@pytest.fixture(scope="session")
def few_shot_image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained few-shot model of drawings; its prepared data lie beside it in `splits`. Copy it before a change."""
    from tests.few_shot_models import image_model

    return image_model(tmp_path_factory.mktemp("few_shot_images"))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A catalogue whose titles tell everything, and reviews of its products."""
    from tests.product_models import shop_tables

    return shop_tables(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def product_data(shop: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop prepared for the product classifier."""
    from tests.product_models import prepared

    return prepared(shop, tmp_path_factory.mktemp("product_data"))


@pytest.fixture(scope="session")
def product_folder(product_data: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product classifier of the shop, whole and exported. Copy it before a change."""
    from tests.product_models import trained

    return trained(product_data, tiny_encoder, tmp_path_factory.mktemp("models") / "product_classifier")


@pytest.fixture(scope="session")
def multimodal_shop(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The prepared shop of `tests/multimodal_models.py`, and the model of it. Copy the model before a change."""
    from tests.multimodal_models import shop_tables, trained

    folder = tmp_path_factory.mktemp("multimodal")
    return trained(shop_tables(folder), tiny_encoder, folder)


@pytest.fixture(scope="session")
def graph_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph recommender trained on the shop of `tests/graph_models.py`."""
    from tests.graph_models import prepared, shop_tables, trained

    folder = tmp_path_factory.mktemp("graph")
    data = prepared(shop_tables(folder), folder / "data")
    return trained(data, folder / "model", **{"training.max_steps": 40})


@pytest.fixture(scope="session")
def recommender_shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A catalogue of 150 products and 2,500 interactions of 120 users."""
    from tests.recommender_models import shop_of

    return shop_of(tmp_path_factory.mktemp("recommender_shop"))


@pytest.fixture(scope="session")
def recommender_data(recommender_shop: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop prepared for the hybrid recommender."""
    from tests.recommender_models import prepared_shop

    return prepared_shop(recommender_shop, tmp_path_factory.mktemp("prepared") / "recommender")


@pytest.fixture(scope="session")
def hybrid_folder(recommender_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hybrid recommender with a network, whole and exported. Copy it before a change."""
    from tests.recommender_models import trained_hybrid

    return trained_hybrid(recommender_data, tmp_path_factory.mktemp("models") / "hybrid")


@pytest.fixture(scope="session")
def linear_folder(recommender_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hybrid recommender of closed-form members only. Copy it before a change."""
    from tests.recommender_models import trained_hybrid

    return trained_hybrid(recommender_data, tmp_path_factory.mktemp("models") / "linear", "linear")


@pytest.fixture(scope="session")
def fashion_shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A catalogue of 80 products with photos, and a few hundred reviews."""
    from tests.fashion_models import shop_of

    return shop_of(tmp_path_factory.mktemp("fashion_shop"))


@pytest.fixture(scope="session")
def fashion_data(fashion_shop: dict[str, Path], tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop prepared for the fashion recommender."""
    from tests.fashion_models import prepared_shop

    return prepared_shop(fashion_shop, tmp_path_factory.mktemp("prepared") / "fashion", tiny_encoder)


@pytest.fixture(scope="session")
def fashion_folder(fashion_data: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fashion recommender, whole and exported. Copy it before a change."""
    from tests.fashion_models import trained

    return trained(fashion_data, tmp_path_factory.mktemp("models") / "fashion_recommender", tiny_encoder)


@pytest.fixture(scope="session")
def describer_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The furniture shop of `tests/describer_models.py`, prepared for the product describer."""
    from tests.describer_models import prepared

    return prepared(tmp_path_factory.mktemp("describer_data"))


@pytest.fixture(scope="session")
def describer_folder(describer_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product describer of the furniture shop, whole and exported. Copy it before a change."""
    from tests.describer_models import trained

    return trained(describer_data, tmp_path_factory.mktemp("models") / "product_describer")


@pytest.fixture(scope="session")
def imager_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few drawn photos, prepared for the product imager. Do not change it."""
    from tests import imager_models

    return imager_models.prepared(tmp_path_factory.mktemp("imager_data"))


@pytest.fixture(scope="session")
def imager_folder(imager_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product imager after a few steps, at 16 pixels. Do not change it."""
    from vitrina.jobs import train

    folder = tmp_path_factory.mktemp("imager") / "model"
    return Path(train("product_imager", imager_data, folder, preset="smoke").model)


@pytest.fixture(scope="session")
def tiny_granite(pytestconfig: pytest.Config) -> Path:
    """The tiny Granite, in pytest's cache: sessions and pytest-xdist's workers share it. Do not change it."""
    return tiny_granite_folder(pytestconfig.cache.mkdir("tiny_granite") / recipe())


@pytest.fixture(scope="session")
def llm_server(tiny_granite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLMServer]:
    """A running `transformers serve` with the tiny Granite, one a worker."""
    server = LLMServer(tiny_granite, tmp_path_factory.mktemp("llm_server"))
    try:
        yield server.start()
    finally:
        server.stop()
