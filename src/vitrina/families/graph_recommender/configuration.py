"""Shape of the graph recommender and the `model:` section of its presets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from transformers import PreTrainedConfig

FANOUT = (8, 4, 3, 2)
"""Neighbours drawn of a node in each layer, from the products outwards: measured in docs/adr/0018."""

ATTRIBUTES = ("category", "brand", "colour", "color")


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    dimension: int = Field(64, ge=8, le=512, description="Length of the vector of a node; a multiple of heads.")
    propagation: Literal["gat", "lightgcn"] = Field(
        "gat", description="gat: attention over drawn neighbours; lightgcn: the normalised mean over all of them."
    )
    layers: int = Field(4, ge=1, le=8, description="Steps along the graph.")
    heads: int = Field(4, ge=1, description="Attention heads, in the graph (gat) and over a history.")
    fanout: tuple[int, ...] | None = Field(
        None, description="gat: neighbours drawn of a node in each layer, from the products outwards."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Of the messages along edges (gat), of the node vectors.")
    start: Literal["spectral", "random"] = Field(
        "spectral", description="Node vectors to train from: singular vectors of the normalised graph, or noise."
    )
    loss: Literal["infonce", "bpr"] = Field("infonce", description="Of the products that follow a history.")
    user_weight: float = Field(0.2, ge=0, description="Weight of the same loss for the user nodes' own vectors.")
    negatives: int = Field(1024, ge=1, description="Products drawn a batch, beside its own targets.")
    history: int = Field(50, ge=1, le=500, description="Distinct products of a history that are read: the last ones.")
    targets: int = Field(4, ge=1, description="Products a history has to foretell at a time.")
    content: int = Field(32, ge=0, description="Length of the vector of a product's words; 0: none.")
    attributes: tuple[str, ...] = Field(
        ATTRIBUTES, description="Nodes made of category, brand or a named attribute; may be empty."
    )
    links: int = Field(5, ge=0, description="Product–product edges: to so many that the same customers chose; 0: none.")
    split: Literal["time", "leave_one_out", "random"] = Field("time", description="How rows are held out.")
    fraction: float = Field(0.1, gt=0, lt=0.5, description="Share of time (time) or of a user's products (random).")
    diversity: float = Field(0.2, ge=0, le=1, description="Of an answer whose request does not say; 0: by score alone.")

    @model_validator(mode="after")
    def _parts_fit(self) -> Options:
        if self.dimension % self.heads:
            raise ValueError(f"dimension {self.dimension} is no multiple of heads {self.heads}")
        if self.fanout is not None and self.propagation == "lightgcn":
            raise ValueError("fanout has no effect with propagation lightgcn: leave it out")
        if self.fanout is not None and (len(self.fanout) != self.layers or min(self.fanout) < 1):
            raise ValueError(f"fanout needs {self.layers} numbers of at least 1, one a layer")
        return self

    @property
    def drawn(self) -> tuple[int, ...]:
        """The fan-out of each layer; what is not stated repeats the last of `FANOUT`."""
        return self.fanout or (FANOUT + FANOUT[-1:] * self.layers)[: self.layers]


class GraphRecommenderConfig(PreTrainedConfig):
    """Configuration of `GraphRecommender`: how many nodes of each kind, and `Options` that shape the weights."""

    model_type = "vitrina_graph_recommender"

    def __init__(
        self,
        users: int = 1,
        products: int = 1,
        attributes: int = 0,
        dimension: int = 64,
        propagation: str = "gat",
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
        content: int = 32,
        loss: str = "infonce",
        user_weight: float = 0.2,
        **kwargs: Any,
    ) -> None:
        self.users = users
        self.products = products
        self.attributes = attributes
        self.dimension = dimension
        self.propagation = propagation
        self.layers = layers
        self.heads = heads
        self.dropout = dropout
        self.content = content
        self.loss = loss
        self.user_weight = user_weight
        super().__init__(**kwargs)
