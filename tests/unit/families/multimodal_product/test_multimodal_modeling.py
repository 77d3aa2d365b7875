from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from vitrina.families.multimodal_product.attention import Fusion, RotaryPositions, naive_attention, rotated
from vitrina.families.multimodal_product.configuration import MultimodalProductConfig, Options
from vitrina.families.multimodal_product.modeling import MultimodalProduct

HEADS = [
    {"name": "category", "kind": "one", "labels": ["a", "b", "c"]},
    {"name": "price_level", "kind": "number", "labels": []},
]


@pytest.fixture
def model():
    torch.manual_seed(0)
    shape = {"words": 50, "word_width": 12, "width": 32, "layers": 2, "heads": 2, "side": 16, "channels": (4, 8)}
    return MultimodalProduct(MultimodalProductConfig(**shape, lexical_buckets=64, lexical_width=8, product_heads=HEADS))


def batch(rows=4, photos=0):
    torch.manual_seed(1)
    given = {
        "input_ids": torch.randint(1, 50, (rows, 6)),
        "attention_mask": torch.ones(rows, 6, dtype=torch.int64),
        "price": torch.zeros(rows, 2),
        "metadata_ids": torch.zeros(rows, 1, dtype=torch.int64),
    }
    if photos:
        seen = torch.zeros(rows)
        seen[:photos] = 1
        given |= {"pixels": torch.randint(0, 256, (photos, 3, 16, 16), dtype=torch.uint8), "seen": seen}
    return given


def labels(rows):
    return torch.stack([torch.arange(rows).remainder(3).float(), torch.full((rows,), float("nan"))], 1)


def test_what_is_masked_has_no_say(model):
    model.eval()
    given = batch(photos=2)
    whole = model(**given).logits
    blind = model(**{k: v for k, v in given.items() if k not in ("pixels", "seen")}).logits
    assert torch.allclose(whole[2:], blind[2:], atol=1e-5)
    assert not torch.allclose(whole[:2], blind[:2], atol=1e-3)
    padded = given | {
        "input_ids": F.pad(given["input_ids"], (0, 5), value=7),
        "attention_mask": F.pad(given["attention_mask"], (0, 5)),
        "metadata_ids": F.pad(given["metadata_ids"], (0, 3)),
    }
    assert torch.allclose(model(**padded).logits, whole, atol=1e-5)


def test_every_modality_changes_the_answer(model):
    model.eval()
    plain = model(**batch()).logits
    for change in ({"price": torch.ones(4, 2)}, {"metadata_ids": torch.ones(4, 1, dtype=torch.int64)}, batch(photos=4)):
        assert not torch.allclose(model(**(batch() | change)).logits, plain, atol=1e-4)


def test_word_order_matters(model):
    model.eval()
    for layer in model.fusion.layers:
        layer.qkv.weight.data *= 20  # untrained, it hardly attends
    given = batch()
    turned = given | {"input_ids": given["input_ids"].flip(1)}
    assert not torch.allclose(model(**given).logits, model(**turned).logits, atol=1e-4)


def test_training_teaches_photo_text_and_their_common_space(model):
    model.train()
    model(**batch(photos=3), labels=labels(4)).loss.backward()
    for weight in (model.patches.project.weight, model.tokens.word.weight, model.project.weight, model.log_variance):
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0
    assert model.lexical_head.weight.grad is None


def test_a_batch_without_photos_teaches_no_photo_space(model):
    model.train()
    model(**batch(), labels=labels(4)).loss.backward()
    assert model.project.weight.grad is None
    assert model.head.weight.grad.abs().sum() > 0


def test_equal_texts_are_no_negatives_of_each_other(model):
    ids = torch.tensor([[1, 2], [1, 2], [3, 4]])
    vectors = torch.eye(3, 32)
    equal = model.contrast(vectors, vectors, ids)
    different = model.contrast(vectors, vectors, torch.tensor([[1, 2], [5, 6], [3, 4]]))
    assert equal < different


def test_the_bag_says_nothing_of_a_row_without_words(model):
    torch.nn.init.ones_(model.lexical_head.bias)
    model.lexical.scale(1.0)
    said = model.lexical_logits(torch.tensor([[0, 0], [3, 4]]))
    assert said[0].abs().sum() == 0
    assert said[1].abs().sum() > 0


def test_written_out_attention_is_what_the_fused_kernel_computes():
    q, k, v = torch.randn(3, 2, 4, 10, 8).unbind(0)
    mask = torch.rand(2, 1, 1, 10) < 0.7
    mask[..., 0] = True
    assert torch.allclose(naive_attention(q, k, v, mask), F.scaled_dot_product_attention(q, k, v, mask), atol=1e-5)


def test_rotary_scores_depend_on_distance_alone():
    positions = RotaryPositions(8)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def score(at: int, other: int) -> float:
        turned = [rotated(x, positions(torch.tensor([place]))) for x, place in ((q, at), (k, other))]
        return float((turned[0] * turned[1]).sum())

    assert score(3, 1) == pytest.approx(score(12, 10), abs=1e-4)
    assert score(3, 1) != pytest.approx(score(3, 2), abs=1e-3)


def test_gradient_checkpointing_changes_no_gradient():
    torch.manual_seed(0)
    fusion = Fusion(16, 2, 2, 0.0).train()
    x, mask, positions = torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool), torch.arange(5)
    grads = []
    for fusion.gradient_checkpointing in (False, True):
        fusion.zero_grad()
        fusion(x, mask, positions).sum().backward()
        grads.append(fusion.layers[0].qkv.weight.grad.clone())
    assert torch.allclose(*grads, atol=1e-6)


def test_the_engine_can_turn_checkpointing_on(model):
    model.gradient_checkpointing_enable()
    assert model.fusion.gradient_checkpointing


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"width": 100}, "no multiple"),
        ({"side": 40, "channels": (8, 8, 8, 8)}, "cannot be halved"),
        ({"modalities": ("sound",)}, "text, photo or both"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(change, says):
    with pytest.raises(ValidationError, match=says):
        Options(**change)
