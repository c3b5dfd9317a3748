"""Official single files in their exact layout, made from tiny components: read whole, strictly, with their scales."""

import inspect
import json
import re
from pathlib import Path

import pytest
import torch
from official_layout import official_name, official_tensors, write_official
from safetensors.torch import save_file

import ltx_nb
from ltx_nb.catalogue.components import CLASSES, CONFIGS, empty_component
from ltx_nb.catalogue.models import MODELS, UPSCALER, model_of_file
from ltx_nb.loading.keys import diffusers_name
from ltx_nb.loading.model_files import located
from ltx_nb.loading.official import read_components, read_latent_upsampler
from ltx_nb.loading.official_config import component_configs
from ltx_nb.loading.single_file import single_file_components
from ltx_nb.loading.tensors import WeightsError
from ltx_nb.running.one_byte import ScaledLinear
from ltx_nb.tiny import architecture

COMPONENTS = ("transformer", "connectors", "vae", "audio_vae", "vocoder")
FP8 = re.compile(r"transformer_blocks\.[1-4]\.(.*to_[qkv]|.*to_out\.0|.*ff\.net\.(0\.proj|2))$").match

# The `config` of the released 2.3 files, as public code that reads them quotes it.
RELEASED = {
    "transformer": json.loads(
        '{"_class_name": "AVTransformer3DModel", "activation_fn": "gelu-approximate", "attention_bias": true, '
        '"attention_head_dim": 128, "attention_type": "default", "caption_channels": 3840, '
        '"cross_attention_dim": 4096, "in_channels": 128, "norm_elementwise_affine": false, "norm_eps": 1e-06, '
        '"num_attention_heads": 32, "num_layers": 48, "out_channels": 128, "qk_norm": "rms_norm", '
        '"positional_embedding_theta": 10000.0, "positional_embedding_max_pos": [20, 2048, 2048], '
        '"timestep_scale_multiplier": 1000, "av_ca_timestep_scale_multiplier": 1000.0, '
        '"audio_num_attention_heads": 32, "audio_attention_head_dim": 64, "use_audio_video_cross_attention": true, '
        '"audio_out_channels": 128, "audio_cross_attention_dim": 2048, "audio_positional_embedding_max_pos": [20], '
        '"connector_attention_head_dim": 128, "connector_num_attention_heads": 32, "connector_num_layers": 8, '
        '"connector_positional_embedding_max_pos": [4096], "connector_num_learnable_registers": 128, '
        '"apply_gated_attention": true, "connector_apply_gated_attention": true, '
        '"caption_proj_before_connector": true, "audio_connector_attention_head_dim": 64, '
        '"audio_connector_num_attention_heads": 32, "cross_attention_adaln": true, '
        '"text_encoder_norm_type": "per_token_rms", "rope_type": "split", "frequencies_precision": "float64"}'
    ),
    "vae": {
        "_class_name": "CausalVideoAutoencoder",
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 128,
        "encoder_blocks": [
            ["res_x", {"num_layers": 4}],
            ["compress_space_res", {"multiplier": 2}],
            ["res_x", {"num_layers": 6}],
            ["compress_time_res", {"multiplier": 2}],
            ["res_x", {"num_layers": 4}],
            ["compress_all_res", {"multiplier": 2}],
            ["res_x", {"num_layers": 2}],
            ["compress_all_res", {"multiplier": 1}],
            ["res_x", {"num_layers": 2}],
        ],
        "decoder_blocks": [
            ["res_x", {"num_layers": 4}],
            ["compress_space", {"multiplier": 2}],
            ["res_x", {"num_layers": 6}],
            ["compress_time", {"multiplier": 2}],
            ["res_x", {"num_layers": 4}],
            ["compress_all", {"multiplier": 1}],
            ["res_x", {"num_layers": 2}],
            ["compress_all", {"multiplier": 2}],
            ["res_x", {"num_layers": 2}],
        ],
        "norm_layer": "pixel_norm",
        "patch_size": 4,
        "latent_log_var": "uniform",
        "causal_decoder": False,
        "timestep_conditioning": False,
        "encoder_base_channels": 128,
        "decoder_base_channels": 128,
        "spatial_padding_mode": "zeros",
    },
    "audio_vae": json.loads(
        '{"model": {"params": {"ddconfig": {"double_z": true, "mel_bins": 64, "z_channels": 8, "resolution": 256, '
        '"downsample_time": false, "in_channels": 2, "out_ch": 2, "ch": 128, "ch_mult": [1, 2, 4], '
        '"num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0, "mid_block_add_attention": false, '
        '"norm_type": "pixel", "causality_axis": "height"}, "sampling_rate": 16000}}, "preprocessing": {"stft": '
        '{"filter_length": 1024, "hop_length": 160, "win_length": 1024, "causal": true}}}'
    ),
    "vocoder": json.loads(
        '{"vocoder": {"upsample_initial_channel": 1536, "resblock": "AMP1", "upsample_rates": [5, 2, 2, 2, 2, 2], '
        '"resblock_kernel_sizes": [3, 7, 11], "upsample_kernel_sizes": [11, 4, 4, 4, 4, 4], '
        '"resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]], "stereo": true, "use_tanh_at_final": false, '
        '"activation": "snakebeta", "use_bias_at_final": false}, "bwe": {"upsample_initial_channel": 512, '
        '"resblock": "AMP1", "upsample_rates": [6, 5, 2, 2, 2], "resblock_kernel_sizes": [3, 7, 11], '
        '"upsample_kernel_sizes": [12, 11, 4, 4, 4], "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]], '
        '"stereo": true, "use_tanh_at_final": false, "activation": "snakebeta", "use_bias_at_final": false, '
        '"input_sampling_rate": 16000, "output_sampling_rate": 48000, "hop_length": 80, "n_fft": 512, '
        '"win_size": 512, "num_mels": 64}}'
    ),
}


@pytest.fixture(scope="module")
def components():
    """Random tiny components in bf16, as a published folder is."""
    pipe = architecture.pipeline()
    made = {name: getattr(pipe, name).to(torch.bfloat16).eval() for name in COMPONENTS}
    return made | {"text_encoder": pipe.text_encoder, "tokenizer": pipe.tokenizer}


@pytest.fixture(scope="module")
def bf16_file(components, tmp_path_factory):
    return write_official(tmp_path_factory.mktemp("official") / "ltx-2.3-22b-distilled.safetensors", components)


@pytest.fixture(scope="module")
def fp8_file(components, tmp_path_factory):
    return write_official(tmp_path_factory.mktemp("official") / "ltx-2.3-22b-dev-fp8.safetensors", components, FP8)


@pytest.fixture(scope="module")
def gemma(components, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gemma")
    components["text_encoder"].save_pretrained(folder)
    components["tokenizer"].save_pretrained(folder)
    return folder


def test_the_released_config_gives_the_published_conversion():
    for name, config in component_configs(RELEASED).items():
        module, class_name = CLASSES[name].rsplit(".", 1)
        defaults = inspect.signature(getattr(__import__(module, fromlist=[class_name]), class_name)).parameters
        for field, value in config.items():
            expected = CONFIGS[name].get(field, defaults[field].default if field in defaults else None)
            assert json.dumps(value) == json.dumps(expected) or value == expected, f"{name}.{field}"


def test_names_of_the_whole_model_map_one_to_one():
    """5,947 tensors, 258 of them connectors', as the released dev file has."""
    count, keys = 0, set()
    for component in COMPONENTS:
        for name in empty_component(component, CONFIGS[component]).state_dict():
            key = official_name(component, name)
            assert diffusers_name(key) == (component, name)
            keys.add(key)
            count += 1
    assert count == len(keys) == 5947
    assert sum("_embeddings_connector" in key for key in keys) == 258


@pytest.mark.parametrize(
    "key, place",
    [
        ("model.diffusion_model.adaln_single.linear.weight", "transformer time_embed.linear.weight"),
        ("model.diffusion_model.audio_patchify_proj.bias", "transformer audio_proj_in.bias"),
        (
            "model.diffusion_model.av_ca_a2v_gate_adaln_single.linear.weight",
            "transformer av_cross_attn_video_a2v_gate.linear.weight",
        ),
        (
            "model.diffusion_model.transformer_blocks.3.audio_to_video_attn.k_norm.weight",
            "transformer transformer_blocks.3.audio_to_video_attn.norm_k.weight",
        ),
        (
            "model.diffusion_model.transformer_blocks.0.scale_shift_table_a2v_ca_audio",
            "transformer transformer_blocks.0.audio_a2v_cross_attn_scale_shift_table",
        ),
        (
            "model.diffusion_model.audio_embeddings_connector.transformer_1d_blocks.7.attn1.q_norm.weight",
            "connectors audio_connector.transformer_blocks.7.attn1.norm_q.weight",
        ),
        ("text_embedding_projection.video_aggregate_embed.weight", "connectors video_text_proj_in.weight"),
        ("vae.encoder.down_blocks.7.conv.conv.bias", "vae encoder.down_blocks.3.downsamplers.0.conv.conv.bias"),
        (
            "vae.decoder.up_blocks.8.res_blocks.1.conv1.conv.weight",
            "vae decoder.up_blocks.3.resnets.1.conv1.conv.weight",
        ),
        ("audio_vae.per_channel_statistics.std-of-means", "audio_vae latents_std"),
        ("vocoder.vocoder.ups.0.weight", "vocoder vocoder.upsamplers.0.weight"),
        (
            "vocoder.bwe_generator.resblocks.2.acts1.0.downsample.lowpass.filter",
            "vocoder bwe_generator.resnets.2.acts1.0.downsample.filter",
        ),
    ],
)
def test_a_released_name_finds_its_place(key, place):
    assert " ".join(diffusers_name(key)) == place


def test_a_bf16_file_gives_the_folders_components(components, bf16_file):
    read = read_components(bf16_file)
    assert set(read) == set(COMPONENTS)
    for name, component in read.items():
        assert (
            dict(component.config).items()
            >= {
                field: value for field, value in component.config.items() if field not in components[name].config
            }.items()
        )
        assert_same_config(component.config, components[name].config)
        expected = components[name].state_dict()
        for key, tensor in component.state_dict().items():
            assert tensor.dtype == torch.bfloat16
            assert torch.equal(tensor, expected[key]), f"{name}.{key}"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not list what is mapped")
def test_what_is_read_stays_mapped_from_the_file(bf16_file):
    """So that loading takes no memory beside the page cache."""
    read = read_components(bf16_file)
    lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = [line.split()[0].split("-") for line in lines if line.endswith(f" {bf16_file.resolve()}")]
    for name, component in read.items():
        for key, tensor in component.state_dict().items():
            place = tensor.data_ptr()
            assert any(int(begin, 16) <= place < int(end, 16) for begin, end in mapped), f"{name}.{key}"


def assert_same_config(found, expected):
    fields = [field for field in expected if not field.startswith("_")]
    assert json.dumps([found[f] for f in fields], default=list) == json.dumps([expected[f] for f in fields])


def test_fp8_layers_keep_their_bytes_and_their_scales(components, fp8_file):
    transformer = read_components(fp8_file)["transformer"]
    expected = components["transformer"].state_dict()
    scaled = {name: layer for name, layer in transformer.named_modules() if isinstance(layer, ScaledLinear)}
    assert set(scaled) == {name.removesuffix(".weight") for name in expected if FP8(name.removesuffix(".weight"))}
    for name, layer in scaled.items():
        weight = expected[f"{name}.weight"].float()
        assert layer.weight.dtype == torch.float8_e4m3fn
        # Three bits of mantissa: half a step is 1/16 of the value, or of the smallest normal one, 2**-6.
        error = (layer.dequantised(torch.float32) - weight).abs()
        assert (error <= (weight.abs() / 16).clamp(min=layer.weight_scale.item() * 2**-10) * 1.001).all(), name
        # What a loader that drops the scale would use is another weight altogether.
        assert (layer.weight.float() - weight).norm() > 10 * weight.norm()
    plain = {name: tensor for name, tensor in transformer.state_dict().items() if name in expected}
    assert all(torch.equal(tensor, expected[name]) for name, tensor in plain.items() if not FP8(name[:-7]))


def test_a_loaded_file_generates_what_the_folder_generates(components, bf16_file, gemma, tmp_path):
    from diffusers import LTX2Pipeline

    parts = {name: components[name] for name in (*COMPONENTS, "text_encoder", "tokenizer")}
    LTX2Pipeline(scheduler=architecture.scheduler(), **parts).save_pretrained(tmp_path)
    request = {"width": 64, "height": 64, "num_frames": 9, "sampling": ltx_nb.Sampling(sigmas=(1.0, 0.5)), "seed": 3}
    from_folder = ltx_nb.load(folder=tmp_path).text_to_video("a red ball", **request)
    from_file = ltx_nb.load(str(bf16_file), text_encoder=gemma).text_to_video("a red ball", **request)
    assert torch.equal(torch.as_tensor(from_file.latents), torch.as_tensor(from_folder.latents))
    assert torch.equal(torch.as_tensor(from_file.audio_latents), torch.as_tensor(from_folder.audio_latents))
    assert (from_file.frames == from_folder.frames).all()


def test_a_diffusers_folder_serves_as_the_text_encoder(bf16_file, tmp_path):
    (tmp_path / "text_encoder").mkdir()
    found = located(model_of_file(bf16_file), tmp_path)
    assert (found.model, found.upscaler) == (bf16_file, None)
    assert (found.text_encoder, found.tokenizer) == (tmp_path / "text_encoder", tmp_path / "tokenizer")


def test_the_upscaler_beside_the_file_comes_along(bf16_file, gemma, tmp_path):
    upsampler = architecture.latent_upsampler().to(torch.bfloat16)
    config = {name: upsampler.config[name] for name in ("mid_channels", "num_blocks_per_stage", "dims")}
    save_file(upsampler.state_dict(), tmp_path / UPSCALER[1], {"config": json.dumps(config)})
    (tmp_path / bf16_file.name).symlink_to(bf16_file)
    model = model_of_file(tmp_path / bf16_file.name)
    found = located(model, gemma)
    assert found.text_encoder == found.tokenizer == gemma
    made = single_file_components(model, found.model, found.upscaler)
    assert torch.equal(made["latent_upsampler"].final_conv.weight, upsampler.final_conv.weight)


def test_dev_shifts_its_sigmas_and_distilled_does_not(bf16_file, fp8_file):
    for path, shifts in ((bf16_file, False), (fp8_file, True)):
        made = single_file_components(model_of_file(path), path, None)
        assert made["scheduler"].config.use_dynamic_shifting is shifts
        assert made["scheduler"].config.shift_terminal == (0.1 if shifts else None)


def test_an_fp8_file_generates_almost_what_the_bf16_file_does(components, bf16_file, gemma, tmp_path):
    """Within what fp8 rounds; without the scales, whose layers are then hundreds of times too large, far from it."""
    fp8 = write_official(tmp_path / "ltx-2.3-22b-distilled-fp8.safetensors", components, FP8)
    request = {"width": 64, "height": 64, "num_frames": 9, "sampling": ltx_nb.Sampling(sigmas=(1.0, 0.5)), "seed": 3}
    sessions = [ltx_nb.load(path, text_encoder=gemma) for path in (bf16_file, fp8, fp8)]
    for layer in sessions[2].pipe.transformer.modules():
        if isinstance(layer, ScaledLinear):
            layer.weight_scale = torch.ones_like(layer.weight_scale)
    whole, rounded, unscaled = (it.text_to_video("a red ball", progress=False, **request) for it in sessions)
    for lane in ("latents", "audio_latents"):
        wanted = getattr(whole, lane)
        scaled_error, unscaled_error = ((getattr(it, lane) - wanted).norm() for it in (rounded, unscaled))
        assert 0 < scaled_error < 0.05 * wanted.norm() < 0.2 * wanted.norm() < unscaled_error


def test_a_file_whose_name_does_not_tell_how_to_sample_is_refused():
    with pytest.raises(ValueError, match=r"'merge\.safetensors' says neither 'dev' nor 'distilled'.*merge-distilled"):
        ltx_nb.load("merge.safetensors")


def test_the_catalogue_names_the_official_files():
    files = {name: model.file for name, model in MODELS.items() if model.file}
    assert set(files) == {f"2.3-{kind}-official{dtype}" for kind in ("dev", "distilled") for dtype in ("", "-fp8")}
    assert all(model_of_file(file).sampling == MODELS[name].sampling for name, file in files.items())


def test_an_official_file_that_is_not_here_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*ltx-2.3-22b-dev.safetensors"):
        ltx_nb.load("2.3-dev-official", folder=tmp_path)


def test_an_official_file_out_of_reach_of_the_hub_is_named():
    with pytest.raises(FileNotFoundError, match=r"no ltx-2.3-22b-dev.safetensors in 'Lightricks/LTX-2.3'"):
        ltx_nb.load("2.3-dev-official", "8gb", device="cpu")


def test_a_missing_key_is_named(components, tmp_path):
    key = "model.diffusion_model.transformer_blocks.2.attn1.to_q.weight"
    path = write_official(tmp_path / "dev.safetensors", components, without=[key, "vae.encoder.conv_in.conv.bias"])
    with pytest.raises(WeightsError, match=r"2 missing: transformer\.transformer_blocks\.2\.attn1\.to_q") as caught:
        read_components(path)
    assert caught.value.missing == (
        "transformer.transformer_blocks.2.attn1.to_q.weight",
        "vae.encoder.conv_in.conv.bias",
    )


@pytest.mark.parametrize(
    "key", ["duration_head.weight", "vae.decoder.extra.weight", "vocoder.vocoder.upsamplers.0.weight"]
)
def test_an_unknown_key_is_named(components, tmp_path, key):
    path = write_official(tmp_path / "dev.safetensors", components, extra={key: torch.zeros(2, dtype=torch.bfloat16)})
    with pytest.raises(WeightsError, match=rf"1 unknown: {re.escape(key)}") as caught:
        read_components(path)
    assert caught.value.unknown == (key,)


def test_a_missing_component_is_named(components, tmp_path):
    without = [key for key in official_tensors(components) if key.startswith("audio_vae.")]
    path = write_official(tmp_path / "dev.safetensors", components, without=without)
    with pytest.raises(WeightsError, match=rf"{len(without)} missing: audio_vae\..*and {len(without) - 8} more"):
        read_components(path)


def test_an_fp8_weight_without_its_scale_is_refused(components, tmp_path):
    layer = "model.diffusion_model.transformer_blocks.1.attn1.to_q"
    path = write_official(tmp_path / "dev.safetensors", components, FP8, without=[f"{layer}.weight_scale"])
    with pytest.raises(WeightsError, match=rf"{layer}\.weight is F8_E4M3, not BF16 or F16 or F32"):
        read_components(path)


def test_another_shape_is_refused(components, tmp_path):
    wrong = {"vae.encoder.conv_in.conv.bias": torch.zeros(7, dtype=torch.bfloat16)}
    path = write_official(tmp_path / "dev.safetensors", components, extra=wrong)
    with pytest.raises(WeightsError, match=r"vae\.encoder\.conv_in\.conv\.bias is \[7\], not \[128\]"):
        read_components(path)


def test_a_truncated_file_is_refused(bf16_file, tmp_path):
    path = tmp_path / "dev.safetensors"
    path.write_bytes(bf16_file.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=r"is cut short or is no safetensors file .* download it again"):
        read_components(path)


def test_a_pickle_is_refused_unread(tmp_path):
    path = tmp_path / "ltx-2.3-22b-dev.ckpt"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"does not end in \.safetensors; only safetensors are read, never pickles"):
        ltx_nb.load(str(path))
    path = path.rename(path.with_suffix(".safetensors"))
    with pytest.raises(WeightsError, match="is cut short or is no safetensors file"):
        ltx_nb.load(str(path))


def test_another_models_file_is_refused(tmp_path):
    path = tmp_path / "lora.safetensors"
    save_file({"diffusion_model.transformer_blocks.0.attn1.to_q.lora_A.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(WeightsError, match=r"is not an official LTX-2\.3 single file: of its 1 tensors"):
        read_components(path)


@pytest.mark.parametrize(
    "section, field, value",
    [
        ("transformer", "cross_attention_adaln", False),
        ("transformer", "ff_bias", False),
        ("transformer", "use_prompt_adaln_single", False),
        ("transformer", "use_middle_indices_grid", False),
        ("transformer", "use_keyframes_abs_pos_embedding", True),
        ("transformer", "caption_projection_first_linear", True),
        ("vae", "_class_name", "CausalDiffusionVAE"),
    ],
)
def test_a_file_of_another_generation_is_refused(section, field, value):
    config = RELEASED | {section: RELEASED[section] | {field: value}}
    with pytest.raises(ValueError, match=rf"the file's config has {section}\.{field}={value!r}; LTX-2\.3's has"):
        component_configs(config)


@pytest.mark.parametrize(
    "config, message",
    [
        ("{", "config in its metadata that is no JSON object"),
        ("[1]", "config in its metadata that is no JSON object"),
        ('{"transformer": [1]}', "config in its metadata that is not LTX-2.3's"),
    ],
)
def test_a_damaged_config_is_named_with_its_file(components, tmp_path, config, message):
    path = tmp_path / "dev.safetensors"
    save_file(official_tensors(components), path, {"config": config})
    with pytest.raises(WeightsError, match=rf"dev\.safetensors has a {message}"):
        read_components(path)


def test_audio_connectors_have_as_many_layers_as_their_own_field_says():
    both = component_configs(RELEASED | {"transformer": RELEASED["transformer"] | {"connector_num_layers": 4}})
    own = component_configs(RELEASED | {"transformer": RELEASED["transformer"] | {"audio_connector_num_layers": 2}})
    layers = [f"{lane}_connector_num_layers" for lane in ("video", "audio")]
    assert [both["connectors"][name] for name in layers] == [4, 4]
    assert [own["connectors"][name] for name in layers] == [RELEASED["transformer"]["connector_num_layers"], 2]


@pytest.mark.parametrize(
    "said, encoder, decoder",
    [
        ({"spatial_padding_mode": "replicate"}, "replicate", "replicate"),
        ({}, "zeros", "reflect"),
        ({"encoder_spatial_padding_mode": "reflect"}, "reflect", "reflect"),
    ],
)
def test_a_vae_pads_as_the_reference_reads_its_config(said, encoder, decoder):
    vae = {name: value for name, value in RELEASED["vae"].items() if name != "spatial_padding_mode"}
    made = component_configs(RELEASED | {"vae": vae | said})["vae"]
    assert (made["encoder_spatial_padding_mode"], made["decoder_spatial_padding_mode"]) == (encoder, decoder)


def test_a_padding_that_the_reference_does_not_read_is_refused():
    vae = RELEASED["vae"] | {"spatial_padding_mode": "zeros", "decoder_spatial_padding_mode": "reflect"}
    with pytest.raises(ValueError, match=r"vae\.decoder_spatial_padding_mode='reflect', which the reference does not"):
        component_configs(RELEASED | {"vae": vae})


def test_an_unknown_block_of_the_vae_is_refused():
    blocks = [*RELEASED["vae"]["decoder_blocks"][:-1], ["res_x", {"num_layers": 2, "inject_noise": True}]]
    with pytest.raises(ValueError, match=r"vae\.decoder_blocks\[8\]=\['res_x', .* which LTX-2\.3's has not"):
        component_configs(RELEASED | {"vae": RELEASED["vae"] | {"decoder_blocks": blocks}})


def test_a_file_without_a_config_is_read_as_the_real_size(components, tmp_path):
    """What it lacks of the real size is then named, rather than guessed."""
    path = tmp_path / "dev.safetensors"
    save_file(official_tensors(components), path)
    with pytest.raises(WeightsError, match=r"linear_1\.bias is \[192\], not \[4096\]"):
        read_components(path)


def test_the_upscalers_file_is_read(tmp_path):
    upsampler = architecture.latent_upsampler().to(torch.bfloat16)
    config = {name: upsampler.config[name] for name in ("mid_channels", "num_blocks_per_stage", "dims")}
    config["_class_name"] = "LatentUpsampler"
    path = tmp_path / "ltx-2.3-spatial-upscaler-x2-1.1.safetensors"
    save_file(upsampler.state_dict(), path, {"config": json.dumps(config)})
    read = read_latent_upsampler(path)
    assert all(torch.equal(tensor, upsampler.state_dict()[name]) for name, tensor in read.state_dict().items())
    save_file(upsampler.state_dict() | {"extra": torch.zeros(1)}, path, {"config": json.dumps(config)})
    with pytest.raises(WeightsError, match="1 unknown: extra"):
        read_latent_upsampler(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "gemma-3-12b-it-Q4_K_M.gguf",
            "is no model by its name, but a text encoder, .*text_encoder='gemma-3-12b-it-Q4_K_M",
        ),
        ("claymation-lora.safetensors", "but a LoRA, which is given with one; .* loras='claymation-lora"),
        (
            "ltx-2.3-spatial-upscaler-x2-1.1.safetensors",
            "but a latent upscaler, .* upscalers='ltx-2.3-spatial-upscaler",
        ),
        ("LTX23_video_vae_bf16.safetensors", "but a part of one that is split, .* parts='LTX23_video_vae_bf16"),
        ("ltx23-Q4_K_M.gguf", "says neither 'dev' nor 'distilled'.* as ltx23-Q4_K_M-distilled.gguf"),
    ],
)
def test_a_file_whose_name_tells_no_model_is_told_what_it_may_be(name, message, tmp_path):
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(ValueError, match=message):
        ltx_nb.load(tmp_path / name)
