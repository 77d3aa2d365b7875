from __future__ import annotations

import pytest
from pydantic import ValidationError

from vitrina.llm.assistant.settings import AssistantSettings


def test_settings_come_from_their_own_variables_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "VITRINA_ASSISTANT_SECONDS": "7",
        "VITRINA_ASSISTANT_RUNNING": "",
        "VITRINA_DESCRIBER_URL": "http://describer",
        "RECOMMENDER_URL": "http://not-ours",
        "SERVICE_KEY": "not-ours",
    }.items():
        monkeypatch.setenv(name, value)
    found = AssistantSettings()
    assert found.limits() == {"total_timeout": 7, "first_token_timeout": 10}
    assert found.running == 64
    assert found.describer_url == "http://describer"
    assert found.recommender_url is None
    assert found.service_key is None


def test_the_key_of_the_services_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_SERVICE_KEY", "secret")
    assert "secret" not in repr(AssistantSettings())


@pytest.mark.parametrize("wrong", [{"running": 0}, {"context": 3}, {"candidate_share": 1.5}, {"attempts": 0}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        AssistantSettings(**wrong)
