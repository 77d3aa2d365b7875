"""Presets: found, overridden, checked; each mistake is one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from toy_family.spec import SPEC

from vitrina.errors import UsageError
from vitrina.training.preset import Preset, load_preset


def written(folder: Path, content: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_preset_is_found_by_name() -> None:
    preset = load_preset(SPEC, "base")
    assert (preset.name, preset.training.epochs, preset.training.metric) == ("base", 2, "accuracy")
    assert preset.model.model_dump() == {"width": 16, "layers": 2, "dropout": 0.1}
    assert preset.teacher is None


def test_a_preset_names_its_teacher() -> None:
    assert load_preset(SPEC, "student").teacher == "base"


def test_a_preset_is_read_from_any_file(tmp_path: Path) -> None:
    path = written(tmp_path, {"training": {"epochs": 9}})
    preset = load_preset(SPEC, path)
    assert (preset.name, preset.training.epochs) == ("mine", 9)
    assert load_preset(SPEC, str(path)) == preset


def test_an_empty_preset_is_all_defaults(tmp_path: Path) -> None:
    assert load_preset(SPEC, written(tmp_path, "")).training.batch_size == 32


def test_overrides_are_dotted_and_typed() -> None:
    changes = {"training.epochs": 7, "training.learning_rate": "1e-4", "model.width": 4, "resources.gpu": 1}
    preset = load_preset(SPEC, "base", changes)
    assert preset.training.epochs == 7
    assert preset.training.learning_rate == pytest.approx(1e-4)
    assert preset.model.model_dump()["width"] == 4
    assert preset.resources.gpu == 1
    assert load_preset(SPEC, "base").training.epochs == 2


def test_overrides_reach_what_the_file_does_not_mention() -> None:
    preset = load_preset(SPEC, "base", {"resources.secrets": {"TOKEN": {"secret": "hub", "key": "token"}}})
    assert preset.resources.secrets["TOKEN"].key == "token"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"training.epoch": 2}, r"there is no key training.epoch. Did you mean epochs\?"),
        ({"training.lr": 2}, r"there is no key training.lr\. "),
        ({"training.gradient_cliping": 1}, r"Did you mean gradient_clipping\?"),
        ({"model.widht": 2}, r"there is no key model.widht. Did you mean width\?"),
        ({"resource.gpu": 2}, r"there is no key resource. Did you mean resources\?"),
        ({"resources.gpus": 2}, r"there is no key resources.gpus. Did you mean gpu\?"),
        ({"resources.tolerations": [{"key": "a", "efect": "b"}]}, r"there is no key resources.tolerations"),
        ({"training.xyzzy": 2}, r"there is no key training.xyzzy. Known: "),
        ({"training.epochs": "many"}, r"training.epochs: Input should be a valid number.* \(got 'many'\)"),
        ({"training.epochs": 0}, r"training.epochs: Input should be greater than 0 \(got 0\)"),
        ({"training.schedule": "steep"}, r"training.schedule: Input should be 'linear'"),
        ({"training.report_to": "carrier_pigeon"}, r"training.report_to.*\(got 'carrier_pigeon'\)"),
        ({"training": 3}, r"training: .* \(got 3\)"),
        ({"training.epochs.first": 3}, r"Override training.epochs.first: epochs is a value, not a section"),
        ({"training.schedule": "plateau", "training.warmup_ratio": 0.1}, r"warmup_ratio has no effect"),
        ({"teacher": 3}, r"teacher is the name of a preset, not 3"),
    ],
)
def test_a_mistake_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        load_preset(SPEC, "base", changes)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no preset 'bse' of toy. Known: base, student"):
        load_preset(SPEC, "bse")


@pytest.mark.parametrize(("content", "sentence"), [("a: [1", "is not valid YAML"), ("- 1", "holds no sections")])
def test_a_file_that_is_no_preset_is_refused(content: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        load_preset(SPEC, written(tmp_path, content))


def test_every_option_says_what_it_is() -> None:
    for section in (load_preset(SPEC, "base").training, load_preset(SPEC, "base").resources):
        for name, field in type(section).model_fields.items():
            assert field.description, name


def test_a_written_preset_reads_back_as_itself(tmp_path: Path) -> None:
    preset = load_preset(SPEC, "base", {"training.report_to": "mlflow,tensorboard", "training.eval_every": 5})
    path = tmp_path / "base.yaml"
    path.write_text(yaml.safe_dump(preset.model_dump(mode="json", exclude={"name"})))
    again = load_preset(SPEC, path)
    assert isinstance(again, Preset)
    assert again == preset
