"""What the adapter computes, held against transformers' own forward pass and `generate`."""

import copy
import json
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from llava.answer_text import answer_text
from sepm.errors import RunError
from sepm.models.auto.attention_rows import IMPLEMENTATION
from sepm.models.auto.decoder_inputs import edited_arguments
from sepm.models.auto.decoding import decode
from sepm.models.auto.model import AutoVisionLanguageModel
from sepm.models.opening import open_model
from sepm.models.options import ModelOptions
from tests.sepm.models.auto.conftest import PHRASE, QUERY, Family
from tests.tiny_checkpoints.families import image_of, write_family

BESIDE_GRIDS = ("llava", "llava_next", "llava_onevision", "internvl", "smolvlm", "mistral3")
"""Families whose tokens have one position each, and whose masks are causal everywhere."""
PREFIX_LM = "paligemma"
"""Reads the whole prompt both ways, so that an answer's tokens cannot be appended to it."""


def test_the_prompt_is_the_processors_own(family: Family) -> None:
    prompt, image = family.prompt, family.encoded[0]
    ids = [*prompt.before_image, *image.ids.tolist(), *prompt.after_image]
    assert ids == family.inputs["input_ids"][0].tolist()
    bos = family.model.prompts.tokenizer.bos_token_id
    assert ids.count(bos) == (0 if family.model.prompts.bos_source == "none" else 1)


def test_the_rows_are_the_phrase(family: Family) -> None:
    ids = [family.prompt.input_ids[row] for row in family.rows]
    text = family.model.prompts.tokenizer.decode(ids)
    assert text.strip() == PHRASE


def test_first_logits_are_those_of_generate(family: Family) -> None:
    with torch.no_grad():
        generated = family.plain.generate(
            **family.inputs,
            max_new_tokens=1,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
    ours = family.model.prefill([family.prompt], [family.encoded[0]], [()])
    assert torch.equal(ours.logits, generated.logits[0])


def test_attention_rows_are_those_of_eager_attention(family: Family) -> None:
    with torch.no_grad():
        maps = family.eager(**family.inputs, output_attentions=True, use_cache=False).attentions
    at, spread = family.prompt.image_position, len(family.encoded[0].ids) - 1
    rows = [row + spread if row > at else row for row in family.rows]
    expected = maps[family.model.attention_layer][:, :, rows][..., family.visual]
    ours = family.model.prefill([family.prompt], [family.encoded[0]], [()], family.rows)
    assert ours.attentions is not None
    assert ours.attentions.dtype == torch.float32
    torch.testing.assert_close(ours.attentions, expected, atol=1e-6, rtol=0)


def test_dropped_tokens_at_kept_positions_are_as_if_masked_everywhere(family: Family) -> None:
    model, gone = with_positions(family, "kept"), family.dropped()
    hidden, decoder = family.visual[list(gone)], family.plain.get_decoder()
    with (
        torch.no_grad(),
        edited_arguments(decoder, lambda given: masked(given, hidden)),
    ):
        expected = family.plain(**family.inputs, use_cache=False).logits[:, -1]
    ours = model.prefill([family.prompt], [family.encoded[0]], [gone])
    torch.testing.assert_close(ours.logits, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", BESIDE_GRIDS)
def test_renumbered_is_the_sequence_built_by_hand(name: str, open_family: Any) -> None:
    family: Family = open_family(name)
    gone = family.dropped()
    kept = torch.ones(family.inputs["input_ids"].shape[1], dtype=torch.bool)
    kept[family.visual[list(gone)]] = False
    seen: dict[str, Any] = {}
    decoder = family.plain.get_decoder()
    with torch.no_grad(), edited_arguments(decoder, lambda given: seen.update(given) or given):
        family.plain(**family.inputs, use_cache=False)
        embeds = seen["inputs_embeds"][:, kept]
    with torch.no_grad():
        states = decoder(inputs_embeds=embeds, use_cache=False)
        expected = family.plain.lm_head(states.last_hidden_state[:, -1])
    ours = family.model.prefill([family.prompt], [family.encoded[0]], [gone])
    torch.testing.assert_close(ours.logits, expected, atol=1e-5, rtol=0)
    assert family.model.positions == "renumbered"


def test_windows_count_the_renumbered_tokens(open_family: Any) -> None:
    family: Family = open_family("gemma3")
    longer, image = family.model.tokenize(f"{QUERY}\n{QUERY}"), family.encoded[0]
    gone = family.dropped(2)
    ids = torch.tensor([[*longer.before_image, *image.ids.tolist(), *longer.after_image]])
    visual = ids[0] == family.plain.config.image_token_id
    kept = torch.ones(ids.shape[1], dtype=torch.bool)
    kept[visual.nonzero()[list(gone), 0]] = False
    seen: dict[str, Any] = {}
    given = {**family.inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    given["token_type_ids"] = visual[None].long()
    decoder = family.plain.get_decoder()
    with torch.no_grad():
        with edited_arguments(decoder, lambda own: seen.update(own) or own):
            family.plain(**given, use_cache=False)
        # The outer model makes its masks for the shorter sequence, as it does for any other.
        expected = family.plain(
            inputs_embeds=seen["inputs_embeds"][:, kept],
            attention_mask=torch.ones(1, int(kept.sum()), dtype=torch.long),
            token_type_ids=given["token_type_ids"][:, kept],
            use_cache=False,
        ).logits[:, -1]
    ours = family.model.prefill([longer], [image], [gone])
    torch.testing.assert_close(ours.logits, expected, atol=1e-5, rtol=0)
    assert family.model.positions == "renumbered"


def test_an_answer_behind_a_window_of_positions_with_gaps_is_refused(
    open_family: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    family: Family = open_family("gemma3")
    monkeypatch.setattr(family.model, "positions", "kept")
    image, window = family.encoded[0], 64
    gone = family.dropped(4)
    for query, behind in (("Q", False), (f"{QUERY}\n{QUERY}", True)):
        prefill = family.model.prefill([family.model.tokenize(query)], [image], [gone])
        assert bool(prefill.next_position.max() >= window) == behind
        with pytest.raises(RunError, match="cannot be decoded") if behind else nullcontext():
            family.model.decode(prefill, [0], 2)


def test_windows_of_a_decoder_that_makes_its_masks_count_the_cache_in_a_prompt_as_in_an_answer(
    tmp_path: Path,
) -> None:
    write_family("internvl", tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["text_config"] |= {
        **{"sliding_window": 12, "use_sliding_window": True},
        "layer_types": ["sliding_attention", "full_attention"] * 2,
    }
    path.write_text(json.dumps(config))
    options = ModelOptions(model_path=str(tmp_path), device="cpu", positions="kept")
    model: Any = open_model(options).model
    (image,), seen = model.encode([model.preprocess(image_of(60, 40, 1))]), {}
    decoder, gone = model.model.get_decoder(), tuple(range(1, image.num_tokens, 5))
    forward = decoder.forward
    decoder.forward = lambda **given: seen.update(given) or forward(**given)
    prefill = model.prefill([model.tokenize(QUERY)], [image], [gone])
    decoder.forward = forward
    (ids,) = decode(model.model, prefill, [0], 3, end_ids=())
    embeds, positions = seen["inputs_embeds"], seen["position_ids"]
    for following in ids:
        order = torch.arange(embeds.shape[1])
        causal = (order[:, None] >= order)[None, None]
        windows = causal & (order[:, None] - order < 12)[None, None]
        masks = {"full_attention": causal, "sliding_attention": windows}
        with torch.no_grad():
            states = decoder(
                inputs_embeds=embeds, position_ids=positions, attention_mask=masks, use_cache=False
            ).last_hidden_state[:, -1]
            assert int(model.model.lm_head(states).argmax()) == following
            more = decoder.get_input_embeddings()(torch.tensor([[following]]))
        embeds = torch.cat([embeds, more], dim=1)
        positions = torch.cat([positions, positions[:, -1:] + 1], dim=1)
    assert len(ids) == 3


def test_decoded_text_is_that_of_generate(family: Family) -> None:
    with torch.no_grad():
        ids = family.plain.generate(**family.inputs, max_new_tokens=8, do_sample=False)
    new = ids[0, family.inputs["input_ids"].shape[1] :].tolist()
    text = family.model.prompts.tokenizer.decode(new, skip_special_tokens=True).strip()
    ours = family.model.prefill([family.prompt], [family.encoded[0]], [()])
    assert family.model.decode(ours, [0], 8) == [text]


def test_decoding_after_dropping_goes_on_as_a_longer_prompt(family: Family) -> None:
    if family.name == PREFIX_LM:
        pytest.skip("an answer's tokens would be read both ways, as the prompt is")
    model, image, gone = family.model, family.encoded[0], family.dropped()
    prefill = model.prefill([family.prompt], [image], [gone])
    longer = family.prompt
    ids = [int(prefill.logits.argmax())]
    for _ in range(3):
        longer = replace(longer, input_ids=(*longer.input_ids, ids[-1]))
        ids.append(int(model.prefill([longer], [image], [gone]).logits.argmax()))
    ends = [place for place, token in enumerate(ids) if token in model.end_ids]
    expected = ids[: ends[0]] if ends else ids
    assert model.decode(prefill, [0], 4) == [answer_text(model.prompts.tokenizer, expected).strip()]


def test_a_prefill_can_be_decoded_again(family: Family) -> None:
    prefill = family.model.prefill([family.prompt] * 2, family.encoded, [(), ()])
    first = family.model.decode(prefill, [1], 6)
    assert family.model.decode(prefill, [0, 1], 6)[1:] == first


def test_an_option_letter_is_the_token_that_an_answer_begins_with(family: Family) -> None:
    prompts = family.model.prompts
    rendered = family.model.render(QUERY) + prompts.template.answer_lead
    for letter in "AH":
        ids = prompts.tokenizer(rendered + letter, add_special_tokens=False).input_ids
        assert ids[-1] == family.model.option_id(letter)
        assert answer_text(prompts.tokenizer, ids[-1:]).strip() == letter


def test_every_other_layer_keeps_its_own_attention(family: Family) -> None:
    inner: Any = family.model.model
    named = {
        name
        for name, module in inner.named_modules()
        if getattr(getattr(module, "config", None), "_attn_implementation", "") == IMPLEMENTATION
    }
    assert len(named) == 1
    assert re.search(rf"\.{family.model.attention_layer}\.", named.pop())


def with_positions(family: Family, positions: Any) -> AutoVisionLanguageModel:
    """The family's model, numbering kept tokens in another way."""
    model = copy.copy(family.model)
    model.positions = positions
    return model


def masked(given: dict[str, Any], hidden: Tensor) -> dict[str, Any]:
    """The language model's arguments with some positions hidden from all others."""
    length = given["inputs_embeds"].shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()[None, None]

    def without(mask: Any) -> Tensor:
        seen = mask.clone() if isinstance(mask, Tensor) and mask.dim() == 4 else causal.clone()
        assert seen.dtype == torch.bool
        seen[..., hidden] = False
        seen[..., hidden, hidden] = True  # a row that sees nothing would not be a number
        return seen

    mask = given.get("attention_mask")
    own = {k: without(m) for k, m in mask.items()} if isinstance(mask, dict) else without(mask)
    return given | {"attention_mask": own}
