"""Where the demo's messages come from: the sample store, or a shop's own; and how the world changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

UNSEEN_INTENTS = 0.2


@dataclass(frozen=True)
class World:
    """Messages of a shop, before and after it changes.

    Attributes:
        training: what the first model may learn from.
        calm: traffic like the training messages.
        later: traffic after the change; its first part gets labels, the rest measures both models.
        change: what changed, in words.
    """

    training: pd.DataFrame
    calm: pd.DataFrame
    later: pd.DataFrame
    change: str


def sample_world(training: Path, traffic: int, seed: int) -> World:
    """The sample store before and after its drift switch."""
    import pandas as pd

    from vitrina.data.sample_store import messages

    return World(
        training=pd.read_parquet(training),
        calm=messages(traffic, seed + 1, drift=False),
        later=messages(2 * traffic, seed + 2, drift=True),
        change="new wording, new intents, another mix of intents and languages",
    )


def real_world(table: Path, traffic: int, seed: int) -> World:
    """A shop's own messages; the change is that intents appear which nobody had labelled before.

    A fifth of the intents is held back from the first model, and makes half of the later traffic.

    Raises:
        DataError: when there are too few intents or messages for that.
    """
    import pandas as pd

    messages = pd.read_parquet(table)
    intents = sorted(set(messages["intent"]) - {OUT_OF_SCOPE})
    unseen = intents[:: round(1 / UNSEEN_INTENTS)]
    if len(intents) - len(unseen) < 2 or len(messages) < 400:
        raise DataError(f"{table} is too small for a demo: it needs 400 messages of four or more intents.")
    shuffled = messages.sample(frac=1, random_state=seed)
    known, held_back = (shuffled[shuffled["intent"].isin(unseen) == flag] for flag in (False, True))
    calm_rows = min(traffic, len(known) // 6)
    calm, known_later, training = (
        known[:calm_rows],
        known[calm_rows : 2 * calm_rows],
        known[2 * calm_rows :],
    )
    later = pd.concat([known_later, held_back[: len(known_later)]]).sample(frac=1, random_state=seed)
    return World(training, calm, later, f"{len(unseen)} intents appear that the first model never saw")
