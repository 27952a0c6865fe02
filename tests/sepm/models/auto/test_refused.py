"""Checkpoints that the method cannot ask, refused with the reason; traps that say nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CONFIG_MAPPING

from sepm.errors import InputError, RunError
from sepm.models.auto import checkpoint
from sepm.models.auto.decoder_inputs import without_dropped
from sepm.models.auto.model import features_given
from sepm.models.opening import open_model
from sepm.models.options import ModelOptions
from tests.sepm.models.auto.conftest import Family
from tests.tiny_checkpoints.families import image_of, write_family

TEXT = "{{ messages[0]['content'][1]['text'] }}"


def opened(folder: Path, **options: Any) -> Any:
    return open_model(ModelOptions(model_path=str(folder), device="cpu", **options))


@pytest.mark.parametrize(
    ("name", "template", "reason"),
    [
        ("paligemma", None, "no chat template"),
        ("qwen3_vl", TEXT + "<think>\n", "begin with a thought"),
        ("llava", TEXT + "<image>", "does not stand before the query"),
        ("llava", TEXT.replace(" }}", " | upper }}"), "does not show the query"),
    ],
)
def test_a_chat_template_that_queries_cannot_be_asked_with(
    tmp_path: Path, name: str, template: str | None, reason: str
) -> None:
    write_family(name, tmp_path / "model", chat_template=template)
    with pytest.raises(InputError, match=reason):
        _ = opened(tmp_path / "model").model


def test_a_legacy_chat_template_goes_before_the_other_as_in_transformers(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_family("llava", folder)
    first = opened(folder).checkpoint.template
    other = first.replace("\n", " ") + "{# legacy #}"
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": other}))
    assert opened(folder).checkpoint.template == other != first


def test_soft_capped_attention_unless_eager_is_accepted(tmp_path: Path) -> None:
    capped = {"model_type": "gemma2", "attn_logit_softcapping": 50.0, "sliding_window": 4096}
    write_family("paligemma", tmp_path / "model", text_config=capped)
    with pytest.raises(InputError, match="--attention eager"):
        opened(tmp_path / "model")
    model = opened(tmp_path / "model", attention="eager").model
    prompt, image = model.tokenize("A or B?"), model.encode([model.preprocess(image_of(48, 48))])[0]
    read = model.prefill([prompt], [image], [()], prompt.positions_of(0, 1)).attentions
    assert read.isfinite().all()


def test_a_setting_that_the_image_processor_does_not_have(open_family: Any) -> None:
    folder = open_family("qwen2_5_vl").folder
    with pytest.raises(InputError, match="'max_pixel'; did you mean 'max_pixels'"):
        _ = opened(folder, processor=("max_pixel=1024",)).settings
    with pytest.raises(InputError, match="name=value"):
        _ = opened(folder, processor=("max_pixels",)).settings


def test_pixels_that_the_model_does_not_take(open_family: Any) -> None:
    folder = open_family("llava").folder
    with pytest.raises(InputError, match="does not take images as its processor"):
        _ = opened(folder, processor=("do_center_crop=false",)).model


@pytest.mark.parametrize("option", [{"conversation": "llama_3"}, {"vision_dtype": "float16"}])
def test_options_of_the_original_format(open_family: Any, option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="original format"):
        opened(open_family("llava").folder, **option)


@pytest.mark.parametrize(
    "option", [{"processor": ("size=3",)}, {"positions": "kept"}, {"attention": "eager"}]
)
def test_options_of_the_transformers_format(tiny_model: Path, option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="transformers' format"):
        opened(tiny_model, **option)


def test_positions_in_a_grid_are_not_renumbered(open_family: Any) -> None:
    folder = open_family("qwen2_5_vl").folder
    with pytest.raises(InputError, match="M-RoPE"):
        opened(folder, positions="renumbered")
    assert opened(folder).settings["positions"] == "kept"
    assert opened(open_family("llava").folder, positions="kept").settings["positions"] == "kept"


def test_a_family_that_transformers_does_not_know(tmp_path: Path) -> None:
    stored = {"model_type": "internvl_chat", "vision_config": {}, "auto_map": {"AutoModel": "x.Y"}}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"'internvl_chat' is no.*auto_map\) is not run"):
        opened(tmp_path)


def test_a_weight_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_family("llava", folder)
    weights = load_file(folder / "model.safetensors")
    gone = {name for name in weights if name.endswith("layers.3.mlp.up_proj.weight")}
    left = {name: weight for name, weight in weights.items() if name not in gone}
    save_file(left, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="1 missing keys"):
        _ = opened(folder).model


@pytest.mark.parametrize(
    ("kind", "reason"), [("florence2", "encoder with a decoder"), ("mllama", "cross-attention")]
)
def test_models_without_rows_to_read(kind: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"unread")
    CONFIG_MAPPING[kind]().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=reason):
        opened(tmp_path)


def test_attention_sinks(open_family: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = checkpoint.attention_of

    def with_sinks(decoder: Any, layer: int) -> nn.Module:
        attention = found(decoder, layer)
        attention.sinks = nn.Parameter(torch.zeros(4))
        return attention

    monkeypatch.setattr(checkpoint, "attention_of", with_sinks)
    with pytest.raises(InputError, match="attention sinks"):
        opened(open_family("llava").folder)


def test_the_last_layer_without_a_window_is_read(open_family: Any) -> None:
    opened_gemma = open_family("gemma3").opened
    layers = opened_gemma.checkpoint.config.get_text_config().layer_types
    assert layers[-1] == "sliding_attention"
    assert layers[opened_gemma.settings["attention_layer"]] == "full_attention"


def test_linear_attention_is_told() -> None:
    text = CONFIG_MAPPING["qwen3_5"]().get_text_config()
    assert checkpoint.notes_on_layers(text) == (checkpoint.LINEAR_ATTENTION,)
    assert checkpoint.attention_layer(text) == 31


def test_gaps_come_with_a_mask_of_ones() -> None:
    embeds = torch.zeros(1, 6, 4)
    cut = without_dropped({"inputs_embeds": embeds}, torch.tensor([[0, 2, 5]]), "kept")
    assert cut["position_ids"].tolist() == [[0, 2, 5]]
    assert cut["attention_mask"].tolist() == [[1, 1, 1]]


def test_an_unknown_argument_over_the_tokens() -> None:
    given = {"inputs_embeds": torch.zeros(1, 6, 4), "new": torch.zeros(3, 6)}
    with pytest.raises(RunError, match="new"):
        without_dropped(given, torch.tensor([[0, 2]]), "kept")


def test_a_model_that_does_not_ask_for_the_image(open_family: Any) -> None:
    family: Family = open_family("llava")
    features = family.encoded[0].features
    with pytest.raises(RunError, match="0 times"), features_given(family.model.model, features):
        pass


def test_a_query_that_the_template_changes(tmp_path: Path) -> None:
    template = f"<image>{TEXT.replace(' }}', ' | trim }}')} ASSISTANT:"
    write_family("llava", tmp_path / "model", chat_template=template)
    model = opened(tmp_path / "model").model
    with pytest.raises(ValueError, match="changes the query"):
        model.tokenize("What? ")
    with pytest.raises(ValueError, match="placeholder"):
        model.tokenize("What is <image>?")


def test_a_letter_that_is_several_tokens(open_family: Any) -> None:
    with pytest.raises(ValueError, match="not one token"):
        open_family("llava").model.option_id("Ab")
