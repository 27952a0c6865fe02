"""The protocol's demands, met alike by the lean LLaVA and VILA and by every family."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sepm.models.opening import open_model
from sepm.models.options import ModelOptions
from sepm.models.protocol import VisionLanguageModel
from tests.sepm.models.auto.conftest import PHRASE, QUERY, Family
from tests.tiny_checkpoints.families import FAMILIES, image_of

LEAN = ("tiny_llava", "tiny_vila")


@pytest.fixture(params=[*LEAN, *FAMILIES], scope="module")
def model(request: pytest.FixtureRequest, open_family: Callable[..., Family]) -> Any:
    """Each model in turn, in float32 on the CPU."""
    if request.param not in LEAN:
        return open_family(request.param).model
    folder = str(request.getfixturevalue(request.param))
    return open_model(ModelOptions(model_path=folder, device="cpu")).model


@pytest.fixture(scope="module")
def images(model: VisionLanguageModel) -> Any:
    """Two images of one size, encoded together."""
    return model.encode([model.preprocess(image_of(60, 40, seed)) for seed in (1, 2)])


def test_each_image_has_its_tokens(model: VisionLanguageModel, images: Any) -> None:
    first, second = images
    assert first.shape == second.shape
    assert model.max_visual_tokens in (None, first.num_tokens)
    if first.tiles is not None:
        assert sum(rows * columns for rows, columns, *_ in first.tiles) == first.num_tokens


def test_the_phrase_is_behind_the_image(model: VisionLanguageModel) -> None:
    prompt = model.tokenize(QUERY)
    rows = prompt.positions_of(0, len(PHRASE))
    assert list(rows) == list(range(rows[0], rows[-1] + 1))
    assert rows[0] > prompt.num_text_tokens - prompt.num_tokens_after_image
    assert QUERY in model.render(QUERY)


@pytest.mark.parametrize("gone", [((), ()), ((0, 3), (1, 2))], ids=["whole", "dropped"])
def test_attention_is_over_the_tokens_shown_in_a_batch_as_alone(
    model: VisionLanguageModel, images: Any, gone: tuple[tuple[int, ...], ...]
) -> None:
    prompt = model.tokenize(QUERY)
    rows = prompt.positions_of(0, len(PHRASE))
    prefill = model.prefill([prompt] * 2, images, gone, rows)
    assert prefill.logits.dtype == prefill.attentions.dtype == torch.float32
    assert prefill.attentions.shape[0] == 2
    assert prefill.attentions.shape[2:] == (len(rows), images[0].num_tokens - len(gone[0]))
    shares = prefill.attentions.sum(dim=-1)
    assert ((shares > 0) & (shares <= 1 + 1e-6)).all()
    for row in (0, 1):
        alone = model.prefill([prompt], images[row : row + 1], gone[row : row + 1], rows)
        torch.testing.assert_close(prefill.logits[row], alone.logits[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(prefill.attentions[row], alone.attentions[0], atol=1e-6, rtol=0)
        assert model.decode(prefill, [row], 3) == model.decode(alone, [0], 3)
        assert model.second_tokens(prefill, [row]) == model.second_tokens(alone, [0])


def test_unequal_drops_are_refused(model: VisionLanguageModel, images: Any) -> None:
    with pytest.raises(ValueError, match="equally many"):
        model.prefill([model.tokenize(QUERY)] * 2, images, [(0,), (0, 1)])


def test_option_letters_are_different_tokens(model: VisionLanguageModel) -> None:
    assert len({model.option_id(letter) for letter in "ABCDEFGH"}) == 8
