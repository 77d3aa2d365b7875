"""A small imager for tests: two kinds of drawn products, trained for a few steps, exported as any other."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FAMILY = "product_imager"
KINDS = ("Shop > Disc", "Shop > Bar", "Shop > Ring")
COLOURS = {"red": (200, 30, 40), "green": (30, 160, 60), "blue": (30, 60, 190)}


def photo(kind: str, colour: str, hand: int, side: int = 24) -> bytes:
    """A JPEG of a disc, a bar or a ring on a light ground."""
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(hand)
    image = Image.new("RGB", (side, side), (235, 235, 235))
    pen, shift = ImageDraw.Draw(image), int(rng.integers(-2, 3))
    box = (5 + shift, 5, side - 6 + shift, side - 6)
    if kind.endswith("Bar"):
        pen.rectangle((9 + shift, 3, 14 + shift, side - 4), fill=COLOURS[colour])
    elif kind.endswith("Ring"):
        pen.ellipse(box, outline=COLOURS[colour], width=3)
    else:
        pen.ellipse(box, fill=COLOURS[colour])
    content = io.BytesIO()
    image.save(content, "JPEG", quality=95)
    return content.getvalue()


def tables(folder: Path, each: int = 12) -> dict[str, Path]:
    """A catalogue with `each` products of every kind and colour, and their photos."""
    products, photos = [], []
    for kind in KINDS:
        for colour in COLOURS:
            for hand in range(each):
                name = f"{kind[7:]}-{colour}-{hand}"
                title = f"{colour} {kind[7:].lower()}"
                products.append({"product_id": name, "title": title, "category": kind, "language": "en"})
                photos.append({"image_id": name, "product_id": name, "jpeg": photo(kind, colour, hand)})
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"catalogue": folder / "catalogue.parquet", "images": folder / "images.parquet"}
    pd.DataFrame(products).to_parquet(paths["catalogue"], index=False)
    pd.DataFrame(photos).to_parquet(paths["images"], index=False)
    return paths


def prepared(folder: Path, overrides: dict[str, Any] | None = None) -> Path:
    """The tables as a prepared folder of the smoke preset."""
    from vitrina.jobs import prepare

    prepare(FAMILY, tables(folder / "tables"), folder / "data", preset="smoke", overrides=overrides)
    return folder / "data"


def trained(folder: Path, overrides: dict[str, Any] | None = None) -> Path:
    """The folder of a model of the smoke preset."""
    from vitrina.jobs import train

    data = prepared(folder, overrides)
    return Path(train(FAMILY, data, folder / "model", preset="smoke", overrides=overrides).model)


def stable_diffusion(folder: Path, text: list[str]) -> Path:
    """A Stable Diffusion pipeline's folder as the hub has them, with random weights of a few thousand numbers."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from vitrina.families.product_imager.building import build_tokenizer
    from vitrina.families.product_imager.configuration import Options

    torch.manual_seed(0)
    tokenizer = build_tokenizer(text, Options(max_length=8, text={"vocabulary": 300}))  # type: ignore[arg-type]
    tokenizer.save_pretrained(folder / "tokenizer")
    clip = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=16,
        eos_token_id=2,
    )
    CLIPTextModel(clip).save_pretrained(folder / "text_encoder")
    UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(16, 32),
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=8,
    ).save_pretrained(folder / "vae")
    DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).save_pretrained(
        folder / "scheduler"
    )
    return folder
