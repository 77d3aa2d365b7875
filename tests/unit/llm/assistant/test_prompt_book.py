from __future__ import annotations

import logging
import time

import pytest

from vitrina import watching
from vitrina.errors import RegistryError
from vitrina.llm.assistant.prompt_book import PromptBook
from vitrina.llm.prompts.prompt import Prompt, built_in
from vitrina.llm.prompts.registry import InUse


class Registry:
    """What is in use, as somebody may change it meanwhile."""

    def __init__(self) -> None:
        self.production, self.candidate, self.error = "1", "2", ""

    def __call__(self, task: str) -> InUse:
        if self.error:
            raise RegistryError(self.error)
        return InUse(version(task, self.production), version(task, self.candidate))


def version(task: str, number: str) -> Prompt:
    return built_in(task).model_copy(update={"version": number})


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def book(registry: Registry) -> PromptBook:
    return PromptBook(registry, share=0.3, seconds=0.0)


def test_until_it_looked_what_comes_with_vitrina_serves(book: PromptBook) -> None:
    assert book.of("describe", "u1") == (built_in("describe"), "production")


def test_a_user_always_gets_the_same_version_and_a_share_gets_the_candidate(book: PromptBook) -> None:
    book.start()
    book.close()
    chosen = {f"u{n}": book.of("describe", f"u{n}") for n in range(1000)}
    assert all(book.of("describe", user) == found for user, found in chosen.items())
    assert all(found.prompt.version == ("2" if found.variant == "candidate" else "1") for found in chosen.values())
    assert 250 < sum(found.variant == "candidate" for found in chosen.values()) < 350
    assert book.of("describe", None).variant == "production"


def test_a_promotion_is_followed(book: PromptBook, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.01)
    book.start()
    registry.production = "3"
    for _ in range(500):
        if book.of("reply", None).prompt.version == "3":
            break
        time.sleep(0.01)
    book.close()
    assert book.of("reply", None).prompt.version == "3"


def test_a_registry_that_fails_leaves_what_was_and_says_so_once(
    book: PromptBook, registry: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.01)
    book.start()
    registry.error = "The registry does not answer."
    with caplog.at_level(logging.ERROR):
        time.sleep(0.2)
    book.close()
    assert book.of("reply", None).prompt.version == "1"
    assert len([each for each in caplog.records if "stay as they are" in each.message]) == 1
