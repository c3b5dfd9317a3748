"""Captured attention against a softmax by hand, what it costs, and that it leaves a run as it is."""

import numpy as np
import pytest
import torch
from diffusers import LTX2VideoTransformer3DModel
from diffusers.hooks import HookRegistry
from diffusers.models.transformers.transformer_ltx2 import LTX2Attention
from torch.profiler import ProfilerActivity, profile

from ltx_nb import ClipRequest, Reference, Sampling, Source
from ltx_nb.inspect import (
    attention_rows,
    capture_attention,
    capture_bytes,
    moment_map,
    reference_map,
    time_map,
    word_map,
)
from ltx_nb.inspect.attention import AttentionMaps, TokenGrid
from ltx_nb.media import Media

REQUEST = ClipRequest(
    "a red ball bounces on a navy background", width=64, height=32, num_frames=17, sampling=Sampling(sigmas=(1.0, 0.5))
)
# 2 x 1 cells of 3 latent frames, 18 audio latents, 64 text positions.
CELLS, AUDIO, TEXT = 6, 18, 64


@pytest.fixture(scope="module")
def captured(random_session):
    with capture_attention(random_session, blocks=(0, 3)) as maps:
        clip = random_session.run(REQUEST, progress=False)
    return maps, clip


def test_a_run_is_the_same_with_and_without(random_session, captured):
    _, clip = captured
    plain = random_session.run(REQUEST, progress=False)
    assert torch.equal(plain.latents, clip.latents)
    assert torch.equal(plain.audio_latents, clip.audio_latents)


def test_maps_have_their_shape_and_rows_sum_to_one(captured):
    maps, _ = captured
    shapes = {name: maps.rows(name).shape for name in ("video_to_audio", "audio_to_video", "video_text", "audio_text")}
    assert shapes["video_to_audio"] == (AUDIO, CELLS) and shapes["audio_to_video"] == (CELLS, AUDIO)
    assert shapes["video_text"] == (CELLS, TEXT + 1) and shapes["audio_text"] == (AUDIO, TEXT + 1)
    for name in shapes:
        np.testing.assert_allclose(maps.rows(name).sum(1), 1, atol=1e-5)
    assert maps.steps == 2
    assert maps.grid.video_shape == (3, 1, 2)
    np.testing.assert_allclose(maps.grid.video_edges_s, [0, 1 / 24, 9 / 24, 17 / 24], atol=1e-6)
    assert maps.grid.audio_edges_s[-1] == pytest.approx(0.69)


def test_rows_are_those_of_a_softmax_by_hand(monkeypatch):
    """On a two-block model: projections, norms and rotations written out, with and without a mask."""
    torch.manual_seed(0)
    config = dict(
        num_attention_heads=2, attention_head_dim=16, cross_attention_dim=32, audio_num_attention_heads=2,
        audio_attention_head_dim=8, audio_cross_attention_dim=16, num_layers=2, caption_channels=12, gated_attn=True,
        cross_attn_mod=True, audio_gated_attn=True, audio_cross_attn_mod=True, rope_type="split",
        use_prompt_embeddings=False, perturbed_attn=True,
    )  # fmt: skip
    model = LTX2VideoTransformer3DModel(**config).eval()
    monkeypatch.setattr(attention_rows, "CHUNK_BYTES", 100)  # several chunks, the last one shorter
    block = model.transformer_blocks[1]
    for module, queries, keys, masked in (
        (block.video_to_audio_attn, torch.randn(1, 7, 16), torch.randn(1, 10, 32), False),
        (block.attn2, torch.randn(1, 10, 32), torch.randn(1, 5, 32), True),
    ):
        ropes = (None, None)
        if module is block.video_to_audio_attn:
            angles = [torch.randn(1, 2, tokens.shape[1], 4) for tokens in (queries, keys)]
            ropes = tuple((angle.cos(), angle.sin()) for angle in angles)
        mask = torch.tensor([[[0.0, 0.0, -10_000.0, 0.0, 0.0]]]) if masked else None
        with torch.no_grad():
            parts = list(attention_rows.softmax_rows(module, queries, keys, mask, *ropes, heads=[0]))
            rows = torch.cat([part for _, part in parts])
            assert len(parts) >= 2 and parts[1][0] == len(parts[0][1])

            q, k = module.norm_q(module.to_q(queries))[0], module.norm_k(module.to_k(keys))[0]
            half = module.head_dim // 2
            if ropes[0] is not None:

                def turned(x, rope, half=half):
                    cos, sin = (one[0, 0] for one in rope)
                    a, b = x[:, :half], x[:, half : 2 * half]
                    return torch.cat([a * cos - b * sin, b * cos + a * sin], 1)

                q, k = turned(q, ropes[0]), turned(k, ropes[1])
            else:
                q, k = q[:, : 2 * half], k[:, : 2 * half]
            scores = q @ k.T / np.sqrt(2 * half)
            if masked:
                scores = scores + mask[0]
            by_hand = torch.exp(scores) / torch.exp(scores).sum(1, keepdim=True)
        torch.testing.assert_close(rows, by_hand, atol=1e-5, rtol=1e-4)
        if masked:
            assert (rows[:, 2] == 0).all()


def test_rows_times_values_are_what_the_model_computes(random_session):
    """With every head, gate and projection: the captured rows are the ones that the attention used."""
    torch.manual_seed(0)
    module = random_session.pipe.transformer.transformer_blocks[0].attn2
    queries, keys = torch.randn(1, 9, 192), torch.randn(1, 6, 192)
    with torch.no_grad():
        values = module.to_v(keys).unflatten(2, (module.heads, -1))[0]
        by_head = []
        for head in range(module.heads):
            rows = torch.cat(
                [part for _, part in attention_rows.softmax_rows(module, queries, keys, None, None, None, [head])]
            )
            by_head.append(rows @ values[:, head])
        gates = 2 * torch.sigmoid(module.to_gate_logits(queries))[0]
        mixed = (torch.stack(by_head, 1) * gates[..., None]).flatten(1)
        torch.testing.assert_close(module.to_out[0](mixed), module(queries, keys)[0], atol=1e-5, rtol=1e-4)


def test_processors_and_hook_are_gone_after_an_error(random_session):
    transformer = random_session.pipe.transformer
    before = dict(transformer.attn_processors)
    hooks = len(transformer._forward_pre_hooks), dict(HookRegistry.check_if_exists_or_initialize(transformer).hooks)
    with pytest.raises(RuntimeError, match="on purpose"), capture_attention(random_session):
        assert dict(transformer.attn_processors) != before
        raise RuntimeError("on purpose")
    assert dict(transformer.attn_processors) == before
    assert (len(transformer._forward_pre_hooks), transformer._diffusers_hook.hooks) == hooks


def test_guidance_passes_are_left_out(random_session):
    sampling = Sampling(sigmas=(1.0, 0.5), guidance_scale=3.0, stg_scale=1.0, modality_scale=2.0)
    kinds = ("video_to_audio",)
    with capture_attention(random_session, blocks=(1,), kinds=kinds) as maps:
        random_session.run(REQUEST.replace(sampling=sampling), progress=False)
    assert maps.steps == 2
    np.testing.assert_allclose(maps.rows("video_to_audio").sum(1), 1, atol=1e-5)


def test_a_run_that_begins_where_the_last_ended_counts_too(random_session):
    one_step = REQUEST.replace(sampling=Sampling(sigmas=(0.5,)))
    with capture_attention(random_session, blocks=(1,), kinds=("text",)) as maps:
        for _ in range(2):
            random_session.run(one_step, progress=False)
    assert maps.steps == 2
    np.testing.assert_allclose(maps.rows("video_text").sum(1), 1, atol=1e-5)


def test_a_block_that_is_named_twice_counts_once(random_session):
    with capture_attention(random_session, blocks=(1, 1), kinds=("text", "text")) as maps:
        random_session.run(REQUEST, progress=False)
    np.testing.assert_allclose(maps.rows("video_text").sum(1), 1, atol=1e-5)


def test_memory_that_is_kept_is_what_the_formula_says(random_session, captured):
    maps, _ = captured
    assert maps.num_bytes == 4 * 2 * (2 * CELLS * AUDIO + (CELLS + AUDIO) * (TEXT + 1))
    config = random_session.pipe.transformer.config
    formula = capture_bytes(config, CELLS, AUDIO, 2, text_tokens=TEXT)
    assert formula - maps.num_bytes == 3 * attention_rows.CHUNK_BYTES + 16 * TEXT * 192


def peak_bytes(work):
    """The most memory that torch held at once for what `work` makes, in bytes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    sizes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return int(np.cumsum(sizes).max())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_memory_that_is_worked_with_is_within_the_formula(monkeypatch, dtype):
    monkeypatch.setattr(attention_rows, "CHUNK_BYTES", 2**20)
    module = LTX2Attention(256, 4, kv_heads=4, dim_head=64, rope_type="split").to(dtype).requires_grad_(False)
    queries, keys = torch.randn(1, 900, 256, dtype=dtype), torch.randn(1, 3000, 256, dtype=dtype)
    ropes = [
        (torch.ones(1, 4, tokens.shape[1], 32), torch.zeros(1, 4, tokens.shape[1], 32)) for tokens in (queries, keys)
    ]

    def look():
        for _ in attention_rows.softmax_rows(module, queries, keys, None, *ropes, heads=[0, 1, 2, 3]):
            pass

    worked_with = 3 * 2**20 + 16 * 3000 * 256
    assert worked_with / 4 < peak_bytes(look) <= worked_with


def test_the_real_model_fits_into_a_gigabyte():
    config = dict(
        num_layers=48, num_attention_heads=32, attention_head_dim=128, audio_num_attention_heads=32,
        audio_attention_head_dim=64,
    )  # fmt: skip
    request = ClipRequest("a ball", width=768, height=512, num_frames=121)
    assert capture_bytes(config, request.video_latent_shape.tokens, request.audio_latent_shape.tokens) < 1e9


def test_what_the_model_has_not_is_refused(random_session, captured):
    with (
        pytest.raises(ValueError, match="blocks=6 is too large; the most is 5"),
        capture_attention(random_session, blocks=(6,)),
    ):
        pass
    with (
        pytest.raises(ValueError, match="kinds='words' is not one of"),
        capture_attention(random_session, kinds=("words",)),
    ):
        pass
    with (
        pytest.raises(ValueError, match=r"blocks=3 is a int; give a list: \[3\]"),
        capture_attention(random_session, blocks=3),
    ):
        pass
    with (
        pytest.raises(ValueError, match="heads is empty; give at least one"),
        capture_attention(random_session, heads=()),
    ):
        pass
    maps, _ = captured
    with pytest.raises(ValueError, match="block=1 was not captured; captured: 0, 3"):
        maps.rows("video_text", block=1)
    with capture_attention(random_session) as nothing:
        pass
    with pytest.raises(ValueError, match="run the session inside the with block"):
        time_map(nothing, "video_to_audio")


def test_a_word_is_found_in_the_prompt(captured):
    maps, _ = captured
    red = word_map(maps, REQUEST.prompt, "red")
    # <bos> a red: the third position.
    np.testing.assert_allclose(red.video.ravel(), maps.rows("video_text")[:, 2], rtol=1e-6)
    assert red.video.shape == (3, 1, 2) and red.audio.shape == (AUDIO,)
    assert red.chance == pytest.approx(1 / TEXT)
    both = word_map(maps, REQUEST.prompt, "a")
    assert both.chance == pytest.approx(2 / TEXT)
    with pytest.raises(ValueError, match="'blue' is not in the prompt; its words: a, red, ball"):
        word_map(maps, REQUEST.prompt, "blue")


def planted(kind, rows):
    """Maps of 2 cells in each of 3 latent frames of 1 s, and 6 audio latents of half a second."""
    grid = TokenGrid((3, 1, 2), np.arange(4.0), np.arange(7) / 2)
    return AttentionMaps((0,), ("video_to_audio", "audio_to_video"), None, grid, 1, 64, {(kind, 0): rows})


def test_attention_in_sync_is_on_the_diagonal():
    rows = np.zeros((6, 6), np.float32)
    rows[np.arange(6), 2 * (np.arange(6) // 2)] = 1
    result = time_map(planted("video_to_audio", rows), "video_to_audio")
    assert (result.query_lane, result.key_lane) == ("audio", "video")
    np.testing.assert_allclose(result.matrix, np.repeat(np.eye(3), 2, axis=0))
    assert result.sync_share == 1 and result.chance == pytest.approx(1 / 3)
    uniform = time_map(planted("audio_to_video", np.full((6, 6), 1 / 6, np.float32)), "audio_to_video")
    assert uniform.matrix.shape == (3, 6)
    assert uniform.sync_share == pytest.approx(uniform.chance)


def test_a_moment_picks_its_audio_latent():
    rows = np.arange(36, dtype=np.float32).reshape(6, 6)
    moment = moment_map(planted("video_to_audio", rows), "video_to_audio", 1.2)
    np.testing.assert_allclose(moment.heat.ravel(), rows[2])
    back = moment_map(planted("audio_to_video", rows), "audio_to_video", 1.2)
    np.testing.assert_allclose(back.heat.ravel(), rows[:, 2])
    with pytest.raises(ValueError, match=r"time_s=9\.0 is too large"):
        moment_map(planted("video_to_audio", rows), "video_to_audio", 9)


def test_attention_to_a_reference_is_the_clip_s_share_that_goes_there(random_session, captured):
    """The part of self-attention that the clip's cells give to what stands beside them, and no query of those."""
    still = Media(frames=np.zeros((1, 32, 64, 3), np.uint8))
    request = REQUEST.replace(references=(Reference(Source.from_media(still)),))
    with capture_attention(random_session, blocks=(0, 3), kinds=["reference"]) as maps:
        clip = random_session.run(request, progress=False)
    rows = maps.rows("video_reference")
    assert rows.shape == (CELLS, 2) and (rows > 0).all() and (rows.sum(1) < 1).all()
    found = reference_map(maps)
    assert found.heat.shape == (1, 1, 2)
    np.testing.assert_allclose(found.heat.ravel(), rows.mean(0))
    np.testing.assert_allclose(found.edges_s, [0, 1 / 24], atol=1e-6)
    assert found.share == pytest.approx(rows.sum(1).mean())
    # Of the picture's two tokens, each cell of the first latent frame is at the place and time of one.
    assert found.own_place == pytest.approx((rows[0, 0] + rows[1, 1]) / rows.sum())
    assert found.chance == pytest.approx(2 / 12)
    plain = random_session.run(request, progress=False)
    assert torch.equal(plain.latents, clip.latents)
    with pytest.raises(ValueError, match="no attention of video_reference was captured"):
        reference_map(captured_without_reference(random_session))


def test_each_of_several_references_has_its_own_map(random_session):
    moving, still = (Media(frames=np.full((n, 32, 64, 3), 9 * n, np.uint8), frame_rate=24.0) for n in (9, 1))
    references = (Reference(Source.from_media(moving), num_frames=9), Reference(Source.from_media(still)))
    with capture_attention(random_session, blocks=(0,), kinds=["reference"]) as maps:
        random_session.run(REQUEST.replace(references=references), progress=False)
    first, second = (reference_map(maps, reference) for reference in (0, 1))
    assert first.heat.shape == (2, 1, 2) and second.heat.shape == (1, 1, 2)
    rows = maps.rows("video_reference")
    np.testing.assert_allclose(np.append(first.heat, second.heat), rows.mean(0))
    with pytest.raises(ValueError, match="reference=2"):
        reference_map(maps, 2)


def test_a_picture_before_a_moving_reference_is_one_by_itself(random_session):
    """Both begin with the clip."""
    still, moving = (Media(frames=np.full((n, 32, 64, 3), 9 * n, np.uint8), frame_rate=24.0) for n in (1, 9))
    references = (Reference(Source.from_media(still)), Reference(Source.from_media(moving), num_frames=9))
    with capture_attention(random_session, blocks=(0,), kinds=["reference"]) as maps:
        random_session.run(REQUEST.replace(references=references), progress=False)
    assert [reference_map(maps, index).heat.shape for index in (0, 1)] == [(1, 1, 2), (2, 1, 2)]


def test_a_guided_run_is_the_same_with_and_without(random_session):
    """Spatio-temporal guidance skips self-attention, which the capture must not undo."""
    sampling = Sampling(sigmas=(1.0, 0.5), stg_scale=1.0, spatio_temporal_guidance_blocks=(0,))
    still = Reference(Source.from_media(Media(frames=np.zeros((1, 32, 64, 3), np.uint8))))
    request = REQUEST.replace(references=(still,), sampling=sampling)
    with capture_attention(random_session, kinds=["reference"]):
        watched = random_session.run(request, progress=False)
    assert torch.equal(random_session.run(request, progress=False).latents, watched.latents)


def captured_without_reference(session):
    with capture_attention(session, blocks=(0,), kinds=["reference"]) as maps:
        session.run(REQUEST, progress=False)
    return maps
