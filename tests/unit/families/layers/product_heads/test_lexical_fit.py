import numpy as np
import pytest
import torch

from vitrina.families.layers.product_heads import lexical_fit
from vitrina.families.layers.product_heads.calibrate import mixture
from vitrina.families.layers.product_heads.heads import describe, lay_out
from vitrina.families.product_classifier.configuration import ProductClassifierConfig
from vitrina.families.product_classifier.modeling import ProductClassifier
from vitrina.text.ngrams import NgramHasher, padded

NAN = np.nan
BUCKETS = 2048
ENCODER = {
    "model_type": "bert",
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
HEADS = lay_out(
    [
        {"name": "category", "kind": "one", "labels": ["hat", "sock", "never seen", "boot"]},
        {"name": "attributes.tags", "kind": "many", "labels": ["red", "wool"]},
        {"name": "quality", "kind": "share", "labels": []},
        {"name": "rating", "kind": "ordinal", "labels": ["1", "2", "3"]},
    ]
)
KINDS = ("hat", "sock", "boot")
WORDS = ("poor", "fair", "fine")


@pytest.fixture(scope="module")
def shop():
    """Texts whose words say every label, and the labels."""
    texts, labels = [], []
    for number in range(90):
        kind, red, wool, star = number % 3, number % 2, number // 2 % 2, number // 3 % 3
        texts.append(f"{'red' if red else 'blue'} {'wool' if wool else 'linen'} {KINDS[kind]} {WORDS[star]} {number}")
        labels.append([(0, 1, 3)[kind], red, wool, (0.2, 0.5, 0.9)[star], star])
    return texts, np.array(labels, dtype=np.float32)


def fitted(shop, width):
    texts, labels = shop
    hasher = NgramHasher(BUCKETS, (2, 5), 256)
    config = ProductClassifierConfig(
        encoder=ENCODER, heads=describe(HEADS), lexical_width=width, lexical_buckets=BUCKETS
    )
    model = ProductClassifier(config).eval()
    rows = [hasher(text) for text in texts]
    lexical_fit.fit(model, rows, labels, strength=2.0)
    with torch.inference_mode():
        return model, model.lexical_logits(torch.from_numpy(padded(rows))).numpy()


def test_the_bag_says_every_kind_of_label(shop):
    _, logits = fitted(shop, 64)
    category, tags, quality, rating = (logits[:, head.columns] for head in HEADS)
    labels = shop[1]
    assert (category.argmax(1) == labels[:, 0]).all()
    assert ((tags > 0) == (labels[:, 1:3] == 1)).all()
    assert np.corrcoef(quality[:, 0], labels[:, 3])[0, 1] > 0.95
    assert ((rating > 0).sum(1) == labels[:, 4]).all()


def test_nobody_votes_for_a_label_without_rows(shop):
    _, logits = fitted(shop, 64)
    np.testing.assert_allclose(logits[:, 2], -1.0, atol=1e-5)


def test_a_narrow_bag_is_the_best_of_its_rank(shop):
    labels = shop[1]
    narrow = fitted(shop, 7)[1]
    assert (narrow[:, HEADS[0].columns].argmax(1) == labels[:, 0]).mean() > 0.95


def test_factors_are_exact_where_the_width_reaches_the_columns():
    weights = np.random.default_rng(0).normal(size=(5, 40))
    for width in (5, 8):
        table, head = lexical_fit.factors(weights, width)
        assert (table.shape, head.shape) == ((40, width), (5, width))
        np.testing.assert_allclose(head @ table.T, weights, atol=1e-5)
    table, head = lexical_fit.factors(weights, 3)
    spectrum = np.linalg.svd(weights, compute_uv=False)
    assert np.linalg.norm(head @ table.T - weights) == pytest.approx(np.linalg.norm(spectrum[3:]), rel=1e-4)


def test_padding_and_texts_without_ngrams_say_nothing(shop):
    model, _ = fitted(shop, 64)
    with torch.inference_mode():
        empty = model.lexical_logits(torch.zeros(1, 3, dtype=torch.int64))
    np.testing.assert_allclose(empty, model.lexical_head.bias[None])


def test_the_bag_does_not_learn_with_the_encoder(shop):
    model, _ = fitted(shop, 64)
    assert not any(weight.requires_grad for name, weight in model.named_parameters() if name.startswith("lexical"))
    model.train()
    tokens = torch.ones(2, 4, dtype=torch.int64)
    labels = torch.tensor(shop[1][:2])
    with_ngrams = model(tokens, tokens, torch.ones(2, 3, dtype=torch.int64), labels)
    assert with_ngrams.loss.requires_grad
    assert model.lexical.embedding.weight.grad is None


def test_the_mixture_leans_on_the_one_that_knows():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 200)
    knows = 4.0 * np.eye(4)[truth] + rng.normal(0, 1, (200, 4))
    noise = rng.normal(0, 3, (200, 4))
    targets = truth[:, None].astype(np.float32)
    assert mixture(HEADS[0], knows, noise, targets) == 0.0
    assert mixture(HEADS[0], noise, knows, targets) >= 6.0
    alike = [2.0 * np.eye(4)[truth] + rng.normal(0, 1, (200, 4)) for _ in range(2)]
    assert 0.5 <= mixture(HEADS[0], *alike, targets) <= 2.0


def test_too_few_rows_leave_the_mixture_even():
    targets = np.full((30, 1), NAN, dtype=np.float32)
    targets[:5] = 1
    assert mixture(HEADS[0], np.zeros((30, 4)), np.ones((30, 4)), targets) == 1.0
