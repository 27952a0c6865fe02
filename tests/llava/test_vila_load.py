"""VILA-1.5 in three folders loads whole, or is refused in words that say what and where."""

import json
import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from llava import CheckpointError, Llava, inspect_checkpoint, load_checkpoint
from llava.checkpoints.files import HUB_PATTERNS

BLACK = np.zeros((3, 70, 70), np.float32)
PARTS = ("llm", "vision_tower", "mm_projector")


@pytest.fixture
def folder(make_vila, tmp_path: Path) -> Path:
    return make_vila(tmp_path / "llava-v1.5-7b")  # a name that says nothing


def refusal(folder: Path) -> str:
    """The message with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(str(folder))
    return str(error.value)


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def stored_weights(folder: Path) -> dict[str, Tensor]:
    """All weights that are read, under the names that they have in the model."""
    prefixes = {"llm": "language_model.", "mm_projector": "mm_projector.", "vision_tower": ""}
    return {
        (
            prefix + name if prefix else name.replace("vision_model.", "vision_tower.vision_model.")
        ): t
        for part, prefix in prefixes.items()
        for path in (folder / part).glob("*.safetensors")
        for name, t in load_file(path).items()
        if not re.search(r"vision_model\.(head|post_layernorm|encoder\.layers\.2)\.", name)
    }


def assert_holds(model: Llava, stored: dict[str, Tensor]) -> None:
    loaded = model.state_dict()
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name].float(), stored[name].float()) for name in stored)


def test_the_family_is_told_by_the_files_not_by_the_folders_name(
    folder: Path, make_llava, tmp_path: Path
) -> None:
    other = make_llava(tmp_path / "Llama-3-VILA1.5-8B")

    assert inspect_checkpoint(str(folder)).family == "vila-1.5"
    assert inspect_checkpoint(str(other)).family == "llava-1.5"


@pytest.mark.parametrize("layout", [{}, {"shards": 4}, {"part_configs": False}], ids=str)
def test_every_stored_weight_is_the_one_in_the_model(make_vila, tmp_path: Path, layout) -> None:
    folder = make_vila(tmp_path / "vila-tiny", **layout)
    model = load_checkpoint(str(folder))

    assert_holds(model, stored_weights(folder))
    assert not [name for name, tensor in model.named_buffers() if tensor.is_meta]


def test_a_tied_output_layer_is_the_embedding(make_vila, tmp_path: Path) -> None:
    model = load_checkpoint(str(make_vila(tmp_path / "vila-tiny", tied=True))).language_model

    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_weight_takes_the_dtype_asked_for(tiny_vila: Path, dtype: torch.dtype) -> None:
    model = load_checkpoint(str(tiny_vila), dtype=dtype)

    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert model.encode([BLACK])[0].features.dtype == dtype


def test_the_vision_tower_can_keep_another_dtype(tiny_vila: Path) -> None:
    model = load_checkpoint(str(tiny_vila), dtype=torch.bfloat16, vision_dtype=torch.float32)

    assert {p.dtype for p in model.vision_tower.parameters()} == {torch.float32}
    assert model.encode([BLACK])[0].features.dtype == torch.bfloat16


def test_llama_3s_rope_theta_is_used(tiny_vila: Path) -> None:
    frequencies = load_checkpoint(str(tiny_vila)).language_model.model.rotary_emb.inv_freq

    assert frequencies.tolist() == pytest.approx([500_000 ** (-i / 4) for i in range(4)])


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("llm", "model.layers.1.mlp.up_proj.weight"),
        ("vision_tower", "vision_model.encoder.layers.1.mlp.fc1.bias"),
        ("mm_projector", "layers.1.bias"),
    ],
)
def test_a_missing_and_an_unexpected_weight_of_each_part_are_named(
    folder: Path, part: str, name: str
) -> None:
    edit_weights(folder / part, lambda w: w.update({f"{name}.old": w.pop(name)}))
    name = name.removeprefix("vision_model.")

    message = refusal(folder)
    assert message.startswith(f"weights in {folder / part} do not fit its configuration: ")
    assert f"{name}.old in model.safetensors" in message
    assert message.endswith(f"missing weight {name}")


def test_siglip_without_its_attention_pool_head_is_the_same_model(folder: Path) -> None:
    before = load_checkpoint(str(folder)).state_dict()
    edit_weights(
        folder / "vision_tower",
        lambda w: [w.pop(name) for name in list(w) if ".head." in name],
    )
    after = load_checkpoint(str(folder)).state_dict()

    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_projector_of_another_width_is_named(folder: Path) -> None:
    edit_weights(folder / "mm_projector", lambda w: w.update({"layers.1.bias": torch.ones(24)}))

    assert refusal(folder).endswith("weight layers.1.bias has shape (24,), expected (96,)")


@pytest.mark.parametrize(
    "file_name",
    [
        "llm/tokenizer.json",
        "vision_tower/preprocessor_config.json",
        *(f"{part}/model.safetensors" for part in PARTS),
    ],
)
def test_a_missing_file_is_named(folder: Path, file_name: str) -> None:
    (folder / file_name).unlink()

    message = refusal(folder)
    assert message.startswith("checkpoint incomplete: ")
    assert str((folder / file_name).parent) in message
    assert Path(file_name).name in message


def test_a_tokenizer_that_is_not_llama_3s_is_refused(folder: Path) -> None:
    path = folder / "llm" / "tokenizer.json"
    path.write_text(path.read_text().replace("<|eot_id|>", "<|im_end|>"))

    message = refusal(folder)
    assert message.startswith(f"{folder / 'llm'}: no Llama-3's tokenizer, <|eot_id|> is not in it")


def test_a_part_without_any_configuration_is_named(folder: Path) -> None:
    (folder / "llm" / "config.json").unlink()
    edit_json(folder / "config.json", llm_cfg=None)

    assert refusal(folder) == f"checkpoint incomplete: {folder}/llm/config.json is missing"


@pytest.mark.parametrize(
    ("file_name", "setting", "expected"),
    [
        ("llm/config.json", {"model_type": "qwen2"}, "model_type must be llama"),
        (
            "mm_projector/config.json",
            {"mm_projector_type": "mlp_downsample_2x2_fix"},
            "mm_projector_type must be mlp_downsample",
        ),
        ("vision_tower/config.json", {"model_type": "radio"}, "must be a SigLIP"),
        ("llm/config.json", {"num_attention_heads": 5}, "heads"),
        ("config.json", {"image_aspect_ratio": "dynamic"}, "image_aspect_ratio must be resize"),
        ("config.json", {"s2": True}, "s2 must be False"),
        ("config.json", {"mm_vision_select_feature": "patch"}, "must be cls_patch"),
        ("config.json", {"mm_use_im_start_end": True}, "must be false"),
        ("config.json", {"mm_vision_select_layer": -9}, "the tower has 3 layers"),
    ],
    ids=str,
)
def test_a_setting_that_vila_1_5_does_not_have_is_named_with_the_folder(
    folder: Path, file_name: str, setting: dict[str, Any], expected: str
) -> None:
    edit_json(folder / file_name, **setting)

    message = refusal(folder)
    assert str(folder) in message
    assert expected in message


def test_all_that_is_read_is_downloaded_from_the_hub(make_vila, tmp_path: Path) -> None:
    folder = make_vila(tmp_path / "vila-tiny", shards=2)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]

    assert len(files) == 13
    for path in files:
        assert any(fnmatch(str(path), pattern) for pattern in HUB_PATTERNS), path
