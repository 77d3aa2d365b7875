"""Who is champion: the decision about a candidate, the move of the alias, and the way back.

The alias `champion` is the only state that counts and moves in one write. Which champion a version replaced stands in
its own tag, written before that move, so a process that is killed at any point leaves a registry that is right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.errors import DataError, RegistryError
from vitrina.evaluation.gates import Comparison, GateResult, check_gates, paired_bootstrap
from vitrina.evaluation.policy import ChampionRule, Policy
from vitrina.evaluation.report import Evaluation
from vitrina.families import catalog
from vitrina.registry.models import CHAMPION, RegisteredModel, fetch, find_version
from vitrina.registry.run import folder_metrics
from vitrina.registry.tracking import connect, lock, registry_errors

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

REPLACES = "vitrina.replaces"
DECISION = "vitrina.decision"
REASONS = "vitrina.reasons"
ATTEMPTS = 5  # how often a candidate is compared anew because the champion changed meanwhile


@dataclass(frozen=True)
class Decision:
    """What was decided about a candidate, and on which numbers."""

    promoted: bool
    reasons: list[str]
    champion: str | None  # the version before
    metrics: dict[str, float] = field(default_factory=dict)
    gates: list[GateResult] = field(default_factory=list)
    comparison: Comparison | None = None


def promote(name: str, version: str, data: Path, policy: Policy) -> Decision:
    """Make a version champion if it passes its gates and is not worse than the champion on the same held-out rows.

    Both models are evaluated here, on the `test` split of `data`; no number that came with them is trusted for that.

    Raises:
        RegistryError: an unknown or incomplete version, or a registry that does not answer.
    """
    client = connect()
    with registry_errors(f"promoting version {version} of {name}"):
        candidate = find_version(client, name, version)
        decision = _decide_and_move(client, candidate, data, policy)
        _record(client, candidate, decision)
    return decision


def _decide_and_move(client: MlflowClient, candidate: RegisteredModel, data: Path, policy: Policy) -> Decision:
    if champion_version(client, candidate.name) == candidate.version:
        return _already(candidate)
    evaluation = evaluate_version(candidate, data)
    metrics = {**evaluation.metrics, **folder_metrics(fetch(candidate))}
    gates = check_gates(policy, metrics, evaluation.slices, evaluation.behaviour)
    failures = [gate.reason for gate in gates if not gate.passed]
    for _ in range(ATTEMPTS):
        champion = champion_version(client, candidate.name)
        if failures:
            return Decision(False, failures, champion, metrics, gates)
        if champion == candidate.version:  # a second promotion of the same version was faster
            return _already(candidate)
        comparison = None
        reason = f"first champion of {candidate.name}; passed {len(gates)} gates"
        if champion is not None:
            current = evaluate_version(find_version(client, candidate.name, champion), data)
            comparison = compare(evaluation.rows, current.rows, policy.champion)
            reason = comparison.describe(f"v{champion}")
            if not comparison.not_worse:
                return Decision(False, [reason], champion, metrics, gates, comparison)
        if move_champion(client, candidate.name, champion, candidate.version, replaces=champion or ""):
            return Decision(True, [reason], champion, metrics, gates, comparison)
    raise RegistryError(
        f"The champion of '{candidate.name}' kept changing while version {candidate.version} was compared."
    )


def _already(candidate: RegisteredModel) -> Decision:
    return Decision(True, [f"version {candidate.version} is already the champion"], candidate.version)


def evaluate_version(version: RegisteredModel, data: Path) -> Evaluation:
    """Evaluate a registered version on the held-out rows of a prepared folder (or on one file)."""
    folder = fetch(version)  # refuses what was not registered whole
    spec = catalog.get(version.tags["vitrina.family"])
    try:
        examples = spec.data.read_examples(data, "test")
    except OSError as error:  # otherwise taken for the registry's
        raise DataError(f"The held-out rows in {data} cannot be read: {error}.") from error
    return spec.metrics.evaluate(spec.serving.load(folder), examples)


def compare(challenger: pd.DataFrame, champion: pd.DataFrame, rule: ChampionRule) -> Comparison:
    """Pair two evaluations' `rows` by `row_id` and compare their scores; equal rows pair in their order.

    Raises:
        DataError: when the two were not evaluated on the same rows.
    """
    numbered = [rows.assign(copy=rows.groupby("row_id").cumcount()) for rows in (challenger, champion)]
    pairs = numbered[0].merge(numbered[1], on=["row_id", "copy"], suffixes=("_challenger", "_champion"))
    if pairs.empty or not len(pairs) == len(challenger) == len(champion):
        raise DataError(
            f"Challenger ({len(challenger):,} rows) and champion ({len(champion):,} rows) were not evaluated on the "
            f"same held-out rows; {len(pairs):,} are shared."
        )
    return paired_bootstrap(
        pairs["score_challenger"].to_numpy(), pairs["score_champion"].to_numpy(), **rule.model_dump()
    )


def champion_version(client: MlflowClient, name: str) -> str | None:
    """The version that carries the alias now, None where there is none."""
    version = client.get_registered_model(name).aliases.get(CHAMPION)
    return None if version is None else str(version)


def move_champion(
    client: MlflowClient, name: str, expected: str | None, version: str, *, replaces: str | None = None
) -> bool:
    """Make `version` champion if `expected` still is; False, with the alias unmoved, if somebody else was faster.

    The lock decides between processes of this machine. MLflow knows no conditional write, so promotions from several
    machines at the very same moment are told by looking again afterwards.

    Args:
        replaces: what a rollback from `version` is to restore ("" for nothing); None leaves that as it is.
    """
    with lock(f"champion-{name}"):
        if champion_version(client, name) != expected:
            return False
        if replaces is not None:
            client.set_model_version_tag(name, version, REPLACES, replaces)
        client.set_registered_model_alias(name, CHAMPION, version)
        return champion_version(client, name) == version


def _record(client: MlflowClient, candidate: RegisteredModel, decision: Decision) -> None:
    verdict = "promoted" if decision.promoted else "rejected"
    client.set_model_version_tag(candidate.name, candidate.version, DECISION, verdict)
    client.set_model_version_tag(candidate.name, candidate.version, REASONS, "; ".join(decision.reasons))


def rollback(name: str) -> tuple[str, str]:
    """Give the alias back to the champion before this one; returns (restored version, version taken back).

    Repeated, it walks further back, one champion at a time.

    Raises:
        RegistryError: no champion, no earlier one, or one that was deleted.
    """
    client = connect()
    with registry_errors(f"rolling back {name}"):
        current = find_version(client, name, f"@{CHAMPION}")
        before = current.tags.get(REPLACES)
        if not before:
            raise RegistryError(
                f"Version {current.version} is the first champion of '{name}'; there is none before it."
            )
        find_version(client, name, before)  # it must not have been deleted
        if not move_champion(client, name, current.version, before):
            raise RegistryError(f"The champion of '{name}' changed while it was being rolled back; look, then repeat.")
        client.delete_model_version_tag(name, current.version, REPLACES)
        client.set_model_version_tag(name, current.version, DECISION, "rolled back")
    return before, current.version
