"""The client against a real server, whole and through a proxy that makes the faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import aclosing
from email.utils import formatdate
from typing import Any

import pytest

from tests.faulty_llm import FaultyLLM
from tests.listening import until
from tests.llm_server import LLMServer, free_port
from vitrina.errors import UsageError
from vitrina.llm.breaker import Breaker
from vitrina.llm.client import Chat, Completion, Endpoint, Sampling
from vitrina.llm.errors import LLMBusy, LLMInterrupted, LLMRefused, LLMUnavailable

ASKED = [{"role": "user", "content": "Answer with JSON: title, description."}]
BRIEF = Sampling(max_tokens=12, temperature=0)
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}
SLOW = 20.0
"""Seconds that a loaded machine may take for a dozen tokens."""


def _run(work: Coroutine[Any, Any, Any], seconds: float = SLOW) -> Any:
    """The result; the test fails when it takes longer."""

    async def limited() -> Any:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(limited())


def _endpoint(server: LLMServer | FaultyLLM, **options: Any) -> Endpoint:
    return Endpoint(**({"url": server.url, "first_token_timeout": SLOW} | options))


async def _complete(endpoint: Endpoint, sampling: Sampling = BRIEF, **options: Any) -> Completion:
    chat = Chat(endpoint)
    try:
        return await chat.complete(ASKED, sampling, **options)
    finally:
        await chat.close()


async def _streamed(endpoint: Endpoint, sampling: Sampling = BRIEF) -> list[str | Completion]:
    chat = Chat(endpoint)
    try:
        return [piece async for piece in chat.stream(ASKED, sampling)]
    finally:
        await chat.close()


def test_an_answer_comes_whole_with_its_tokens_counted(llm_server: LLMServer) -> None:
    answer = _run(_complete(_endpoint(llm_server)))

    assert answer.text.startswith('{"title": "')
    assert answer.finish_reason == "length"
    assert answer.usage.completion_tokens == 12
    assert answer.usage.prompt_tokens > 10
    assert answer.model.startswith(llm_server.model)


def test_a_stream_gives_the_same_answer_in_pieces(llm_server: LLMServer) -> None:
    *pieces, whole = _run(_streamed(_endpoint(llm_server)))

    assert len(pieces) > 5
    assert "".join(pieces) == whole.text == _run(_complete(_endpoint(llm_server))).text
    assert whole.usage.completion_tokens == 12


def test_the_servers_models_are_listed(llm_server: LLMServer) -> None:
    async def models() -> list[str]:
        chat = Chat(_endpoint(llm_server))
        try:
            return await chat.models()
        finally:
            await chat.close()

    assert _run(models()) == [llm_server.model]


def test_many_calls_at_once_are_not_mixed(llm_server: LLMServer) -> None:
    async def together() -> list[Completion]:
        chat = Chat(_endpoint(llm_server))
        asked = [chat.complete(ASKED, Sampling(temperature=0, max_tokens=tokens)) for tokens in range(1, 9)]
        try:
            return await asyncio.gather(*asked)
        finally:
            await chat.close()

    assert [answer.usage.completion_tokens for answer in _run(together(), 60)] == list(range(1, 9))


def test_a_server_that_is_slow_to_start_is_asked_again(proxy: FaultyLLM) -> None:
    proxy.faults.ready_at = time.monotonic() + 0.6

    answer = _run(_complete(_endpoint(proxy, model=proxy.model, retries=20)))

    assert answer.usage.completion_tokens == 12
    assert len(proxy.completions) > 1


def test_a_server_that_never_starts_ends_in_a_sentence_within_the_time_limit(proxy: FaultyLLM) -> None:
    proxy.faults.ready_at = time.monotonic() + 60

    with pytest.raises(LLMUnavailable, match="answered 503: The model is loading"):
        _run(_complete(_endpoint(proxy, model=proxy.model, retries=2, total_timeout=5)), 6)


def test_nobody_at_the_address_is_a_sentence() -> None:
    with pytest.raises(LLMUnavailable, match="cannot be reached"):
        _run(_complete(Endpoint(url=f"http://127.0.0.1:{free_port()}", model="any", retries=0)), 6)


def test_an_answer_that_takes_too_long_is_given_up(proxy: FaultyLLM) -> None:
    proxy.faults.latency = 30

    with pytest.raises(LLMUnavailable, match="did not answer within 0.5 s"):
        _run(_complete(_endpoint(proxy, model=proxy.model, total_timeout=0.5)), 5)


def test_a_stream_without_a_first_token_is_given_up_and_closed(proxy: FaultyLLM) -> None:
    proxy.faults.silent = True

    with pytest.raises(LLMUnavailable, match="did not answer within 0.5 s"):
        _run(_streamed(_endpoint(proxy, model=proxy.model, first_token_timeout=0.5)), 5)
    until(lambda: proxy.open_streams == 0)


def test_a_stream_that_dies_gives_the_text_that_had_come(proxy: FaultyLLM) -> None:
    proxy.faults.dies_after = 6

    with pytest.raises(LLMInterrupted, match="broke off") as caught:
        _run(_streamed(_endpoint(proxy)))
    assert caught.value.text.startswith('{"title": "')
    assert len(proxy.completions) == 1, "what was shown is not asked for again"


def test_a_stream_that_dies_before_its_first_token_is_asked_again(proxy: FaultyLLM) -> None:
    proxy.faults.dies_after = 1

    with pytest.raises(LLMUnavailable):
        _run(_streamed(_endpoint(proxy, retries=2)))
    assert len(proxy.completions) == 3


def test_an_endless_generation_is_cut_and_closed(proxy: FaultyLLM) -> None:
    proxy.faults.endless = True

    with pytest.raises(LLMInterrupted, match="did not end its answer within 2 s") as caught:
        _run(_streamed(_endpoint(proxy, model=proxy.model, total_timeout=2)), 6)
    assert len(caught.value.text) > 50
    until(lambda: proxy.open_streams == 0)


def test_a_caller_that_leaves_ends_the_generation(proxy: FaultyLLM) -> None:
    proxy.faults.endless = True

    async def leaving() -> None:
        chat = Chat(_endpoint(proxy))
        async with aclosing(chat.stream(ASKED, BRIEF)) as pieces:
            assert await anext(pieces)
        await chat.close()

    _run(leaving())
    until(lambda: proxy.open_streams == 0)


@pytest.mark.parametrize("wait", ["1", "date"])
def test_a_busy_server_is_asked_again_after_the_time_that_it_names(proxy: FaultyLLM, wait: str) -> None:
    proxy.faults.busy, proxy.faults.retry_after = 1, wait if wait == "1" else formatdate(time.time() + 2, usegmt=True)
    started = time.monotonic()

    answer = _run(_complete(_endpoint(proxy, model=proxy.model)))

    assert answer.usage.completion_tokens == 12
    assert time.monotonic() - started >= 0.9


def test_a_busy_server_that_asks_for_more_time_than_there_is_is_not_waited_for(proxy: FaultyLLM) -> None:
    proxy.faults.busy, proxy.faults.retry_after = 1, "3600"

    with pytest.raises(LLMBusy, match="try again in 3600 s") as caught:
        _run(_complete(_endpoint(proxy, model=proxy.model)), 5)
    assert caught.value.retry_after == 3600
    assert len(proxy.completions) == 1


def test_an_unknown_model_is_refused_by_name(llm_server: LLMServer) -> None:
    with pytest.raises(LLMRefused, match="does not serve the model 'granite-9'") as caught:
        _run(_complete(_endpoint(llm_server, model="granite-9")))
    assert caught.value.reason == "model"


def test_a_wrong_key_is_refused_and_never_repeated(proxy: FaultyLLM, caplog: pytest.LogCaptureFixture) -> None:
    proxy.faults.key = "the-right-one"
    endpoint = _endpoint(proxy, model=proxy.model, key="sk-secret-123")

    with caplog.at_level("DEBUG"), pytest.raises(LLMRefused, match="refuses the API key") as caught:
        _run(_complete(endpoint))
    assert caught.value.reason == "key"
    assert caught.value.__cause__ is None
    for text in (str(caught.value), repr(endpoint), str(endpoint.model_dump()), caplog.text):
        assert "sk-secret-123" not in text


def test_prompts_reach_no_log(proxy: FaultyLLM, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        answer = _run(_complete(_endpoint(proxy)))

    assert ASKED[0]["content"] not in caplog.text
    assert answer.text not in caplog.text


def test_the_right_key_is_sent(proxy: FaultyLLM) -> None:
    proxy.faults.key = "the-right-one"

    assert _run(_complete(_endpoint(proxy, key="the-right-one"))).text


def test_a_prompt_beyond_the_context_is_refused_in_the_servers_words(proxy: FaultyLLM) -> None:
    proxy.faults.context = 64

    with pytest.raises(LLMRefused, match="maximum context length is 64 tokens") as caught:
        _run(_complete(_endpoint(proxy), Sampling(max_tokens=60)))
    assert caught.value.too_long


@pytest.mark.parametrize("streaming", [False, True])
def test_a_prompt_of_200000_tokens_is_refused_before_it_is_sent(proxy: FaultyLLM, streaming: bool) -> None:
    async def ask() -> None:
        chat = Chat(_endpoint(proxy))
        messages = [{"role": "user", "content": "hello " * 200_000}]
        if streaming:
            await anext(aiter(chat.stream(messages, BRIEF)))
        await chat.complete(messages, BRIEF)

    with pytest.raises(LLMRefused, match="1,200,000 characters") as caught:
        _run(ask(), 3)
    assert caught.value.too_long
    assert proxy.completions == []


def test_a_schema_that_the_server_refuses_is_remembered(proxy: FaultyLLM) -> None:
    proxy.faults.refuses_format = True

    async def twice() -> None:
        chat = Chat(_endpoint(proxy))
        for _ in range(2):
            assert (await chat.complete(ASKED, BRIEF, SCHEMA)).text
        await chat.close()

    _run(twice())
    assert ["response_format" in body for body in proxy.completions] == [True, False, False]


def test_a_server_that_failed_repeatedly_is_left_alone_then_asked_once(proxy: FaultyLLM) -> None:
    async def told() -> list[str]:
        chat = Chat(_endpoint(proxy, model=proxy.model, retries=0), breaker=Breaker(2, pause=1.0))
        said = []
        proxy.faults.ready_at = time.monotonic() + 60
        for _ in range(3):
            with pytest.raises(LLMUnavailable) as caught:
                await chat.complete(ASKED, BRIEF)
            said.append(str(caught.value))
        assert (chat.breaker.state, len(proxy.completions)) == ("open", 2)
        proxy.faults.ready_at = 0
        await asyncio.sleep(1.1)
        await chat.complete(ASKED, BRIEF)
        assert chat.breaker.state == "closed"
        await chat.close()
        return said

    *_, left_alone = _run(told())
    assert "left alone for 1 s" in left_alone


def test_a_probe_that_gets_no_answer_in_time_leaves_the_server_alone_again(proxy: FaultyLLM) -> None:
    async def state() -> str:
        chat = Chat(_endpoint(proxy, model=proxy.model, total_timeout=0.3), breaker=Breaker(1, pause=0.2))
        proxy.faults.latency = 30
        for _ in range(2):
            with pytest.raises(LLMUnavailable, match="did not answer"):
                await chat.complete(ASKED, BRIEF)
            await asyncio.sleep(0.25)
        with pytest.raises(LLMUnavailable, match="did not answer"):
            await chat.complete(ASKED, BRIEF)
        return chat.breaker.state

    assert _run(state()) == "open"


def test_no_completion_at_the_address_is_a_sentence(proxy: FaultyLLM) -> None:
    with pytest.raises(LLMRefused, match=r"refuses the request \(404\)|\(405\)"):
        _run(_complete(Endpoint(url=f"{proxy.root}/elsewhere", model="any")))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("localhost:8000", "is not the URL"),
        ("ftp://host/v1", "is not the URL"),
        ("http://me:pw@host", "no credentials"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Endpoint(url=url)


def test_a_url_without_a_path_means_v1_and_others_are_kept() -> None:
    assert Endpoint(url="http://host:8000/").url == "http://host:8000/v1"
    assert Endpoint(url="https://host/openai/v1/").url == "https://host/openai/v1"


def test_the_environment_says_where_the_model_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_LLM_URL", "http://host:8000")
    monkeypatch.setenv("VITRINA_LLM_KEY", "sk-secret-123")
    endpoint = Endpoint.from_settings(total_timeout=5)

    assert (endpoint.url, endpoint.total_timeout) == ("http://host:8000/v1", 5)
    assert endpoint.key is not None
    assert endpoint.key.get_secret_value() == "sk-secret-123"

    monkeypatch.delenv("VITRINA_LLM_URL")
    with pytest.raises(UsageError, match="set VITRINA_LLM_URL"):
        Endpoint.from_settings()
