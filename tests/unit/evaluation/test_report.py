import pandas as pd
import pytest

from vitrina.errors import ArtifactError
from vitrina.evaluation.report import Evaluation


def test_an_evaluation_is_read_back_as_it_was_written(tmp_path):
    rows = pd.DataFrame({"row_id": ["a", "b"], "score": [1.0, 0.0]})
    written = Evaluation({"accuracy": 0.5}, rows, [{"slice": "language", "value": "es"}], [{"check": "typo"}])
    written.write(tmp_path)
    found = Evaluation.read(tmp_path)
    assert (found.metrics, found.slices, found.behaviour) == (
        written.metrics,
        written.slices,
        written.behaviour,
    )
    pd.testing.assert_frame_equal(found.rows, rows)


def test_a_folder_without_evaluation_says_so(tmp_path):
    with pytest.raises(ArtifactError, match=r"metrics.json does not exist"):
        Evaluation.read(tmp_path)


def test_files_for_people_are_made_when_they_are_written(tmp_path):
    made = []
    rows = pd.DataFrame({"row_id": ["a"], "score": [1.0]})
    evaluation = Evaluation({"accuracy": 1.0}, rows, files={"classes.csv": lambda: made.append(1) or b"class,rows\n"})
    assert not made
    evaluation.write(tmp_path)
    assert (tmp_path / "classes.csv").read_bytes() == b"class,rows\n"
    assert Evaluation.read(tmp_path).metrics == {"accuracy": 1.0}
