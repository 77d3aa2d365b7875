"""The fashion recommender: a text encoder, a vision encoder and a two-sided tower that tells stars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from vitrina.families.fashion_recommender.configuration import FashionRecommenderConfig
from vitrina.families.fashion_recommender.features import PRODUCT_NUMBERS, USER_NUMBERS
from vitrina.families.layers.text_encoder import TextEncoder
from vitrina.families.layers.vision import CompactVision, HubVision, varied
from vitrina.training.spec import ExportInputs

UNKNOWN = -100
"""The category of a photo whose category is not known."""


@dataclass
class FashionOutput(ModelOutput):
    """Shapes: rating (pairs,) in stars; categories (photos, categories) logits."""

    loss: Tensor | None = None
    rating: Tensor | None = None
    categories: Tensor | None = None


class RatingTower(nn.Module):
    r"""$\mu + b_u + b_p + s f([u, p, u \odot p])$: biases, and what the parts of both sides say together.

    `share` s is 1 in training; validation decides what is kept (see `share.py`).

    Content and photo of both sides pass the same projection, so that $u \odot p$ compares what a customer liked with
    what a product is; a part that says nothing is zero. Inputs are laid out as in `features.py`.
    """

    def __init__(self, config: FashionRecommenderConfig, text: int) -> None:
        super().__init__()
        width, self.mean = config.part_width, config.mean
        self.sizes = [text, text, config.photo_width]
        self.missing = config.missing
        self.written = nn.ParameterDict({side: _projection(text, width) for side in ("user", "product")})
        self.content = _projection(text, width)
        self.photo = _projection(config.photo_width, width)
        self.numbers = nn.ModuleDict(
            {"user": nn.Linear(USER_NUMBERS, width), "product": nn.Linear(PRODUCT_NUMBERS, width)}
        )
        self.dropout = nn.Dropout(config.dropout)
        self.mix = nn.Sequential(nn.Linear(12 * width, config.hidden), nn.GELU(), nn.Linear(config.hidden, 1))
        self.biases = nn.Parameter(torch.ones(2))
        self.register_buffer("share", torch.ones(()))

    def side(self, features: Tensor, side: str) -> Tensor:
        """(rows, features of a side) → (rows, 1 + 4 · part width): the bias, then the parts."""
        numbers = USER_NUMBERS if side == "user" else PRODUCT_NUMBERS
        known, *parts = features.split([numbers, *self.sizes], dim=1)
        if self.training and self.missing:
            parts = [part * (torch.rand(len(part), 1, device=part.device) >= self.missing) for part in parts]
        maps = (self.written[side], self.content, self.photo)
        # Unit vectors of n numbers: their scale is brought to about 1 a number.
        read = [self.dropout(part * part.shape[1] ** 0.5) @ each for each, part in zip(maps, parts, strict=True)]
        return torch.cat([known[:, :1], self.numbers[side](known), *read], dim=1)

    def pair(self, user: Tensor, product: Tensor) -> Tensor:
        """(pairs,) stars, from one side's and the other side's vectors."""
        base = self.mean + self.biases[0] * user[:, 0] + self.biases[1] * product[:, 0]
        u, p = user[:, 1:], product[:, 1:]
        return base + self.share * self.mix(torch.cat([u, p, u * p], dim=1)).squeeze(1)


def _projection(inner: int, outer: int) -> nn.Parameter:
    """A matrix to multiply by. (Of an `nn.Linear` that two places share, the quantizer would turn the weight twice.)"""
    return nn.Parameter(torch.empty(inner, outer).uniform_(-1, 1) / inner**0.5)


class FashionRecommender(PreTrainedModel):
    """Texts, photos, customers and products each become a vector; a customer's and a product's tell the stars.

    The text encoder stays as pretrained. The photos learn from the categories of their products, in the same steps as
    the tower learns from the ratings; the tower reads each photo's vector from a memory (Wu et al., 2018) that is
    renewed before every evaluation.
    """

    config_class = FashionRecommenderConfig
    base_model_prefix = "fashion"
    main_input_name = "user"

    def __init__(self, config: FashionRecommenderConfig) -> None:
        super().__init__(config)
        self.encoder = TextEncoder(config.encoder)
        hub = HubVision(config.vision) if config.vision else None
        self.vision = hub or CompactVision(config.channels, config.blocks)
        self.to_photo = nn.Linear(self.vision.width, config.photo_width, bias=False)
        self.category = nn.Linear(config.photo_width, config.categories)
        self.tower = RatingTower(config, self.encoder.width)
        self.register_buffer("memory", torch.zeros(config.products, config.photo_width))
        self.register_buffer("remembered", torch.zeros(config.products, 1))
        self.encoder.requires_grad_(False)
        self.post_init()

    def start(self) -> None:
        """Weights to train from: the tower says mean and biases until it has learnt more."""
        with torch.no_grad():
            last: Any = self.tower.mix[2]
            last.weight.zero_()
            last.bias.zero_()

    def texts(self, input_ids: Tensor, attention_mask: Tensor, *, traced: bool = False) -> Tensor:
        """(texts, width) float32, L2-normalised."""
        return F.normalize(self.encoder(input_ids, attention_mask, traced=traced).float(), dim=1)

    def photos(self, pixels: Tensor) -> Tensor:
        """(photos, photo width) float32, L2-normalised; pixels are float 0–1."""
        return F.normalize(self.to_photo(self.vision(pixels)).float(), dim=1)

    def forward(
        self,
        user: Tensor,
        liked: Tensor,
        liked_weights: Tensor,
        product: Tensor,
        place: Tensor,
        pixels: Tensor,
        category: Tensor,
        labels: Tensor | None = None,
        **_: Any,
    ) -> FashionOutput:
        """One batch of pairs, and beside it one of photos.

        Args:
            user, product: (pairs, …) numbers, texts and content as in `features.py`, without the photo.
            liked, liked_weights: (pairs, reviews) places of the reviewed products in the memory, stars above the mean
                over the number of reviews; weight 0 is padding.
            place: (pairs,) the product's place in the memory.
            pixels, category: uint8 (photos, 3, side, side) and their categories, `UNKNOWN` where it is not known.
            labels: (pairs,) stars.
        """
        seen = (self.remembered * self.memory)[liked]
        user_photo = (liked_weights.unsqueeze(2) * seen).sum(1)
        known = ((liked_weights != 0) & (self.remembered[liked].squeeze(2) > 0)).any(1, keepdim=True)
        here = self.remembered[place]
        user = torch.cat([user[:, :3], known.to(user.dtype), user[:, 4:], user_photo], dim=1)
        product = torch.cat([product[:, :3], here, product[:, 4:], here * self.memory[place]], dim=1)
        rating = self.tower.pair(self.tower.side(user, "user"), self.tower.side(product, "product"))
        loss = None if labels is None else F.mse_loss(rating.float(), labels.float())
        categories = rating.new_zeros((len(category), self.config.categories))
        if bool((category != UNKNOWN).any()):
            categories = self._categories(pixels)
            if loss is not None:
                told = F.cross_entropy(categories.float(), category, ignore_index=UNKNOWN, label_smoothing=0.05)
                loss = loss + self.config.category_weight * told
        return FashionOutput(loss=loss, rating=rating, categories=categories)

    def _categories(self, pixels: Tensor) -> Tensor:
        """Logits (photos, categories) of uint8 pixels, varied in training."""
        plain = pixels.float() / 255
        seen = varied(plain) if self.training else plain
        photos = self.photos(seen.contiguous(memory_format=torch.channels_last))  # half the time on a CPU
        return self.category(photos * photos.shape[1] ** 0.5)


class _Traced(nn.Module):
    """The exported graph: four parts that share nothing; who runs it asks for the outputs of one."""

    def __init__(self, model: FashionRecommender) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        user_vector: Tensor,
        product_vector: Tensor,
        user: Tensor,
        product: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        pixels: Tensor,
    ) -> tuple[Tensor, ...]:
        tower = self.model.tower
        return (
            tower.pair(user_vector, product_vector),
            tower.side(user, "user"),
            tower.side(product, "product"),
            self.model.texts(input_ids, attention_mask, traced=True),
            self.model.photos(pixels),
        )


OUTPUTS = ("rating", "user_side", "product_side", "text", "photo")


def export_inputs(folder: Path) -> ExportInputs:
    """The trained model with example inputs of each part; see `ModelingModule.export_inputs`."""
    model = FashionRecommender.from_pretrained(folder).eval()
    config, text = model.config, model.encoder.width
    generator = torch.Generator().manual_seed(0)
    vector = 1 + 4 * config.part_width
    words = model.encoder.model.get_input_embeddings().num_embeddings
    ids = torch.randint(5, words, (3, 12), generator=generator)
    shapes = {
        "user_vector": (4, vector),
        "product_vector": (4, vector),
        "user": (2, USER_NUMBERS + 2 * text + config.photo_width),
        "product": (5, PRODUCT_NUMBERS + 2 * text + config.photo_width),
    }
    inputs = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    inputs |= {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    inputs["pixels"] = torch.rand((6, 3, config.side, config.side), generator=generator)
    axes = {"user_vector": "pairs", "product_vector": "pairs", "user": "users", "product": "products"}
    dynamic = {name: {0: axis} for name, axis in axes.items()}
    dynamic |= {name: {0: "texts", 1: "tokens"} for name in ("input_ids", "attention_mask")}
    return ExportInputs(_Traced(model), inputs, {**dynamic, "pixels": {0: "photos"}}, OUTPUTS)
