"""Each part of VILA-1.5, and the whole, equal plain references with the same weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, SiglipVisionConfig, SiglipVisionModel

from llava import Llava, load_checkpoint
from llava.projector import Downsample
from llava.vision import VisionTower
from tests.llava.stored import config_of, weights_of
from tests.llava.test_against_transformers import QUERY, assert_close, over_image, spliced_by_hand

SIDE = 70


@pytest.fixture(scope="module")
def folder(make_vila, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_vila(tmp_path_factory.mktemp("quiet") / "vila-tiny", gain=1.0)


@pytest.fixture(scope="module")
def vila(folder: Path) -> Llava:
    return load_checkpoint(str(folder))


@pytest.fixture(scope="module")
def vila_inputs(vila: Llava, images: list[Image.Image]) -> list[np.ndarray]:
    return [vila.preprocess(image) for image in images]


@pytest.fixture(scope="module")
def vila_pixels(vila_inputs: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(vila_inputs))


@pytest.fixture(scope="module")
def features(folder: Path, vila_pixels: Tensor) -> Tensor:
    """Hidden state -2 float[B, 25, 24] of the whole SigLIP, by transformers."""
    config = SiglipVisionConfig(**config_of(folder / "vision_tower"))
    siglip = SiglipVisionModel(config).eval()
    stored = weights_of(folder / "vision_tower")
    siglip.load_state_dict({k.removeprefix("vision_model."): t for k, t in stored.items()})
    with torch.inference_mode():
        return siglip(vila_pixels, output_hidden_states=True).hidden_states[-2]


def projected(features: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """The projector of one image's patches float[n², width], one block after the other."""
    side = int(len(features) ** 0.5)
    black = torch.zeros(features.shape[1])

    def patch(row: int, column: int) -> Tensor:
        return features[row * side + column] if row < side and column < side else black

    tokens = []
    for left in range(0, side, 2):  # columns outside: VILA-1.5 goes down before it goes right
        for top in range(0, side, 2):
            block = torch.cat(
                [patch(top, left), patch(top, left + 1), patch(top + 1, left),
                 patch(top + 1, left + 1)]
            )  # fmt: skip
            mean, variance = block.mean(), block.var(unbiased=False)
            normed = (block - mean) / (variance + 1e-5).sqrt()
            normed = normed * weights["layers.1.weight"] + weights["layers.1.bias"]
            hidden = weights["layers.2.weight"] @ normed + weights["layers.2.bias"]
            hidden = functional.gelu(hidden)  # the exact one
            tokens.append(weights["layers.4.weight"] @ hidden + weights["layers.4.bias"])
    return torch.stack(tokens)


@pytest.fixture(scope="module")
def expected_tokens(folder: Path, features: Tensor) -> Tensor:
    weights = weights_of(folder / "mm_projector")
    return torch.stack([projected(image, weights) for image in features])


@pytest.mark.parametrize("side", [4, 5])
@torch.inference_mode()
def test_the_projector_equals_a_loop_over_blocks(vila: Llava, folder: Path, side: int) -> None:
    patches = torch.randn(2, side**2, 24, generator=torch.Generator().manual_seed(side))
    weights = weights_of(folder / "mm_projector")

    assert_close(
        vila.mm_projector(patches), torch.stack([projected(image, weights) for image in patches])
    )


def test_encode_equals_siglip_and_the_loop_over_blocks(
    vila: Llava, vila_inputs: list[np.ndarray], expected_tokens: Tensor
) -> None:
    found = torch.stack([image.features for image in vila.encode(vila_inputs)])
    assert_close(found, expected_tokens)


def test_token_1_holds_the_patches_below_those_of_token_0() -> None:
    places = torch.tensor([[10.0 * row + column] for row in range(5) for column in range(5)])
    blocks = Downsample()(places[None])[0]

    assert blocks[0].tolist() == [0, 1, 10, 11]
    assert blocks[1].tolist() == [20, 21, 30, 31]
    assert blocks[2].tolist() == [40, 41, 0, 0]  # zeros below
    assert blocks[3].tolist() == [2, 3, 12, 13]
    assert blocks[6].tolist() == [4, 0, 14, 0]  # zeros at the right
    assert blocks[8].tolist() == [44, 0, 0, 0]


@pytest.mark.parametrize("rows", [(40, 44), ()])
@torch.inference_mode()
def test_logits_and_attention_equal_llama_over_a_sequence_put_together_by_hand(
    vila: Llava,
    folder: Path,
    vila_inputs: list[np.ndarray],
    expected_tokens: Tensor,
    rows: tuple[int, ...],
) -> None:
    llama = LlamaForCausalLM(LlamaConfig(**config_of(folder / "llm"))).eval()
    llama.load_state_dict(weights_of(folder / "llm"))
    prompt = vila.tokenize(QUERY)
    rows = (*rows, *prompt.positions_of(0, 23))
    ours = vila.prefill([prompt] * 5, vila.encode(vila_inputs), [()] * 5, rows)

    spliced = [row if row < prompt.image_position else row + 8 for row in rows]
    for index, visual_tokens in enumerate(expected_tokens):
        sequence = spliced_by_hand(llama, prompt, visual_tokens)
        theirs = llama(inputs_embeds=sequence[None], output_attentions=True)
        assert_close(ours.logits[index], theirs.logits[0, -1])
        assert ours.attentions is not None
        expected = theirs.attentions[-1][0][:, spliced]
        assert_close(ours.attentions[index], over_image(expected, prompt, num_tokens=9))


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (70, 70), (7, 100), (20, 20)])
def test_pixels_are_those_of_an_image_stretched_by_pillow(
    vila: Llava, size: tuple[int, int]
) -> None:
    noise = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    stretched = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    scaled = (stretched * (1 / 255)).astype(np.float32)
    expected = ((scaled - np.float32(0.5)) / np.float32(0.5)).transpose(2, 0, 1)

    assert np.array_equal(vila.preprocess(image), expected)


def test_an_image_of_384_pixels_becomes_196_tokens_of_27_by_27_patches() -> None:
    config = SiglipVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=1,
        image_size=384, patch_size=14,
    )  # fmt: skip
    with torch.inference_mode():
        patches = VisionTower(config, -2, "cls_patch")(torch.zeros(1, 3, 384, 384))

    assert patches.shape == (1, 729, 8)
    assert Downsample()(patches).shape == (1, 196, 32)


def test_siglip_has_no_class_token_to_leave_out() -> None:
    config = SiglipVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=1
    )
    with pytest.raises(ValueError, match="of SigLIP must be cls_patch, got 'patch'"):
        VisionTower(config, -2, "patch")
