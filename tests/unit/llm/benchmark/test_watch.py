"""What server and GPUs show: vLLM's names, DCGM's, and nothing at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from vitrina.llm.benchmark.watch import Watch, dcgm_sample, gpu_figures, server_figures

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="granite"}} {running}
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="granite"}} {waiting}
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{{engine="0",model_name="granite"}} {cache}
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{engine="0",model_name="granite"}} {tokens}
vllm:generation_tokens_total{{engine="1",model_name="granite"}} {tokens}
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{{engine="0"}} {queries}
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{{engine="0"}} {hits}
"""
DCGM = """\
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",modelName="NVIDIA L4"} 80
DCGM_FI_DEV_GPU_UTIL{gpu="1",modelName="NVIDIA L4"} 90
# TYPE DCGM_FI_DEV_FB_USED gauge
DCGM_FI_DEV_FB_USED{gpu="0"} 10240
DCGM_FI_DEV_FB_USED{gpu="1"} 5120
# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_POWER_USAGE{gpu="0"} 60.5
"""


class Exposed:
    """A server whose counters grow with each look, for whoever has its key; elsewhere there is nothing."""

    def __init__(self) -> None:
        self.url, self.looks = "", 0

    def wait(self, looks: int) -> None:
        """Until so many more have looked."""
        wanted, deadline = self.looks + looks, time.monotonic() + 30
        while self.looks < wanted:
            assert time.monotonic() < deadline, "nobody looks"
            time.sleep(0.005)


@pytest.fixture
def metrics() -> Iterator[Exposed]:
    exposed = Exposed()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            look = exposed.looks
            allowed = self.headers["Authorization"] == "Bearer sk-1"
            body = VLLM.format(
                running=look, waiting=5 - look, cache=0.1 * look, tokens=100 * look, queries=10 * look, hits=4 * look
            )
            found = {"/metrics": body, "/gpus": DCGM}.get(self.path, "") if allowed or self.path != "/metrics" else ""
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(found.encode())
            exposed.looks += self.path == "/metrics"

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    exposed.url = f"http://127.0.0.1:{server.server_port}"
    yield exposed
    server.shutdown()


def test_vllms_metrics_are_gathered_while_a_level_runs(metrics):
    with Watch(f"{metrics.url}/v1", SecretStr("sk-1"), dcgm=f"{metrics.url}/gpus", interval=0.01) as watch:
        metrics.wait(3)
    server, gpu = watch.between(0, time.time())
    assert server == watch.server
    assert server is not None
    assert server["waiting_max"] == 5
    assert server["prefix_hits"] == pytest.approx(0.4)
    assert server["generated_tokens"] >= 600  # of both engines, over four looks or more
    assert gpu == pytest.approx({"utilization_mean": 0.85, "memory_gib_max": 15.0, "power_watts_mean": 60.5, "gpus": 2})


def test_a_server_that_shows_nothing_is_no_error(metrics):
    for url in (metrics.url, "http://127.0.0.1:9"):
        with Watch(url, interval=0.01) as watch:
            pass
        assert watch.server is None


def test_a_level_shorter_than_the_interval_is_still_seen_twice(metrics):
    with Watch(metrics.url, SecretStr("sk-1"), interval=60) as watch:
        pass
    assert watch.server is not None
    assert watch.server["generated_tokens"] == 200


def test_only_the_measured_time_counts(metrics):
    with Watch(metrics.url, SecretStr("sk-1"), interval=0.01) as watch:
        metrics.wait(10)
        middle = time.time()
        metrics.wait(10)
    whole, _ = watch.between(0, time.time())
    later, _ = watch.between(middle, time.time())
    assert whole is not None
    assert later is not None
    assert later["running_mean"] > whole["running_mean"]  # it grows with each look
    assert later["generated_tokens"] < whole["generated_tokens"]
    assert watch.between(1, 2) == (None, None)


def test_older_names_of_vllms_cache_count_too():
    assert server_figures([{"vllm:gpu_cache_usage_perc": 0.3}]) == {"cache_used_max": 0.3}
    assert server_figures([]) == {}
    assert gpu_figures([]) == {}


def test_an_exporter_without_gpus_is_not_read_as_an_idle_one():
    with pytest.raises(ValueError, match="no GPU"):
        dcgm_sample("# TYPE up gauge\nup 1\n")
