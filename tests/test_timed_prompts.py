"""Timed prompts: as data, as a bias on attention to text, and in clips of the tiny model."""

import re

import pytest
import torch

from ltx_nb import ClipRequest, Sampling, TimedPrompt
from ltx_nb.catalogue.models import TINY
from ltx_nb.pipeline import tasks
from ltx_nb.pipeline.prompt_cache import PromptCache, fingerprint
from ltx_nb.pipeline.timed_text import HIDDEN, text_bias
from ltx_nb.planning import plan
from ltx_nb.running.lean import make_lean, make_stock
from ltx_nb.stages import stages_of
from ltx_nb.tiny.detect import see

RED = "A red ball bounces on the floor in front of a navy background."
BLUE = RED.replace("red", "blue")
SMALL = {"width": 64, "height": 64, "num_frames": 17, "sampling": Sampling(num_inference_steps=2)}
END_S = 17 / 24


def same(one, other):
    return all(torch.equal(getattr(one, it), getattr(other, it)) for it in ("latents", "audio_latents"))


def test_a_request_keeps_its_timed_prompts_through_json():
    request = ClipRequest(RED, **SMALL, timed_prompts=[TimedPrompt(BLUE, 0.25, 0.5)])
    assert ClipRequest.from_json(request.to_json()) == request
    assert request.texts == {RED: [(0.0, 0.25), (0.5, END_S)], BLUE: [(0.25, 0.5)]}


def test_a_prompt_that_has_no_time_left_is_no_text_and_texts_alike_are_one():
    halves = [TimedPrompt(BLUE, 0.0, 0.25), TimedPrompt(BLUE, 0.25, END_S)]
    assert ClipRequest(RED, **SMALL, timed_prompts=halves).texts == {BLUE: [(0.0, 0.25), (0.25, END_S)]}


@pytest.mark.parametrize(
    ("timed", "message"),
    [
        ([("a", 0.5, 0.5)], "end_s=0.5 is not after start_s=0.5"),
        ([("a", 0.5, 5.0)], r"timed_prompts\[0\] \(0.5 to 5 s\) is past the end of the clip, 0.708"),
        ([("a", 0.0, 0.4), ("b", 0.3, 0.6)], "overlap; give 0.3 to 0.4 s to one of them"),
        ([("a", 0.5)], re.escape("timed_prompts[0]=('a', 0.5) is no (prompt, start_s, end_s)")),
        ({1.0: "a"}, "timed_prompts is a dict; give a list of"),
        ([(7, 0.1, 0.5)], "prompt=7 is a int, not a str"),
    ],
)
def test_what_is_no_timed_prompt_is_refused(timed, message):
    with pytest.raises(ValueError, match=message):
        tasks.text_to_video(TINY, RED, **SMALL, timed_prompts=timed)


def test_a_token_is_biased_by_the_logarithm_of_its_share_and_the_last_text_goes_on():
    intervals_s = torch.tensor([[0.0, 0.5], [0.5, 1.5], [1.5, 2.0], [2.1, 2.2]])
    bias = text_bias(intervals_s, [[(0.0, 0.75)], [(0.75, 2.0)]])
    wanted = torch.tensor([[1.0, 0.0], [0.25, 0.75], [0.0, 1.0], [0.0, 1.0]]).log().clamp(min=HIDDEN)
    torch.testing.assert_close(bias, wanted)


def test_one_text_for_the_whole_clip_is_the_plain_run_bit_for_bit(random_session):
    plain = random_session.run(ClipRequest(RED, **SMALL), progress=False)
    timed = random_session.text_to_video(BLUE, **SMALL, timed_prompts=[(RED, 0.0, END_S)], progress=False)
    assert same(plain, timed)


def test_two_texts_alike_in_meaning_differ_by_rounding_alone(random_session):
    """Of the same words twice, attention takes half of each: the same sum in another order."""
    plain = random_session.run(ClipRequest(RED, **SMALL), progress=False)
    timed = random_session.text_to_video(RED, **SMALL, timed_prompts=[(f"{RED} ", 0.3, END_S)], progress=False)
    for lane in ("latents", "audio_latents"):
        torch.testing.assert_close(getattr(timed, lane), getattr(plain, lane), atol=2e-4, rtol=0)


@pytest.mark.parametrize("sampling", [{}, {"guidance_scale": 3.0, "audio_stg_scale": 1.0}], ids=["plain", "guided"])
def test_the_lean_forward_gives_the_same(fresh_random_session, sampling):
    session, guided = fresh_random_session, SMALL | {"sampling": Sampling(num_inference_steps=2, **sampling)}
    request = ClipRequest(RED, **guided, timed_prompts=[TimedPrompt(BLUE, 0.3, END_S)])
    stock = session.run(request, progress=False)
    make_lean(session.pipe.transformer)
    lean = session.run(request, progress=False)
    make_stock(session.pipe.transformer)
    assert same(stock, lean)


def test_each_text_reaches_the_tokens_of_its_time_on_both_lanes(random_session):
    """A first step, in which tokens have not told each other yet: through one block of text attention only."""
    block = random_session.pipe.transformer.transformer_blocks[0]
    found = {}

    def keep(name):
        return block.get_submodule(name).register_forward_hook(lambda _, __, out: found.setdefault(name, out))

    def of(prompt, **timed):
        found.clear()
        handles = [keep(name) for name in ("attn2", "audio_attn2")]
        random_session.text_to_video(prompt, **SMALL | {"sampling": Sampling(sigmas=(1.0,))}, progress=False, **timed)
        for handle in handles:
            handle.remove()
        return dict(found)

    red, blue, timed = of(RED), of(BLUE), of(RED, timed_prompts=[(BLUE, 9 / 24, END_S)])
    for name, first in (("attn2", 2 * 4), ("audio_attn2", 10)):  # up to 9 / 24 s, which the eleventh of sound is around
        torch.testing.assert_close(timed[name][:, :first], red[name][:, :first], atol=1e-5, rtol=0)
        torch.testing.assert_close(timed[name][:, first + 1 :], blue[name][:, first + 1 :], atol=1e-5, rtol=0)
        assert (red[name] - blue[name]).abs().max() > 1e-3


def test_texts_are_kept_one_by_one_and_not_encoded_again(fresh_random_session, tmp_path):
    session = fresh_random_session
    session.prompt_cache = PromptCache(tmp_path, fingerprint([session.pipe.connectors]))
    encoded = []
    handle = session.pipe.connectors.register_forward_hook(lambda *_: encoded.append(1))
    request = ClipRequest(RED, **SMALL, timed_prompts=[TimedPrompt(BLUE, 0.3, END_S)])
    clips = [session.run(request, progress=False) for _ in range(2)]
    assert len(encoded) == 2
    session.run(ClipRequest(BLUE, **SMALL), progress=False)
    assert len(encoded) == 2
    handle.remove()
    assert same(*clips)


def test_a_first_stage_of_half_the_rate_has_the_last_text_to_its_end():
    request = ClipRequest(RED, width=64, height=64, num_frames=33, two_stage=True, upscaler="temporal-x2")
    request = request.replace(timed_prompts=(TimedPrompt(BLUE, 0.0, request.duration_s),))
    assert [list(stage.request.texts) for stage in stages_of(TINY, request)] == [[BLUE], [BLUE]]


def test_a_retake_keeps_the_texts_of_its_clip_and_a_storyboard_has_none(random_session):
    made = random_session.text_to_video(RED, **SMALL, timed_prompts=[(BLUE, 0.3, END_S)], progress=False)
    assert tasks.retake(TINY, made, 0.2, 0.4).timed_prompts == made.request.timed_prompts
    assert tasks.retake(TINY, made, 0.2, 0.4, "a ball").timed_prompts == ()
    with pytest.raises(ValueError, match="a storyboard's shots are"):
        random_session.storyboard([RED], timed_prompts=[(BLUE, 0.3, END_S)])


def test_a_plan_counts_the_bias_and_the_further_texts():
    plain = ClipRequest(RED, width=768, height=512)
    timed = plain.replace(timed_prompts=(TimedPrompt(BLUE, 1.0, 2.0),))
    one, two = (plan("2.3-distilled", "12gb", request) for request in (plain, timed))
    bias = [line for part in two.parts for line in part.lines if line.what == "bias on the words of 2 texts"]
    assert [round(line.gb, 6) for line in bias] == [round(2 * 1024 * stages_of(TINY, timed)[0].tokens * 2 / 1e9, 6)]
    assert two.seconds > one.seconds


def test_a_ball_changes_its_colour_halfway(session):
    clip = session.text_to_video(RED, seed=70_001, timed_prompts=[(BLUE, 1.0, 49 / 24)], progress=False)
    assert [see(clip.frames[part], 24.0).colour for part in (slice(0, 20), slice(29, None))] == ["red", "blue"]
