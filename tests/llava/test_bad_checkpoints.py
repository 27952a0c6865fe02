"""A checkpoint that cannot be used is refused, in words that say what, where and what to do."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from llava import CheckpointError, load_llava
from llava.checkpoint import locate

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(make_llava, tmp_path: Path) -> Path:
    return make_llava(tmp_path / "llava-tiny")


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where relative names lead nowhere."""
    monkeypatch.chdir(tmp_path)


def refusal(folder: Path | str) -> str:
    """The message with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as error:
        load_llava(str(folder))
    return str(error.value)


def edit_json(path: Path, change: Change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_weights(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


def test_a_missing_shard_is_named(make_llava, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "llava-tiny", shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()

    assert refusal(folder) == (
        f"checkpoint incomplete: model.safetensors.index.json in {folder} names "
        "model-00002-of-00003.safetensors, not there; download the folder again"
    )


def test_another_activation_than_llama_s_is_refused(folder: Path) -> None:
    edit_json(folder / "config.json", lambda c: c.update(hidden_act="gelu"))

    assert refusal(folder) == (
        f"{folder / 'config.json'}: hidden_act must be silu, as every LLaMA has it, got 'gelu'"
    )


def test_a_missing_weight_is_named(folder: Path) -> None:
    edit_weights(folder / "model.safetensors", lambda w: w.pop("model.norm.weight"))

    assert refusal(folder) == (
        f"weights in {folder} do not fit its configuration: "
        "missing weight language_model.model.norm.weight"
    )


def test_a_missing_weight_of_the_tower_is_named(folder: Path) -> None:
    name = "vision_model.encoder.layers.1.mlp.fc1.bias"
    edit_weights(folder / "vision_tower" / "model.safetensors", lambda w: w.pop(name))
    message = refusal(folder)

    assert message.startswith(f"weights in {folder / 'vision_tower'} do not fit")
    assert message.endswith("missing weight encoder.layers.1.mlp.fc1.bias")


def test_an_unexpected_weight_is_named_with_its_file(folder: Path) -> None:
    extra = {"model.layers.3.mlp.up_proj.weight": torch.ones(64, 32)}
    edit_weights(folder / "model.safetensors", lambda w: w.update(extra))

    assert "unexpected weight model.layers.3.mlp.up_proj.weight in model.safetensors" in refusal(
        folder
    )


def test_a_wrong_shape_is_named_with_the_right_one(folder: Path) -> None:
    wrong = {"model.layers.0.self_attn.k_proj.weight": torch.ones(16, 32)}
    edit_weights(folder / "model.safetensors", lambda w: w.update(wrong))

    assert refusal(folder).endswith(
        "weight model.layers.0.self_attn.k_proj.weight has shape (16, 32), expected (32, 32)"
    )


def test_many_wrong_weights_are_ten_and_a_count(folder: Path) -> None:
    edit_json(folder / "config.json", lambda c: c.update(num_hidden_layers=6))  # 27 missing

    message = refusal(folder)
    assert message.count("missing weight") == 10
    assert message.endswith("; and 17 more")


@pytest.mark.parametrize("storage", ["safetensors", "bin"])
def test_a_torn_weight_file_is_named(make_llava, tmp_path: Path, storage: str) -> None:
    folder = make_llava(tmp_path / "llava-tiny", storage=storage)
    (path,) = (p for p in folder.iterdir() if p.suffix == f".{storage}")
    path.write_bytes(path.read_bytes()[:20_000])

    assert re.fullmatch(
        f"{re.escape(str(path))}: cannot be read as weights (.*); download the file again",
        refusal(folder),
        re.DOTALL,
    )


@pytest.mark.usefixtures("_elsewhere")
def test_a_pickle_that_runs_code_is_refused(make_llava, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "llava-tiny", storage="bin")
    torch.save({"lm_head.weight": Runs()}, folder / "pytorch_model.bin")

    assert "cannot be read as weights" in refusal(folder)
    assert not Path("it-ran").exists()


class Runs:
    """What a malicious file would hold."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("it-ran",)


def test_a_folder_without_weights_says_what_was_expected(folder: Path) -> None:
    (folder / "model.safetensors").unlink()

    assert refusal(folder) == (
        f"checkpoint incomplete: no weights in {folder}, expected one of "
        "model.safetensors, model.safetensors.index.json, pytorch_model.bin, "
        "pytorch_model.bin.index.json"
    )


def test_an_index_that_maps_nothing_is_named(make_llava, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "llava-tiny", shards=2)
    (folder / "model.safetensors.index.json").write_text("{}")

    assert refusal(folder) == (
        f"{folder / 'model.safetensors.index.json'}: object missing required field `weight_map`"
    )


@pytest.mark.parametrize(
    ("file_name", "what"),
    [
        ("config.json", "{folder}/config.json is missing"),
        ("tokenizer.model", "no tokenizer.model in {folder}"),
        ("vision_tower/config.json", "{folder}/vision_tower/config.json is missing"),
        (
            "vision_tower/preprocessor_config.json",
            "{folder}/vision_tower/preprocessor_config.json is missing",
        ),
    ],
)
def test_a_missing_file_is_named(folder: Path, file_name: str, what: str) -> None:
    (folder / file_name).unlink()

    message = refusal(folder)
    assert message.startswith("checkpoint incomplete: ")
    assert what.format(folder=folder) in message


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_configuration_that_is_no_json_object_is_named(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)

    assert refusal(folder).startswith(f"{folder / 'config.json'}: ")


def test_the_format_of_llava_hf_is_told_apart(folder: Path) -> None:
    edit_json(folder / "config.json", lambda c: c.update(vision_config={}, text_config={}))

    message = refusal(folder)
    assert f"{folder} is in transformers' own LLaVA format (llava-hf)" in message
    assert "liuhaotian/llava-v1.5-7b" in message


def test_another_model_type_is_named(folder: Path) -> None:
    edit_json(folder / "config.json", lambda c: c.update(model_type="mistral"))

    assert refusal(folder) == (
        f"{folder}: model_type must be one of llava, llava_llama, got 'mistral'"
    )


def test_a_plain_llama_is_told_what_it_lacks(folder: Path) -> None:
    edit_json(folder / "config.json", lambda c: c.pop("mm_vision_tower"))

    assert "mm_vision_tower is missing" in refusal(folder)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"mm_projector_type": "mlp_downsample"}, "must be mlp2x_gelu or linear"),
        ({"mm_vision_select_feature": "cls"}, "must be patch or cls_patch"),
        ({"mm_vision_select_layer": -9}, "the tower has 3 layers"),
        ({"image_aspect_ratio": "anyres"}, "must be pad, square or absent"),
        ({"mm_use_im_start_end": True}, "must be false"),
        ({"mm_use_im_patch_token": True}, "must be false"),
        ({"num_attention_heads": 5}, "heads"),
    ],
    ids=str,
)
def test_a_setting_that_llava_1_5_does_not_have_is_named_with_the_folder(
    folder: Path, setting: dict[str, Any], expected: str
) -> None:
    edit_json(folder / "config.json", lambda c: c.update(setting))

    message = refusal(folder)
    assert str(folder) in message
    assert expected in message


def test_a_tower_of_another_width_is_refused(folder: Path) -> None:
    edit_json(folder / "config.json", lambda c: c.update(mm_hidden_size=1024))

    assert refusal(folder) == (
        f"{folder / 'vision_tower'}: the vision tower is 24 wide, "
        "the model expects 1024 (mm_hidden_size)"
    )


def test_a_tower_that_is_no_clip_is_refused(folder: Path) -> None:
    path = folder / "vision_tower" / "config.json"
    edit_json(path, lambda c: c.update(model_type="siglip_vision_model"))

    assert refusal(folder) == (
        f"{folder / 'vision_tower'}: vision tower must be a CLIP, "
        "got model_type 'siglip_vision_model'"
    )


@pytest.mark.parametrize("name", ["/nowhere/llava", "./llava", "llava", "a/b/c"])
@pytest.mark.usefixtures("_elsewhere")
def test_a_folder_that_is_not_there_is_named(name: str) -> None:
    message = refusal(name)

    assert f"model '{name}': no folder at {Path(name)}, and it is no hub id" in message
    assert "such as liuhaotian/llava-v1.5-7b" in message


def test_a_tower_that_is_not_there_is_named_with_both_places(folder: Path) -> None:
    (folder / "vision_tower").rename(folder / "elsewhere")

    assert refusal(folder) == (
        f"vision tower 'vision_tower': no folder at {folder / 'vision_tower'} or vision_tower, and "
        "it is no hub id (owner/name); put it there, or correct mm_vision_tower in "
        f"{folder / 'config.json'}"
    )


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, and nothing in the cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_offline")
def test_a_hub_id_without_a_network_says_what_to_run() -> None:
    message = refusal("liuhaotian/llava-v1.5-7b")

    assert message.startswith(
        "model 'liuhaotian/llava-v1.5-7b': no folder at liuhaotian/llava-v1.5-7b, "
        "and the hub could not be read (LocalEntryNotFoundError)."
    )
    assert message.endswith(
        "With a network run: hf download liuhaotian/llava-v1.5-7b "
        "--local-dir checkpoints/llava-v1.5-7b, then give that folder"
    )


@pytest.mark.usefixtures("_offline")
def test_a_tower_on_the_hub_without_a_network_says_what_to_run(folder: Path) -> None:
    name = "openai/clip-vit-large-patch14-336"
    edit_json(folder / "config.json", lambda c: c.update(mm_vision_tower=name))

    message = refusal(folder)
    assert message.endswith(
        f"run: hf download {name} --local-dir {folder / name}, where it is found"
    )
    (folder / "vision_tower").rename(folder / "tower")
    (folder / "openai").mkdir()
    (folder / "tower").rename(folder / name)
    assert load_llava(str(folder)).num_visual_tokens == 16


@pytest.mark.usefixtures("_offline")
def test_a_name_that_the_hub_does_not_allow_is_refused_likewise() -> None:
    with pytest.raises(CheckpointError, match="the hub could not be read"):
        locate("checkpoints/llava--v1.5..7b", "model")
