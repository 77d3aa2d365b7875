"""What every recommender's spec says: what is watched, and what the card says of use and data."""

from __future__ import annotations

from vitrina.training.spec import Monitored

MONITORED = Monitored(
    categorical=("label", "segment"), numerical=("popularity", "score"), effects={"mix": 0.25, "shape": 0.15}
)
"""What drift detection watches. Not the length of histories: they grow. Small effects do not count: a few users send
much of the traffic, so its rows are no independent sample (equal traffic a week later reached 0.15 and 0.10)."""

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
