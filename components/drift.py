"""Compare what the champion sees now with what it was trained on."""

from kfp.dsl import HTML, Artifact, Output

from components._base import component


@component
def drift(
    family: str,
    predictions: str,
    since: str,
    until: str,
    minimum_rows: int,
    html: Output[HTML],
    report: Output[Artifact],
) -> bool:
    """`predictions` is the folder of logs; empty `since` or `until`: no bound. Answers whether it drifted."""
    import shutil
    from pathlib import Path

    from vitrina.jobs import drift as job

    window = {"since": since or None, "until": until or None, "minimum_rows": minimum_rows}
    result = job(f"models:/{family}@champion", Path(predictions), Path(report.path), **window)
    shutil.copy(result.report, html.path)
    return result.drifted
