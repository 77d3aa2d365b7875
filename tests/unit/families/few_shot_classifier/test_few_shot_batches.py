"""Episodes as rows of the engine: what they hold, what is drawn anew and what stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vitrina.families.few_shot_classifier import drawings
from vitrina.families.few_shot_classifier.batches import Collator, Episodes, ImageSource, TextSource
from vitrina.families.few_shot_classifier.configuration import EpisodeOptions, ImageOptions

OPTIONS = EpisodeOptions(ways=4, examples=3, shots=5, per_epoch=7, validation=6)


class Tokenizer:
    """Words as ids: token id = class * 100 + row, so that a test can see what was drawn."""

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[int(word) for word in text.split()] for text in texts]}

    def pad(self, rows: list[dict[str, list[int]]], return_tensors: str) -> dict[str, torch.Tensor]:
        ids = [torch.tensor(row["input_ids"]) for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
        return {"input_ids": padded, "attention_mask": (padded > 0).long()}


@pytest.fixture
def source() -> TextSource:
    """Six classes of five texts: `100 ...` to `604 ...`, of different lengths."""
    texts = [" ".join([str(100 * kind + row)] * (1 + row % 3)) for kind in range(1, 7) for row in range(5)]
    return TextSource(texts, [np.arange(5) + 5 * kind for kind in range(6)], Tokenizer(), 16)


def test_an_episode_has_as_many_rows_of_each_class_and_labels_that_name_it(source: TextSource) -> None:
    rows = Episodes(source, OPTIONS, training=True)
    assert len(rows) == 7
    one = rows[0]
    kinds = [ids[0] // 100 for ids in one["input_ids"]]
    assert one["labels"].tolist() == np.repeat(range(4), 3).tolist()
    assert [kinds[i * 3] for i in range(4)] == list(dict.fromkeys(kinds))  # class after class, each a different one
    assert len({ids[0] for ids in one["input_ids"]}) == 12  # no row twice
    shots = one["support"].reshape(4, 3).sum(1)
    assert set(shots) == {shots[0]}
    assert 1 <= shots[0] <= 2


def test_training_episodes_follow_the_global_seed_and_validation_episodes_never_change(source: TextSource) -> None:
    training, validation = (Episodes(source, OPTIONS, training=each) for each in (True, False))
    drawn = []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        drawn.append((training[0]["input_ids"], validation[0]["input_ids"]))
    assert drawn[0][0] == drawn[1][0] != drawn[2][0]
    assert drawn[0][1] == drawn[2][1] != validation[1]["input_ids"]
    assert [validation[i]["support"].sum() for i in range(2)] == [4, 20]  # one- and five-shot in turn


def test_a_batch_holds_whole_episodes_padded_alike(source: TextSource) -> None:
    rows = Episodes(source, OPTIONS, training=True)
    batch = Collator(Tokenizer())([rows[0], rows[1]])
    assert batch["input_ids"].shape == (2, 12, 3)
    assert batch["attention_mask"].shape == (2, 12, 3)
    assert batch["support"].dtype == torch.bool
    assert batch["labels"].dtype == torch.int64


def pictures() -> np.ndarray:
    """Two classes of three pictures, each with its own grey, brighter in the upper left corner."""
    greys = np.arange(1, 7, dtype=np.uint8)[:, None, None, None] * np.ones((6, 1, 32, 32), dtype=np.uint8) * 20
    greys[:, :, :8, :8] += 80
    return greys


def test_orientations_are_classes_of_their_own(source: TextSource) -> None:
    plain = ImageSource(pictures(), [np.arange(3), np.arange(3, 6)])
    options = ImageOptions(side=32, orientations=True, variation=0.0)
    turned = ImageSource(pictures(), [np.arange(3), np.arange(3, 6)], options)
    assert (plain.classes(), turned.classes()) == (2, 16)
    drawn = turned.draw(16, 2, np.random.default_rng(0))["pixels"]
    assert drawn.shape == (32, 1, 32, 32)
    corners = {tuple((image[0][[0, 0, -1, -1], [0, -1, 0, -1]] > image[0, 16, 16]).tolist()) for image in drawn}
    assert len(corners) == 4  # the bright corner is in all four


def test_variation_is_for_training_only_and_follows_the_seed() -> None:
    options = ImageOptions(side=32, orientations=False, variation=1.0)
    training, validation = (
        ImageSource(pictures(), [np.arange(6)] * 2, options),
        ImageSource(pictures(), [np.arange(6)] * 2),
    )

    def drawn(source: ImageSource, seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return source.draw(2, 3, np.random.default_rng(0))["pixels"]

    assert torch.equal(drawn(training, 1), drawn(training, 1))
    assert not torch.equal(drawn(training, 1), drawn(training, 2))
    assert torch.equal(drawn(validation, 1), drawn(validation, 2))


def test_invented_characters_take_their_share_of_an_episode() -> None:
    blank = np.zeros((4, 1, 32, 32), dtype=np.uint8)
    options = ImageOptions(side=32, orientations=False, variation=0.0, invented=6, invented_share=0.5)
    drawn = ImageSource(blank, [np.arange(2), np.arange(2, 4)], options).draw(4, 2, np.random.default_rng(0))["pixels"]
    assert (drawn.flatten(1).amax(1) > 0).tolist() == [False] * 4 + [True] * 4


def test_invented_characters_differ_between_classes_more_than_between_hands() -> None:
    pages = drawings.invented(12, 6, 40, seed=3).reshape(12, 6, -1).astype(float)
    assert np.array_equal(drawings.invented(12, 6, 40, seed=3).reshape(12, 6, -1), pages)
    pages /= np.linalg.norm(pages, axis=2, keepdims=True)
    alike = np.einsum("ahp,bgp->abhg", pages, pages).mean((2, 3))
    assert (alike.diagonal() > (alike.sum(1) - alike.diagonal()) / 11).all()


def test_an_orientation_is_undone_by_its_opposite() -> None:
    image = np.random.default_rng(0).integers(0, 255, (2, 1, 8, 8), dtype=np.uint8)
    assert np.array_equal(drawings.oriented(drawings.oriented(image, 1), 3), image)
    assert np.array_equal(drawings.oriented(image, 4), image[..., ::-1])
    assert len({drawings.oriented(image, turn).tobytes() for turn in range(8)}) == 8


def test_no_variation_changes_nothing_and_more_variation_changes_more() -> None:
    image = torch.zeros(8, 1, 32, 32)
    image[:, :, 8:24, 15:17] = 1
    changes = []
    for strength in (0.0, 0.3, 1.0):
        torch.manual_seed(0)
        changes.append((drawings.varied(image, strength) - image).abs().mean().item())
    assert changes[0] == 0 < changes[1] < changes[2]
