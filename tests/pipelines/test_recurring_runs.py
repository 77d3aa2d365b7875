"""Schedules: Kubeflow's six-field cron is checked here, because its client takes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.compiling import COMPILED
from pipelines.local import typed_parameters
from pipelines.schedules import check_cron, read_schedules
from vitrina.errors import UsageError


@pytest.mark.parametrize(
    "cron",
    ["0 0 3 * * *", "0 */15 * * * ?", "0 0 9 ? * MON-FRI", "30 0,30 8-18/2 1 JAN,JUL 0", "0 0 0 31 12 *"],
)
def test_what_kubeflow_can_run_is_accepted(cron: str) -> None:
    check_cron(cron)


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        ("0 3 * * *", "has 5"),
        ("0 0 3 * * * 2026", "has 7"),
        ("60 0 3 * * *", "'60' in cron '60 0 3 \\* \\* \\*' is no second"),
        ("0 0 24 * * *", "no hour"),
        ("0 0 3 0 * *", "no day of month"),
        ("0 0 3 * 13 *", "no month"),
        ("0 0 3 * * MONDAY", "no day of week"),
        ("0 0 18-8 * * *", "no hour"),
        ("0 */0 3 * * *", "no minute"),
        ("0 ? 3 * * *", "no minute"),
        ("@daily", "has 1"),
    ],
)
def test_what_it_would_never_run_is_refused_by_field(cron: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_cron(cron)


def test_the_schedules_of_the_project_fit_the_compiled_pipelines() -> None:
    from kfp.components import load_component_from_file

    schedules = read_schedules()
    assert schedules
    for schedule in schedules.values():
        typed_parameters(load_component_from_file(str(COMPILED / f"{schedule.pipeline}.yaml")), schedule.parameters)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nightly: {pipeline: retraining, cron: 0 3 * * *}", "cron: cron needs six fields"),
        ("nightly: {pipeline: retraining, cron: 0 0 3 * * *, at: noon}", "at: Extra inputs"),
        ("nightly: retraining", "no map of name to schedule"),
        ("[1, 2", "no map of name to schedule"),
    ],
)
def test_a_broken_schedule_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "schedules.yaml").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        read_schedules(tmp_path / "schedules.yaml")


def test_a_missing_schedule_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml does not exist"):
        read_schedules(tmp_path / "absent.yaml")
