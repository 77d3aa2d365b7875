"""Catalogue and photos → prompts with pictures; styles; what a batch leaves out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.imager_models import tables
from vitrina.errors import DataError
from vitrina.families.product_imager.batches import Collator, Photos
from vitrina.families.product_imager.building import build_tokenizer
from vitrina.families.product_imager.configuration import Options
from vitrina.families.product_imager.data import prepare, read_examples
from vitrina.families.product_imager.prompts import prompt_of, understood
from vitrina.families.product_imager.styles import STYLES, styled

OPTIONS = Options(side=16, max_length=8, held_out_rows=8)


def test_splits_share_no_product_and_held_out_rows_are_limited(tmp_path: Path) -> None:
    prepare(tables(tmp_path / "tables", each=20), tmp_path, OPTIONS, seed=7)
    parts = {name: read_examples(tmp_path, name) for name in ("train", "validation", "test")}
    ids = [set(part["row_id"]) for part in parts.values()]
    assert len(set.union(*ids)) == sum(map(len, ids))
    assert len(parts["validation"]) == len(parts["test"]) == 8
    assert parts["train"]["text"].iloc[0] in {
        f"{c} {k}" for c in ("red", "green", "blue") for k in ("disc", "bar", "ring")
    }


def test_photos_without_a_product_are_one_sentence(tmp_path: Path) -> None:
    paths = tables(tmp_path, each=1)
    pd.read_parquet(paths["catalogue"]).assign(product_id="other").to_parquet(paths["catalogue"])
    with pytest.raises(DataError, match="has no photo of a product"):
        prepare(paths, tmp_path, OPTIONS, seed=7)


def test_a_file_of_prompts_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("text\nred disc\n")
    assert list(read_examples(tmp_path / "prompts.csv", "test")["row_id"]) == ["0"]
    (tmp_path / "wrong.csv").write_text("words\nred disc\n")
    with pytest.raises(DataError, match="column text is missing"):
        read_examples(tmp_path / "wrong.csv", "test")


def test_a_prompt_says_each_thing_once() -> None:
    assert prompt_of("Blue shirt", "Clothing > Shirt", {"colour": "blue", "material": "cotton"}) == "Blue shirt, cotton"
    assert prompt_of("Zapato", "Moda > Calzado", None) == "Zapato, Calzado"
    assert understood("Blue zapato", {"blue"}) == 0.5
    assert understood("anything", None) == 1.0


@pytest.mark.parametrize("channels", [1, 3])
def test_each_style_changes_a_photo_in_its_own_way(channels: int) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (channels, 16, 16), dtype=np.uint8)
    shown = {style: styled(photo, style) for style in STYLES}
    np.testing.assert_array_equal(shown["photorealistic"], photo)
    assert len(np.unique(shown["artistic"])) == 4
    assert shown["vintage"].std() < photo.std()
    assert shown["luxury"].mean() < 0.6 * photo.mean()
    assert all(each.dtype == np.uint8 and each.shape == photo.shape for each in shown.values())


def rows(tmp_path: Path, options: Options, count: int = 64) -> tuple[Photos, dict[str, torch.Tensor]]:
    prepare(tables(tmp_path / "tables"), tmp_path, options, seed=7)
    frame = read_examples(tmp_path, "train")
    photos = Photos(frame, sorted(set(frame["category"])), options)
    collate = Collator(build_tokenizer(photos.texts, options), (3, 16, 16), options)
    torch.manual_seed(0)
    return photos, collate([photos[place % len(photos)] for place in range(count)])


def test_a_share_of_the_rows_is_unconditional_in_every_part(tmp_path: Path) -> None:
    _, batch = rows(tmp_path, OPTIONS.model_copy(update={"unguided": 0.4, "words_alone": 0.3}), count=256)
    nothing = batch["style"] == 0
    assert 0.3 < nothing.float().mean() < 0.5
    assert (batch["attention_mask"][nothing].sum(1) == 2).all()  # an empty prompt: begin and end
    assert (batch["category"][nothing] == 0).all()
    told = ~nothing
    assert (batch["attention_mask"][told].sum(1) > 2).all()
    assert 0.2 < (batch["category"][told] == 0).float().mean() < 0.4
    assert set(batch["style"][told].tolist()) == {1, 2, 3, 4}


def test_without_styles_every_photo_is_shown_as_it_is(tmp_path: Path) -> None:
    photos, batch = rows(tmp_path, OPTIONS.model_copy(update={"style_share": 0.0}))
    assert set(batch["style"].tolist()) <= {0, 1}
    np.testing.assert_array_equal(batch["pixels"][3].numpy(), photos[3].pixels)
    assert batch["noise"].std() == pytest.approx(1, abs=0.05)
    assert batch["timesteps"].min() >= 0
    assert 900 < batch["timesteps"].max() < 1000


def test_unreadable_photos_are_left_out_and_none_at_all_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"jpeg": [b"no picture"], "text": ["x"], "category": [None]})
    with pytest.raises(DataError, match="None of the photos can be read"):
        Photos(frame, [], OPTIONS)
