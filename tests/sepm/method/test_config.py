"""The presets of the table in docs/presets.md, and what the configuration refuses."""

from dataclasses import replace

import pytest

from sepm.errors import InputError
from sepm.method.config import PRESETS, MethodConfig

PREDOMINANT = "Identify the predominant emotion conveyed."
BEST = "Which of the following descriptions best represents the image?"
LESS = "all-but-first-token"
IS_REPRESENTED = "Which of the following descriptions is represented in the image?"


@pytest.mark.parametrize(
    ("preset", "values"),
    [
        ("paper", (0.1, 0.2, "population", "at-most", "phrase", "taxonomy", None, BEST)),
        ("released", (0.1, 0.1, "sample", "below", LESS, "file", None, IS_REPRESENTED)),
        ("released-2025-08", (0.1, 0.1, "sample", "never", LESS, "file", None, IS_REPRESENTED)),
        (
            "released-2025-07",
            (0.1, 0.1, "sample", "never", LESS, "file", PREDOMINANT, IS_REPRESENTED),
        ),
        ("released-2025-03", (0.1, 0.2, "sample", "never", LESS, "file", None, IS_REPRESENTED)),
    ],
)
def test_a_preset_is_the_column_of_the_table(preset: str, values: tuple) -> None:
    c = PRESETS[preset]
    found = (c.alpha, c.beta, c.variance, c.ambiguous_when, c.foe_tokens, c.coarse_query)
    assert (*found, c.fine_phrase, c.fine_question) == values


def test_only_the_state_of_march_2025_had_another_phrase_in_the_coarse_stage() -> None:
    phrases = {name: config.phrase for name, config in PRESETS.items()}
    assert phrases.pop("released-2025-03") == PREDOMINANT
    assert set(phrases.values()) == {"Please focus on emotion."}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 0.26}, r"alpha \(α\) must be in \[0, 0.25\] for the population variance"),
        ({"alpha": -0.1}, r"got -0.1"),
        ({"alpha": float("nan")}, "got nan"),
        ({"alpha": 0.6, "variance": "sample"}, r"\[0, 0.5\]"),
        ({"beta": 1.0}, r"drop ratio beta \(β\) must be in \[0, 1\), got 1.0"),
        ({"beta": float("nan")}, "got nan"),
        ({"drop": "fo"}, r"unknown drop 'fo'; did you mean 'foe'\? available: foe, query, random"),
        ({"phrase": " . "}, "the phrase is empty"),
        ({"phrase": "Emotion.", "foe_tokens": "all-but-first-token"}, "'Emotion.' is one word"),
    ],
)
def test_a_value_outside_its_range_is_refused_with_the_range(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(MethodConfig(), **change)


def test_an_alpha_that_only_the_sample_variance_can_reach_is_accepted_there() -> None:
    assert replace(MethodConfig(), variance="sample", alpha=0.4).alpha == 0.4
