"""The bundled demo: what is committed has the promised size and shape; its generator made it."""

import json
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from llava.prompt import PromptTokenizer
from sepm.analysis.token_evidence import token_evidence
from sepm.datasets.evidence_maps import GreyMap
from sepm.datasets.question_file import Question, read_question_file
from sepm.datasets.tasks import load_taxonomy
from sepm.method.config import PRESETS
from sepm.method.prompts import Query, coarse_body, foe_span
from sepm.records.geometry import VisualGrid

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data" / "demo"
CHECKPOINT = DEMO / "llava-demo"
TAXONOMY = load_taxonomy("demo")
MEGABYTE = 1_000_000


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return read_question_file(DEMO / "stage_1.jsonl", TAXONOMY, DEMO / "image").questions


@pytest.fixture(scope="module")
def cues() -> dict[str, list[int]]:
    return json.loads((DEMO / "cues.json").read_text(encoding="utf-8"))


@pytest.fixture
def scenes(demo_module: Callable[[str], ModuleType]) -> ModuleType:
    return demo_module("scenes")


def test_checkpoint_takes_at_most_6_megabytes() -> None:
    assert 0 < _size(CHECKPOINT) <= 6 * MEGABYTE


def test_images_take_at_most_2_megabytes() -> None:
    assert 0 < _size(DEMO / "image") <= 2 * MEGABYTE


def test_there_are_at_least_200_images_and_as_many_of_each_class(
    questions: list[Question],
) -> None:
    counts = Counter(question.label for question in questions)
    assert len(questions) >= 200
    assert counts == dict.fromkeys(TAXONOMY.names, len(questions) // len(TAXONOMY.names))


def test_every_image_is_asked_about_once(questions: list[Question]) -> None:
    files = sorted(str(p.relative_to(DEMO / "image")) for p in (DEMO / "image").rglob("*.png"))
    assert sorted(question.image for question in questions) == files


def test_every_scene_has_a_cue_inside_its_64_visual_tokens(
    questions: list[Question], cues: dict[str, list[int]]
) -> None:
    assert list(cues) == [question.question_id for question in questions]
    assert all(
        tokens and tokens == sorted(set(tokens)) and tokens[0] >= 0 and tokens[-1] < 64
        for tokens in cues.values()
    )


@pytest.mark.parametrize("index", [0, 7, 100, 319])
def test_generator_draws_a_committed_scene_again(
    scenes: ModuleType, questions: list[Question], cues: dict[str, list[int]], index: int
) -> None:
    question, scene = questions[index], scenes.make_scene("test", index)
    with Image.open(DEMO / "image" / question.image) as stored:
        np.testing.assert_array_equal(np.asarray(scene.image), np.asarray(stored))
    assert scene.category == question.label
    assert list(scene.cue_tokens) == cues[question.question_id]


def test_pretended_votes_are_the_sides_of_the_scenes_cues(
    scenes: ModuleType, questions: list[Question]
) -> None:
    voted = read_question_file(DEMO / "voted.jsonl", TAXONOMY, DEMO / "image").questions
    assert [(q.image, q.label) for q in voted] == [(q.image, q.label) for q in questions]
    for index in (0, 7, 100):
        assert dict(voted[index].votes) == scenes.make_scene("test", index).cue_sides
    assert all(max(q.votes, key=lambda vote: vote[1])[0] == q.label for q in voted)
    assert {len(q.votes) for q in voted} == {1, 2}


@pytest.mark.parametrize("index", [0, 7, 100, 319])
def test_the_cue_tokens_are_those_that_the_cue_s_map_covers_by_a_tenth(
    scenes: ModuleType, questions: list[Question], cues: dict[str, list[int]], index: int
) -> None:
    pixels, name = scenes.cue_map("test", index), questions[index].question_id
    with Image.open(DEMO / "image" / name) as image:
        places = VisualGrid(8, 8, 64, 8, "pad", "row-major")
        found = token_evidence(GreyMap(pixels.astype(float)), places, 0, image.size)
    assert np.flatnonzero(found.masses >= 25.5).tolist() == cues[name]


def test_no_two_splits_share_a_scene(scenes: ModuleType) -> None:
    drawn = [scenes.make_scene(split, 5).image.tobytes() for split in scenes.SPLITS]
    assert len(drawn) == len(set(drawn)) == 3


def test_cue_tokens_count_from_the_padded_square(scenes: ModuleType) -> None:
    landscape = np.zeros((96, 128), bool)
    landscape[0, 0] = True  # 16 pixels of padding above: second row of tokens, first column
    areas = scenes._token_areas(landscape)
    assert np.flatnonzero(areas.any(axis=1)).tolist() == [8]


def test_every_option_letter_is_one_token_where_an_answer_begins(
    prompts: PromptTokenizer,
) -> None:
    ids = [prompts.option_id(letter) for letter in string.ascii_uppercase[:25]]
    assert len(set(ids)) == 25


def test_the_phrase_without_its_full_stop_is_four_tokens(prompts: PromptTokenizer) -> None:
    query = Query(coarse_body(TAXONOMY), PRESETS["paper"].phrase)
    prompt = prompts.tokenize(query.text)
    rows = prompt.positions_of(*foe_span(query, "phrase"))
    pieces = prompts.tokenizer.convert_ids_to_tokens([prompt.input_ids[row] for row in rows])
    assert pieces == ["Please", "▁focus", "▁on", "▁emotion"]


@pytest.mark.parametrize("emotion", TAXONOMY.names)
def test_every_class_name_is_one_token_after_the_phrase(
    prompts: PromptTokenizer, emotion: str
) -> None:
    assert prompts.tokenizer.tokenize(f"emotion {emotion}") == ["▁emotion", f"▁{emotion}"]


def test_tower_is_looked_up_inside_the_checkpoint_under_the_original_names() -> None:
    config = json.loads((CHECKPOINT / "config.json").read_text(encoding="utf-8"))
    path = CHECKPOINT / config["mm_vision_tower"] / "model.safetensors"
    with safe_open(path, "np") as stored:
        assert all(name.startswith("vision_model.") for name in stored.keys())  # noqa: SIM118
