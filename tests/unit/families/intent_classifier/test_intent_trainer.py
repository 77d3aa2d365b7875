import json

import pandas as pd
import pytest
import torch

from vitrina.errors import UsageError
from vitrina.families.intent_classifier import data, metrics, serving, trainer
from vitrina.families.intent_classifier.configuration import Options
from vitrina.families.intent_classifier.spec import SPEC
from vitrina.packaging import export_model
from vitrina.training import engine
from vitrina.training.arguments import TrainingOptions

STEPS = {"max_steps": 60, "batch_size": 32, "learning_rate": 3e-3, "progress": False}


@pytest.fixture(scope="module")
def prepared(messages_table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    data.prepare({"messages": messages_table}, folder, Options(), seed=7)
    return folder


def trained(prepared, folder, options, teacher=None, **changes):
    """A model folder as the train job leaves it, without card and manifest."""
    torch.manual_seed(0)
    setup = trainer.setup(prepared, options, 7, teacher)
    outcome = engine.run(setup, TrainingOptions(**(STEPS | changes)), folder / "checkpoints")
    setup.model.save_pretrained(folder)
    trainer.finish(setup, prepared, options, folder)
    export_model(SPEC, folder, prepared)
    return outcome


@pytest.fixture(scope="module")
def teacher(prepared, tiny_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    outcome = trained(prepared, folder, Options(encoder=str(tiny_encoder), lexical_width=8, lexical_buckets=1024))
    return folder, outcome


def test_training_learns_the_intents(teacher):
    assert teacher[1].metrics["accuracy"] > 0.9


def test_the_folder_holds_what_serving_needs(teacher, prepared):
    labels = json.loads((teacher[0] / "labels.json").read_text())
    assert labels["labels"] == ["opening_hours", "order_status", "refund"]
    assert labels["domains"] == {"order_status": "orders", "refund": "payments", "opening_hours": "stores"}
    assert labels["temperature"] > 0
    assert 0 < labels["threshold"] <= 0.5  # validation is answered perfectly
    predictor = serving.load(
        teacher[0], "model.onnx"
    )  # the form the threshold was chosen on; int8 moves few rows a lot
    inside = data.read_examples(prepared, "validation").query("intent != 'out_of_scope'")
    flagged = predictor.predict_frame(inside)["out_of_scope"].mean()
    assert flagged <= 0.08  # chosen as 2% of few validation rows


def test_out_of_scope_messages_score_higher(teacher, prepared):
    evaluation = metrics.evaluate(serving.load(teacher[0]), data.read_examples(prepared, "train"))
    assert evaluation.metrics["oos_auroc"] > 0.9


def test_an_evaluation_has_metrics_slices_behaviour_and_one_score_a_row(teacher, prepared):
    examples = data.read_examples(prepared, "train")
    evaluation = metrics.evaluate(serving.load(teacher[0]), examples)
    assert evaluation.metrics["accuracy"] > 0.9
    assert {"macro_f1", "calibration_error", "accuracy_served", "clarification_rate"} <= evaluation.metrics.keys()
    assert {row["slice"] for row in evaluation.slices} == {"language", "length", "domain"}
    assert [row["check"] for row in evaluation.behaviour] == ["typo", "case", "politeness", "punctuation"]
    assert list(evaluation.rows["row_id"]) == list(examples["row_id"])
    assert next(row for row in evaluation.behaviour if row["check"] == "case")["rate"] == 1.0  # uncased tokenizer


def test_a_student_learns_from_its_teacher(teacher, prepared, tiny_encoder, tmp_path):
    shape = {"layers": 1, "width": 32, "copies": 1}
    options = Options.model_validate({"encoder": str(tiny_encoder), "student": shape})
    outcome = trained(prepared, tmp_path, options, teacher[0], max_steps=80)
    assert outcome.metrics["accuracy"] > 0.9
    examples = data.read_examples(prepared, "test")
    agreement = (
        serving.load(tmp_path).predict_frame(examples)["label"]
        == serving.load(teacher[0]).predict_frame(examples)["label"]
    )
    assert agreement.mean() > 0.85


def test_the_student_is_taught_by_altered_copies_too(teacher, prepared, tiny_encoder):
    options = Options.model_validate({"encoder": str(tiny_encoder), "student": {"layers": 1, "width": 32, "copies": 2}})
    rows = trainer.setup(prepared, options, 7, teacher[0]).train_dataset
    originals = len(data.read_examples(prepared, "train"))
    assert len(rows) == 3 * originals
    assert not rows[0]["copied"]
    assert rows[originals]["copied"]
    assert rows[0]["teacher_logits"].shape == (3,)


def test_a_student_without_teacher_is_refused(prepared, tiny_encoder):
    options = Options.model_validate({"encoder": str(tiny_encoder), "student": {}})
    with pytest.raises(UsageError, match="give a teacher"):
        trainer.setup(prepared, options, 7, None)


def test_a_student_wider_than_its_teacher_is_refused(teacher, prepared, tiny_encoder):
    options = Options.model_validate({"encoder": str(tiny_encoder), "student": {"width": 64}})
    with pytest.raises(UsageError, match="wider than the teacher's 32"):
        trainer.setup(prepared, options, 7, teacher[0])


def test_lower_layers_of_an_encoder_can_be_kept_alone(prepared, tiny_encoder):
    model = trainer.setup(prepared, Options(encoder=str(tiny_encoder), encoder_layers=1), 7, None).model
    assert len(model.encoder.encoder.layer) == 1
    with pytest.raises(UsageError, match="has only 2 layers"):
        trainer.setup(prepared, Options(encoder=str(tiny_encoder), encoder_layers=3), 7, None)


def test_distillation_is_zero_for_equal_distributions_and_grows_with_difference():
    teacher = torch.randn(4, 5)
    same = trainer.distillation_loss(teacher, teacher, 2.0)
    other = trainer.distillation_loss(-teacher, teacher, 2.0)
    torch.testing.assert_close(same, torch.zeros(4), atol=1e-6, rtol=0)
    assert (other > 0.1).all()


def test_unlabelled_rows_get_the_out_of_scope_label():
    assert trainer._indices(pd.Series(["b", "out_of_scope", "a"]), ["a", "b"]) == [1, -1, 0]
