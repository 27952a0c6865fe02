import json
from statistics import median
from typing import Any

import pytest

from sepm.bench.text import as_document
from sepm.commands.bench import other_letters
from sepm.documents import as_markdown

VARIANTS = ["reference", "batch-1", "batch-2", "separate", "together", "once-2", "sweep"]


def test_every_variant_gives_the_same_letters(result: dict[str, Any]) -> None:
    pairs = result["sameness"]["pairs"]
    compared = {(p["variant"], p["baseline"]): p["answers"] for p in pairs}
    images = result["settings"]["images"]
    assert compared == {
        **{(name, "reference"): images for name in VARIANTS[1:5]},
        ("together", "separate"): 7 * images,
        ("sweep", "once-2"): images,
    }
    assert [p["letters"] for p in pairs] == [0] * len(pairs)
    assert other_letters(result) is None


def test_the_result_is_json_with_all_that_was_measured(result: dict[str, Any]) -> None:
    stored = json.loads(json.dumps(result))
    assert list(stored["variants"]) == VARIANTS
    assert {"torch", "transformers", "device", "dtype", "threads"} <= stored["environment"].keys()
    assert stored["settings"]["batch_sizes"] == [2]
    for variant in stored["variants"].values():
        assert len(variant["seconds"]) == stored["settings"]["repeats"] == 2
        assert variant["share_of_ceiling"] == pytest.approx(
            variant["tflops"] / stored["ceiling"]["tflops"]
        )


def test_rates_follow_from_the_raw_timings(result: dict[str, Any]) -> None:
    images = result["settings"]["images"]
    for variant in result["variants"].values():
        rates = [images / seconds for seconds in variant["seconds"]]
        assert variant["images_per_second"]["median"] == pytest.approx(median(rates))
        work = variant["tflop_per_image"] * images
        assert variant["tflops"] == pytest.approx(work / median(variant["seconds"]))


def test_what_is_shared_is_computed_once(result: dict[str, Any]) -> None:
    work = {name: variant["tflop_per_image"] for name, variant in result["variants"].items()}
    assert work["reference"] > work["batch-1"] == pytest.approx(work["batch-2"])
    assert work["separate"] > work["together"]
    assert work["batch-2"] > work["once-2"] > work["sweep"] / 5  # of five β


def test_every_stage_of_every_variant_took_time(result: dict[str, Any]) -> None:
    prefills = {"encode", "coarse prefill", "fine prefill"}
    both = {"coarse prefill", "fine prefill"}
    within_shared = {"together": {"coarse prefill"}, "once-2": both, "sweep": both}
    for name, variant in result["variants"].items():
        stages = variant["stages_ms_per_image"]
        own = {"decode + preprocess"} if name == "reference" else {"answer decoding"}
        assert stages.keys() - {"shared"} == prefills - within_shared.get(name, set()) | own
        assert ("shared" in stages) == (name != "reference")
        assert min(stages.values()) > 0


def test_prompt_lengths_and_dropped_tokens_are_told(result: dict[str, Any]) -> None:
    tokens = result["model"]["visual_tokens"]
    assert tokens == {"tiny-llava": 16, "tiny-vila": 9}[result["shape"]["name"]]
    assert result["model"]["dropped_tokens"] == tokens // 5
    shortest, *_, longest = result["model"]["prompt_ids"]
    assert f"prompts of {shortest} to {longest} ids" in as_markdown(as_document(result))


def test_the_text_shows_every_variant_ratio_and_comparison(result: dict[str, Any]) -> None:
    text = as_markdown(as_document(result))
    titles = {key: variant["title"] for key, variant in result["variants"].items()}
    assert all(f"| {title} " in text for title in titles.values())
    for ratio in result["ratios"]:
        name = f"{titles[ratio['numerator']]} / {titles[ratio['denominator']]}"
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {name} "))
        assert line.split("|")[2].strip() == f"{ratio['median']:.2f}"
    # to the reference, to batch 1, of the methods, of once to twice and of its sweep
    assert len(result["ratios"]) == 2 + 1 + 1 + 2
    for words in ("TFLOP/s", "of ceiling", "peak GB", "decode + preprocess", "same answers?"):
        assert words in text


def test_another_letter_is_an_error_in_float32_only(result: dict[str, Any]) -> None:
    pair = {**result["sameness"]["pairs"][0], "letters": 2}
    wrong = {**result, "sameness": {"pairs": [pair]}}
    assert "batch-1 gave other letters than reference for 2 of 3 answers" in str(
        other_letters(wrong)
    )
    half = {**wrong, "environment": {**result["environment"], "dtype": "float16"}}
    assert other_letters(half) is None
