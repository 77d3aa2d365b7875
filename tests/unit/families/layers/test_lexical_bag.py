from __future__ import annotations

import torch

from vitrina.families.layers.lexical import LexicalBag
from vitrina.text.ngrams import NgramHasher


def test_padding_changes_nothing() -> None:
    bag = LexicalBag(64, 8)
    short = torch.tensor([[3, 9, 9]])
    long = torch.tensor([[3, 9, 9, 0, 0]])
    torch.testing.assert_close(bag(short), bag(long))


def test_a_text_without_ngrams_is_zero() -> None:
    assert not LexicalBag(64, 8)(torch.zeros(1, 4, dtype=torch.long)).any()


def test_a_misspelt_word_stays_close_and_another_word_does_not() -> None:
    torch.manual_seed(0)
    hasher = NgramHasher(4096)
    bag = LexicalBag(4096, 256)
    with torch.no_grad():
        right, misspelt, other = bag(torch.from_numpy(hasher.batch(["sandals", "sandlas", "umbrella"])))
    near, far = torch.cosine_similarity(right, misspelt, dim=0), torch.cosine_similarity(right, other, dim=0)
    assert near > 0.2 > far


def test_new_weights_keep_the_padding_at_zero() -> None:
    bag = LexicalBag(64, 8)
    bag.scale(0.5)
    assert not bag.embedding.weight[0].any()
    assert 0.4 < bag.embedding.weight[1:].std() < 0.6
