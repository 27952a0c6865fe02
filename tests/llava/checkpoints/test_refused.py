"""A checkpoint that cannot be used is refused, in words that say what, where and what to do."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file

from llava import load_checkpoint
from llava.checkpoints.vila import PARTS
from tests.llava.checkpoints.editing import EditWeights, assert_refused, edit_json, edit_weights
from tests.tiny_checkpoints.tokenizers import write_llama_3_tokenizer


@pytest.fixture
def folder(request: pytest.FixtureRequest, make_llava, make_vila, tmp_path: Path) -> Path:
    """A checkpoint of each family, or one in two shards; a LLaVA-1.5 where no test asks."""
    kind = getattr(request, "param", "llava")
    if kind == "vila":
        return make_vila(tmp_path / "llava-v1.5-7b")  # a name that says nothing
    return make_llava(tmp_path / "llava-tiny", shards=2 if kind == "sharded" else 1)


vila = pytest.mark.parametrize("folder", ["vila"], indirect=True)
sharded = pytest.mark.parametrize("folder", ["sharded"], indirect=True)


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where relative names lead nowhere."""
    monkeypatch.chdir(tmp_path)


Settings = list[tuple[dict[str, Any], str]]
"""Changes of a JSON file, and the message for each; `…` stands for any text."""

LLAVA: dict[str, Settings] = {
    "config.json": [
        ({"hidden_act": "gelu"}, "{path}: hidden_act must be silu, as every LLaMA has it, got …"),
        ({"quantization_config": {"quant_method": "awq"}}, "{path}: the weights are quantised wi…"),
        ({"model_type": "mistral"}, "{path}: model_type must be llava or llava_llama, got '…"),
        ({"mm_hidden_size": 99}, "{folder}/vision_tower: the vision tower is 24 wide, the model …"),
        ({"vision_config": {}}, "{folder} is in transformers' own …for example liuhaotian/llava-…"),
        ({"mm_vision_tower": ...}, "{path}: object missing required field `mm_vision_tower`"),
        ({"mm_vision_tower": None}, "{path}: mm_vision_tower is null: expected `str`…"),
        ({"mm_vision_tower": ["a/clip"]}, '{path}: mm_vision_tower is ["a/clip"]…'),
        ({"mm_projector_type": "mlp_downsample"}, "{path}: …must be mlp2x_gelu or linear…"),
        ({"mm_vision_select_feature": "cls"}, "{path}: …must be patch or cls_patch…"),
        ({"mm_vision_select_layer": -9}, "{path}: …the tower has 3 layers"),
        ({"image_aspect_ratio": "anyres"}, "{path}: …must be pad or square or absent…"),
        ({"mm_use_im_start_end": True}, "{path}: mm_use_im_start_end must be False…"),
        ({"mm_use_im_patch_token": True}, "{path}: mm_use_im_patch_token must be False…"),
        ({"num_attention_heads": 5}, "{path}: …heads…"),
        ({"num_key_value_heads": 3}, "{path}: num_key_value_heads 3 does not divide…"),
        ({"head_dim": 7}, "{path}: …even…"),
        ({"hidden_size": "32"}, '{path}: hidden_size is "32": expected `int`, got `str`…'),
        ({"vocab_size": -1}, "{path}: vocab_size is -1: expected `int` >= 1…"),
        ({"num_hidden_layers": 10**9}, "{path}: num_hidden_layers is 1000000000: expected `int`…"),
        ({"eos_token_id": 10**6}, "{path}: eos_token_id 1000000 is beyond vocab_size…"),
        ({"eos_token_id": []}, "{path}: eos_token_id names no id…"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "{path}: rope_scaling.type is …"),
        ({"rope_scaling": {"type": "longrope", "short_factor": [1.0]}}, "{path}: rope_scaling…"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "{path}: …low_freq_factor…"),
        ({"sliding_window": 4096}, "{path}: sliding_window is 4096…"),
    ],
    "vision_tower/config.json": [
        ({"model_type": "siglip"}, "{path}: vision tower must be a CLIP, got model_type 'siglip'"),
        ({"image_size": 10**9}, "{path}: image_size is 1000000000: expected `int` <= 4096…"),
        ({"num_channels": 1}, "{path}: num_channels is 1…"),
        ({"hidden_act": "sharp"}, "{path}: hidden_act 'sharp' is not known"),
    ],
    "vision_tower/preprocessor_config.json": [
        ({"crop_size": 32}, "{path}: size and crop_size make images of (3, 32, 32), the vision …"),
        ({"size": {"shortest_edge": 10**7}}, "{path}: size[...] is …"),
        ({"image_mean": None}, "{path}: image_mean is null…"),
        ({"image_std": [0.0, 1.0, 1.0]}, "{path}: …expected `float` > 0.0…"),
    ],
}
VILA: dict[str, Settings] = {
    "llm/config.json": [
        ({"model_type": "qwen2"}, "{path}: model_type must be llama (VILA-1.5 with Llama-3, for …"),
        ({"num_attention_heads": 5}, "{path}: …heads…"),
    ],
    "mm_projector/config.json": [
        ({"mm_projector_type": "mlp_downsample_2x2_fix"}, "{path}: …must be mlp_downsample (VILA…")
    ],
    "vision_tower/config.json": [({"model_type": "radio"}, "{path}: …must be a SigLIP, got …")],
    "config.json": [
        ({"image_aspect_ratio": "dynamic"}, "{path}: image_aspect_ratio must be resize or absent…"),
        ({"s2": True}, "{path}: s2 must be False…"),
        ({"mm_vision_select_feature": "patch"}, "{path}: …must be cls_patch…"),
        ({"mm_use_im_start_end": True}, "{path}: mm_use_im_start_end must be False…"),
        ({"mm_vision_select_layer": -9}, "{path}: …the tower has 3 layers"),
    ],
}


@pytest.mark.parametrize(
    ("folder", "file_name", "change", "expected"),
    [
        (family, file_name, *case)
        for family, files in (("llava", LLAVA), ("vila", VILA))
        for file_name, cases in files.items()
        for case in cases
    ],
    indirect=["folder"],
    ids=str,
)
def test_a_setting_that_a_family_does_not_have_is_named_with_its_place(
    folder: Path, file_name: str, change: dict[str, Any], expected: str
) -> None:
    path = folder / file_name
    edit_json(path, **change)

    assert_refused(folder, expected.format(folder=folder, path=path))


UP_PROJ = "model.layers.0.mlp.up_proj"
UP, EXTRA = f"{UP_PROJ}.weight", "model.layers.3.mlp.up_proj.weight"
NORM, BIAS = "model.norm.weight", "layers.1.bias"
TOWER = "vision_tower.vision_model"
FC1 = "encoder.layers.1.mlp.fc1.bias"
OLD = "unexpected weight {}.old in model.safetensors; missing weight {}"


def without(name: str) -> EditWeights:
    return lambda weights: weights.pop(name)


def with_shape(name: str, *shape: int) -> EditWeights:
    return lambda weights: weights.update({name: torch.ones(shape)})


def renamed(name: str) -> EditWeights:
    return lambda weights: weights.update({f"{name}.old": weights.pop(name)})


@pytest.mark.parametrize(
    ("folder", "part", "change", "expected"),
    [
        ("llava", "", without(NORM), f"missing weight language_model.{NORM}"),
        ("llava", "vision_tower", without(f"vision_model.{FC1}"), f"missing weight {TOWER}.{FC1}"),
        ("llava", "", with_shape(EXTRA, 64, 32), f"unexpected weight {EXTRA} in model.safetensors"),
        ("llava", "", with_shape(UP, 16, 32), f"weight {UP} has shape (16, 32), expected (64, 32)"),
        ("vila", "mm_projector", with_shape(BIAS, 24), f"weight {BIAS} has shape (24,)…(96,)"),
        ("vila", "mm_projector", renamed(BIAS), OLD.format(BIAS, f"mm_projector.{BIAS}")),
        ("vila", "vision_tower", renamed(f"vision_model.{FC1}"), OLD.format("…", f"{TOWER}.{FC1}")),
        ("vila", "llm", renamed(UP), OLD.format(UP, f"language_model.{UP}")),
    ],
    indirect=["folder"],
)
def test_a_weight_that_does_not_fit_is_named(
    folder: Path, part: str, change: EditWeights, expected: str
) -> None:
    edit_weights(folder / part, change)

    assert_refused(folder, f"weights in {folder / part} do not fit its configuration: {expected}")


def test_many_wrong_weights_are_ten_and_a_count(folder: Path) -> None:
    edit_json(folder / "config.json", num_hidden_layers=6)  # 27 missing

    assert_refused(folder, "…" + "; ".join(["missing weight …"] * 10) + "; and 17 more")


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        *(("weight", dtype) for dtype in (torch.int8, torch.uint8, torch.float8_e4m3fn)),
        *((name, torch.float32) for name in ("SCB", "weight.absmax", "qweight", "qzeros")),
        ("weight_scale_inv", torch.float32),
    ],
)
def test_quantised_weights_and_tensors_beside_them_are_refused(
    folder: Path, suffix: str, dtype: torch.dtype
) -> None:
    name = f"{UP_PROJ}.{suffix}"
    edit_weights(folder, lambda w: w.update({name: torch.ones(64, 32).to(dtype)}))

    assert_refused(
        folder,
        f"{folder / 'model.safetensors'}: {name} is {str(dtype)[6:]}, of quantised weights "
        "…take the release that is not quantised…",
    )


@pytest.mark.parametrize("storage", ["safetensors", "bin"])
def test_a_torn_weight_file_is_named(make_llava, tmp_path: Path, storage: str) -> None:
    folder = make_llava(tmp_path / "llava-tiny", storage=storage)
    (path,) = (p for p in folder.iterdir() if p.suffix == f".{storage}")
    path.write_bytes(path.read_bytes()[:20_000])

    assert_refused(folder, f"{path}: cannot be read as weights, download the file again: …")


@pytest.mark.usefixtures("_elsewhere")
def test_a_pickle_that_runs_code_is_refused(make_llava, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "llava-tiny", storage="bin")
    torch.save({"lm_head.weight": Runs()}, folder / "pytorch_model.bin")

    assert_refused(folder, "…cannot be read as weights…")
    assert not Path("it-ran").exists()


class Runs:
    """What a malicious file would hold."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("it-ran",)


INDEX = "model.safetensors.index.json"
SHARDS = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
EMBEDDING = "model.embed_tokens.weight"
LORA = "{folder} holds a LoRA adapter ({file_name})…"
STAND_INS = {
    "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 13\n": "Git-LFS pointer",
    "<!DOCTYPE html><html><body>Sign in</body></html>": "web page",
    "": "empty",
}
REPLACED = (
    *("config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"),
    *("vision_tower/model.safetensors", "vision_tower/preprocessor_config.json"),
)


@pytest.mark.parametrize(
    ("folder", "file_name", "content", "expected"),
    [
        *(
            ("llava", file_name, content, f"{{path}}…{called}…")
            for file_name in REPLACED
            for content, called in STAND_INS.items()
        ),
        ("llava", "config.json", "{", "{path}: not JSON…"),
        ("llava", "config.json", "[]", "{path}: expected a JSON object"),
        ("sharded", INDEX, "{}", "{path}: object missing required field `weight_map`"),
        *(
            ("llava", name, "", LORA)  # even beside whole weights
            for name in ("adapter_config.json", "adapter_model.bin", "non_lora_trainables.bin")
        ),
    ],
    indirect=["folder"],
)
def test_what_stands_in_a_file_s_place_is_called_by_its_name(
    folder: Path, file_name: str, content: str, expected: str
) -> None:
    path = folder / file_name
    path.write_text(content)

    assert_refused(folder, expected.format(folder=folder, path=path, file_name=file_name))


def test_a_named_pipe_in_a_file_s_place_is_not_waited_for(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")

    assert_refused(folder, f"checkpoint incomplete: {folder / 'config.json'} is missing")


@sharded
def test_a_weight_in_two_shards_is_named_with_both(folder: Path) -> None:
    weight = load_file(folder / SHARDS[0])[EMBEDDING] + 1
    edit_weights(folder, lambda w: w.update({EMBEDDING: weight}), SHARDS[1])

    assert_refused(folder, f"…weight {EMBEDDING} in {SHARDS[1]} stands in {SHARDS[0]} too")


@sharded
def test_a_shard_without_a_weight_that_the_index_has_there_is_named(folder: Path) -> None:
    edit_weights(folder, without(EMBEDDING), SHARDS[0])

    assert_refused(folder, f"…weight {EMBEDDING} is not in {SHARDS[0]}, where {INDEX} has it…")


@sharded
def test_an_index_that_names_files_elsewhere_is_refused(folder: Path) -> None:
    index = folder / INDEX
    index.write_text(index.read_text().replace("model-00001", "../model-00001"))

    assert_refused(folder, f"{index}: …names '../{SHARDS[0]}', no file of its folder")


def test_a_tokenizer_that_loses_the_blanks_is_refused(folder: Path) -> None:
    (folder / "tokenizer.model").unlink()
    write_llama_3_tokenizer(folder, adds_bos=True)

    lost = "the tokenizer does not give back what it was given: …Achatbetweenacurioususer…"
    assert_refused(folder, f"{folder}: {lost}")


@pytest.mark.parametrize("size", [10, 5000])
def test_a_torn_tokenizer_is_refused(folder: Path, size: int) -> None:
    path = folder / "tokenizer.model"
    path.write_bytes(path.read_bytes()[:size])

    assert_refused(folder, f"…tokenizer…{folder}…" if size == 10 else f"…{folder}…tokenizer…")


@vila
def test_a_tokenizer_that_is_not_llama_3s_is_refused(folder: Path) -> None:
    path = folder / "llm" / "tokenizer.json"
    path.write_text(path.read_text().replace("<|eot_id|>", "<|im_end|>"))

    assert_refused(folder, f"{folder / 'llm'}: <|eot_id|> is not in the tokenizer…8B alone…")


WEIGHTS = (
    "no weights in {parent}, expected one of model.safetensors, model.safetensors.index.json, "
    "pytorch_model.bin, pytorch_model.bin.index.json"
)
SHARD = f"{INDEX} in {{parent}} names {SHARDS[1]}, not there; download the folder again"


@pytest.mark.parametrize(
    ("folder", "file_name", "what"),
    [
        ("llava", "model.safetensors", WEIGHTS),
        ("llava", "config.json", "{path} is missing"),
        ("llava", "tokenizer.model", "no tokenizer.model in {parent}"),
        ("llava", "vision_tower/config.json", "{path} is missing"),
        ("llava", "vision_tower/preprocessor_config.json", "{path} is missing"),
        ("sharded", SHARDS[1], SHARD),
        ("vila", "llm/tokenizer.json", "no tokenizer.json in {parent}"),
        ("vila", "vision_tower/preprocessor_config.json", "{path} is missing"),
        *(("vila", f"{part}/model.safetensors", WEIGHTS) for part in PARTS),
    ],
    indirect=["folder"],
)
def test_a_missing_file_is_named(folder: Path, file_name: str, what: str) -> None:
    path = folder / file_name
    path.unlink()

    assert_refused(folder, "checkpoint incomplete: " + what.format(path=path, parent=path.parent))


@vila
def test_a_part_without_any_configuration_is_named(folder: Path) -> None:
    (folder / "llm" / "config.json").unlink()
    edit_json(folder / "config.json", llm_cfg=None)

    assert_refused(folder, f"checkpoint incomplete: {folder}/llm/config.json is missing")


@pytest.mark.parametrize("name", ["/nowhere/llava", "./llava", "llava", "a/b/c"])
@pytest.mark.usefixtures("_elsewhere")
def test_a_folder_that_is_not_there_is_named(name: str) -> None:
    there = f"model '{name}': no folder at {Path(name)}, and it is no hub id"
    assert_refused(name, f"{there}…such as liuhaotian/llava-v1.5-7b")


def test_a_tower_that_is_not_there_is_named_with_both_places(folder: Path) -> None:
    (folder / "vision_tower").rename(folder / "elsewhere")

    assert_refused(
        folder,
        f"vision tower 'vision_tower': no folder at {folder / 'vision_tower'} or vision_tower, and "
        "it is no hub id (owner/name); put it there, or correct mm_vision_tower in "
        f"{folder / 'config.json'}",
    )


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, and nothing in the cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_offline")
def test_a_hub_id_without_a_network_says_what_to_run() -> None:
    assert_refused(
        "liuhaotian/llava-v1.5-7b",
        "model 'liuhaotian/llava-v1.5-7b': no folder at liuhaotian/llava-v1.5-7b, "
        "and the hub could not be read (LocalEntryNotFoundError). "
        "With a network run: hf download liuhaotian/llava-v1.5-7b "
        "--local-dir checkpoints/llava-v1.5-7b, then give that folder",
    )


@pytest.mark.usefixtures("_offline")
def test_a_tower_on_the_hub_without_a_network_says_what_to_run(folder: Path) -> None:
    name = "openai/clip-vit-large-patch14-336"
    edit_json(folder / "config.json", mm_vision_tower=name)

    run = f"hf download {name} --local-dir {folder / name}"
    assert_refused(folder, f"…run: {run}, where it is found")
    (folder / "openai").mkdir()
    (folder / "vision_tower").rename(folder / name)
    assert load_checkpoint(str(folder)).max_visual_tokens == 16


@pytest.mark.usefixtures("_offline")
def test_a_name_that_the_hub_does_not_allow_is_refused_likewise() -> None:
    assert_refused("checkpoints/llava--v1.5..7b", "…the hub could not be read…")
