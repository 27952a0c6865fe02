"""Every layout of one checkpoint loads to the same model, whole and in the precision asked for."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from llava import Llava, inspect_checkpoint, load_checkpoint
from llava.checkpoints.files import read_json

QUERY = "Which of the following?\nA. Positive\nB. Negative"


def logits_of(model: Llava, inputs: list[np.ndarray]) -> Tensor:
    prompts = [model.tokenize(QUERY)] * len(inputs)
    return model.prefill(prompts, model.encode(inputs), [()] * len(inputs)).logits


@pytest.fixture(scope="module")
def expected(model: Llava, inputs: list[np.ndarray]) -> Tensor:
    return logits_of(model, inputs)


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

    assert torch.equal(logits_of(load_checkpoint(str(folder)), inputs), expected)


def test_weights_written_by_an_old_torch_are_read(
    make_llava, tmp_path: Path, inputs: list[np.ndarray], expected: Tensor
) -> None:
    folder = make_llava(tmp_path / "llava-tiny", storage="bin")
    path = folder / "pytorch_model.bin"
    torch.save(torch.load(path), path, _use_new_zipfile_serialization=False)

    assert torch.equal(logits_of(load_checkpoint(str(folder)), inputs), expected)


def test_a_tower_saved_without_the_prefix_is_read(
    make_llava, tmp_path: Path, inputs: list[np.ndarray], expected: Tensor
) -> None:
    folder = make_llava(tmp_path / "llava-tiny")
    path = folder / "vision_tower" / "model.safetensors"
    save_file({k.removeprefix("vision_model."): t for k, t in load_file(path).items()}, path)

    assert torch.equal(logits_of(load_checkpoint(str(folder)), inputs), expected)


def test_a_tower_inside_the_checkpoint_counts_only_where_it_was_trained(
    make_llava, tmp_path: Path, read_weights
) -> None:
    frozen = load_checkpoint(str(make_llava(tmp_path / "a", embedded_tower=True)))
    trained = load_checkpoint(
        str(make_llava(tmp_path / "b", embedded_tower=True, unfreeze_tower=True))
    )
    name = "vision_model.encoder.layers.1.mlp.fc2.weight"
    outside = read_weights(tmp_path / "b" / "vision_tower")[name]
    inside = read_weights(tmp_path / "b")[f"model.vision_tower.vision_tower.{name}"]

    assert not torch.equal(inside, outside)
    assert torch.equal(tower_weight(frozen), outside)
    assert torch.equal(tower_weight(trained), inside)


def tower_weight(model: Llava) -> Tensor:
    (weight,) = (
        parameter
        for name, parameter in model.vision_tower.named_parameters()
        if name.endswith("encoder.layers.1.mlp.fc2.weight")
    )
    return weight


def test_tied_embeddings_are_the_output_layer_too(
    make_llava, tmp_path: Path, read_weights, inputs: list[np.ndarray]
) -> None:
    folder = make_llava(tmp_path / "llava-tiny", tied=True)
    model = load_checkpoint(str(folder)).language_model
    embedding = read_weights(folder)["model.embed_tokens.weight"]

    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert torch.equal(model.lm_head.weight, embedding)


def test_tied_embeddings_give_the_logits_of_a_stored_copy(
    make_llava, tmp_path: Path, inputs: list[np.ndarray]
) -> None:
    tied, untied = tmp_path / "tied", tmp_path / "untied"
    make_llava(tied, tied=True)
    make_llava(untied, tied=True)
    weights = load_file(untied / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    save_file(weights, untied / "model.safetensors")
    config = (untied / "config.json").read_text()
    (untied / "config.json").write_text(config.replace('embeddings": true', 'embeddings": false'))
    assert not read_json(untied, "config.json")["tie_word_embeddings"]

    assert torch.equal(
        logits_of(load_checkpoint(str(tied)), inputs),
        logits_of(load_checkpoint(str(untied)), inputs),
    )


def test_a_stored_output_layer_is_used_though_the_configuration_ties_it(
    make_llava, tmp_path: Path, inputs: list[np.ndarray], expected: Tensor
) -> None:
    folder = make_llava(tmp_path / "llava-tiny")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('embeddings": false', 'embeddings": true'))

    assert torch.equal(logits_of(load_checkpoint(str(folder)), inputs), expected)


@pytest.mark.parametrize("part", ["", "vision_tower"])
def test_safetensors_are_read_though_old_shards_lie_beside_them(
    make_llava, tmp_path: Path, part: str, inputs: list[np.ndarray], expected: Tensor
) -> None:
    folder = make_llava(tmp_path / "llava-tiny") / part
    old = {name: torch.zeros_like(t) for name, t in load_file(folder / "model.safetensors").items()}
    shard = "pytorch_model-00001-of-00001.bin"
    torch.save(old, folder / shard)
    index = {"weight_map": dict.fromkeys(old, shard)}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))

    model = load_checkpoint(str(tmp_path / "llava-tiny"))
    assert torch.equal(logits_of(model, inputs), expected)


@pytest.mark.parametrize("rope", [{"type": "linear", "factor": 4.0}, None])
def test_linearly_scaled_positions_are_counted_with_their_factor(
    make_llava, tmp_path: Path, rope: dict | None
) -> None:
    folder = make_llava(tmp_path / "llava-tiny")
    config = json.loads((folder / "config.json").read_text()) | {"rope_scaling": rope}
    (folder / "config.json").write_text(json.dumps(config))

    assert load_checkpoint(str(folder)).max_positions == (4 * 4096 if rope else 4096)


@pytest.mark.parametrize("pad_token_id", [-1, None, 900, "<pad>"])
def test_padding_is_nothing_that_inference_reads(
    make_llava, tmp_path: Path, pad_token_id: object, inputs: list[np.ndarray], expected: Tensor
) -> None:
    folder = make_llava(tmp_path / "llava-tiny")
    config = json.loads((folder / "config.json").read_text()) | {"pad_token_id": pad_token_id}
    (folder / "config.json").write_text(json.dumps(config))

    assert torch.equal(logits_of(load_checkpoint(str(folder)), inputs), expected)


@pytest.mark.parametrize("bias", ["attention_bias", "mlp_bias"])
def test_biases_are_computed_with(
    make_llava, tmp_path: Path, bias: str, inputs: list[np.ndarray]
) -> None:
    folder = make_llava(tmp_path / "llava-tiny")
    config = json.loads((folder / "config.json").read_text()) | {bias: True}
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    kind = "self_attn" if bias == "attention_bias" else ".mlp."
    weights |= {
        name.replace("weight", "bias"): torch.linspace(-1, 1, len(tensor))
        for name, tensor in weights.items()
        if kind in name and ".layers." in name
    }
    save_file(weights, folder / "model.safetensors")
    model = load_checkpoint(str(folder))
    (image,), prompt = model.encode(inputs[:1]), model.tokenize(QUERY)
    embeds = model.splice([prompt], image.features[None])
    ours = model.prefill([prompt], [image], [()]).logits

    with torch.no_grad():
        whole = model.language_model(inputs_embeds=embeds).logits[:, -1]
    torch.testing.assert_close(ours, whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("inside", "trained", "said"),
    [
        (True, True, None),
        (False, False, None),
        (True, False, "the weights hold a vision_tower of their own"),
        (False, True, "the weights hold no vision_tower"),
    ],
)
def test_it_is_said_where_the_flag_of_the_tower_and_the_weights_disagree(
    make_llava, tmp_path: Path, inside: bool, trained: bool, said: str | None
) -> None:
    folder = make_llava(tmp_path / "a", embedded_tower=inside, unfreeze_tower=trained)
    notes = inspect_checkpoint(str(folder)).notes

    assert len(notes) == (said is not None)
    assert all(str(said) in note and "unfreeze_mm_vision_tower" in note for note in notes)


def test_the_vision_tower_is_looked_for_inside_the_checkpoint_first(
    make_llava, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: Tensor, inputs
) -> None:
    folder = make_llava(tmp_path / "llava-tiny")
    (tmp_path / "vision_tower").mkdir()  # empty, and found first from where the program runs
    monkeypatch.chdir(tmp_path)

    assert torch.equal(logits_of(load_checkpoint("llava-tiny"), inputs), expected)
    assert folder.is_dir()


@pytest.mark.parametrize("layout", [{}, {"tied": True}], ids=["untied", "tied"])
def test_no_weight_is_left_to_chance(
    make_llava, tmp_path: Path, layout: dict, inputs: list[np.ndarray]
) -> None:
    folder = str(make_llava(tmp_path / "llava-tiny", **layout))
    torch.manual_seed(1)
    one = load_checkpoint(folder)
    torch.manual_seed(2)
    other = load_checkpoint(folder)
    state, again = dict(state_of(one)), dict(state_of(other))

    assert state.keys() == again.keys()
    assert all(torch.equal(state[name], again[name]) for name in state)
    assert torch.equal(logits_of(one, inputs), logits_of(other, inputs))


def state_of(model: Llava) -> itertools.chain[tuple[str, Tensor]]:
    """All parameters and buffers, those that no checkpoint holds too."""
    return itertools.chain(model.named_parameters(), model.named_buffers())


def test_nothing_stays_on_the_meta_device(each_model: Llava) -> None:
    assert [name for name, tensor in state_of(each_model) if tensor.is_meta] == []


def test_every_stored_weight_is_the_one_in_the_model(
    model: Llava, tiny_llava: Path, read_weights
) -> None:
    loaded = model.language_model.state_dict()
    loaded |= {f"model.mm_projector.{k}": v for k, v in model.mm_projector.state_dict().items()}
    stored = read_weights(tiny_llava)

    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name], stored[name]) for name in stored)


def test_overwriting_the_file_does_not_change_a_loaded_model(
    make_llava, tmp_path: Path, inputs: list[np.ndarray]
) -> None:
    folder = make_llava(tmp_path / "llava-tiny")
    model = load_checkpoint(str(folder))
    before = logits_of(model, inputs)
    for path in (folder / "model.safetensors", folder / "vision_tower" / "model.safetensors"):
        with path.open("r+b") as file:
            file.seek(-path.stat().st_size // 2, 2)
            file.write(b"\0" * (path.stat().st_size // 4))

    assert torch.equal(logits_of(model, inputs), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_every_weight_takes_the_dtype_asked_for(tiny_llava: Path, dtype: torch.dtype) -> None:
    model = load_checkpoint(str(tiny_llava), dtype=dtype)

    assert {parameter.dtype for parameter in model.parameters()} == {dtype}


def test_the_vision_tower_can_keep_another_dtype(
    tiny_llava: Path, inputs: list[np.ndarray]
) -> None:
    model = load_checkpoint(str(tiny_llava), dtype=torch.bfloat16, vision_dtype=torch.float32)

    assert {p.dtype for p in model.vision_tower.parameters()} == {torch.float32}
    assert {p.dtype for p in model.language_model.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in model.mm_projector.parameters()} == {torch.bfloat16}
    assert model.encode(inputs)[0].features.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rotary_frequencies_stay_float32_and_are_computed_not_read(
    make_llava, tmp_path: Path, dtype: torch.dtype
) -> None:
    folder = make_llava(tmp_path / "llava-tiny", rotary_buffers=True)  # stored as NaN
    model = load_checkpoint(str(folder), dtype=dtype)
    frequencies = model.language_model.model.rotary_emb.inv_freq

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


def test_a_stored_rope_theta_is_used(make_llava, tmp_path: Path) -> None:
    folder = make_llava(tmp_path / "llava-tiny")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace("{", '{"rope_theta": 500000.0,', 1))
    frequencies = load_checkpoint(str(folder)).language_model.model.rotary_emb.inv_freq

    assert frequencies.tolist() == pytest.approx([500_000 ** (-i / 4) for i in range(4)])


def test_the_end_of_an_answer_is_the_configurations(
    make_llava, tmp_path: Path, model: Llava
) -> None:
    folder = make_llava(tmp_path / "llava-tiny")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('token_id": 2', 'token_id": [2, 7]'))

    assert model.end_ids == {2}
    assert load_checkpoint(str(folder)).end_ids == {2, 7}
