from __future__ import annotations

import asyncio

import pytest

from vitrina.contracts.http import Refusal
from vitrina.llm.assistant.admission import Admission


def test_the_rest_waits_its_turn_and_what_is_too_much_is_refused_at_once() -> None:
    seen: list[tuple[int, int]] = []

    async def main() -> list[str | Refusal]:
        admission = Admission(2, 3, 5.0, lambda running, waiting: seen.append((running, waiting)))
        order: list[str] = []

        async def one(name: str) -> str:
            async with admission.place():
                order.append(name)
                await asyncio.sleep(0.02)
            return name

        found = await asyncio.gather(*(one(f"r{n}") for n in range(7)), return_exceptions=True)
        assert order == ["r0", "r1", "r2", "r3", "r4"]  # first come, first served
        assert (admission.running, admission.waiting) == (0, 0)
        return found  # type: ignore[return-value]

    found = asyncio.run(main())
    refused = [each for each in found if isinstance(each, Refusal)]
    assert [each.status for each in refused] == [429, 429]
    assert refused[0].headers == ((b"retry-after", b"1"),)
    assert max(running for running, _ in seen) == 2
    assert max(waiting for _, waiting in seen) == 3


def test_who_waits_too_long_is_told_when_to_come_back() -> None:
    async def main() -> Refusal:
        admission = Admission(1, 1, 0.05)
        async with admission.place():
            with pytest.raises(Refusal) as refused:
                async with admission.place():
                    raise AssertionError("there was no room")
        async with admission.place():  # what was given up is free again
            assert admission.running == 1
        return refused.value

    refusal = asyncio.run(main())
    assert refusal.status == 503
    assert "0.05 seconds" in refusal.message
    assert refusal.headers


def test_a_waiting_request_that_is_cancelled_leaves_the_queue() -> None:
    async def main() -> None:
        admission = Admission(1, 1, 5.0)

        async def wait() -> None:
            async with admission.place():
                pass

        async with admission.place():
            waits = asyncio.create_task(wait())
            await asyncio.sleep(0.01)
            assert admission.waiting == 1
            waits.cancel()
            await asyncio.gather(waits, return_exceptions=True)
            assert admission.waiting == 0
        await asyncio.wait_for(wait(), 1)

    asyncio.run(main())
