"""`accuracy.json` recomputed from `predictions.jsonl` alone, by other code."""

import hashlib
import re
from dataclasses import fields
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

from sepm.method.config import MethodConfig

BOTH_FAMILIES = True
POSITIVE = {"amusement", "awe", "contentment", "excitement"}
LETTERS = {
    **{"A": "amusement", "B": "anger", "C": "awe", "D": "contentment"},
    **{"E": "disgust", "F": "excitement", "G": "fear", "H": "sadness"},
}


@pytest.fixture(params=["zero-shot", "sepm"])
def pair(request: pytest.FixtureRequest, finished: dict) -> tuple[dict[str, Any], list[dict]]:
    """What is claimed, and the rows that it is claimed of."""
    run = finished[request.param]
    return run.accuracy(), list(run.records().values())


def test_it_says_everything_of_the_contract(finished: dict, tiny_model: Path) -> None:
    accuracy = finished["sepm"].accuracy()
    assert accuracy.keys() >= {
        *("dataset", "method", "model", "preset", "configuration", "limit"),
        *("n", "correct", "accuracy", "ci95", "chance", "per_class", "confusion", "macro_f1"),
        *("polarity_accuracy", "coarse", "unread", "answers", "off_menu", "errors"),
        *("timing", "environment", "sha256"),
    }
    assert [accuracy[name] for name in ("dataset", "method", "model", "preset", "limit")] == [
        *("emoset", "sepm", tiny_model.name, "paper", None)
    ]


def test_every_field_stands_in_the_page_about_it(finished: dict) -> None:
    page = (Path(__file__).parents[3] / "results/README.md").read_text(encoding="utf-8")
    told = page.split("## accuracy.json")[1]
    first_column = "".join(re.findall(r"^\|([^|]*)\|", told, re.MULTILINE))
    names = set(re.findall(r"`(\w+)`", first_column))
    optional = {"rotations", "paper", "reported_elsewhere"}
    for name in ("zero-shot", "sepm"):
        written = finished[name].accuracy().keys()
        assert names - optional <= written <= names


def test_every_value_of_the_configuration_is_written(finished: dict) -> None:
    configuration = finished["sepm"].accuracy()["configuration"]
    assert {f.name for f in fields(MethodConfig)} <= configuration.keys()
    assert (configuration["alpha"], configuration["beta"]) == (0.1, 0.2)
    assert (configuration["dtype"], configuration["vision_dtype"]) == ("float32", "float32")
    assert configuration["save_scores"] is True


def test_the_template_and_what_the_tokenizer_makes_of_it_are_written(
    finished: dict, language_folder: Path
) -> None:
    accuracy = finished["sepm"].accuracy()
    vila = language_folder.name == "llm"
    assert accuracy["configuration"]["conversation"] == ("llama_3" if vila else "vicuna_v1")
    assert accuracy["prompt_format"] == {
        "conversation": "llama_3" if vila else "vicuna_v1",
        "bos": "template" if vila else "tokenizer",
        "line_break_after_image": not vila,
        "chosen_by": "recorded name" if vila else "family",
    }
    assert accuracy["visual_tokens"]["order"] == ("column-major" if vila else "row-major")


def test_n_correct_and_accuracy(pair: tuple) -> None:
    accuracy, rows = pair
    correct = sum(row["prediction"] == row["label"] for row in rows)
    assert (accuracy["n"], accuracy["correct"]) == (24, correct)
    assert accuracy["accuracy"] == pytest.approx(correct / 24)
    assert accuracy["chance"] == 1 / 8


def test_the_interval_is_wilsons_closed_formula(pair: tuple) -> None:
    accuracy, _ = pair
    n, p, z = accuracy["n"], accuracy["accuracy"], 1.959963984540054
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert accuracy["ci95"] == pytest.approx([max(0, centre - half), centre + half])


def test_per_class_and_confusion(pair: tuple) -> None:
    accuracy, rows = pair
    confusion = accuracy["confusion"]
    assert confusion["labels"] == list(LETTERS.values())
    for label, counts in zip(confusion["labels"], confusion["counts"], strict=True):
        own = [row for row in rows if row["label"] == label]
        predicted = [row["prediction"] or "unread" for row in own]
        assert counts == [predicted.count(column) for column in confusion["predictions"]]
        right = predicted.count(label)
        claimed = accuracy["per_class"][label]
        assert claimed == {"n": 3, "correct": right, "accuracy": right / 3}


def test_macro_f1_by_hand(pair: tuple) -> None:
    accuracy, rows = pair
    scores = []
    for label in LETTERS.values():
        hits = sum(row["prediction"] == row["label"] == label for row in rows)
        said = sum(row["prediction"] == label for row in rows)
        scores.append(2 * hits / (said + 3))  # precision and recall, each class being 3 rows
    assert accuracy["macro_f1"] == pytest.approx(sum(scores) / 8)


def test_polarity_accuracy(pair: tuple) -> None:
    accuracy, rows = pair
    right = sum(
        row["prediction"] is not None
        and (row["prediction"] in POSITIVE) == (row["label"] in POSITIVE)
        for row in rows
    )
    assert accuracy["polarity_accuracy"] == pytest.approx(right / 24)


def test_unread_off_menu_and_errors(pair: tuple) -> None:
    accuracy, rows = pair
    offered = [{LETTERS[letter] for letter in row["fine"]["probs"]} for row in rows]
    off = [
        row["prediction"] is not None and row["prediction"] not in shown
        for row, shown in zip(rows, offered, strict=True)
    ]
    assert accuracy["unread"] == sum(row["prediction"] is None for row in rows)
    assert accuracy["off_menu"] == sum(off)
    assert accuracy["errors"] == 0


def test_coarse_numbers(finished: dict) -> None:
    assert finished["zero-shot"].accuracy()["coarse"] is None
    rows = finished["sepm"].records().values()
    right = off = 0
    for row in rows:
        coarse = row["coarse"]
        found = re.match(r"[AB]$", coarse["text"])
        letter = found[0] if found else "AB"[coarse["p_b"] > coarse["p_a"]]
        off += not found
        right += (letter == "A") == (row["label"] in POSITIVE)
    ambiguous = sum(row["coarse"]["branch"] == "ambiguous" for row in rows)
    claimed = finished["sepm"].accuracy()["coarse"]
    assert claimed["accuracy"] == pytest.approx(right / 24)
    assert claimed["ambiguous_rate"] == pytest.approx(ambiguous / 24)
    assert claimed["off_menu"] == off


def test_timing_and_environment(finished: dict) -> None:
    accuracy = finished["sepm"].accuracy()
    timing, environment = accuracy["timing"], accuracy["environment"]
    assert timing["images"] == 24
    assert timing["images_per_second"] == pytest.approx(24 / timing["seconds"])
    assert 0.05 < timing["peak_memory_gb"] < 100
    assert timing["batch_size"] == 2
    assert (environment["device"], environment["dtype"]) == ("cpu", "float32")
    assert environment["attention_implementation"] == "sdpa"
    assert {"python", "torch", "transformers", "git_commit", "device_name"} < environment.keys()


def test_hashes_are_those_of_the_files(
    finished: dict, scenes: Any, tiny_model: Path, language_folder: Path
) -> None:
    hashes = finished["sepm"].accuracy()["sha256"]
    for name, path in {
        "question_file": scenes.question_file,
        "checkpoint": tiny_model / language_folder / "model.safetensors",
    }.items():
        assert hashes[name] == hashlib.sha256(path.read_bytes()).hexdigest()
