"""VILA-1.5's prompts: to the character, and id by id with either kind of Llama-3 tokenizer."""

import json
from pathlib import Path

import pytest

from llava import Llava, inspect_checkpoint, load_checkpoint
from llava.conversation import CONVERSATIONS, LLAMA_3, LLAMA_3_FIX
from llava.prompt import IMAGE_TOKEN_ID, Prompt

PHRASE = "Please focus on emotion."
QUERY = f"{PHRASE}\nWhich?"
SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual "
    "content that the user provides, and assist the user with a variety of tasks using natural "
    "language."
)
ORIGINAL = "./checkpoints/vila-siglip-llama3-8b-pretrain_r4/llm"


@pytest.fixture(scope="module", params=[False, True], ids=["bos by template", "bos by tokenizer"])
def either(
    request: pytest.FixtureRequest, make_vila, tmp_path_factory: pytest.TempPathFactory
) -> Llava:
    """A model whose tokenizer does not write BOS, then one whose tokenizer does."""
    folder = tmp_path_factory.mktemp("bos") / "vila-tiny"
    return load_checkpoint(str(make_vila(folder, adds_bos=request.param)))


def pieces(model: Llava, prompt: Prompt, start: int = 0) -> list[str]:
    """The prompt's tokens as text, from a position on."""
    decode = model.prompts.tokenizer.decode
    return [
        "<image>" if token_id == IMAGE_TOKEN_ID else str(decode([token_id]))
        for token_id in prompt.input_ids[start:]
    ]


def test_the_original_answers_under_a_header_that_says_system() -> None:
    assert LLAMA_3.render("Is it sad?") == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
        f"{SYSTEM}<|end_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
        "<image>\nIs it sad?<|end_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    )


def test_the_re_release_answers_as_the_assistant() -> None:
    assert LLAMA_3_FIX.render("Is it sad?") == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
        f"{SYSTEM}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
        "<image>\nIs it sad?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )


@pytest.mark.parametrize("conversation", [LLAMA_3, LLAMA_3_FIX], ids=lambda c: c.name)
@pytest.mark.parametrize("adds_bos", [False, True])
def test_a_prompt_piece_by_piece(make_vila, tmp_path: Path, conversation, adds_bos: bool) -> None:
    folder = make_vila(tmp_path / "vila-tiny", adds_bos=adds_bos)
    model = load_checkpoint(str(folder), conversation=conversation)
    turn, role = (
        ("<|end_of_text|>", "system") if conversation is LLAMA_3 else ("<|eot_id|>", "assistant")
    )
    found = pieces(model, model.tokenize(QUERY))

    assert found[:5] == ["<|begin_of_text|>", "<|start_header_id|>", "system", "<|end_header_id|>",
                         "\n\n"]  # fmt: skip
    image = found.index("<image>")
    assert "".join(found[5 : image - 5]) == SYSTEM
    assert found[image - 5 : image] == [
        turn, "<|start_header_id|>", "user", "<|end_header_id|>", "\n\n",
    ]  # fmt: skip
    assert found[image + 1 :] == [
        *(["\n"] if adds_bos else []),
        *("Please", " focus", " on", " emotion", ".\n", "Which", "?"),
        *(turn, "<|start_header_id|>", role, "<|end_header_id|>", "\n\n"),
    ]


def test_the_beginning_of_text_stands_once(either: Llava) -> None:
    ids = either.tokenize(QUERY).input_ids

    assert ids[0] == either.prompts.tokenizer.bos_token_id
    assert ids.count(ids[0]) == 1
    assert ids.count(IMAGE_TOKEN_ID) == 1


@pytest.mark.parametrize(
    ("start", "words"),
    [(0, ["Please", " focus", " on", " emotion"]), (7, [" focus", " on", " emotion"])],
)
def test_positions_of_the_phrase_are_those_of_its_tokens(
    either: Llava, start: int, words: list[str]
) -> None:
    prompt = either.tokenize(f"{QUERY} Please focus on emotion.")
    positions = prompt.positions_of(start, len(PHRASE) - 1)
    line_break = either.prompts.keeps_line_break

    assert [pieces(either, prompt)[position] for position in positions] == words
    assert positions[0] == prompt.image_position + 1 + line_break + (start > 0)


def test_all_positions_of_a_query_leave_the_template_out(either: Llava) -> None:
    prompt = either.tokenize(QUERY)
    positions = prompt.positions_of(0, len(QUERY))

    assert "".join(pieces(either, prompt)[position] for position in positions) == QUERY


def test_the_prompts_format_is_told(either: Llava) -> None:
    adds_bos = either.prompts.tokenizer("").input_ids != []

    assert either.prompt_format == {
        "conversation": "llama_3",
        "bos": "tokenizer" if adds_bos else "template",
        "line_break_after_image": adds_bos,
    }


def test_option_letters_have_the_ids_that_they_have_without_a_blank(either: Llava) -> None:
    vocabulary = either.prompts.tokenizer.get_vocab()

    assert [either.option_id(letter) for letter in "ABH"] == [32, 33, 39]
    assert [vocabulary[letter] for letter in "ABH"] == [32, 33, 39]


@pytest.mark.parametrize("name", ["llama_3", "llama_3_fix"])
def test_an_answer_ends_at_the_end_of_text_or_of_the_turn(tiny_vila: Path, name: str) -> None:
    model = load_checkpoint(str(tiny_vila), conversation=CONVERSATIONS[name])
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
    ],
)
def test_the_recorded_name_chooses_the_template(
    make_vila, tmp_path: Path, recorded: str, name: str, source: str
) -> None:
    found = inspect_checkpoint(str(make_vila(tmp_path / "tiny-Fix", recorded_name=recorded)))

    assert (found.conversation.name, found.conversation_source) == (name, source)


def test_a_checkpoint_that_records_no_name_has_the_default(make_vila, tmp_path: Path) -> None:
    folder = make_vila(tmp_path / "vila-tiny")
    path = folder / "llm" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in config.items() if k != "_name_or_path"}))

    assert inspect_checkpoint(str(folder)).conversation_source == "default"
