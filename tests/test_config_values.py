"""Values of configs: of the kind and the size that a model can have, or an error that names the field."""

import json
import shutil
from pathlib import Path

import pytest

from ltx_nb.catalogue.components import CLASSES, CONFIGS, empty_component
from ltx_nb.catalogue.models import TINY
from ltx_nb.loading.folder import read_folder
from ltx_nb.loading.official_config import component_configs
from ltx_nb.loading.stored import WeightsError


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(TINY.weights, tmp_path / "model"))


@pytest.mark.parametrize("name", CLASSES)
def test_the_real_and_the_tiny_configs_are_within(name):
    configs = [CONFIGS[name], json.loads((Path(TINY.weights) / name / "config.json").read_text())]
    for config in configs:
        if name == "transformer":
            config = config | {"num_layers": 1}
        assert empty_component(name, config) is not None


@pytest.mark.parametrize(
    "component, field, value, message",
    [
        ("transformer", "num_layers", "6", r"transformer\.num_layers='6' is not of the kind of its default, 48"),
        ("transformer", "num_layers", True, r"transformer\.num_layers=True is not of the kind"),
        ("transformer", "num_layers", 10**7, r"transformer\.num_layers=10000000 is none that a model can have"),
        ("transformer", "num_attention_heads", 0, r"no LTX2VideoTransformer3DModel can be made|not .*whole"),
        ("transformer", "rope_theta", [1e4], r"transformer\.rope_theta=\[10000\.0\] is not of the kind"),
        ("transformer", "gated_attn", "yes", r"transformer\.gated_attn='yes' is not of the kind"),
        ("audio_vae", "sample_rate", 10**9, r"audio_vae\.sample_rate=1000000000 is none that a model can have"),
        ("audio_vae", "ch_mult", [1, "2"], r"audio_vae\.ch_mult=\[1, '2'\] is not of the kind"),
        ("vae", "block_out_channels", 64, r"vae\.block_out_channels=64 is not of the kind"),
        ("vae", "block_out_channels", [-64, 0], r"vae.*(can be made|cut short|of another kind|missing|unknown)"),
        ("vocoder", "resnet_dilations", [[[[[[[[1]]]]]]]], r"vocoder\.resnet_dilations"),
        ("vocoder", "upsample_factors", [2] * 5000, r"vocoder\.upsample_factors has 5000 values"),
        ("connectors", "rope_theta", float("inf"), r"connectors\.rope_theta=inf is none"),
        ("latent_upsampler", "dims", None, r"latent_upsampler\.dims=None is not of the kind"),
    ],
)
def test_a_value_of_another_kind_or_size_is_named_with_its_file(folder, component, field, value, message):
    path = folder / component / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(WeightsError, match=message):
        read_folder(folder)


@pytest.mark.parametrize(
    "official", [{"transformer": {"num_layers": "6"}}, {"vocoder": 3}, {"vae": {"patch_size": {}}}]
)
def test_an_official_config_is_held_to_it_too(official):
    with pytest.raises((ValueError, AttributeError, TypeError)):
        for name, config in component_configs(official).items():
            empty_component(name, config)
