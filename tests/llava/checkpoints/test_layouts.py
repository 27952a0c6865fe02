"""Every layout of one checkpoint loads to the same model, whole and in the precision asked for."""

import itertools
import json
import math
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from llava import Llava, inspect_checkpoint, load_checkpoint
from llava.checkpoints.files import HUB_PATTERNS
from llava.checkpoints.llava import EMBEDDED_TOWER
from tests.llava.checkpoints.editing import edit_json, edit_weights
from tests.llava.stored import weights_of

QUERY = "Which of the following?\nA. Positive\nB. Negative"
Make = Callable[..., Path]


def logits_of(folder: Path | str | Llava, inputs: list[np.ndarray]) -> Tensor:
    model = folder if isinstance(folder, Llava) else load_checkpoint(str(folder))
    prompts = [model.tokenize(QUERY)] * len(inputs)
    return model.prefill(prompts, model.encode(inputs), [()] * len(inputs)).logits


@pytest.fixture(scope="module")
def expected(model: Llava, inputs: list[np.ndarray]) -> Tensor:
    return logits_of(model, inputs)


@pytest.fixture
def folder(make_llava, tmp_path: Path) -> Path:
    return make_llava(tmp_path / "llava-tiny")


@pytest.fixture(params=["llava", "vila"])
def make(request: pytest.FixtureRequest) -> Make:
    """A function that writes a checkpoint of each family."""
    return request.getfixturevalue(f"make_{request.param}")


@pytest.fixture(params=["llava", "vila"])
def tiny(request: pytest.FixtureRequest) -> Path:
    """A checkpoint of each family."""
    return request.getfixturevalue(f"tiny_{request.param}")


def test_the_family_is_told_by_the_files_not_by_the_folders_name(
    make_llava, make_vila, tmp_path: Path
) -> None:
    vila = make_vila(tmp_path / "llava-v1.5-7b")
    llava = make_llava(tmp_path / "Llama-3-VILA1.5-8B")

    assert inspect_checkpoint(str(vila)).family == "vila-1.5"
    assert inspect_checkpoint(str(llava)).family == "llava-1.5"


@pytest.mark.parametrize(
    "layout",
    [
        {"storage": "bin"},
        {"storage": "bin", "shards": 2},
        {"shards": 3},
        {"rotary_buffers": True, "storage": "bin", "shards": 2},
        {"embedded_tower": True, "unfreeze_tower": True, "shards": 2},
        {"unfreeze_tower": True},
        {"full_clip": True},
        {"model_type": "llava_llama"},
    ],
    ids=str,
)
def test_the_same_weights_in_another_layout_are_the_same_model(
    make_llava, tmp_path: Path, layout: dict, inputs: list[np.ndarray], expected: Tensor
) -> None:
    folder = make_llava(tmp_path / "llava-tiny", **layout)

    assert torch.equal(logits_of(folder, inputs), expected)


def as_an_old_torch_writes(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


def without_prefix_in_the_tower(folder: Path) -> None:
    path = folder / "vision_tower" / "model.safetensors"
    save_file({k.removeprefix("vision_model."): t for k, t in load_file(path).items()}, path)


def with_old_shards_beside(folder: Path) -> None:
    old = {name: torch.zeros_like(t) for name, t in load_file(folder / "model.safetensors").items()}
    shard = "pytorch_model-00001-of-00001.bin"
    torch.save(old, folder / shard)
    index = {"weight_map": dict.fromkeys(old, shard)}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "change",
    [
        as_an_old_torch_writes,
        without_prefix_in_the_tower,
        with_old_shards_beside,
        lambda folder: with_old_shards_beside(folder / "vision_tower"),
        # an output layer that is stored is used though the configuration ties it
        lambda folder: edit_json(folder / "config.json", tie_word_embeddings=True),
        lambda folder: edit_json(folder / "config.json", pad_token_id=-1),
        lambda folder: edit_json(folder / "config.json", pad_token_id=None),
        lambda folder: edit_json(folder / "config.json", pad_token_id=900),
        lambda folder: edit_json(folder / "config.json", pad_token_id="<pad>"),
    ],
)
def test_a_change_that_inference_does_not_read_leaves_the_model_as_it_is(
    folder: Path, change: Callable[[Path], None], inputs: list[np.ndarray], expected: Tensor
) -> None:
    change(folder)

    assert torch.equal(logits_of(folder, inputs), expected)


def test_a_loaded_checkpoint_is_what_was_inspected(
    folder: Path, inputs: list[np.ndarray], expected: Tensor
) -> None:
    checkpoint = inspect_checkpoint(str(folder))
    for path in (folder / "config.json", folder / "vision_tower" / "config.json"):
        path.unlink()

    assert checkpoint.num_layers == 3
    assert torch.equal(logits_of(checkpoint.load(), inputs), expected)


@pytest.mark.parametrize(
    ("inside", "trained", "note"),
    [
        (True, True, None),
        (False, False, None),
        (True, False, "the weights hold a vision_tower of their own"),
        (False, True, "the weights hold no vision_tower"),
    ],
)
def test_a_tower_inside_the_checkpoint_counts_where_it_was_trained_and_disagreement_is_said(
    make_llava, tmp_path: Path, inside: bool, trained: bool, note: str | None
) -> None:
    folder = make_llava(tmp_path / "a", embedded_tower=inside, unfreeze_tower=trained)
    name = "vision_model.encoder.layers.1.mlp.fc2.weight"
    expected = weights_of(folder / "vision_tower")[name]
    if inside and trained:
        outside, expected = expected, weights_of(folder)[f"{EMBEDDED_TOWER}{name}"]
        assert not torch.equal(expected, outside)
    loaded = load_checkpoint(str(folder)).vision_tower.state_dict()
    notes = inspect_checkpoint(str(folder)).notes

    assert torch.equal(loaded[name], expected)
    assert len(notes) == (note is not None)
    assert all(str(note) in n and "unfreeze_mm_vision_tower" in n for n in notes)


def test_a_tied_output_layer_is_the_embedding(make: Make, tmp_path: Path) -> None:
    folder = make(tmp_path / "tiny", tied=True)
    model = load_checkpoint(str(folder)).language_model
    part = "llm" if (folder / "llm").is_dir() else ""
    stored = load_file(folder / part / "model.safetensors")["model.embed_tokens.weight"]

    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert torch.equal(model.lm_head.weight, stored.float())


@pytest.mark.parametrize("rope", [{"type": "linear", "factor": 4.0}, None])
def test_linearly_scaled_positions_are_counted_with_their_factor(
    folder: Path, rope: dict | None
) -> None:
    edit_json(folder / "config.json", rope_scaling=rope)

    assert load_checkpoint(str(folder)).max_positions == (4 * 4096 if rope else 4096)


@pytest.mark.parametrize(("bias", "kind"), [("attention_bias", "self_attn"), ("mlp_bias", ".mlp.")])
def test_biases_are_computed_with(
    folder: Path, bias: str, kind: str, inputs: list[np.ndarray]
) -> None:
    edit_json(folder / "config.json", **{bias: True})
    weights = load_file(folder / "model.safetensors")
    biases = {
        name.replace("weight", "bias"): torch.linspace(-1, 1, len(tensor))
        for name, tensor in weights.items()
        if kind in name and ".layers." in name
    }
    save_file(weights | biases, folder / "model.safetensors")
    model = load_checkpoint(str(folder))
    (image,) = model.encode(inputs[:1])
    embeds = model.splice([model.tokenize(QUERY)], image.features[None])

    with torch.no_grad():
        whole = model.language_model(inputs_embeds=embeds).logits[:, -1]
    torch.testing.assert_close(logits_of(model, inputs[:1]), whole, atol=1e-4, rtol=0)


def test_the_vision_tower_is_looked_for_inside_the_checkpoint_first(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inputs: list[np.ndarray],
    expected: Tensor,
) -> None:
    (tmp_path / "vision_tower").mkdir()  # empty, and found first from where the program runs
    monkeypatch.chdir(tmp_path)

    assert torch.equal(logits_of(folder.name, inputs), expected)


@pytest.mark.parametrize("tied", [False, True])
def test_no_weight_is_left_to_chance(make: Make, tmp_path: Path, tied: bool) -> None:
    folder = str(make(tmp_path / "tiny", tied=tied))
    torch.manual_seed(1)
    state = state_of(load_checkpoint(folder))
    torch.manual_seed(2)
    again = state_of(load_checkpoint(folder))

    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert [name for name, tensor in state.items() if tensor.is_meta] == []


def state_of(model: Llava) -> dict[str, Tensor]:
    """All parameters and buffers, those that no checkpoint holds too."""
    return dict(itertools.chain(model.named_parameters(), model.named_buffers()))


@pytest.mark.parametrize(
    ("family", "layout"),
    [("llava", {}), *(("vila", x) for x in ({}, {"shards": 4}, {"part_configs": False}))],
    ids=str,
)
def test_every_stored_weight_is_the_one_in_the_model(
    request: pytest.FixtureRequest, tmp_path: Path, family: str, layout: dict
) -> None:
    assert_holds_its_weights(request.getfixturevalue(f"make_{family}")(tmp_path / "tiny", **layout))


def test_siglip_needs_no_attention_pool_head(make_vila, tmp_path: Path) -> None:
    folder = make_vila(tmp_path / "vila-tiny")
    edit_weights(
        folder / "vision_tower", lambda w: [w.pop(name) for name in list(w) if ".head." in name]
    )
    assert_holds_its_weights(folder)


def assert_holds_its_weights(folder: Path) -> None:
    """The model is the stored weights, but for those that nothing reads."""
    loaded = load_checkpoint(str(folder)).state_dict()
    stored = {
        name_in_model(path.parent.name, name): tensor.float()
        for path in folder.rglob("*.safetensors")
        for name, tensor in load_file(path).items()
    }
    clip = inspect_checkpoint(str(folder)).family == "llava-1.5"
    parts = ("embeddings.position_ids",) if clip else ("head.", "post_layernorm.")
    unread = tuple(f"vision_tower.vision_model.{part}" for part in ("encoder.layers.2.", *parts))

    assert loaded.keys() == {name for name in stored if not name.startswith(unread)}
    assert all(torch.equal(loaded[name], stored[name]) for name in loaded)


def name_in_model(folder: str, stored: str) -> str:
    if folder == "vision_tower" or stored.startswith("model.mm_projector."):
        return stored.replace("vision_model", "vision_tower.vision_model").removeprefix("model.")
    return f"mm_projector.{stored}" if folder == "mm_projector" else f"language_model.{stored}"


def test_overwriting_the_file_does_not_change_a_loaded_model(
    folder: Path, inputs: list[np.ndarray], expected: Tensor
) -> None:
    model = load_checkpoint(str(folder))
    for path in (folder / "model.safetensors", folder / "vision_tower" / "model.safetensors"):
        with path.open("r+b") as file:
            file.seek(-path.stat().st_size // 2, 2)
            file.write(b"\0" * (path.stat().st_size // 4))

    assert torch.equal(logits_of(model, inputs), expected)


@pytest.mark.parametrize(
    ("dtype", "vision_dtype"),
    [
        *((dtype, None) for dtype in (torch.float16, torch.bfloat16, torch.float32)),
        (torch.bfloat16, torch.float32),
    ],
)
def test_every_weight_takes_the_dtype_asked_for(
    tiny: Path, dtype: torch.dtype, vision_dtype: torch.dtype | None
) -> None:
    model = load_checkpoint(str(tiny), dtype=dtype, vision_dtype=vision_dtype)
    side = model.vision_tower.image_size
    (image,) = model.encode([np.zeros((3, side, side), np.float32)])

    assert {p.dtype for p in model.vision_tower.parameters()} == {vision_dtype or dtype}
    assert {p.dtype for p in model.language_model.parameters()} == {dtype}
    assert {p.dtype for p in model.mm_projector.parameters()} == {dtype}
    assert image.features.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rotary_frequencies_stay_float32_and_are_computed_not_read(
    make_llava, tmp_path: Path, dtype: torch.dtype
) -> None:
    folder = make_llava(tmp_path / "llava-tiny", rotary_buffers=True)  # stored as NaN
    frequencies = load_checkpoint(str(folder), dtype=dtype).language_model.model.rotary_emb.inv_freq

    assert frequencies.dtype == torch.float32
    assert frequencies.tolist() == pytest.approx([1, 0.1, 0.01, 0.001])


def test_half_precision_logits_are_float32_and_near(
    tiny_llava: Path, inputs: list[np.ndarray], expected: Tensor
) -> None:
    logits = logits_of(load_checkpoint(str(tiny_llava), dtype=torch.bfloat16), inputs)
    error = (logits - expected).abs().mean()

    assert logits.dtype == torch.float32
    assert 0 < error < 0.2
    assert math.isfinite(error)


def test_a_stored_rope_theta_is_used(folder: Path, tiny_vila: Path) -> None:
    edit_json(folder / "config.json", rope_theta=500_000.0)

    for path in (folder, tiny_vila):
        frequencies = load_checkpoint(str(path)).language_model.model.rotary_emb.inv_freq
        assert frequencies.tolist() == pytest.approx([500_000 ** (-i / 4) for i in range(4)])


def test_the_end_of_an_answer_is_the_configurations(folder: Path, model: Llava) -> None:
    edit_json(folder / "config.json", eos_token_id=[2, 7])

    assert model.end_ids == {2}
    assert load_checkpoint(str(folder)).end_ids == {2, 7}


def test_all_that_is_read_is_downloaded_from_the_hub(make_vila, tmp_path: Path) -> None:
    folder = make_vila(tmp_path / "vila-tiny", shards=2)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]

    assert len(files) == 13
    for path in files:
        assert any(fnmatch(str(path), pattern) for pattern in HUB_PATTERNS), path
