"""What server and GPUs show while a level runs: Prometheus metrics in vLLM's names, DCGM's or nvidia-smi's figures."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

LOCAL = {"localhost", "127.0.0.1", "::1"}
QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used,power.draw", "--format=csv,noheader,nounits"]

Sample = dict[str, float]
"""Name → value; values of several series are added up, utilisations averaged over the GPUs."""


class Watch:
    """Samples every `interval` seconds between entry and exit; what cannot be read is left out."""

    def __init__(
        self, url: str, key: SecretStr | None = None, *, dcgm: str | None = None, interval: float = 1.0
    ) -> None:
        self._metrics = f"{url.rstrip('/').removesuffix('/v1')}/metrics"
        self._headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        self._gpus = _gpu_reader(url, dcgm)
        self._interval, self._looked, self._done = interval, Event(), Event()
        self._thread = Thread(target=self._sample, daemon=True)
        self._server: list[tuple[float, Sample]] = []
        self._gpu: list[tuple[float, Sample]] = []

    def __enter__(self) -> Watch:
        self._thread.start()
        self._looked.wait(30)  # the counters' beginning
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def server(self) -> dict[str, float] | None:
        """What `server_figures` makes of all samples; None where nothing was exposed."""
        return self.between(0, math.inf)[0]

    def between(self, start: float, end: float) -> tuple[dict[str, float] | None, dict[str, float] | None]:
        """Figures of the server and of the GPUs between two times of the clock (seconds), an interval more each way.

        None where nothing was exposed.
        """
        server, gpu = (
            [sample for seen, sample in samples if start - self._interval <= seen <= end + self._interval]
            for samples in (self._server, self._gpu)
        )
        return server_figures(server) or None, gpu_figures(gpu) or None

    def _sample(self) -> None:
        with httpx.Client(timeout=5.0, headers=self._headers) as client:
            while True:
                with suppress(httpx.HTTPError, ValueError):
                    if found := _scraped(client, self._metrics, "vllm:"):
                        self._server.append((time.time(), found))
                if self._gpus:
                    with suppress(httpx.HTTPError, ValueError, OSError, subprocess.SubprocessError):
                        self._gpu.append((time.time(), self._gpus(client)))
                self._looked.set()
                if self._done.is_set():  # one last time after the level: the counters' end
                    return
                self._done.wait(self._interval)


def server_figures(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Queue, cache and counters of vLLM over the samples: gauges as mean or maximum, counters as growth."""
    figures = {
        "running_mean": _mean(samples, "vllm:num_requests_running"),
        "waiting_max": _highest(samples, "vllm:num_requests_waiting"),
        "cache_used_max": _highest(samples, "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        "preemptions": _growth(samples, "vllm:num_preemptions_total"),
        "prompt_tokens": _growth(samples, "vllm:prompt_tokens_total"),
        "generated_tokens": _growth(samples, "vllm:generation_tokens_total"),
        "prefix_hits": _ratio(samples, "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"),
        "ttft_seconds_mean": _ratio(
            samples, "vllm:time_to_first_token_seconds_sum", "vllm:time_to_first_token_seconds_count"
        ),
    }
    return {name: value for name, value in figures.items() if value is not None}


def gpu_figures(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Utilisation (0–1) over time, most memory used (GiB) and mean power (W), all GPUs together."""
    figures = {
        "utilization_mean": _mean(samples, "utilization"),
        "memory_gib_max": _highest(samples, "memory_gib"),
        "power_watts_mean": _mean(samples, "power_watts"),
        "gpus": _highest(samples, "gpus"),
    }
    return {name: value for name, value in figures.items() if value is not None}


def _scraped(client: httpx.Client, url: str, prefix: str) -> Sample:
    from prometheus_client.parser import text_string_to_metric_families

    answer = client.get(url)
    answer.raise_for_status()
    found: Sample = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples if family.name.startswith(prefix) else ():
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def _gpu_reader(url: str, dcgm: str | None) -> Callable[[httpx.Client], Sample] | None:
    """DCGM's exporter where one is named; nvidia-smi where the server is on this machine and has one."""
    if dcgm is not None:
        return lambda client: dcgm_sample(client.get(dcgm).raise_for_status().text)
    if (urlsplit(url).hostname or "") not in LOCAL:
        return None
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        _nvidia_smi()
        return lambda client: _nvidia_smi()
    return None


def dcgm_sample(text: str) -> Sample:
    """What an exporter of DCGM says of its GPUs; frame buffer in MiB there.

    Raises:
        ValueError: it speaks of no GPU.
    """
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(text):
        values.setdefault(family.name, []).extend(sample.value for sample in family.samples)
    used = values.get("DCGM_FI_DEV_GPU_UTIL", [])
    if not used:
        raise ValueError("no GPU")
    return _sampled(used, values.get("DCGM_FI_DEV_FB_USED", []), values.get("DCGM_FI_DEV_POWER_USAGE", []))


def _nvidia_smi() -> Sample:
    said = subprocess.run(QUERY, capture_output=True, text=True, check=True, timeout=10).stdout
    rows = [
        [float(part) if part.strip()[:1].isdigit() else 0.0 for part in line.split(",")] for line in said.splitlines()
    ]
    used, memory, power = map(list, zip(*rows, strict=True))
    return _sampled(used, memory, power)


def _sampled(percent: list[float], mib: list[float], watts: list[float]) -> Sample:
    return {
        "utilization": sum(percent) / len(percent) / 100,
        "memory_gib": sum(mib) / 1024,
        "power_watts": sum(watts),
        "gpus": float(len(percent)),
    }


def _values(samples: Sequence[Mapping[str, float]], *names: str) -> list[float]:
    return [sample[name] for sample in samples for name in names if name in sample]


def _mean(samples: Sequence[Mapping[str, float]], *names: str) -> float | None:
    values = _values(samples, *names)
    return sum(values) / len(values) if values else None


def _highest(samples: Sequence[Mapping[str, float]], *names: str) -> float | None:
    return max(_values(samples, *names), default=None)


def _growth(samples: Sequence[Mapping[str, float]], name: str) -> float | None:
    values = _values(samples, name)
    return values[-1] - values[0] if len(values) > 1 else None


def _ratio(samples: Sequence[Mapping[str, float]], part: str, whole: str) -> float | None:
    above, below = _growth(samples, part), _growth(samples, whole)
    return above / below if above is not None and below else None
