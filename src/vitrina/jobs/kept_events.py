"""Job: the events that services kept since training → rows of `interactions`, ready to train on."""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class KeptEventsResult(JobResult):
    """The table that was written; merge it with the training table by the job `merge`."""

    output: Path
    rows: int
    users: int


def kept_events(source: Path, output: Path) -> KeptEventsResult:
    """Write what `POST /ai/interactions` kept (`$VITRINA_HOME/histories/live.sqlite`) as a table of interactions.

    Of each user the last 500 events are kept: a shop that records its own events trains on those.

    Raises:
        DataError: when there is no such file, it is no database of events, or holds none.
    """
    import pandas as pd

    from vitrina.contracts import table_named
    from vitrina.data.tables import write_table
    from vitrina.errors import DataError
    from vitrina.serving.histories import LiveHistories

    source, output = Path(source), Path(output)
    rows = list(LiveHistories(source).all())
    if not rows:
        raise DataError(f"{source} holds no event yet.")
    frame = pd.DataFrame(rows, columns=["user_id", "product_id", "event", "value", "time"])
    frame["timestamp"] = pd.to_datetime(frame.pop("time"), unit="s", utc=True).dt.floor("us")
    write_table(frame, table_named("interactions"), output)
    return KeptEventsResult(output=output, rows=len(frame), users=int(frame["user_id"].nunique()))
