"""Against a real registry: MLflow on a database of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from vitrina.errors import RegistryError
from vitrina.llm.prompts import registry
from vitrina.llm.prompts.errors import PromptError
from vitrina.llm.prompts.prompt import Prompt, built_in
from vitrina.llm.prompts.tasks import names
from vitrina.registry import prompts as store
from vitrina.registry import tracking

NAME = "assistant.describe"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a registry."""
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path))
    for name in ("TRACKING_URI", "BACKEND_STORE_URI"):
        monkeypatch.delenv(f"VITRINA_{name}", raising=False)
    return tmp_path


@pytest.fixture
def shop(home: Path, empty_database: Path) -> Callable[..., Prompt]:
    """Registers versions of the prompt for `describe` in a registry of its own."""
    shutil.copy(empty_database, home / "mlflow.db")

    def registered(number: int) -> Prompt:
        text = f"Variant {number}. {built_in('describe').system}"
        prompt, new = registry.register(built_in("describe").model_copy(update={"system": text, "note": f"v{number}"}))
        assert new
        return prompt

    return registered


def test_without_a_registry_the_built_in_prompts_serve_and_none_is_made(home: Path) -> None:
    for name in names():
        assert registry.in_use(name) == (built_in(name), None)
    assert not (home / "mlflow.db").exists()


def test_a_version_comes_back_as_it_was_registered(shop: Callable[..., Prompt]) -> None:
    made = shop(1)

    assert made.version == "1"
    assert registry.load("describe", "1") == made
    assert made.system.startswith("Variant 1. You write")
    assert made.sampling == built_in("describe").sampling
    assert registry.in_use("describe").production == built_in("describe")


def test_an_equal_version_is_not_registered_twice(shop: Callable[..., Prompt]) -> None:
    made = shop(1)

    assert registry.register(made.model_copy(update={"version": "built-in", "note": "again"})) == (made, False)
    assert [each.version for each in store.versions(NAME)] == ["1"]


def test_production_moves_and_goes_back_step_by_step_to_the_built_in_prompt(shop: Callable[..., Prompt]) -> None:
    for number in (1, 2, 3):
        shop(number)

    assert [store.promote(NAME, version) for version in ("1", "3", "3")] == [None, "1", "3"]
    assert registry.in_use("describe").production.note == "v3"
    assert store.rollback(NAME) == ("1", "3")
    assert registry.in_use("describe").production.version == "1"
    assert store.rollback(NAME) == (None, "1")
    assert registry.in_use("describe").production == built_in("describe")
    with pytest.raises(RegistryError, match="No version of prompt 'assistant.describe' is in production"):
        store.rollback(NAME)


def test_a_candidate_is_one_until_it_is_promoted(shop: Callable[..., Prompt]) -> None:
    for number in (1, 2):
        shop(number)
    store.promote(NAME, "1")
    store.propose(NAME, "2")

    assert [each.version for each in registry.in_use("describe") if each] == ["1", "2"]
    assert store.aliases(NAME) == {"production": "1", "candidate": "2"}
    with pytest.raises(RegistryError, match="cannot be its own candidate"):
        store.propose(NAME, "1")
    store.promote(NAME, "2")
    assert store.aliases(NAME) == {"production": "2"}
    store.propose(NAME, "1")
    store.propose(NAME, None)
    assert registry.in_use("describe").candidate is None


@pytest.mark.parametrize("version", ["9", "newest", ""])
def test_an_unknown_version_is_refused_with_those_that_are_there(shop: Callable[..., Prompt], version: str) -> None:
    shop(1)

    with pytest.raises(RegistryError, match=f"no version '{version}' of prompt '{NAME}'; registered: 1"):
        store.promote(NAME, version)
    with pytest.raises(PromptError, match="no version or alias 'x'"):
        registry.load("describe", "x")


def test_a_version_whose_predecessor_was_deleted_is_not_rolled_back(shop: Callable[..., Prompt]) -> None:
    shop(1), shop(2)
    store.promote(NAME, "1")
    store.promote(NAME, "2")
    tracking.connect().delete_prompt_version(NAME, "1")

    with pytest.raises(RegistryError, match="no version '1'"):
        store.rollback(NAME)
    assert store.aliases(NAME) == {"production": "2"}


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([{"role": "system", "content": "a"}, {"role": "user", "content": "{{ colour }}"}], "'colour' is undefined"),
        ([{"role": "user", "content": "{{ product }}"}], "other messages than one of the system and one of the user"),
        ("Describe {{ product }}.", "other messages than"),
    ],
)
def test_what_other_hands_put_into_production_is_refused_before_it_is_used(
    shop: Callable[..., Prompt], messages: object, message: str
) -> None:
    shop(1)
    client = tracking.connect()
    made = client.register_prompt(NAME, messages)
    client.set_prompt_alias(NAME, "production", made.version)

    with pytest.raises(PromptError, match=message):
        registry.in_use("describe")


def test_prompts_are_not_listed_among_the_models(shop: Callable[..., Prompt]) -> None:
    from vitrina.registry.listing import registered_versions

    shop(1)

    assert registered_versions() == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"system": "a", "user": "{{ colour }}"}, "'colour' is undefined"),
        ({"system": "a", "user": "Describe it."}, "shows the model nothing of what it is given"),
        ({"system": "a"}, "`user`: Field required"),
        ({"system": "a", "user": "{{ product }}", "model": "x"}, "`model`: Extra inputs"),
        ({"system": "a", "user": "{{ product }}", "sampling": {"temperature": 9}}, "`temperature`"),
        ({"system": "a", "user": "{{ product }}", "version": "7"}, "must be a mapping"),
        ("text", "must be a mapping"),
    ],
)
def test_a_file_that_is_no_prompt_of_the_task_is_refused(tmp_path: Path, values: object, message: str) -> None:
    file = tmp_path / "prompt.yaml"
    file.write_text(yaml.safe_dump(values))

    with pytest.raises(PromptError, match=message):
        registry.read_prompt("describe", file)


def test_a_file_changes_only_the_sampling_that_it_names(tmp_path: Path) -> None:
    file = tmp_path / "prompt.yaml"
    file.write_text(yaml.safe_dump({"system": "a", "user": "{{ message }}", "sampling": {"temperature": 0.1}}))

    sampling = registry.read_prompt("reply", file).sampling
    assert (sampling.temperature, sampling.max_tokens) == (0.1, built_in("reply").sampling.max_tokens)
