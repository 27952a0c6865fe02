"""Prompts have the original's ids, and know which ids cover which words of the query."""

import json
import os
import shutil
from pathlib import Path

import pytest
from transformers import LlamaTokenizer

from llava import Llava
from llava.conversation import VICUNA_V1
from llava.prompt import IMAGE_TOKEN_ID, PromptTokenizer

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get("SEPM_GOLDEN_DIR", ROOT.parent / "shared" / "golden"))
LLAMA_TOKENIZER = GOLDEN / "llama2_tokenizer.model"
PHRASE = "Please focus on emotion."


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> PromptTokenizer:
    """LLaMA's own tokenizer, set up as in liuhaotian/llava-v1.5-7b."""
    if not LLAMA_TOKENIZER.is_file():
        pytest.skip(f"no LLaMA tokenizer at {LLAMA_TOKENIZER} (set SEPM_GOLDEN_DIR)")
    folder = tmp_path_factory.mktemp("llama")
    shutil.copy(LLAMA_TOKENIZER, folder / "tokenizer.model")
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | special))
    return PromptTokenizer(LlamaTokenizer.from_pretrained(folder), VICUNA_V1)


def test_the_prompt_reads_as_vicuna_v1_does() -> None:
    assert VICUNA_V1.render("Is it sad?") == (
        "A chat between a curious user and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the user's questions. "
        "USER: <image>\nIs it sad? ASSISTANT:"
    )


def test_a_prompt_has_the_ids_of_the_original(llama: PromptTokenizer) -> None:
    assert llama.tokenize(PHRASE).input_ids == (
        1, 319, 13563, 1546, 263, 12758, 1404, 322, 385, 23116, 21082, 20255, 29889, 450, 20255,
        4076, 8444, 29892, 13173, 29892, 322, 1248, 568, 6089, 304, 278, 1404, 29915, 29879, 5155,
        29889, 3148, 1001, 29901, 29871, IMAGE_TOKEN_ID, 29871, 13, 12148, 8569, 373, 953, 8194,
        29889, 319, 1799, 9047, 13566, 29901,
    )  # fmt: skip


def test_the_image_stands_at_position_35(llama: PromptTokenizer) -> None:
    assert llama.tokenize("anything").image_position == 35
    assert llama.tokenize("something\nelse, longer").image_position == 35


def test_option_letters_have_the_ids_of_an_answer(llama: PromptTokenizer) -> None:
    assert [llama.option_id(letter) for letter in "ABCDEFGH"] == [
        319, 350, 315, 360, 382, 383, 402, 379,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("phrase", "pieces"),
    [
        (PHRASE, "▁focus ▁on ▁em otion"),
        (
            "Identify the predominant emotion conveyed.",
            "ify ▁the ▁pre domin ant ▁em otion ▁convey ed",
        ),
    ],
)
def test_a_phrase_but_its_first_token_is_what_the_released_code_takes(
    llama: PromptTokenizer, phrase: str, pieces: str
) -> None:
    prompt = llama.tokenize(f"{phrase}\nWhich emotion? {phrase}")
    positions = prompt.positions_of(0, len(phrase) - 1, skip=1)
    ids = [prompt.input_ids[position] for position in positions]

    assert positions == tuple(range(39, 39 + len(ids)))
    assert llama.tokenizer.convert_ids_to_tokens(ids) == pieces.split()


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (0, ["Please", "▁focus", "▁on", "▁emotion"]),
        (7, ["▁focus", "▁on", "▁emotion"]),
    ],
)
def test_positions_of_a_phrase_are_those_of_its_tokens(
    model: Llava, start: int, words: list[str]
) -> None:
    prompt = model.tokenize(f"{PHRASE}\nWhich of the following?\nPlease focus on emotion.")
    positions = prompt.positions_of(start, len(PHRASE) - 1)
    ids = [prompt.input_ids[position] for position in positions]

    assert model.prompts.tokenizer.convert_ids_to_tokens(ids) == words
    assert positions[0] == prompt.image_position + (3 if start == 0 else 4)


def test_all_positions_of_a_query_leave_the_template_out(model: Llava) -> None:
    query = "Which one?\nA. Awe"
    prompt = model.tokenize(query)
    ids = [prompt.input_ids[position] for position in prompt.positions_of(0, len(query))]

    assert model.prompts.tokenizer.decode(ids) == query
    assert prompt.query_spans[: prompt.image_position + 1] == (None,) * (prompt.image_position + 1)


def test_a_character_of_many_byte_tokens_is_covered_by_all_of_them(model: Llava) -> None:
    prompt = model.tokenize("a 😀 b")
    positions = prompt.positions_of(2, 3)

    assert len(positions) >= 4
    assert positions == tuple(range(positions[0], positions[0] + len(positions)))


@pytest.mark.parametrize(("start", "end"), [(3, 3), (100, 120)])
def test_characters_outside_the_query_have_no_positions(model: Llava, start: int, end: int) -> None:
    prompt = model.tokenize("Sad?")

    with pytest.raises(ValueError, match=f"covers characters {start} to {end}"):
        prompt.positions_of(start, end)


def test_characters_whose_tokens_are_all_skipped_have_no_positions(model: Llava) -> None:
    prompt = model.tokenize("Sad?")
    (first,) = prompt.positions_of(0, 1)

    with pytest.raises(ValueError, match="characters 0 to 1 but the first 1"):
        prompt.positions_of(0, 1, skip=1)
    assert first not in prompt.positions_of(0, len("Sad?"), skip=1)


def test_the_beginning_of_text_stands_once(model: Llava) -> None:
    ids = model.tokenize("Sad?").input_ids

    assert ids[0] == 1
    assert ids.count(1) == 1
    assert ids.count(IMAGE_TOKEN_ID) == 1


def test_every_option_letter_of_the_tiny_tokenizer_is_one_token_with_its_blank(
    model: Llava,
) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXY"
    ids = [model.option_id(letter) for letter in letters]

    assert model.prompts.tokenizer.convert_ids_to_tokens(ids) == [f"▁{x}" for x in letters]


def test_an_option_letter_of_two_tokens_is_an_error_that_names_them(model: Llava) -> None:
    first, second = model.prompts.tokenizer("Ä").input_ids[2:]  # the letter's two bytes

    with pytest.raises(
        ValueError, match="option letter 'Ä' is 3 tokens in this tokenizer"
    ) as error:
        model.option_id("Ä")
    assert str(error.value).endswith(f", {first}, {second}]), expected 1")
