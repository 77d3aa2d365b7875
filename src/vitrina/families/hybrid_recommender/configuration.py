"""Shape of the hybrid recommender and the `model:` section of its presets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from transformers import PreTrainedConfig

from vitrina.families.hybrid_recommender.components import CLOSED_FORM, DEFAULT

Loss = Literal["softmax", "bpr", "squared"]


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    members: tuple[str, ...] = Field(DEFAULT, description="Closed-form models that may be mixed in; may be empty.")
    member_options: dict[str, dict[str, float | int]] = Field(
        default_factory=dict, description="Of members, by name: see vitrina.recommendation.members."
    )
    neural: bool = Field(True, description="Also train the network; without it nothing takes training steps.")
    target: Literal["events", "ratings"] = Field(
        "events", description="What is learned from: every event, or only ratings with their stars."
    )
    split: Literal["time", "leave_one_out", "random"] = Field("time", description="How what comes next is held out.")
    held_out: float = Field(0.1, gt=0, lt=0.4, description="Share of the events held out, twice.")
    longest: int = Field(500, ge=1, description="Events kept of a user, the last ones.")
    embedder: str | None = Field(
        None, description="Folder of a product embedder, whose vectors say what a product is; null: its hashed words."
    )
    content_width: int = Field(32, ge=8, description="Numbers kept of what a product is.")
    width: int = Field(64, ge=4, description="Numbers in the vector of a user and of a product.")
    history: int = Field(30, ge=1, le=500, description="Last events that the network reads.")
    hidden: int = Field(64, ge=4, description="Width of the network that scores the best candidates again.")
    candidates: int = Field(200, ge=10, description="How many of the best products are scored again.")
    loss: Loss = Field("softmax", description="softmax: sampled, with log-Q correction; squared: of stars.")
    negatives: int = Field(512, ge=1, description="Products drawn for each batch to tell the right ones from.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Of a history's events, and of the network.")
    id_dropout: float = Field(
        0.2, ge=0, lt=1, description="Share of the products shown by content alone, of the users by history alone."
    )
    temperature: float = Field(0.1, gt=0, description="What cosines are divided by, at first; it is learned.")

    @field_validator("members")
    @classmethod
    def _known(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in members if name not in CLOSED_FORM]:
            raise ValueError(f"there is no member {unknown[0]}; known are {', '.join(CLOSED_FORM)}")
        if len(set(members)) != len(members):
            raise ValueError("a member is named twice")
        return members

    @model_validator(mode="after")
    def _fits_together(self) -> Options:
        if not self.members and not self.neural:
            raise ValueError("members is empty and neural is false: nothing is left to recommend with")
        if (self.loss == "squared") != (self.target == "ratings"):
            raise ValueError("loss squared and target ratings belong together")
        return self


class HybridRecommenderConfig(PreTrainedConfig):
    """Configuration of `HybridRecommender`; `products` is 0 where the model has no network."""

    model_type = "vitrina_hybrid_recommender"

    def __init__(
        self,
        products: int = 0,
        users: int = 0,
        content_width: int = 32,
        features: int = 1,
        width: int = 64,
        history: int = 30,
        hidden: int = 64,
        loss: Loss = "softmax",
        negatives: int = 512,
        dropout: float = 0.2,
        id_dropout: float = 0.2,
        start_temperature: float = 0.1,
        **kwargs: Any,
    ) -> None:
        self.products = products
        self.users = users
        self.content_width = content_width
        self.features = features
        self.width = width
        self.history = history
        self.hidden = hidden
        self.loss = loss
        self.negatives = negatives
        self.dropout = dropout
        self.id_dropout = id_dropout
        self.start_temperature = start_temperature
        super().__init__(**kwargs)
