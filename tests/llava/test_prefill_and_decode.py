"""Batches, attention rows and greedy decoding."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from llava import Llava, VisualTokens, language
from llava.language import Prefill
from llava.model import _shown
from tests.llava.test_prefix import assert_same

QUERY = "Which of the following descriptions best represents the image?\nA. Positive\nB. Negative"
NO_END = frozenset({-1})


@pytest.mark.parametrize(
    ("count", "dropped", "kept"), [(4, (1, 2), [0, 3]), (4, (2, 1), [0, 3]), (3, (), [0, 1, 2])]
)
def test_visual_tokens_that_are_not_dropped_stay_in_their_order(
    count: int, dropped: tuple[int, ...], kept: list[int]
) -> None:
    image = VisualTokens(torch.arange(count)[:, None])
    assert _shown([image], [dropped]).flatten().tolist() == kept


@pytest.fixture
def prefilled(each_model: Llava, encoded: list[VisualTokens]) -> Prefill:
    return each_model.prefill([each_model.tokenize(QUERY)] * 5, encoded, [()] * 5)


@torch.inference_mode()
def generated(
    model: Llava, encoded: list[VisualTokens], rows: list[int], number: int, end: int | None = None
) -> list[list[int]]:
    """Greedy ids of transformers' own `generate`, from the same spliced embeddings."""
    visual_tokens = torch.stack([encoded[row].features for row in rows])
    embeds = model.splice([model.tokenize(QUERY)] * len(rows), visual_tokens)
    generate = cast("Any", model.language_model).generate
    ids = generate(
        inputs_embeds=embeds,
        attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
        do_sample=False,
        max_new_tokens=number,
        eos_token_id=end,
        pad_token_id=0,
    )
    return ids.tolist()


def test_a_batch_gives_what_each_of_its_samples_gives_alone(
    each_model: Llava, encoded: list[VisualTokens]
) -> None:
    prompt = each_model.tokenize(QUERY)
    rows = prompt.positions_of(0, 20)
    together = each_model.prefill([prompt] * 5, encoded, [()] * 5, rows)

    for index in range(5):
        alone = each_model.prefill([prompt], [encoded[index]], [()], rows)
        assert together.attentions is not None
        assert_same(Prefill(together.logits[[index]], together.attentions[[index]], ()), alone)


def test_answers_differ_between_images(model: Llava, inputs: list[np.ndarray]) -> None:
    logits = model.prefill([model.tokenize(QUERY)] * 5, model.encode(inputs), [()] * 5).logits

    assert len(set(logits.argmax(dim=-1).tolist())) > 1


def test_asking_for_attention_leaves_the_logits_as_they_are(
    each_model: Llava, encoded: list[VisualTokens], prefilled: Prefill
) -> None:
    prompts = [each_model.tokenize(QUERY)] * 5
    asked = each_model.prefill(prompts, encoded, [()] * 5, [37, 38, 39])

    torch.testing.assert_close(asked.logits, prefilled.logits, atol=1e-5, rtol=0)
    assert prefilled.attentions is None


def test_decoding_equals_greedy_generation_of_a_subset_of_rows(
    each_model: Llava, encoded: list[VisualTokens], prefilled: Prefill
) -> None:
    rows = [4, 1, 2]
    ours = language.decode(each_model.language_model, prefilled, rows, 12, NO_END)

    assert ours == generated(each_model, encoded, rows, 12)


@pytest.mark.parametrize("place", [0, 5])
def test_decoding_stops_at_an_end_id_and_leaves_it_out(
    each_model: Llava, encoded: list[VisualTokens], prefilled: Prefill, place: int
) -> None:
    free = generated(each_model, encoded, [0, 3], 12)
    end = free[0][place]
    ours = language.decode(each_model.language_model, prefilled, [0, 3], 12, frozenset({end}))

    assert ours == [ids[: ids.index(end)] if end in ids else ids for ids in free]
    assert len(ours[0]) <= place


def test_a_prefill_can_be_decoded_again_from_other_rows(
    each_model: Llava, prefilled: Prefill
) -> None:
    first = language.decode(each_model.language_model, prefilled, [0, 1], 8, NO_END)
    language.decode(each_model.language_model, prefilled, [2], 8, NO_END)

    assert language.decode(each_model.language_model, prefilled, [0, 1], 8, NO_END) == first


@pytest.mark.parametrize(("token_id", "text"), [(1, ""), ("E", "E")])
def test_decoded_text_has_no_special_tokens_and_no_blanks_around_it(
    model: Llava, inputs: list[np.ndarray], token_id: int | str, text: str
) -> None:
    prefill = model.prefill([model.tokenize(QUERY)], model.encode(inputs[:1]), [()])
    first = token_id if isinstance(token_id, int) else model.option_id(token_id)
    certain = one_hot(torch.tensor([first]), prefill.logits.shape[1]).float()

    assert model.decode(replace(prefill, logits=certain), [0], 1) == [text]


def test_prompts_of_different_lengths_are_no_batch(model: Llava, inputs: list[np.ndarray]) -> None:
    prompts = [model.tokenize("one"), model.tokenize("one two three")]

    with pytest.raises(ValueError, match="one length and image position"):
        model.prefill(prompts, model.encode(inputs[:2]), [(), ()])


def test_the_image_itself_is_no_attention_row(model: Llava, inputs: list[np.ndarray]) -> None:
    prompt = model.tokenize(QUERY)

    with pytest.raises(ValueError, match="not the image's"):
        model.prefill([prompt], model.encode(inputs[:1]), [()], [prompt.image_position])


@pytest.mark.parametrize(
    ("key", "value"), [("_attn_implementation", "eager"), ("hidden_act", "gelu")]
)
@torch.inference_mode()
def test_a_language_model_that_is_not_plain_is_refused(
    each_model: Llava, monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    llama, embeds = each_model.language_model, each_model.embed([[1, 2, 3]])
    monkeypatch.setattr(llama.config, key, value)
    with pytest.raises(ValueError, match=f"prefill needs .*, got {value}"):
        language.prefill(llama, embeds)
    with pytest.raises(ValueError, match=f"prefill needs .*, got {value}"):
        language.prefill_layerwise(llama, embeds, slice(1, 2), lambda *_: None)
