import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIELDS = {"benchmark", "command", "commit", "date", "machine", "seconds", "figures"}


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import page

    return page


def test_the_results_page_says_what_the_result_files_say(page):
    assert (ROOT / "docs" / "results.md").read_text() == page.page(page.read_results())


def test_every_result_names_its_command_commit_and_machine(page):
    for result in page.read_results():
        assert result.keys() >= FIELDS
        script = result["command"].split()[1]
        assert (ROOT / script).is_file()


def test_a_missed_figure_says_so(page):
    figure = {"name": "x", "value": 0.9, "unit": "", "better": "higher", "target": 0.95, "interval": None}
    assert "**missed**" in page.row(figure | {"baselines": {}})
    assert "**missed**" not in page.row(figure | {"baselines": {}, "value": 0.96})
    assert "**missed**" in page.row(figure | {"baselines": {}, "better": "lower", "value": 1.0})


def test_results_are_json_with_figures_of_known_direction(page):
    for path in page.RESULTS.glob("*.json"):
        for figure in json.loads(path.read_text())["figures"]:
            assert figure["better"] in ("higher", "lower")
