"""Ranges of an evaluation's options."""

from pathlib import Path

import pytest

from sepm.datasets.options import DataOptions
from sepm.errors import InputError
from sepm.evaluation.request import RunOptions


def test_the_batch_size_is_at_least_1() -> None:
    with pytest.raises(InputError, match="batch size must be from 1 to 512, got 0"):
        RunOptions(batch_size=0)


def test_the_limit_is_at_least_1() -> None:
    with pytest.raises(InputError, match="limit must be at least 1"):
        DataOptions(question_file=Path("q"), image_folder=Path("i"), limit=0)
