"""What the card of every recommender says of its use and its data, in place of what is said of texts."""

from __future__ import annotations

LIMITS = (
    "For the users of one shop and the products of its catalogue at training; a product that came later is not shown "
    "before the next training.",
    "Scores rank the products of one answer; they are no probabilities. What was shown shapes what is bought next: "
    "watch popularity and coverage.",
    "It reads what users did. User ids, the last products and what was shown are stored in the prediction log of the "
    "serving machine.",
)
SPLITS = (
    "What users did last is held out (model.split says how); every held-out row carries its own history, so two models "
    "answer the same question."
)
