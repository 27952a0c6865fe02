"""A tiny random member of each family, opened by path, and transformers' own model of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageTextToText
from transformers.utils import logging

from llava.prompt import Prompt
from sepm.models.auto.model import AutoImage, AutoVisionLanguageModel
from sepm.models.opening import OpenedModel, open_model
from sepm.models.options import ModelOptions
from tests.tiny_checkpoints.families import FAMILIES, image_of, write_family

logging.disable_progress_bar()

PHRASE = "Please focus on emotion."
QUERY = f"{PHRASE}\nWhich of the following best represents the image?\nA. Positive\nB. Negative"


@dataclass(frozen=True)
class Family:
    """One checkpoint through the adapter, and beside it through transformers alone."""

    name: str
    opened: OpenedModel

    @property
    def folder(self) -> Path:
        return Path(self.opened.options.model_path)

    @property
    def model(self) -> AutoVisionLanguageModel:
        model: Any = self.opened.model
        return model

    @cached_property
    def images(self) -> list[Image.Image]:
        """Two images of one size."""
        return [image_of(60, 40, seed) for seed in (1, 2)]

    @cached_property
    def encoded(self) -> list[AutoImage]:
        return self.model.encode([self.model.preprocess(image) for image in self.images])

    @cached_property
    def prompt(self) -> Prompt:
        return self.model.tokenize(QUERY)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Prompt positions of the phrase."""
        return self.prompt.positions_of(0, len(PHRASE))

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """What the checkpoint's own processor makes of the first image and the query."""
        made = self.model.preprocess.processor(
            images=[self.images[0]],
            text=[self.model.render(QUERY)],
            add_special_tokens=self.model.preprocess.adds_special_tokens,
            return_tensors="pt",
        )
        return {name: value for name, value in made.items() if name != "labels"}

    @property
    def visual(self) -> Tensor:
        """Positions of the visual tokens in those inputs."""
        return (self.inputs["input_ids"][0] == self.model.preprocess.image_id).nonzero()[:, 0]

    @cached_property
    def plain(self) -> Any:
        """The same checkpoint in transformers' own class."""
        return self._loaded("sdpa")

    @cached_property
    def eager(self) -> Any:
        """The same, with whole attention maps."""
        return self._loaded("eager")

    def _loaded(self, attention: str) -> Any:
        return AutoModelForImageTextToText.from_pretrained(
            self.folder, dtype=torch.float32, attn_implementation=attention
        ).eval()

    def dropped(self, share: int = 5) -> tuple[int, ...]:
        """Every fifth visual token."""
        return tuple(range(1, self.encoded[0].num_tokens, share))


@pytest.fixture(scope="session")
def open_family(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Family]:
    """A function that writes and opens a family's checkpoint; each but once."""
    made: dict[str, Family] = {}

    def opened(name: str) -> Family:
        if name not in made:
            folder = tmp_path_factory.mktemp("families") / name
            write_family(name, folder)
            made[name] = Family(
                name, open_model(ModelOptions(model_path=str(folder), device="cpu"))
            )
        return made[name]

    return opened


@pytest.fixture(params=FAMILIES, scope="session")
def family(request: pytest.FixtureRequest, open_family: Callable[..., Family]) -> Family:
    """Each family in turn."""
    return open_family(request.param)


@pytest.fixture
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of random models end soon."""
    monkeypatch.setattr("sepm.inference.answering.MAX_NEW_TOKENS", 3)
