"""A checkpoint that cannot be used is refused, in words that say what, where and what to do."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file

from llava import CheckpointError, load_checkpoint
from llava.checkpoints.files import locate
from llava.checkpoints.vila import PARTS
from tests.llava.checkpoints.editing import EditWeights, edit_json, edit_weights, refusal
from tests.tiny_checkpoints.tokenizers import write_llama_3_tokenizer


@pytest.fixture
def folder(make_llava, tmp_path: Path) -> Path:
    return make_llava(tmp_path / "llava-tiny")


@pytest.fixture
def vila(make_vila, tmp_path: Path) -> Path:
    return make_vila(tmp_path / "llava-v1.5-7b")  # a name that says nothing


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where relative names lead nowhere."""
    monkeypatch.chdir(tmp_path)


Changes = list[tuple[dict[str, Any], str]]
"""Changes of a JSON file, and what a message says of each."""

LLAVA: dict[str, Changes] = {
    "config.json": [
        ({"hidden_act": "gelu"}, "{path}: hidden_act must be silu, as every LLaMA has it, got 'ge"),
        (
            {"quantization_config": {"quant_method": "awq"}},
            "{path}: the weights are quantised with",
        ),
        ({"model_type": "mistral"}, "{folder}: model_type must be one of llava, llava_llama, got "),
        ({"mm_hidden_size": 99}, "{folder}/vision_tower: the vision tower is 24 wide, the model "),
        (
            {"vision_config": {}},
            "{folder} is in transformers' own LLaVA format (llava-hf); the ori",
        ),
        ({"vision_config": {}}, "needed, for example liuhaotian/llava-v1.5-7b"),
        ({"mm_vision_tower": ...}, "{folder}/config.json: mm_vision_tower is missing"),
        ({"mm_vision_tower": None}, "{path}: mm_vision_tower is null: expected `str`"),
        ({"mm_vision_tower": ["a/clip"]}, '{path}: mm_vision_tower is ["a/clip"]'),
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
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_scaling.type is "),
        ({"rope_scaling": {"type": "longrope", "short_factor": [1.0]}}, "rope_scaling"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "low_freq_factor"),
        ({"sliding_window": 4096}, "sliding_window is 4096"),
    ],
    "vision_tower/config.json": [
        ({"model_type": "siglip"}, "tower: vision tower must be a CLIP, got model_type 'siglip'"),
        ({"image_size": 10**9}, "{path}: image_size is 1000000000: expected `int` <= 4096"),
        ({"num_channels": 1}, "{path}: num_channels is 1"),
        ({"hidden_act": "sharp"}, "{path}: hidden_act 'sharp' is not known"),
    ],
    "vision_tower/preprocessor_config.json": [
        ({"crop_size": 32}, "{path}: size and crop_size make images of (3, 32, 32), the vision "),
        ({"size": {"shortest_edge": 10**7}}, "{path}: size[...] is "),
        ({"image_mean": None}, "{path}: image_mean is null"),
        ({"image_std": [0.0, 1.0, 1.0]}, "expected `float` > 0.0"),
    ],
}
VILA: dict[str, Changes] = {
    "llm/config.json": [
        ({"model_type": "qwen2"}, "model_type must be llama"),
        ({"num_attention_heads": 5}, "heads"),
    ],
    "mm_projector/config.json": [
        (
            {"mm_projector_type": "mlp_downsample_2x2_fix"},
            "mm_projector_type must be mlp_downsampl",
        ),
    ],
    "vision_tower/config.json": [({"model_type": "radio"}, "must be a SigLIP")],
    "config.json": [
        ({"image_aspect_ratio": "dynamic"}, "image_aspect_ratio must be resize"),
        ({"s2": True}, "s2 must be False"),
        ({"mm_vision_select_feature": "patch"}, "must be cls_patch"),
        ({"mm_use_im_start_end": True}, "must be false"),
        ({"mm_vision_select_layer": -9}, "the tower has 3 layers"),
    ],
}


@pytest.mark.parametrize(
    ("family", "file_name", "change", "expected"),
    [
        (family, file_name, *case)
        for family, files in (("folder", LLAVA), ("vila", VILA))
        for file_name, cases in files.items()
        for case in cases
    ],
    ids=str,
)
def test_a_setting_that_a_family_does_not_have_is_named_with_its_place(
    request: pytest.FixtureRequest,
    family: str,
    file_name: str,
    change: dict[str, Any],
    expected: str,
) -> None:
    folder: Path = request.getfixturevalue(family)
    edit_json(folder / file_name, **change)

    message = refusal(folder)
    assert str(folder) in message
    assert expected.format(folder=folder, path=folder / file_name) in message


UP_PROJ = "model.layers.0.mlp.up_proj"


@pytest.mark.parametrize(
    ("part", "change", "expected"),
    [
        (
            "",
            lambda w: w.pop("model.norm.weight"),
            "missing weight language_model.model.norm.weight",
        ),
        (
            "vision_tower",
            lambda w: w.pop("vision_model.encoder.layers.1.mlp.fc1.bias"),
            "missing weight encoder.layers.1.mlp.fc1.bias",
        ),
        (
            "",
            lambda w: w.update({"model.layers.3.mlp.up_proj.weight": torch.ones(64, 32)}),
            "unexpected weight model.layers.3.mlp.up_proj.weight in model.safetensors",
        ),
        (
            "",
            lambda w: w.update({f"{UP_PROJ}.weight": torch.ones(16, 32)}),
            f"weight {UP_PROJ}.weight has shape (16, 32), expected (64, 32)",
        ),
    ],
    ids=["missing", "missing in the tower", "unexpected", "shape"],
)
def test_a_weight_that_does_not_fit_is_named(
    folder: Path, part: str, change: EditWeights, expected: str
) -> None:
    edit_weights(folder / part, change)

    assert refusal(folder) == f"weights in {folder / part} do not fit its configuration: {expected}"


def test_many_wrong_weights_are_ten_and_a_count(folder: Path) -> None:
    edit_json(folder / "config.json", num_hidden_layers=6)  # 27 missing

    message = refusal(folder)
    assert message.count("missing weight") == 10
    assert message.endswith("; and 17 more")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("llm", "model.layers.1.mlp.up_proj.weight"),
        ("vision_tower", "vision_model.encoder.layers.1.mlp.fc1.bias"),
        ("mm_projector", "layers.1.bias"),
    ],
)
def test_a_missing_and_an_unexpected_weight_of_each_part_of_vila_are_named(
    vila: Path, part: str, name: str
) -> None:
    edit_weights(vila / part, lambda w: w.update({f"{name}.old": w.pop(name)}))
    name = name.removeprefix("vision_model.")

    message = refusal(vila)
    assert message.startswith(f"weights in {vila / part} do not fit its configuration: ")
    assert f"{name}.old in model.safetensors" in message
    assert message.endswith(f"missing weight {name}")


def test_a_projector_of_another_width_is_named(vila: Path) -> None:
    edit_weights(vila / "mm_projector", lambda w: w.update({"layers.1.bias": torch.ones(24)}))

    assert refusal(vila).endswith("weight layers.1.bias has shape (24,), expected (96,)")


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

    message = refusal(folder)
    assert message.startswith(
        f"{folder / 'model.safetensors'}: {name} is {str(dtype)[6:]}, of quantised weights "
    )
    assert "take the release that is not quantised" in message


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


@pytest.mark.parametrize(
    "file_name", ["adapter_config.json", "adapter_model.bin", "non_lora_trainables.bin"]
)
def test_a_lora_adapter_is_called_so_even_beside_whole_weights(
    folder: Path, file_name: str
) -> None:
    (folder / file_name).touch()

    assert refusal(folder).startswith(f"{folder} holds a LoRA adapter ({file_name})")


STAND_INS = [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 13\n", "Git-LFS pointer"),
    ("<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    ("", "empty"),
]
REPLACED = (
    *("config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"),
    *("vision_tower/model.safetensors", "vision_tower/preprocessor_config.json"),
)


@pytest.mark.parametrize(
    ("file_name", "content", "called"),
    [
        *((file_name, *stand_in) for file_name in REPLACED for stand_in in STAND_INS),
        ("config.json", "{", ": not JSON"),
        ("config.json", "[]", ": expected a JSON object"),
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


@pytest.fixture
def sharded(make_llava, tmp_path: Path) -> Path:
    return make_llava(tmp_path / "llava-tiny", shards=2)


INDEX = "model.safetensors.index.json"
SHARDS = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
EMBEDDING = "model.embed_tokens.weight"


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / SHARDS[1]).unlink()

    assert refusal(sharded) == (
        f"checkpoint incomplete: {INDEX} in {sharded} names {SHARDS[1]}, not there; "
        "download the folder again"
    )


def test_a_weight_in_two_shards_is_named_with_both(sharded: Path) -> None:
    weight = load_file(sharded / SHARDS[0])[EMBEDDING] + 1
    edit_weights(sharded, lambda w: w.update({EMBEDDING: weight}), SHARDS[1])

    assert f"weight {EMBEDDING} in {SHARDS[1]} stands in {SHARDS[0]} too" in refusal(sharded)


def test_a_shard_without_a_weight_that_the_index_has_there_is_named(sharded: Path) -> None:
    edit_weights(sharded, lambda w: w.pop(EMBEDDING), SHARDS[0])

    assert f"weight {EMBEDDING} is not in {SHARDS[0]}, where {INDEX} has it" in refusal(sharded)


def test_an_index_that_names_files_elsewhere_is_refused(sharded: Path) -> None:
    index = sharded / INDEX
    index.write_text(index.read_text().replace("model-00001", "../model-00001"))

    assert f"names '../{SHARDS[0]}', no file of its folder" in refusal(sharded)


def test_an_index_that_maps_nothing_is_named(sharded: Path) -> None:
    (sharded / INDEX).write_text("{}")

    assert refusal(sharded) == f"{sharded / INDEX}: object missing required field `weight_map`"


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


def test_a_tokenizer_that_is_not_llama_3s_is_refused(vila: Path) -> None:
    path = vila / "llm" / "tokenizer.json"
    path.write_text(path.read_text().replace("<|eot_id|>", "<|im_end|>"))

    message = refusal(vila)
    assert message.startswith(f"{vila / 'llm'}: no Llama-3's tokenizer, <|eot_id|> is not in it")


WEIGHTS = (
    "no weights in {parent}, expected one of model.safetensors, model.safetensors.index.json, "
    "pytorch_model.bin, pytorch_model.bin.index.json"
)


@pytest.mark.parametrize(
    ("family", "file_name", "what"),
    [
        ("folder", "model.safetensors", WEIGHTS),
        ("folder", "config.json", "{path} is missing"),
        ("folder", "tokenizer.model", "no tokenizer.model in {parent}"),
        ("folder", "vision_tower/config.json", "{path} is missing"),
        ("folder", "vision_tower/preprocessor_config.json", "{path} is missing"),
        ("vila", "llm/tokenizer.json", "no tokenizer.json in {parent}"),
        ("vila", "vision_tower/preprocessor_config.json", "{path} is missing"),
        *(("vila", f"{part}/model.safetensors", WEIGHTS) for part in PARTS),
    ],
)
def test_a_missing_file_is_named(
    request: pytest.FixtureRequest, family: str, file_name: str, what: str
) -> None:
    path: Path = request.getfixturevalue(family) / file_name
    path.unlink()

    expected = what.format(path=path, parent=path.parent)
    assert refusal(path.parents[file_name.count("/")]) == f"checkpoint incomplete: {expected}"


def test_a_part_without_any_configuration_is_named(vila: Path) -> None:
    (vila / "llm" / "config.json").unlink()
    edit_json(vila / "config.json", llm_cfg=None)

    assert refusal(vila) == f"checkpoint incomplete: {vila}/llm/config.json is missing"


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
    assert refusal("liuhaotian/llava-v1.5-7b") == (
        "model 'liuhaotian/llava-v1.5-7b': no folder at liuhaotian/llava-v1.5-7b, "
        "and the hub could not be read (LocalEntryNotFoundError). "
        "With a network run: hf download liuhaotian/llava-v1.5-7b "
        "--local-dir checkpoints/llava-v1.5-7b, then give that folder"
    )


@pytest.mark.usefixtures("_offline")
def test_a_tower_on_the_hub_without_a_network_says_what_to_run(folder: Path) -> None:
    name = "openai/clip-vit-large-patch14-336"
    edit_json(folder / "config.json", mm_vision_tower=name)

    assert refusal(folder).endswith(
        f"run: hf download {name} --local-dir {folder / name}, where it is found"
    )
    (folder / "vision_tower").rename(folder / "tower")
    (folder / "openai").mkdir()
    (folder / "tower").rename(folder / name)
    assert load_checkpoint(str(folder)).max_visual_tokens == 16


@pytest.mark.usefixtures("_offline")
def test_a_name_that_the_hub_does_not_allow_is_refused_likewise() -> None:
    with pytest.raises(CheckpointError, match="the hub could not be read"):
        locate("checkpoints/llava--v1.5..7b", "model")
