"""The tune job: finds better values, writes a preset that trains, and goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from vitrina.errors import UsageError
from vitrina.families import catalog
from vitrina.jobs import train, tune
from vitrina.training.preset import load_preset

pytestmark = pytest.mark.usefixtures("toy_path")

SEARCH = {"training.learning_rate": "loguniform(1e-6,1e-1)", "model.width": "choice(8,16)"}
SHORT = {"training.epochs": 3}


def test_a_search_beats_its_worst_trial_and_writes_table_and_preset(prepared: Path, tmp_path: Path) -> None:
    result = tune("toy", prepared, tmp_path / "t", SEARCH, overrides=SHORT, trials=5)
    table = pd.read_csv(result.table)
    assert len(table) == result.trials == 5
    assert result.metric == "accuracy"
    assert result.value == table["value"].max() > table["value"].min()
    assert set(result.best) == set(SEARCH)
    preset = load_preset(catalog.get("toy"), result.preset)
    assert preset.training.learning_rate == result.best["training.learning_rate"]
    assert preset.training.epochs == 3
    train("toy", prepared, tmp_path / "model", preset=result.preset)
    assert (tmp_path / "model" / "manifest.json").is_file()


def test_an_interrupted_search_counts_what_it_had_tried(prepared: Path, tmp_path: Path) -> None:
    first = tune("toy", prepared, tmp_path / "t", SEARCH, overrides=SHORT, trials=2)
    tried = pd.read_csv(first.table)
    result = tune("toy", prepared, tmp_path / "t", SEARCH, overrides=SHORT, trials=3)
    assert result.trials == 3
    assert set(tried["params_training.learning_rate"]) < set(pd.read_csv(result.table)["params_training.learning_rate"])


def test_a_search_may_be_stated_in_a_file(prepared: Path, tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(yaml.safe_dump({"search": {"training.learning_rate": "loguniform(1e-3,1e-2)"}}))
    result = tune("toy", prepared, tmp_path / "t", path, overrides=SHORT, trials=1)
    assert 1e-3 <= result.best["training.learning_rate"] <= 1e-2


def test_a_file_without_a_search_is_refused(prepared: Path, tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text("training.learning_rate: loguniform(1e-3,1e-2)\n")
    with pytest.raises(UsageError, match="has no `search:` section"):
        tune("toy", prepared, tmp_path / "t", path)
    with pytest.raises(UsageError, match="Cannot read the search file"):
        tune("toy", prepared, tmp_path / "t", tmp_path / "none.yaml")


def test_an_unknown_key_is_refused_with_the_nearest(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Did you mean learning_rate\?"):
        tune("toy", prepared, tmp_path / "t", {"training.learning_rat": "uniform(0.1,0.2)"}, trials=1)


def test_a_search_in_which_everything_diverges_says_so(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No trial was finished"):
        tune(
            "toy",
            prepared,
            tmp_path / "t",
            {"training.learning_rate": "uniform(1e38,2e38)"},
            overrides={"training.gradient_clipping": 0, "training.epochs": 1},
            trials=2,
        )
