"""The planner's sums: what the presets claim, which way they move, and what is said where a plan does not fit."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from ltx_nb.catalogue.models import named_model
from ltx_nb.catalogue.parameters import parameter_counts
from ltx_nb.planning import PRESETS, Accelerator, Machine, Plan, fitting_presets, plan, usable_dtypes
from ltx_nb.planning.budget import CONVOLUTIONS_SHARE
from ltx_nb.planning.fitting import auto_preset
from ltx_nb.request import ClipRequest, Given, Source
from ltx_nb.running.tiles import coded_latents, tile_shape
from ltx_nb.shapes import VideoShape

FHD = {"width": 1920, "height": 1088}
SMALL = {"width": 768, "height": 512}

# Preset, size, frames -> blocks that stay, peak GB, RAM GB. Encoding a prompt is what limits the blocks of short clips.
CLAIMS = [
    ("8gb", FHD, 121, 3, 7.1, 21.2),
    ("12gb", FHD, 241, 10, 11.1, 19.7),
    ("16gb", FHD, 121, 23, 15.0, 13.1),
    ("16gb", FHD, 481, 9, 15.0, None),
    ("24gb", FHD, 121, 44, 22.9, None),
    ("24gb", FHD, 481, 29, 22.6, None),
    ("80gb", FHD, 481, 48, 57, None),
    ("colab-t4", SMALL, 121, 9, 14.4, 2.9),
]


def machine_with(name, capability, total_gb, free_gb, ram_free_gb=32.0, disk_free_gb=500.0):
    card = Accelerator("cuda", name, capability, total_gb, free_gb, usable_dtypes(capability))
    return Machine(card, 8, ram_free_gb, ram_free_gb, "cache", disk_free_gb, "3.11.0", "Linux x86_64", {}, False)


@pytest.mark.parametrize("preset, size, frames, resident, peak_gb, ram_gb", CLAIMS)
def test_the_presets_do_what_they_are_for(preset, size, frames, resident, peak_gb, ram_gb):
    made = plan("2.3-distilled", preset, **size, num_frames=frames)
    assert made.fits, made.shortages
    assert abs(made.resident_blocks - resident) <= 1
    assert made.peak.gb == pytest.approx(peak_gb, rel=0.1)
    if ram_gb is not None:
        assert made.ram_gb == pytest.approx(ram_gb, rel=0.1)


def test_8gb_makes_twenty_seconds_of_720p_with_fewer_blocks():
    made = plan("2.3-distilled", "8gb", width=1280, height=704, num_frames=481)
    assert made.fits and made.resident_blocks <= 3


@pytest.mark.parametrize("task", ["image-to-video", "keyframes", "extend", "retake", "video-to-audio"])
def test_what_is_given_costs_no_memory_in_denoising_and_is_encoded_in_tiles(task):
    text, given = (plan("2.3-distilled", "8gb", **FHD, num_frames=121, task=it) for it in ("text-to-video", task))
    assert given.fits and given.peak == text.peak and given.peak.gb < 7.2
    (encode,) = [stage for stage in given.parts if stage.name == "encode"]
    assert encode.gb < 5


def test_a_stage_in_tiles_is_counted_by_the_tiles_of_the_pipeline():
    made = plan("2.3-distilled", "8gb", **FHD, num_frames=121, task="extend")
    latent = VideoShape(121, 1088, 1920).latent
    tile = tile_shape(latent).pixel
    for name in ("encode", "decode"):
        (stage,) = [stage for stage in made.parts if stage.name == name]
        assert f"{tile.width}x{tile.height} px x {tile.num_frames} frames" in [line.why for line in stage.lines]
        tflops = CONVOLUTIONS_SHARE * PRESETS["8gb"].tflops
        assert stage.seconds * tflops == pytest.approx(0.02 * coded_latents(latent), rel=0.05)


def test_a_request_is_planned_for_its_task():
    given = (Given("video", Source.from_bytes(b"a clip", "video/mp4"), 0.0, 2.0),)
    request = ClipRequest("", width=768, height=512, num_frames=121, given=given)
    names = [stage.name for stage in plan("2.3-distilled", "8gb", request).parts]
    assert names == ["text", "encode", "stage 1", "decode", "audio"]


def test_a_text_encoder_that_stays_is_counted():
    counts = parameter_counts(named_model("2.3-distilled"))
    resident, streamed = (
        plan("2.3-distilled", replace(PRESETS["80gb"], keeps_text=keeps), **SMALL, num_frames=121)
        for keeps in (True, False)
    )
    assert resident.parts[0].gb - streamed.parts[0].gb == pytest.approx(2 * counts.text_encoder / 1e9)


def test_sizes_are_the_models():
    counts = parameter_counts(named_model("2.3-dev"))
    assert counts.blocks * counts.block + counts.around_blocks == 18_988_838_144
    assert (counts.block, counts.connectors, counts.text_encoder) == (386_695_360, 3_172_227_584, 11_766_034_176)
    assert (counts.audio_vae, counts.vocoder, counts.latent_upsampler) == (53_248_146, 128_537_448, 497_867_904)
    assert counts.vae_encoder + counts.vae_decoder == 726_105_969


def test_sizes_of_the_tiny_model_are_its_own():
    counts = parameter_counts(named_model("tiny"))
    assert counts.blocks == 6
    assert counts.blocks * counts.block < 10e6
    assert plan("tiny", "cpu", width=128, height=128, num_frames=49).ram_gb < 3


@pytest.mark.parametrize(
    "name, download_gb",
    [
        ("2.3-dev", 46.1 + 1 + 24.4),
        ("2.3-distilled-official", 46.1 + 1 + 24.4),
        ("2.3-dev-official-fp8", 29.5 + 1 + 13.6),
        ("tiny", 0),
    ],
)
def test_downloads_are_those_of_the_published_files(name, download_gb):
    made = plan(name, "80gb", **SMALL, num_frames=121)
    assert made.download_gb == pytest.approx(download_gb, rel=0.02)


@pytest.mark.parametrize("preset", PRESETS)
def test_more_pixels_or_frames_never_take_less(preset):
    frames = [plan("2.3-distilled", preset, **SMALL, num_frames=count) for count in (25, 49, 121, 241, 481)]
    sizes = [plan("2.3-distilled", preset, width=w, height=w, num_frames=49) for w in (256, 512, 768, 1024, 1536)]
    for plans in (frames, sizes):
        for smaller, larger in pairwise(plans):
            assert larger.resident_blocks <= smaller.resident_blocks
            assert larger.seconds > smaller.seconds
            denoise = [next(stage for stage in it.parts if stage.name == "stage 1") for it in (smaller, larger)]
            beside = [
                stage.gb - it.resident_blocks * 0.387 for stage, it in zip(denoise, (smaller, larger), strict=True)
            ]
            assert beside[1] > beside[0] - 1e-2


def test_two_stages_have_the_smaller_one_first():
    names = [stage.name for stage in plan("2.3-distilled", "8gb", **FHD, num_frames=121, two_stage=True).parts]
    assert names == ["text", "stage 1", "upsample", "stage 2", "decode", "audio"]
    first, second = (
        next(s for s in plan("2.3-distilled", "8gb", **FHD, num_frames=121, two_stage=True).parts if s.name == name)
        for name in ("stage 1", "stage 2")
    )
    assert first.gb < second.gb


def test_dev_takes_four_forwards_a_step_and_distilled_one():
    dev, distilled = (plan(name, "24gb", **SMALL, num_frames=121) for name in ("2.3-dev", "2.3-distilled"))
    assert "30 steps of 4 forwards" in next(s.assuming for s in dev.parts if s.name == "stage 1")
    assert "8 steps of 1 forward," in next(s.assuming for s in distilled.parts if s.name == "stage 1")


@pytest.mark.parametrize("frames", [121, 481])
def test_json_and_back(frames):
    made = plan("2.3-distilled", "8gb", **FHD, num_frames=frames)
    data = json.loads(json.dumps(made.to_dict()))
    assert Plan.from_dict(data) == made
    assert data["sums"]["fits"] is made.fits


def test_json_with_a_field_too_many_is_refused():
    data = plan("tiny", "cpu", width=64, height=64, num_frames=9).to_dict() | {"colour": "red"}
    with pytest.raises(ValueError, match="a plan has no 'colour'"):
        Plan.from_dict(data)


def test_what_does_not_fit_names_what_would():
    made = plan("2.3-distilled", "8gb", **FHD, num_frames=481)
    assert not made.fits
    assert any("stage 1 needs 12.1" in shortage for shortage in made.shortages)
    length, size, card = made.would_fit
    frames = int(length.split(" with ")[1].split()[0])
    assert plan("2.3-distilled", "8gb", **FHD, num_frames=frames).fits
    assert not plan("2.3-distilled", "8gb", **FHD, num_frames=frames + 8).fits
    assert size.startswith("720p")
    assert card.startswith("preset 16gb")
    assert "It does not fit" in made.text() and "Would fit: preset 16gb" in made.text()


def test_auto_takes_what_is_free_now():
    busy, idle = (machine_with("RTX 3070", (8, 6), 8.2, free) for free in (7.0, 7.9))
    plans = [plan("2.3-distilled", **FHD, num_frames=121, machine=machine) for machine in (busy, idle)]
    assert plans[0].resident_blocks < plans[1].resident_blocks
    for made, free_gb in zip(plans, (7.0, 7.9), strict=True):
        assert made.fits and made.peak.gb <= free_gb - 0.8
        assert f"{free_gb} GB less 0.8 GB" in made.reasons[0]
        assert f"{made.resident_blocks} stay and {48 - made.resident_blocks} stream" in made.reasons[1]


def test_reasons_name_what_keeps_the_next_block_off_the_card():
    made = plan("2.3-distilled", "8gb", **FHD, num_frames=121)
    one_more = made.peak.gb + 0.387
    assert made.reasons[2:] == (f"With one more, text would take {one_more:.2f} GB.",) and one_more > made.limit_gb
    few = replace(PRESETS["8gb"], resident_blocks=2)
    assert plan("2.3-distilled", few, **FHD, num_frames=121).reasons[2:] == ("The preset keeps no more.",)
    assert plan("2.3-distilled", "80gb", **FHD, num_frames=121).reasons[2:] == ()


def test_auto_streams_from_the_disk_where_ram_is_short():
    short, enough = (machine_with("RTX 3070", (8, 6), 8.2, 7.9, ram_free_gb=ram_gb) for ram_gb in (14.0, 26.0))
    made = plan("2.3-distilled", **FHD, num_frames=121, machine=short)
    assert made.fits and made.reasons[-1] == "Those that stream are read from the disk in every forward."
    from_ram = plan("2.3-distilled", **FHD, num_frames=121, machine=enough)
    assert "streamed blocks, pinned" in " ".join(line.what for line in from_ram.ram)


def test_a_preset_that_lacks_ram_takes_its_blocks_from_the_disk():
    made = plan("2.3-distilled-official", replace(PRESETS["8gb"], ram_gb=16), **FHD, num_frames=121)
    assert made.fits and made.offload == "disk" and made.ram_gb < 14.4
    assert made.reasons[-2] == "RAM has no room for them: 21.2 GB would be needed, 14.4 GB can be used."
    assert any("int8 copy" in line.what for line in made.download)


def test_an_int8_copy_that_streams_from_the_disk_is_counted():
    """Of the blocks at one byte, and of all else but the text encoder at two."""
    plans = [
        plan(name, "colab-t4", **SMALL, num_frames=121)
        for name in ("2.3-distilled-official", "2.3-distilled-official-fp8")
    ]
    counts = parameter_counts(named_model("2.3-distilled"))
    around = counts.parameters - counts.text_encoder - counts.blocks * counts.block
    copies = [[line.gb for line in made.download if "int8 copy" in line.what] for made in plans]
    assert copies == [[pytest.approx((counts.blocks * counts.block + 2 * around) / 1e9)], []]


def test_files_that_are_here_need_no_disk():
    machine = machine_with("RTX 4090", (8, 9), 25.3, 24.9, disk_free_gb=10.0)
    without, with_files = (
        plan("2.3-distilled", **SMALL, num_frames=121, machine=machine, has_files=it) for it in (False, True)
    )
    assert not without.fits and with_files.fits
    assert with_files.download == () and with_files.parts == without.parts


def test_a_small_disk_is_told_of_smaller_files():
    machine = machine_with("RTX 4090", (8, 9), 25.3, 24.9, disk_free_gb=60.0)
    made = plan("2.3-distilled-official", **SMALL, num_frames=121, machine=machine)
    assert made.would_fit == ("model 2.3-distilled",)


@pytest.mark.parametrize("name", ["2.3-dev", "2.3-distilled"])
def test_a_preset_of_one_byte_downloads_files_of_one_byte(name):
    """Those of fp8, with a Gemma of fp8, which is less than half of the files in bf16."""
    made = plan(name, "8gb", **SMALL, num_frames=121)
    assert made.model == name and made.download_gb <= 45
    assert made.download == plan(f"{name}-official-fp8", "8gb", **SMALL, num_frames=121).download
    assert made.download[0].what.endswith("-fp8.safetensors") and made.download[2].why == "scaled fp8"
    assert plan(name, "80gb", **SMALL, num_frames=121).download_gb > 70


@pytest.mark.parametrize(
    "name, capability, total_gb, weight_bytes, compute_bytes, keeps_all",
    [
        ("Tesla T4", (7, 5), 15.67, 1, 4, False),
        ("RTX 3070", (8, 6), 8.2, 1, 2, False),
        ("RTX 4090", (8, 9), 25.3, 1, 2, False),
        ("H100", (9, 0), 85, 2, 2, True),
    ],
)
def test_auto_takes_the_form_that_the_card_can_use(name, capability, total_gb, weight_bytes, compute_bytes, keeps_all):
    machine = machine_with(name, capability, total_gb, total_gb - 0.3)
    preset = auto_preset(machine, parameter_counts(named_model("2.3-distilled")))
    assert (preset.weight_bytes, preset.compute_bytes, preset.keeps_all) == (weight_bytes, compute_bytes, keeps_all)


def test_presets_that_fit_are_those_that_the_card_can_hold_and_use():
    assert fitting_presets(machine_with("RTX 3070", (8, 6), 8.2, 7.9)) == ["8gb", "cpu"]
    assert fitting_presets(machine_with("Tesla T4", (7, 5), 15.67, 15.5)) == ["colab-t4", "cpu"]
    assert fitting_presets(machine_with("H100", (9, 0), 85, 84, ram_free_gb=180)) == [*list(PRESETS)[:6], "cpu"]


def test_presets_that_fit_take_blocks_from_the_disk_where_ram_is_short():
    all_up_to_24gb = ["8gb", "12gb", "16gb", "24gb", "colab-t4"]
    assert fitting_presets(machine_with("RTX 4090", (8, 9), 25.3, 24.9, ram_free_gb=13)) == all_up_to_24gb
    assert fitting_presets(machine_with("RTX 3070", (8, 6), 8.2, 7.9, ram_free_gb=8)) == ["8gb"]
    assert fitting_presets(machine_with("RTX 3070", (8, 6), 8.2, 7.9, ram_free_gb=2)) == []


def test_auto_without_a_card_uses_the_cpu():
    machine = replace(machine_with("", (0, 0), 0, 0), accelerator=None)
    made = plan("2.3-distilled", **SMALL, num_frames=9, machine=machine)
    assert made.preset == "auto" and made.resident_blocks == 48 and made.fits
    assert made.reasons == ("this CPU: one memory for everything, so that nothing streams; 32.0 GB can be used.",)


def test_a_full_disk_and_a_small_ram_are_shortages():
    machine = machine_with("RTX 4090", (8, 9), 25.3, 24.9, ram_free_gb=2.0, disk_free_gb=10.0)
    shortages = plan("2.3-distilled", **SMALL, num_frames=121, machine=machine).shortages
    assert any("of RAM are needed" in it for it in shortages)
    assert any("10.0 GB of disk are free" in it for it in shortages)


def test_a_preset_of_ones_own():
    mine = replace(PRESETS["8gb"], name="mine", resident_blocks=0)
    assert plan("2.3-distilled", mine, **SMALL, num_frames=121).resident_blocks == 0


def test_blocks_of_more_than_one_byte_are_in_the_dtype_of_activations():
    large = replace(PRESETS["80gb"], vram_gb=140)
    bf16, fp32 = (plan("2.3-distilled", large.computing_in(it), **FHD, num_frames=121) for it in (2, 4))
    blocks = [next(line.gb for line in made.peak.lines if "48 blocks" in line.what) for made in (bf16, fp32)]
    assert blocks[1] == 2 * blocks[0]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"kind": "gpu"}, r"kind='gpu' is not one of cuda, mps, cpu"),
        ({"offload": "none"}, r"offload='none' is not one of ram, disk"),
        ({"vram_gb": "8"}, r"vram_gb='8' is a str, not a number; try 8"),
        ({"tflops": 0}, r"tflops=0\.0 is too small"),
        ({"resident_blocks": -1}, r"resident_blocks=-1 is too small; the least is 0"),
        ({"weight_bytes": 2, "compute_bytes": 4}, r"weight_bytes=2 with compute_bytes=4; .* 1 or the same"),
    ],
)
def test_a_preset_that_no_card_can_follow_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(PRESETS["8gb"], **changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"preset": "9gb"}, r"preset='9gb' is not one of .*; did you mean '8gb'"),
        ({"preset": None}, r"preset=None is not one of 8gb"),
        ({"model": "2.3-destilled"}, r"model='2\.3-destilled' is not one of .*did you mean '2\.3-distilled'"),
        ({"task": "text-to-speech"}, r"task='text-to-speech' is not one of"),
        ({"num_frames": 120}, r"num_frames=120 is not 8k \+ 1; nearest: 113, 121"),
        ({"width": 1080}, r"width=1080 is not a multiple of 32"),
        ({"height": 1056, "two_stage": True}, r"height=1056 is not a multiple of 64"),
        ({"frame_rate": 0}, r"frame_rate=0\.0 is too small; the least is 1"),
    ],
)
def test_names_and_sizes_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        plan(**{"model": "2.3-distilled", "preset": "8gb", **FHD, "num_frames": 121} | changes)
