"""on_step steers: what it returns is where the step goes, on either lane, but for what is given."""

import pytest
import torch

from ltx_nb.request import Sampling

PROMPT = "A red ball bounces."
SMALL = {"width": 64, "height": 64, "num_frames": 9, "sampling": Sampling(num_inference_steps=2), "progress": False}
LANES = ("latents", "audio_latents")


def test_what_is_returned_unchanged_changes_nothing(random_session):
    plain = random_session.text_to_video(PROMPT, **SMALL)
    back = random_session.text_to_video(
        PROMPT, on_step=lambda event: {"x0": event.x0, "audio_x0": event.audio_x0}, **SMALL
    )
    assert all(torch.equal(getattr(back, lane), getattr(plain, lane)) for lane in LANES)


def test_the_last_steps_x0_is_the_clip(random_session):
    wanted = torch.linspace(-1, 1, 8 * 9 * 16).reshape(8, 9, 16)
    made = random_session.text_to_video(PROMPT, on_step=lambda event: {"audio_x0": wanted}, trace=True, **SMALL)
    torch.testing.assert_close(made.audio_latents, wanted, rtol=0, atol=1e-5)
    assert all(torch.equal(step.audio_x0, wanted.half()) for step in made.trace.steps)


def test_a_step_goes_as_far_as_euler_goes(random_session):
    """x' = x + (x0 - x)(1 - next sigma / sigma): with x0 all zeros, a share of the noise is left."""
    starts = []

    def to_zero(event):
        starts.append((event.sigma, event.latents.clone()))
        return {"x0": torch.zeros_like(event.x0)}

    random_session.text_to_video(PROMPT, on_step=to_zero, **SMALL)
    (sigma, first), (next_sigma, second) = starts
    torch.testing.assert_close(second, first * next_sigma / sigma, rtol=0, atol=1e-5)


def test_one_lane_is_steered_alone_in_its_step(random_session):
    seen = []

    def steer(event):
        seen.append(event.audio_latents.clone())
        return {"x0": event.x0 + 1} if event.index == 0 else None

    random_session.text_to_video(PROMPT, on_step=steer, **SMALL)
    plain = []
    random_session.text_to_video(PROMPT, on_step=lambda event: plain.append(event.audio_latents.clone()), **SMALL)
    assert torch.equal(seen[1], plain[1])


def test_given_latents_stay_as_they_are(random_session):
    plain = random_session.text_to_video(PROMPT, **SMALL)
    image = plain.frames[0]
    given = random_session.image_to_video(PROMPT, image, **SMALL)
    steered = random_session.image_to_video(PROMPT, image, on_step=lambda event: {"x0": event.x0 + 1}, **SMALL)
    assert torch.equal(steered.latents[:, 0], given.latents[:, 0])
    assert (steered.latents[:, 1] - given.latents[:, 1]).abs().max() > 0.5


def test_keyframes_stay_out_of_the_picture_that_is_returned(random_session):
    image = random_session.text_to_video(PROMPT, **SMALL).frames[0]
    made = random_session.keyframes_to_video(PROMPT, {-1: image}, on_step=lambda event: {"x0": 0 * event.x0}, **SMALL)
    assert made.latents.abs().max() < 1e-5


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (5, TypeError, "on_step returned a int; return None, or changed latents by name"),
        ({"latents": torch.zeros(1)}, ValueError, "on_step returned 'latents'; return None, or changed latents"),
        ({"x0": 1.0}, TypeError, "on_step returned a float as x0; give a tensor like event.x0"),
        (
            {"x0": torch.zeros(3)},
            ValueError,
            r"x0 of shape .3,., and this step's is .128, 2, 2, 2.",
        ),
        ({"x0": torch.full((128, 2, 2, 2), torch.nan)}, ValueError, "values that are not finite at step 0"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_the_session_goes_on(random_session, returned, error, message):
    with pytest.raises(error, match=message):
        random_session.text_to_video(PROMPT, on_step=lambda event: returned, **SMALL)
    assert random_session.text_to_video(PROMPT, **SMALL).num_frames == 9
