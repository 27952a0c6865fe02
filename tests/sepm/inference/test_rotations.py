"""Orders of the options behind one image, and letters numbered anew: each answer as if alone."""

from collections import Counter
from typing import Any

import pytest
import torch

from llava import Llava
from sepm.inference.unbatched import run_alone
from sepm.method.config import MethodConfig
from sepm.registry import MethodRun

from ..same_rows import assert_same_row
from .side_by_side import beside_and_alone, dialogue_of

ROTATED = MethodConfig(rotations=8)
ANEW = MethodConfig(letters="renumbered", alpha=0.001)
RUNS = [
    *(MethodRun(name, ROTATED) for name in ("zero-shot", "zero-shot-cot", "fp")),
    MethodRun("zero-shot", MethodConfig(rotations=3)),
    MethodRun("zero-shot", MethodConfig()),
    *(MethodRun(name, ANEW) for name in ("cci", "sepm")),
]
WORDS = ["Amusement", "Anger", "Awe", "Content", "Disgust", "Excitement", "Fear", "Sad"]


def test_side_by_side_every_run_ends_as_alone(model: Llava, images: list[Any]) -> None:
    for beside, alone in beside_and_alone(model, RUNS, images[:5], 4):
        assert_same_row(beside, alone)


@torch.inference_mode()
def test_the_probabilities_of_each_order_are_those_of_its_query_written_by_hand(
    model: Llava, images: list[Any]
) -> None:
    outcome = run_alone(model, dialogue_of(RUNS[0], images[0]), images[0])
    total = dict.fromkeys(WORDS, 0.0)
    for number, reply in enumerate(outcome.rotations):
        shown = [WORDS[(place + number) % 8] for place in range(8)]
        lines = [f"{letter}. {word}" for letter, word in zip("ABCDEFGH", shown, strict=True)]
        query = "\n".join(
            [
                "Which of the following descriptions best represents the image?",
                *lines,
                "Answer directly with the letter of the chosen option.",
            ]
        )
        logits = model.prefill([model.tokenize(query)], [images[0]], [()], ()).logits[0]
        probs = logits.softmax(dim=-1)
        expected = {letter: float(probs[model.option_id(letter)]) for letter in "ABCDEFGH"}
        assert reply.probs == pytest.approx(expected, abs=1e-6)
        for letter, word in zip("ABCDEFGH", shown, strict=True):
            total[word] += expected[letter] / 8
    assert outcome.reply.probs == pytest.approx(
        dict(zip("ABCDEFGH", total.values(), strict=True)), abs=1e-6
    )


@pytest.mark.parametrize("orders", [2, 8])
def test_an_image_is_prefilled_once_whatever_the_number_of_orders(
    orders: int, computed: Counter[str], evaluate: Any
) -> None:
    evaluate("--rotations", orders, "--batch-size", 2, method="zero-shot fp")
    computed.pop("passes")
    assert computed == {"images": 4, "texts": 4 * 2 * orders}


def test_one_order_computes_what_it_always_did(computed: Counter[str], evaluate: Any) -> None:
    evaluate("--rotations", 1, method="zero-shot")
    assert computed == {"whole prompts": 4}
    assert "rotations" not in evaluate.run("zero-shot").accuracy()
    assert all("rotations" not in row for row in evaluate.run("zero-shot").records().values())


def test_an_evaluation_tells_what_the_order_decides_and_goes_on_where_it_was(evaluate: Any) -> None:
    said = evaluate("--rotations", 8, "--batch-size", 2, method="zero-shot").out
    assert "zero-shot-rotations8, 8 orders of the options, percent" in said
    run = evaluate.run("zero-shot-rotations8")
    whole, accuracy = run.predictions.read_bytes(), run.accuracy()
    rows = list(run.records().values())
    assert accuracy["configuration"]["rotations"] == 8
    assert len(accuracy["rotations"]["orders"]) == 8
    assert accuracy["rotations"]["mean_probability"]["correct"] == accuracy["correct"]
    prior = [p for row in rows for each in row["rotations"] for p in [each["probs"]["B"]]]
    assert accuracy["rotations"]["letter_prior"]["B"] == pytest.approx(sum(prior) / 32)
    run.predictions.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    evaluate("--rotations", 8, "--batch-size", 2, method="zero-shot")
    assert run.predictions.read_bytes() == whole


def test_more_orders_than_options_are_refused_before_anything_is_computed(
    evaluate: Any, computed: Counter[str]
) -> None:
    said = evaluate("--rotations", 9, method="zero-shot", status=2).err
    assert "rotations must be at most 8, the number of options of task emoset, got 9" in said
    assert not computed


def test_renumbered_rows_are_read_back_by_the_classes_that_they_name(evaluate: Any) -> None:
    evaluate("--letters", "renumbered", "--alpha", 0.001, method="cci zero-shot")
    run = evaluate.run("cci-letters-renumbered-alpha0.001")
    for row in run.records().values():
        fine = row["fine"]
        assert list(fine["probs"]) == list("ABCDEFGH"[: len(fine["classes"])])
        names = dict(zip(fine["probs"], fine["classes"], strict=True))
        if fine["read"] == "letter":
            assert row["prediction"] == names[fine["text"]]
    evaluate("--letters", "renumbered", "--alpha", 0.001, method="cci")  # nothing to do
    assert evaluate.run("zero-shot").accuracy()["n"] == 4  # which reads no such setting
