"""Compare what the champion sees now with what it was made for."""

from kfp.dsl import HTML, Artifact, Output

from components._base import component


@component
def drift(
    family: str,
    predictions: str,
    since: str,
    until: str,
    minimum_rows: int,
    triggers: str,
    html: Output[HTML],
    report: Output[Artifact],
) -> bool:
    """Empty `since`, `until`: no bound; empty `triggers` (YAML text): the default. Answers whether to train again."""
    from pathlib import Path

    from vitrina.jobs import drift as job

    policy = Path(html.path).with_name("triggers.yaml") if triggers else None
    if policy:
        policy.write_text(triggers, encoding="utf-8")
    bounds = {"since": since or None, "until": until or None}
    champion, log, output = f"models:/{family}@champion", Path(predictions), Path(report.path)
    result = job(champion, log, output, minimum_rows=minimum_rows, policy=policy, **bounds)
    page = result.report.read_text(encoding="utf-8") if result.report else f"<p>{'; '.join(result.reasons)}</p>"
    Path(html.path).write_text(page, encoding="utf-8")
    return result.retrain
