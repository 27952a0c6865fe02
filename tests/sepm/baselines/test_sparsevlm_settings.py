"""Which SparseVLM there is, what is refused, and how a run of it is told apart."""

from dataclasses import replace
from typing import Any

import pytest

from sepm.baselines.sparsevlm_settings import SparseVLMSettings, sparsevlm_settings
from sepm.errors import InputError
from sepm.method.config import MethodConfig


def config(**changes: Any) -> MethodConfig:
    return replace(MethodConfig(), **changes)


def test_version_1_5_at_192_tokens_is_the_default() -> None:
    assert sparsevlm_settings(MethodConfig()) == SparseVLMSettings("1.5", 192, (2, 6, 15))


def test_version_1_reduces_after_a_fourth_layer() -> None:
    assert sparsevlm_settings(config(sparsevlm_version="1")).layers == (2, 6, 15, 19)


def test_version_1_takes_any_number_of_layers() -> None:
    settings = sparsevlm_settings(config(sparsevlm_version="1", sparsevlm_layers=(1,)))
    assert settings.layers == (1,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retain": 100}, "retain must be one of 192, 128, 96, 64 for .* version 1.5, got 100"),
        (
            {"retain": 96, "sparsevlm_version": "1"},
            "retain must be one of 192, 128, 64 for sparsevlm version 1, got 96",
        ),
        ({"sparsevlm_layers": (2, 1, 3)}, "must be increasing numbers from 0, got 2, 1, 3"),
        ({"sparsevlm_layers": (1, 1, 3)}, "must be increasing numbers from 0, got 1, 1, 3"),
        ({"sparsevlm_layers": (-1, 1, 3)}, "must be increasing numbers from 0, got -1, 1, 3"),
        ({"sparsevlm_layers": (0, 1)}, r"budgets for 3 layers, got 2 \(0, 1\); --sparsevlm-layers"),
        ({"sparsevlm_version": "2"}, "unknown sparsevlm_version '2'; available: 1.5, 1"),
    ],
)
def test_settings_that_no_version_has_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sparsevlm_settings(config(**change))


def test_layers_that_the_model_lacks_are_refused_with_what_to_do() -> None:
    settings = sparsevlm_settings(MethodConfig())
    settings.require_depth(16)
    message = (
        "^sparsevlm's layers 2, 6, 15 need at least 16 decoder layers, this model has 4; "
        "give --sparsevlm-layers$"
    )
    with pytest.raises(InputError, match=message):
        settings.require_depth(4)
