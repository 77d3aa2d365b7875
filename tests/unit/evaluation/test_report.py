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
