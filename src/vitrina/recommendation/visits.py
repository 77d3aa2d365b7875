"""What a service is asked: the histories of those who came last, as they were when they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vitrina.contracts.interactions import EVENTS
from vitrina.recommendation.events import Events
from vitrina.recommendation.histories import LONGEST

if TYPE_CHECKING:
    import pyarrow as pa

RECENT = 0.1
"""Share of all events, the last ones, that visits are drawn from."""


def visits(events: Events, count: int, seed: int, longest: int = LONGEST) -> pa.Table:
    """Up to `count` of the last events, each as a question: who came, and the history before that moment.

    Traffic is compared with these. Who comes often stands there often, with the history of that day; users' whole
    histories, or one row a user, would look like drift from the first hour. Columns as in `splitting.Splits`, without
    targets.
    """
    import pyarrow as pa

    latest = np.flatnonzero(events.times >= np.quantile(events.times, 1 - RECENT))
    drawn = np.sort(np.random.default_rng(seed).permutation(latest)[:count])
    users = events.users[drawn]
    starts = events.offsets[users]
    # Events of one user stand in order of time: those before the moment end where its first event begins.
    moments = [
        start + np.searchsorted(events.times[start:place], events.times[place])
        for start, place in zip(starts, drawn, strict=True)
    ]
    ends = np.array(moments, dtype=np.int64)
    starts = np.maximum(starts, ends - longest)
    taken = np.concatenate([np.arange(start, end) for start, end in zip(starts, ends, strict=True)])
    past = events.where(taken.astype(np.int64))
    rows = pa.array(np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int32))
    columns = {
        "history": pa.array(events.products, pa.string()).take(pa.array(past.items)),
        "history_times": pa.array(past.times),
        "history_events": pa.array(EVENTS).take(pa.array(past.kinds)),
        "history_values": pa.array(past.values),
    }
    return pa.table(
        {
            "row_id": pa.array([str(place) for place in drawn.tolist()], pa.string()),
            "user_id": pa.array([events.names[user] for user in users], pa.string()),
            **{name: pa.ListArray.from_arrays(rows, values) for name, values in columns.items()},
        }
    )
