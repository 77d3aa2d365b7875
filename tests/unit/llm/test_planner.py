"""Which GPUs fit, how many at once, how fast at best, with which arguments."""

from __future__ import annotations

import pytest

from vitrina.errors import UsageError
from vitrina.llm.gpus import gpus
from vitrina.llm.memory import STEP_TOKENS
from vitrina.llm.models import resolve_model
from vitrina.llm.planner import GpuPlan, Load, default_name, plan

GRANITE = resolve_model("granite-3.1-8b")


def on(name: str, **load) -> GpuPlan:
    return plan(GRANITE, Load(**load), [name]).gpus[0]


def test_all_gpus_are_planned_where_none_is_named():
    assert [answer.gpu for answer in plan(GRANITE, Load()).gpus] == list(gpus())


def test_granite_8b_needs_two_t4_in_16_bits_and_one_in_8():
    assert on("T4").tensor_parallel == 2
    assert not on("T4", tensor_parallel=1).fits
    assert "GiB short on each of 1" in on("T4", tensor_parallel=1).why
    assert on("T4", dtype="int8").tensor_parallel == 1
    assert on("L4").tensor_parallel == 1


def test_the_largest_concurrency_is_the_last_that_fits():
    largest = on("L4", tensor_parallel=1).largest_concurrency
    assert on("L4", tensor_parallel=1, concurrency=largest).fits
    assert not on("L4", tensor_parallel=1, concurrency=largest + 1).fits
    assert on("L4", tensor_parallel=1, context=2048).largest_concurrency >= 2 * largest


def test_what_is_planned_stays_within_the_share_of_memory():
    for answer in plan(GRANITE, Load(concurrency=7, context=8192, utilization=0.8)).gpus:
        assert answer.fits
        taken = answer.memory.fixed + answer.largest_concurrency * answer.memory.kv_per_sequence
        assert taken <= 0.8 * gpus()[answer.gpu].memory_bytes < taken + answer.memory.kv_per_sequence + 1


@pytest.mark.parametrize(
    ("name", "dtype"), [("T4", "bf16"), ("V100", "bf16"), ("V100", "int8"), ("V100", "int4"), ("A100-80", "fp8")]
)
def test_a_type_the_gpu_does_not_run_does_not_fit(name, dtype):
    answer = on(name, dtype=dtype)
    assert not answer.fits
    assert dtype in answer.why


@pytest.mark.parametrize("name", ["T4", "V100"])
def test_auto_is_float16_where_there_is_no_bfloat16(name):
    assert on(name).dtype == "fp16"
    assert on("L4").dtype == "bf16"


@pytest.mark.parametrize(
    ("name", "dtype", "expected"),
    [
        ("H100", "auto", {"--dtype=bfloat16"}),
        ("H100", "fp8", {"--dtype=bfloat16", "--quantization=fp8"}),
        ("T4", "int8", {"--dtype=float16", "--quantization=compressed-tensors"}),
        ("A100-80", "fp32", {"--dtype=float32"}),
    ],
)
def test_vllm_is_told_the_type(name, dtype, expected):
    arguments = set(on(name, dtype=dtype).vllm_arguments)
    assert {item for item in arguments if item.startswith(("--dtype", "--quantization"))} == expected


def test_vllm_is_told_the_parameters_of_the_document():
    arguments = on("A100-40", utilization=0.8, concurrency=4).vllm_arguments
    assert arguments[:4] == [
        "--served-model-name=granite-3-1-8b",
        "--tensor-parallel-size=1",
        "--gpu-memory-utilization=0.8",
        "--max-model-len=4096",
    ]
    assert f"--max-num-batched-tokens={STEP_TOKENS}" in arguments


def test_speed_is_bound_by_what_a_step_reads():
    one = on("H100")
    read = one.memory.weights + one.memory.kv_per_sequence
    assert one.tokens_per_second_one == pytest.approx(3350e9 / read)
    many = on("H100", concurrency=32)
    assert one.tokens_per_second_one < many.tokens_per_second_all < 32 * one.tokens_per_second_one
    assert on("H100", dtype="fp8").tokens_per_second_one > 1.8 * one.tokens_per_second_one


def test_the_machine_beside_grows_with_the_model():
    small = plan(resolve_model("granite-3.1-2b"), Load(), ["L4"]).gpus[0].host
    large = on("L4").host
    assert (small.ram_gib, large.ram_gib) == (16, 24)
    assert large.disk_gib >= 2 * on("L4").memory.weights / 1024**3
    assert on("H100", dtype="fp8").host == on("H100").host  # the checkpoint that is fetched is the 16-bit one


@pytest.mark.parametrize(
    ("load", "names", "says"),
    [
        ({}, ["B300"], "'B300' is not a GPU"),
        ({"dtype": "fp64"}, [], "'fp64' is not a number type"),
        ({"concurrency": 0}, [], "at least 1"),
        ({"utilization": 1.2}, [], "share above 0"),
        ({"tensor_parallel": 5}, [], "cannot be divided among 5"),
        ({"context": 131073}, ["H200"], "1 to 131,072"),
    ],
)
def test_mistakes_are_one_sentence(load, names, says):
    with pytest.raises(UsageError, match=says):
        plan(GRANITE, Load(**load), names)


@pytest.mark.parametrize("name", ["a100-80gb", "A100 80", "rtx 4090", "rtx4090"])
def test_names_of_gpus_are_read_as_people_write_them(name):
    assert on(name).gpu in gpus()


def test_the_served_name_is_short():
    assert default_name(GRANITE) == "granite-3-1-8b"
    assert "--served-model-name=shop" in plan(GRANITE, Load(), ["L4"], "shop").gpus[0].vllm_arguments
