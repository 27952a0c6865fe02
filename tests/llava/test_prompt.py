"""Prompts have the original's ids, and know which ids cover which words of the query."""

import json
import os
import re
import shutil
import string
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import LlamaTokenizer

from llava import Llava, inspect_checkpoint, load_checkpoint
from llava.conversation import CONVERSATIONS, VICUNA_V1
from llava.prompt import IMAGE_TOKEN_ID, PromptTokenizer
from tests.llava.checkpoints.editing import edit_json

ROOT = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get("SEPM_GOLDEN_DIR", ROOT.parent / "shared" / "golden"))
LLAMA_TOKENIZER = GOLDEN / "llama2_tokenizer.model"
PHRASE = "Please focus on emotion."
QUERY = f"{PHRASE}\nWhich?"
ORIGINAL = "./checkpoints/vila-siglip-llama3-8b-pretrain_r4/llm"


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


VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions. "
    "USER: <image>\nIs it sad? ASSISTANT:"
)
LLAMA = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "You are a helpful language and vision assistant. You are able to understand the visual "
    "content that the user provides, and assist the user with a variety of tasks using natural "
    "language.{end}<|start_header_id|>user<|end_header_id|>\n\n"
    "<image>\nIs it sad?{end}<|start_header_id|>{role}<|end_header_id|>\n\n"
)
RENDERED = {
    "vicuna_v1": VICUNA,
    "llama_3": LLAMA.format(end="<|end_of_text|>", role="system"),
    "llama_3_fix": LLAMA.format(end="<|eot_id|>", role="assistant"),
}


@pytest.mark.parametrize("name", RENDERED)
def test_a_prompt_reads_as_in_training(name: str) -> None:
    assert CONVERSATIONS[name].render("Is it sad?") == RENDERED[name]


def test_a_prompt_has_the_ids_of_the_original(llama: PromptTokenizer) -> None:
    assert llama.tokenize(PHRASE).input_ids == (
        1, 319, 13563, 1546, 263, 12758, 1404, 322, 385, 23116, 21082, 20255, 29889, 450, 20255,
        4076, 8444, 29892, 13173, 29892, 322, 1248, 568, 6089, 304, 278, 1404, 29915, 29879, 5155,
        29889, 3148, 1001, 29901, 29871, IMAGE_TOKEN_ID, 29871, 13, 12148, 8569, 373, 953, 8194,
        29889, 319, 1799, 9047, 13566, 29901,
    )  # fmt: skip


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


def test_a_character_of_many_byte_tokens_is_covered_by_all_of_them(model: Llava) -> None:
    prompt = model.tokenize("a 😀 b")
    positions = prompt.positions_of(2, 3)

    assert len(positions) >= 4
    assert positions == tuple(range(positions[0], positions[0] + len(positions)))


@pytest.mark.parametrize(
    ("start", "end", "skip", "expected"),
    [
        (3, 3, 0, "characters 3 to 3"),
        (100, 120, 0, "characters 100 to 120"),
        (0, 1, 1, "characters 0 to 1 but the first 1"),
    ],
)
def test_characters_without_a_token_have_no_positions(
    model: Llava, start: int, end: int, skip: int, expected: str
) -> None:
    with pytest.raises(ValueError, match=f"covers {expected}"):
        model.tokenize("Sad?").positions_of(start, end, skip)


def test_an_option_letter_of_two_tokens_is_an_error_that_names_them(model: Llava) -> None:
    first, second = model.prompts.tokenizer("Ä").input_ids[2:]  # the letter's two bytes

    with pytest.raises(
        ValueError, match="option letter 'Ä' is 3 tokens in this tokenizer"
    ) as error:
        model.option_id("Ä")
    assert str(error.value).endswith(f", {first}, {second}]), expected 1")


KINDS: dict[str, dict[str, bool] | None] = {
    "llava": None,
    "vila, bos by template": {"adds_bos": False},
    "vila, bos by tokenizer": {"adds_bos": True},
}


@pytest.fixture(scope="module", params=KINDS)
def each(request: pytest.FixtureRequest, model: Llava, make_vila, tmp_path_factory) -> Llava:
    """A LLaVA, then a VILA whose tokenizer does not write BOS, and one whose tokenizer does."""
    if (variant := KINDS[request.param]) is None:
        return model
    return load_checkpoint(str(make_vila(tmp_path_factory.mktemp("bos") / "vila", **variant)))


both_vilas = pytest.mark.parametrize("each", list(KINDS)[1:], indirect=True)


def test_the_beginning_of_text_stands_once(each: Llava) -> None:
    ids = each.tokenize(QUERY).input_ids

    assert ids[0] == each.prompts.tokenizer.bos_token_id
    assert ids.count(ids[0]) == 1
    assert ids.count(IMAGE_TOKEN_ID) == 1


@pytest.mark.parametrize("start", [0, 7])
def test_positions_of_a_phrase_are_those_of_its_tokens(each: Llava, start: int) -> None:
    prompt = each.tokenize(f"{QUERY} Please focus on emotion.")
    positions = prompt.positions_of(start, len(PHRASE) - 1)
    blank = each.prompts.conversation is VICUNA_V1  # LLaMA's tokenizer begins a chunk with one
    before = blank + each.prompts.keeps_line_break

    ids = [prompt.input_ids[position] for position in positions]
    words = [str(each.prompts.tokenizer.decode([token_id])).strip() for token_id in ids]
    assert words == ["Please", "focus", "on", "emotion"][start > 0 :]
    assert positions[0] == prompt.image_position + 1 + before + (start > 0)


def test_all_positions_of_a_query_leave_the_template_out(each: Llava) -> None:
    prompt = each.tokenize(QUERY)
    ids = [prompt.input_ids[position] for position in prompt.positions_of(0, len(QUERY))]

    assert each.prompts.tokenizer.decode(ids) == QUERY
    assert prompt.query_spans[: prompt.image_position + 1] == (None,) * (prompt.image_position + 1)


@both_vilas
@pytest.mark.parametrize("name", ["llama_3", "llama_3_fix"])
def test_a_prompt_s_tokens_are_the_text_and_special_tokens_are_one_each(
    each: Llava, name: str
) -> None:
    prompts = PromptTokenizer(each.prompts.tokenizer, CONVERSATIONS[name])
    found = [
        "<image>" if token_id == IMAGE_TOKEN_ID else str(prompts.tokenizer.decode([token_id]))
        for token_id in prompts.tokenize("Is it sad?").input_ids
    ]
    text = RENDERED[name]
    kept = text if prompts.keeps_line_break else text.replace("<image>\n", "<image>")

    assert "".join(found) == kept
    special = re.compile(r"<[a-z_|]+>")
    assert [piece for piece in found if special.fullmatch(piece)] == special.findall(text)


@both_vilas
def test_the_prompts_format_is_told(each: Llava) -> None:
    adds_bos = each.prompts.tokenizer("").input_ids != []

    assert each.prompt_format == {
        "conversation": "llama_3",
        "bos": "tokenizer" if adds_bos else "template",
        "line_break_after_image": adds_bos,
    }


def test_every_option_letter_is_one_token_with_its_blank_if_the_template_has_one(
    each: Llava,
) -> None:
    letters = string.ascii_uppercase
    blank = "▁" if each.prompts.conversation is VICUNA_V1 else ""
    ids = [each.option_id(letter) for letter in letters]

    assert each.prompts.tokenizer.convert_ids_to_tokens(ids) == [f"{blank}{x}" for x in letters]


@pytest.mark.parametrize("name", ["llama_3", "llama_3_fix"])
def test_an_answer_ends_at_the_end_of_text_or_of_the_turn(tiny_vila: Path, name: str) -> None:
    found = inspect_checkpoint(str(tiny_vila))
    model = replace(found, conversation=CONVERSATIONS[name]).load()
    vocabulary = model.prompts.tokenizer.get_vocab()

    assert model.end_ids == {vocabulary["<|end_of_text|>"], vocabulary["<|eot_id|>"]}


@pytest.mark.parametrize(
    ("recorded", "name", "source"),
    [
        (ORIGINAL, "llama_3", "recorded name"),
        ("./checkpoints/vila-siglip-llama3-8b-fix/llm", "llama_3_fix", "recorded name"),
        ("x" * (len(ORIGINAL) + 32), "llama_3_fix", "recorded name"),
        ("./checkpoints/prefix-tuned/llm", "llama_3", "default"),
        ("", "llama_3", "default"),
        (..., "llama_3", "default"),
    ],
)
def test_the_recorded_name_chooses_the_template(
    make_vila, tmp_path: Path, recorded: str, name: str, source: str
) -> None:
    folder = make_vila(tmp_path / "tiny-Fix")
    edit_json(folder / "llm" / "config.json", _name_or_path=recorded)
    found = inspect_checkpoint(str(folder))

    assert (found.conversation.name, found.conversation_source) == (name, source)
