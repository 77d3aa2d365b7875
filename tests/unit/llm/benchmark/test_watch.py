"""What server and GPUs show: vLLM's names, DCGM's, and nothing at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

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


@pytest.fixture
def metrics() -> Iterator[str]:
    """A server whose counters grow with each look, for whoever has its key; elsewhere there is nothing."""
    looks = count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            look = next(looks) if self.path == "/metrics" else 0
            allowed = self.headers["Authorization"] == "Bearer sk-1"
            body = VLLM.format(
                running=look, waiting=5 - look, cache=0.1 * look, tokens=100 * look, queries=10 * look, hits=4 * look
            )
            found = {"/metrics": body, "/gpus": DCGM}.get(self.path, "") if allowed or self.path != "/metrics" else ""
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(found.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_vllms_metrics_are_gathered_while_a_level_runs(metrics):
    with Watch(f"{metrics}/v1", SecretStr("sk-1"), dcgm=f"{metrics}/gpus", interval=0.05) as watch:
        threading.Event().wait(0.5)
    assert watch.server is not None
    assert watch.server["waiting_max"] == 5
    assert watch.server["prefix_hits"] == pytest.approx(0.4)
    assert watch.server["generated_tokens"] >= 200  # both engines, over at least two looks
    assert watch.gpu == pytest.approx(
        {"utilization_mean": 0.85, "memory_gib_max": 15.0, "power_watts_mean": 60.5, "gpus": 2}
    )


def test_a_server_that_shows_nothing_is_no_error(metrics):
    for url in (metrics, "http://127.0.0.1:9"):
        with Watch(url, interval=0.05) as watch:
            pass
        assert watch.server is None


def test_a_level_shorter_than_the_interval_is_still_seen_twice(metrics):
    with Watch(metrics, SecretStr("sk-1"), interval=60) as watch:
        threading.Event().wait(0.2)
    assert watch.server is not None
    assert watch.server["generated_tokens"] == 200


def test_older_names_of_vllms_cache_count_too():
    assert server_figures([{"vllm:gpu_cache_usage_perc": 0.3}]) == {"cache_used_max": 0.3}
    assert server_figures([]) == {}
    assert gpu_figures([]) == {}


def test_an_exporter_without_gpus_is_not_read_as_an_idle_one():
    with pytest.raises(ValueError, match="no GPU"):
        dcgm_sample("# TYPE up gauge\nup 1\n")
