"""The intent classifier: a text encoder, mean pooling, a linear head, and a score of being out of scope."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils import ModelOutput

from vitrina.families.intent_classifier.configuration import IntentClassifierConfig
from vitrina.families.layers.text_encoder import additive_mask
from vitrina.training.spec import ExportInputs

OUT_OF_SCOPE_LABEL = -1


@dataclass
class IntentOutput(ModelOutput):
    """Shapes: logits (batch, intents), oos_score (batch,), embedding (batch, width)."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    oos_score: Tensor | None = None
    embedding: Tensor | None = None


class WordPairs(nn.Module):
    r"""Lexical evidence beside the encoder: a bag of hashed WordPiece unigrams and bigrams, as in fastText.

    $e = \frac{1}{\sqrt{n}} \sum_i E[h(t_i)] + E[h(t_i, t_{i+1})]$ (Joulin et al., 2017). Input (batch, tokens) int64,
    output (batch, width).
    """

    def __init__(self, buckets: int, width: int) -> None:
        super().__init__()
        self.buckets = buckets
        self.embedding = nn.Embedding(buckets, width)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        here, following = input_ids[:, 1:-1], input_ids[:, 2:]
        pairs = (here * 31337 + following * 7919) % self.buckets
        # A token counts when another follows it: this leaves out [SEP] and padding, whatever the batch is padded to.
        present = attention_mask[:, 2:].unsqueeze(-1).to(self.embedding.weight.dtype)
        total = ((self.embedding(here % self.buckets) + self.embedding(pairs)) * present).sum(1)
        return total / present.sum(1).clamp(min=1).sqrt()


class IntentClassifier(PreTrainedModel):
    """Softmax classifier over all intents.

    Rows labelled `OUT_OF_SCOPE_LABEL` are pushed to a uniform distribution (outlier exposure, Hendrycks et al., 2019).
    The out-of-scope score is the free energy of the logits, −logsumexp (Liu et al., 2020).
    """

    config_class = IntentClassifierConfig
    base_model_prefix = "encoder"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True

    def __init__(self, config: IntentClassifierConfig) -> None:
        super().__init__(config)
        nested = dict(config.encoder)
        self.encoder = AutoModel.from_config(AutoConfig.for_model(nested.pop("model_type"), **nested))
        width = self.encoder.config.hidden_size
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, config.num_labels)
        self.lexical: WordPairs | None = None
        if config.lexical_width:
            self.lexical = WordPairs(config.lexical_buckets, config.lexical_width)
            self.lexical_head = nn.Linear(config.lexical_width, config.num_labels, bias=False)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor | None = None,
        encoder_mask: Tensor | None = None,
        **_: Any,
    ) -> IntentOutput:
        encoder_mask = attention_mask if encoder_mask is None else encoder_mask
        hidden = self.encoder(input_ids=input_ids, attention_mask=encoder_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        logits = self.head(self.dropout(pooled)).float()
        if self.lexical is not None:
            words = self.lexical(input_ids, attention_mask)
            logits = logits + self.lexical_head(self.dropout(words)).float()
        loss = None if labels is None else self.loss(logits, labels)
        return IntentOutput(
            loss=loss,
            logits=logits,
            oos_score=-torch.logsumexp(logits, dim=1),
            embedding=F.normalize(pooled.float(), dim=1),
        )

    def loss(self, logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """Cross-entropy on in-scope rows plus, on the others, cross-entropy to the uniform distribution."""
        inside = labels != OUT_OF_SCOPE_LABEL
        log_p = F.log_softmax(logits, dim=1)
        uniform = -log_p.mean(1)
        true = -log_p.gather(1, labels.clamp(min=0).unsqueeze(1)).squeeze(1)
        in_scope = (1 - smoothing) * true + smoothing * uniform
        return torch.where(inside, in_scope, self.config.outlier_weight * uniform).mean()


class _Traced(nn.Module):
    """The exported graph: three plain tensors."""

    def __init__(self, model: IntentClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ready = additive_mask(attention_mask) if self.model.encoder.config.model_type == "bert" else None
        output = self.model(input_ids, attention_mask, encoder_mask=ready)
        return output.logits, output.oos_score, output.embedding


def export_inputs(folder: Path) -> ExportInputs:
    """The trained model with a batch of two example texts; see `ModelingModule.export_inputs`."""
    model = IntentClassifier.from_pretrained(folder).eval()
    words = model.encoder.get_input_embeddings().num_embeddings
    ids = torch.randint(5, words, (2, 12), generator=torch.Generator().manual_seed(0))
    dynamic = {0: "batch", 1: "tokens"}
    return ExportInputs(
        model=_Traced(model),
        inputs={"input_ids": ids, "attention_mask": torch.ones_like(ids)},
        dynamic={"input_ids": dynamic, "attention_mask": dynamic},
        outputs=("logits", "oos_score", "embedding"),
    )
