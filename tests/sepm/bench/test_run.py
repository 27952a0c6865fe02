import json
from statistics import median
from typing import Any

import pytest

from sepm.bench.text import as_text
from sepm.commands.bench import other_letters

VARIANTS = ["reference", "batch-1", "batch-3", "separate", "together", "sweep"]


def test_every_variant_gives_the_same_letters(result: dict[str, Any]) -> None:
    pairs = result["sameness"]["pairs"]
    compared = {(p["variant"], p["baseline"]): p["answers"] for p in pairs}
    images = result["settings"]["images"]
    assert compared == {
        **{(name, "reference"): images for name in VARIANTS[1:]},
        ("together", "separate"): 7 * images,
    }
    assert [p["letters"] for p in pairs] == [0] * len(pairs)
    assert max(p["largest_dp"] for p in pairs) < 1e-5
    assert result["sameness"]["flips"] == []
    assert other_letters(result) is None


def test_queries_behind_a_shared_prefix_have_the_logits_of_prefills_of_their_own(
    result: dict[str, Any],
) -> None:
    found = result["shared_logits"]
    assert found["queries"] == 11  # three of one stage, four with the phrase and four without
    assert 0 < found["largest_difference"] < 1e-4
    assert found["other_tokens"] == 0
    assert f"largest |Δ logit| {found['largest_difference']:.1e}" in as_text(result)


def test_the_sweep_pays_a_second_fine_pass_only_between_its_alphas(result: dict[str, Any]) -> None:
    sweep = result["sweep"]
    assert sweep["second_fine_passes"] == sweep["confidences_between"] < sweep["images"]


def test_the_result_is_json_with_all_that_was_measured(result: dict[str, Any]) -> None:
    stored = json.loads(json.dumps(result))
    assert list(stored["variants"]) == VARIANTS
    assert {"torch", "transformers", "device", "dtype", "threads"} <= stored["environment"].keys()
    assert stored["settings"]["batch_sizes"] == [3]
    for name, variant in stored["variants"].items():
        assert len(variant["seconds"]) == stored["settings"]["repeats"] == 2
        assert len(variant["seconds"][0]) == (7 if name == "separate" else 1)
        assert variant["share_of_ceiling"] == pytest.approx(
            variant["tflops"] / stored["ceiling"]["tflops"]
        )


def test_rates_follow_from_the_raw_timings(result: dict[str, Any]) -> None:
    images = result["settings"]["images"]
    for variant in result["variants"].values():
        rates = [images / sum(passes.values()) for passes in variant["seconds"]]
        assert variant["images_per_second"]["median"] == pytest.approx(median(rates))
        work = variant["tflop_per_image"] * images
        seconds = median(sum(passes.values()) for passes in variant["seconds"])
        assert variant["tflops"] == pytest.approx(work / seconds)


def test_what_is_shared_is_computed_once(result: dict[str, Any]) -> None:
    work = {name: variant["tflop_per_image"] for name, variant in result["variants"].items()}
    assert work["reference"] > work["batch-1"] == pytest.approx(work["batch-3"])
    assert work["separate"] > work["together"]
    assert work["batch-3"] <= work["sweep"] < 2 * work["batch-3"]


def test_stages_count_each_image_once(result: dict[str, Any]) -> None:
    images = result["settings"]["images"]
    stages = result["variants"]["batch-3"]["stages"]
    for repeat in stages:
        assert {name: stage["rows"] for name, stage in repeat.items()} == {
            "encode": images,
            "prefix": 0,  # the opening is of no image
            "coarse prefill": images,
            "fine prefill": images,
            "answer decoding": 2 * images,  # the token after each letter
        }


def test_prompt_lengths_and_dropped_tokens_are_told(result: dict[str, Any]) -> None:
    tokens = result["model"]["visual_tokens"]
    assert tokens == {"tiny-llava": 16, "tiny-vila": 9}[result["shape"]["name"]]
    assert result["model"]["dropped_tokens"] == tokens // 5
    lengths = result["model"]["prompt_ids"]
    assert lengths["coarse, phrase"] > lengths["coarse"]
    assert f"prompts of {min(lengths.values())} to {max(lengths.values())} ids" in as_text(result)


def test_the_text_shows_every_variant_ratio_and_comparison(result: dict[str, Any]) -> None:
    text = as_text(result)
    titles = {key: variant["title"] for key, variant in result["variants"].items()}
    assert all(f"| {title} " in text for title in titles.values())
    for ratio in result["ratios"]:
        name = f"{titles[ratio['numerator']]} / {titles[ratio['denominator']]}"
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {name} "))
        assert line.split("|")[2].strip() == f"{ratio['median']:.2f}"
    assert len(result["ratios"]) == 2 + 1 + 2  # to the reference, to batch 1, methods and sweep
    for words in ("TFLOP/s", "of ceiling", "peak GB", "decode + preprocess", "same answers?"):
        assert words in text
    assert "images paid a second fine pass" in text


def test_another_letter_is_an_error_in_float32_only(result: dict[str, Any]) -> None:
    pair = {**result["sameness"]["pairs"][0], "letters": 2}
    wrong = {**result, "sameness": {"pairs": [pair], "flips": []}}
    assert "batch-1 gave other letters than reference for 2 of 6 answers" in str(
        other_letters(wrong)
    )
    half = {**wrong, "environment": {**result["environment"], "dtype": "float16"}}
    assert other_letters(half) is None
