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
from llava.checkpoints.files import locate
from tests.tiny_checkpoints import write_llama_3_tokenizer

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


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn])
def test_weights_of_a_quantised_type_are_refused(folder: Path, dtype: torch.dtype) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    edit_weights(folder / "model.safetensors", lambda w: w.update({name: w[name].to(dtype)}))

    message = refusal(folder)
    assert message.startswith(f"{folder / 'model.safetensors'}: {name} is {str(dtype)[6:]}, ")
    assert "take the release that is not quantised" in message


@pytest.mark.parametrize(
    "suffix", ["SCB", "weight.absmax", "qweight", "qzeros", "weight_scale_inv"]
)
def test_what_quantised_weights_bring_along_is_called_so(folder: Path, suffix: str) -> None:
    extra = {f"model.layers.0.mlp.up_proj.{suffix}": torch.ones(4)}
    edit_weights(folder / "model.safetensors", lambda w: w.update(extra))

    assert "quantised weights" in refusal(folder)


def test_a_quantisation_in_the_configuration_is_named(folder: Path) -> None:
    quantisation = {"quant_method": "awq", "bits": 4}
    edit_json(folder / "config.json", lambda c: c.update(quantization_config=quantisation))

    message = refusal(folder)
    assert message.startswith(f"{folder / 'config.json'}: the weights are quantised with awq ")


@pytest.mark.parametrize(
    "file_name", ["adapter_config.json", "adapter_model.bin", "non_lora_trainables.bin"]
)
def test_a_lora_adapter_is_called_so_even_beside_whole_weights(
    folder: Path, file_name: str
) -> None:
    (folder / file_name).touch()

    assert refusal(folder).startswith(f"{folder} holds a LoRA adapter ({file_name})")


@pytest.mark.parametrize(
    ("content", "called"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 13\n", "Git-LFS pointer"),
        ("<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        ("", "empty"),
    ],
    ids=["pointer", "page", "empty"],
)
@pytest.mark.parametrize(
    "file_name",
    [
        *("config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"),
        *("vision_tower/model.safetensors", "vision_tower/preprocessor_config.json"),
    ],
)
def test_what_stands_in_a_file_s_place_is_called_by_its_name(
    folder: Path, file_name: str, content: str, called: str
) -> None:
    (folder / file_name).write_text(content)

    message = refusal(folder)
    assert message.startswith(str(folder / file_name))
    assert called in message


def test_a_named_pipe_in_a_file_s_place_is_not_waited_for(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")

    assert refusal(folder) == f"checkpoint incomplete: {folder / 'config.json'} is missing"


def test_a_weight_in_two_shards_is_named_with_both(make_llava, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "llava-tiny", shards=2)
    first, second = sorted(folder.glob("*.safetensors"))
    name = "model.embed_tokens.weight"
    edit_weights(second, lambda w: w.update({name: load_file(first)[name] + 1}))

    assert f"weight {name} in {second.name} stands in {first.name} too" in refusal(folder)


def test_a_shard_without_a_weight_that_the_index_has_there_is_named(
    make_llava, tmp_path: Path
) -> None:
    folder = make_llava(tmp_path / "llava-tiny", shards=2)
    shard = folder / "model-00001-of-00002.safetensors"
    edit_weights(shard, lambda w: w.pop("model.embed_tokens.weight"))

    assert (
        f"weight model.embed_tokens.weight is not in {shard.name}, where "
        "model.safetensors.index.json has it"
    ) in refusal(folder)


def test_an_index_that_names_files_elsewhere_is_refused(make_llava, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "llava-tiny", shards=2)
    index = folder / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("model-00001", "../model-00001"))

    assert "names '../model-00001-of-00002.safetensors', no file of its folder" in refusal(folder)


def test_a_tokenizer_that_loses_the_blanks_is_refused(folder: Path) -> None:
    (folder / "tokenizer.model").unlink()
    write_llama_3_tokenizer(folder, adds_bos=True)

    message = refusal(folder)
    assert message.startswith(f"{folder}: the tokenizer does not give back what it was given: ")
    assert "Achatbetweenacurioususer" in message


@pytest.mark.parametrize("size", [10, 5000])
def test_a_torn_tokenizer_is_refused(folder: Path, size: int) -> None:
    path = folder / "tokenizer.model"
    path.write_bytes(path.read_bytes()[:size])

    message = refusal(folder)
    assert "tokenizer" in message
    assert str(folder) in message


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
        ({"num_key_value_heads": 3}, "num_key_value_heads 3 does not divide"),
        ({"head_dim": 7}, "even"),
        ({"hidden_size": "32"}, 'hidden_size is "32": expected `int`, got `str`'),
        ({"vocab_size": -1}, "vocab_size is -1: expected `int` >= 1"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000: expected `int` <= "),
        ({"eos_token_id": 10**6}, "eos_token_id 1000000 is beyond vocab_size"),
        ({"eos_token_id": []}, "eos_token_id names no id"),
        ({"mm_vision_tower": None}, "mm_vision_tower is null: expected `str`"),
        ({"mm_vision_tower": ["openai/clip"]}, 'mm_vision_tower is ["openai/clip"]'),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_scaling.type is "),
        ({"rope_scaling": {"type": "longrope", "short_factor": [1.0]}}, "rope_scaling"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "low_freq_factor"),
        ({"sliding_window": 4096}, "sliding_window is 4096"),
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


@pytest.mark.parametrize(
    ("file_name", "change", "expected"),
    [
        ("config.json", {"image_size": 10**9}, "image_size is 1000000000: expected `int` <= 4096"),
        ("config.json", {"num_channels": 1}, "num_channels is 1"),
        ("config.json", {"hidden_act": "sharp"}, "sharp"),
        ("preprocessor_config.json", {"crop_size": 32}, "images of (3, 32, 32), the vision tower "),
        ("preprocessor_config.json", {"size": {"shortest_edge": 10**7}}, "size[...] is "),
        ("preprocessor_config.json", {"image_mean": None}, "image_mean is null"),
        ("preprocessor_config.json", {"image_std": [0.0, 1.0, 1.0]}, "expected `float` > 0.0"),
    ],
    ids=str,
)
def test_a_setting_of_the_tower_that_cannot_be_is_named_with_its_file(
    folder: Path, file_name: str, change: dict[str, Any], expected: str
) -> None:
    path = folder / "vision_tower" / file_name
    edit_json(path, lambda c: c.update(change))

    message = refusal(folder)
    assert str(path) in message
    assert expected in message


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
