"""The samplers in NumPy against those of diffusers, on a network that is a known function."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

from vitrina.families.product_imager.sampling import Schedule, guided, start_noise


def told(x: np.ndarray, time: int) -> np.ndarray:
    """Not linear, and different at every step: errors of a solver cannot cancel."""
    return np.tanh(0.7 * x + 0.001 * time).astype(np.float32) - 0.2 * x


def settings(schedule: str, prediction: str) -> dict[str, object]:
    return {"num_train_timesteps": 1000, "beta_schedule": schedule, "prediction_type": prediction}


def ours(schedule: str, prediction: str, clip: bool) -> Schedule:
    alphas = DDPMScheduler(**settings(schedule, prediction)).alphas_cumprod.double().numpy()
    return Schedule(alphas, prediction, clip)


def theirs(scheduler: object, noise: np.ndarray, steps: int, **more: bool) -> np.ndarray:
    scheduler.set_timesteps(steps)  # type: ignore[attr-defined]
    x = torch.from_numpy(noise)
    for time in scheduler.timesteps:  # type: ignore[attr-defined]
        answer = torch.from_numpy(told(x.numpy(), int(time)))
        x = scheduler.step(answer, time, x, **more).prev_sample  # type: ignore[attr-defined]
    return x.numpy()


@pytest.mark.parametrize("steps", [1, 2, 10, 20, 50])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("clip", [True, False])
def test_ddim_is_that_of_diffusers(steps: int, prediction: str, clip: bool) -> None:
    noise = start_noise(3, (2, 1, 8, 8))
    schedule = "squaredcos_cap_v2" if clip else "scaled_linear"
    scheduler = DDIMScheduler(**settings(schedule, prediction), clip_sample=clip)
    # The noise is told anew from the clipped picture, as in GLIDE: the two then make up the noisy picture.
    expected = theirs(scheduler, noise, steps, use_clipped_model_output=clip)
    found = ours(schedule, prediction, clip).draw(told, noise, steps, "ddim", lambda done, all_: None)
    np.testing.assert_allclose(found, expected, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("steps", [1, 2, 10, 20, 50])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_dpm_solver_is_that_of_diffusers(steps: int, prediction: str) -> None:
    noise = start_noise(3, (2, 1, 8, 8))
    expected = theirs(DPMSolverMultistepScheduler(**settings("scaled_linear", prediction)), noise, steps)
    found = ours("scaled_linear", prediction, clip=False).draw(told, noise, steps, "dpm++", lambda done, all_: None)
    np.testing.assert_allclose(found, expected, atol=5e-4, rtol=5e-4)


def test_dpm_solver_in_pixels_clips_as_thresholding_at_one_does() -> None:
    noise = start_noise(3, (2, 1, 8, 8))
    clipped = DPMSolverMultistepScheduler(
        **settings("scaled_linear", "v_prediction"), thresholding=True, sample_max_value=1.0
    )
    found = ours("scaled_linear", "v_prediction", clip=True).draw(told, noise, 20, "dpm++", lambda done, all_: None)
    np.testing.assert_allclose(found, theirs(clipped, noise, 20), atol=5e-4, rtol=5e-4)


def test_every_step_is_told_and_may_end_the_drawing() -> None:
    seen: list[tuple[int, int]] = []

    def watch(done: int, steps: int) -> None:
        seen.append((done, steps))
        if done == 3:
            raise InterruptedError

    for solver in ("ddim", "dpm++"):
        seen.clear()
        with pytest.raises(InterruptedError):
            ours("linear", "epsilon", clip=True).draw(told, start_noise(1, (1, 1, 4, 4)), 10, solver, watch)  # type: ignore[arg-type]
        assert seen == [(1, 10), (2, 10), (3, 10)]


def test_noise_and_guidance_are_what_they_say() -> None:
    np.testing.assert_array_equal(start_noise(7, (1, 4, 4)), start_noise(7, (1, 4, 4)))
    assert not np.array_equal(start_noise(7, (1, 4, 4)), start_noise(8, (1, 4, 4)))
    words, nothing = np.float32([2.0]), np.float32([1.0])
    assert guided(words, nothing, 1.0) == 2.0
    assert guided(words, nothing, 3.0) == 4.0
