import json

import msgspec
import numpy as np
import pandas as pd
import pytest
import torch

from vitrina.contracts.http import Refusal
from vitrina.contracts.product_embeddings import EmbeddingsRequest
from vitrina.contracts.products import Product
from vitrina.errors import ArtifactError, UsageError
from vitrina.families.product_embedder import data, metrics, serving, trainer
from vitrina.families.product_embedder.configuration import Options
from vitrina.families.product_embedder.spec import SPEC
from vitrina.packaging import export_model
from vitrina.training import engine
from vitrina.training.arguments import TrainingOptions

STEPS = {"max_steps": 40, "batch_size": 16, "learning_rate": 3e-3, "progress": False, "metric": "ndcg_at_10"}
COLOURS = ["red", "blue", "green", "black"]
KINDS = {"shirt": ("camisa", 20), "shoe": ("zapato", 60), "lamp": ("lámpara", 40)}


def options(tiny_encoder, **changes):
    small = {"lexical_width": 48, "lexical_buckets": 2048, "side_width": 8, "dimensions": (112, 32), "max_length": 64}
    return Options(encoder=str(tiny_encoder), validation_fraction=0.15, test_fraction=0.15, **(small | changes))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedder")
    rows = [
        {
            "title": f"{maker} {words[0] if language == 'es' else kind} {colour} serie {number}",
            "description": f"{kind} of colour {colour}",
            "category": f"Shop > {kind}",
            "brand": maker,
            "price": words[1] * (1 + number / 10) if number else None,
            "currency": "EUR",
            "attributes": [("colour", colour)],
            "language": language,
        }
        for maker in ("Acme", "Brio")
        for kind, words in KINDS.items()
        for colour in COLOURS
        for language in ("en", "es")
        for number in range(3)
    ]
    catalogue = pd.DataFrame(rows)
    catalogue.insert(0, "product_id", [f"p{n}" for n in range(len(rows))])
    catalogue.to_parquet(folder / "catalogue.parquet", index=False)
    pairs = pd.DataFrame({"left_id": ["p0", "p0"], "right_id": ["p3", "p9"], "match": [True, False], "split": "train"})
    pairs.to_parquet(folder / "pairs.parquet", index=False)
    tables = {name: folder / f"{name}.parquet" for name in ("catalogue", "pairs")}
    data.prepare(tables, folder, Options(validation_fraction=0.15, test_fraction=0.15), seed=7)
    return folder


@pytest.fixture(scope="module")
def trained(prepared, tiny_encoder, tmp_path_factory):
    """A model folder as the train job leaves it, without card and manifest; and what training measured."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    chosen = options(tiny_encoder)
    setup = trainer.setup(prepared, chosen, 7, None)
    outcome = engine.run(setup, TrainingOptions(**STEPS), folder / "checkpoints")
    setup.model.save_pretrained(folder)
    trainer.finish(setup, prepared, chosen, folder)
    parity = export_model(SPEC, folder, prepared)
    return folder, outcome, parity


@pytest.fixture(scope="module")
def predictor(trained):
    return serving.load(trained[0])


def test_training_learns_to_find_products(trained, prepared, tiny_encoder):
    torch.manual_seed(0)
    setup = trainer.setup(prepared, options(tiny_encoder), 7, None)
    untrained = engine.build(setup, TrainingOptions(**STEPS), prepared / "unused").evaluate()
    assert trained[1].metrics["ndcg_at_10"] > untrained["eval_ndcg_at_10"] + 0.05


def test_the_exported_model_says_what_torch_says(trained):
    assert trained[2]["torch_onnx_max_difference"] < 1e-4
    assert trained[2]["ndcg_at_10_loss"] < 0.05


def test_the_measure_while_training_is_the_one_of_the_evaluation(trained, prepared):
    exact = serving.load(trained[0], "model.onnx")
    evaluated = metrics.evaluate(exact, data.read_examples(prepared, "validation"))
    assert evaluated.metrics["ndcg_at_10"] == pytest.approx(trained[1].metrics["ndcg_at_10"], abs=0.02)
    assert {"ndcg_at_10_32", "title_mrr", "attributes_recall_at_10", "behaviour"} <= set(evaluated.metrics)
    assert evaluated.rows["row_id"].is_unique
    assert evaluated.rows["score"].between(0, 1).all()
    assert {check["check"] for check in evaluated.behaviour} == {"missing_price", "missing_category", "case"}
    assert next(check for check in evaluated.behaviour if check["check"] == "case")["rate"] == 1.0
    assert set(evaluated.files) == {"catalogue_map.png", "catalogue_map.html"}
    assert b"Shop" in evaluated.files["catalogue_map.html"]()


def test_the_folder_holds_what_serving_needs(trained):
    settings = json.loads((trained[0] / "labels.json").read_text())
    assert settings["labels"] == ["Shop > lamp", "Shop > shirt", "Shop > shoe"]
    assert settings["dimensions"] == [112, 32]
    assert list(settings["currencies"]) == ["EUR"]
    assert settings["temperature"] > 0


def test_queries_lie_where_titles_lie(predictor):
    texts = ["red shirt", "blue lamp"]
    np.testing.assert_array_equal(
        predictor.embed_queries(texts), predictor.embed_products([Product(text) for text in texts])
    )
    assert predictor.embed_products([]).shape == (0, 112)


def test_a_frame_with_only_titles_is_embedded_as_products_are(predictor):
    frame = pd.DataFrame({"title": ["red shirt", "blue lamp"], "price": [None, 5.0], "currency": [None, "EUR"]})
    products = [Product("red shirt"), Product("blue lamp", price=5.0, currency="EUR")]
    np.testing.assert_array_equal(predictor.embed(frame), predictor.embed_products(products))
    np.testing.assert_allclose(np.linalg.norm(predictor.embed(frame), axis=1), 1, atol=1e-5)


def test_a_currency_nobody_trained_on_is_a_missing_price(predictor):
    known, foreign, missing, free = predictor.predict(
        [
            Product("red shirt", price=30.0, currency="EUR"),
            Product("red shirt", price=30.0, currency="XYZ"),
            Product("red shirt"),
            Product("red shirt", price=0.0, currency="EUR"),
        ]
    )
    assert [each.price_used for each in (known, foreign, missing, free)] == [True, False, False, False]
    np.testing.assert_allclose(foreign.vector, missing.vector, atol=1e-3)
    np.testing.assert_allclose(free.vector, missing.vector, atol=1e-3)
    assert np.abs(known.vector - missing.vector).max() > 1e-3


def test_a_category_never_seen_and_an_endless_description_are_embedded(predictor):
    product = Product("red shirt", category="Nobody > Knows > This", description="soft cotton " * 9000)
    vector = predictor.embed_products([product])
    assert np.isfinite(vector).all()


def test_logged_rows_can_be_embedded_again(predictor, prepared):
    examples = data.read_examples(prepared, "test")
    logged = predictor.predict_frame(examples)
    assert set(SPEC.monitored.categorical + SPEC.monitored.numerical) <= set(logged)
    np.testing.assert_allclose(predictor.embed(logged), predictor.embed(examples), atol=1e-5)
    assert (logged["label"] == examples["category"]).mean() > 0.9
    record = serving.product_record(Product("red shirt"), predictor.predict([Product("red shirt")])[0], "m", "1", "r")
    written = json.loads(msgspec.json.encode(record))
    assert set(logged) <= set(written)
    assert predictor.embed(pd.DataFrame([written])).shape == (1, 112)


def test_requests_are_answered_with_the_asked_dimensions(predictor):
    asked = EmbeddingsRequest(products=[Product("red shirt", product_id="a"), Product("lamp")], dimensions=32)
    whole, shorter, refused = serving.embed(
        predictor, [EmbeddingsRequest(Product("red shirt")), asked, EmbeddingsRequest(Product("hat"), dimensions=33)]
    )
    answer = serving.answer(shorter, "m", "1", "r")
    assert [len(each.embedding) for each in answer.embeddings] == [32, 32]
    assert [each.product_id for each in answer.embeddings] == ["a", None]
    assert np.linalg.norm(answer.embeddings[0].embedding) == pytest.approx(1, abs=1e-5)
    cut = whole.products[0].vector[:32]
    np.testing.assert_allclose(shorter.products[0].vector, cut / np.linalg.norm(cut), atol=1e-2)  # int8 batches differ
    assert isinstance(refused, Refusal)
    assert refused.status == 422
    assert "there are 112, 32" in str(refused)


@pytest.mark.parametrize("body", ['{"dimensions": 32}', '{"product": {"title": "a"}, "products": [{"title": "a"}]}'])
def test_a_request_gives_one_product_or_several(body):
    with pytest.raises(msgspec.ValidationError, match="one of them"):
        msgspec.json.decode(body, type=EmbeddingsRequest)


@pytest.mark.parametrize("price", ["-1", '"cheap"'])
def test_prices_that_are_none_are_refused(price):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(f'{{"product": {{"title": "a", "price": {price}}}}}', type=EmbeddingsRequest)


def test_a_damaged_folder_is_refused(trained, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(trained[0], broken)
    (broken / serving.CENTRES).write_bytes(b"half")
    with pytest.raises(ArtifactError, match="cannot be read"):
        serving.load(broken)


def test_an_earlier_model_mines_the_hard_negatives(trained, prepared, tiny_encoder):
    setup = trainer.setup(prepared, options(tiny_encoder), 7, trained[0])
    plain = trainer.setup(prepared, options(tiny_encoder), 7, None)
    taught, untaught = ([list(each) for each in one.train_dataset.similar] for one in (setup, plain))
    assert taught != untaught


def test_frozen_layers_do_not_learn(prepared, tiny_encoder):
    setup = trainer.setup(prepared, options(tiny_encoder, frozen_layers=1), 7, None)
    learning = {name for name, value in setup.model.named_parameters() if value.requires_grad}
    assert not any("embeddings" in name or "layer.0." in name for name in learning)
    assert any("layer.1." in name for name in learning)
    with pytest.raises(UsageError, match="leaves no layer"):
        trainer.setup(prepared, options(tiny_encoder, frozen_layers=2), 7, None)


def test_an_encoder_that_reads_less_is_refused(prepared, tiny_encoder):
    with pytest.raises(UsageError, match="reads at most 64 tokens"):
        trainer.setup(prepared, options(tiny_encoder, max_length=96), 7, None)


def test_a_catalogue_without_categories_has_no_label(prepared, tiny_encoder, tmp_path):
    for name in data.SPLITS:
        part = pd.read_parquet(prepared / f"{name}.parquet").assign(category=None)
        part.to_parquet(tmp_path / f"{name}.parquet", index=False)
    pd.read_parquet(prepared / data.PAIRS).to_parquet(tmp_path / data.PAIRS, index=False)
    chosen = options(tiny_encoder)
    setup = trainer.setup(tmp_path, chosen, 7, None)
    setup.model.save_pretrained(tmp_path)
    trainer.finish(setup, tmp_path, chosen, tmp_path)
    export_model(SPEC, tmp_path, tmp_path)
    [one] = serving.load(tmp_path).predict([Product("red shirt")])
    assert (one.label, one.confidence) == (serving.NO_CATEGORY, 0.0)
