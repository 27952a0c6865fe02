"""One model's answers about one image, live: what was asked once is not asked again.

An `Ask` is hashable, so a dictionary of replies is the whole design. Algorithm 1 runs anew for
every position of the controls, on replies that are there or on one prefill more. The threshold α
within a branch therefore costs nothing; another branch, or other dropped tokens, one fine prefill.
"""

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from sepm.datasets.tasks import load_taxonomy, task_names
from sepm.errors import require_known
from sepm.inference.predict import Decision, ShownImage, decide, encode_image, memory_told
from sepm.inference.prompt_check import check_prompts
from sepm.inference.unbatched import answer_alone, run_dialogue
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply
from sepm.method.taxonomy import Taxonomy
from sepm.models.opening import OpenedModel
from sepm.models.protocol import VisionLanguageModel
from sepm.registry import MethodRun, get_preset
from sepm.report.overlay import shrunk
from sepm.web.choice import Choice

LONGEST_SIDE = 480
"""Pixels of the picture that is kept of an image."""
BESIDE = "zero-shot"
"""The method that stands beside every other."""


@dataclass
class LiveImage:
    """An image before a model, and every reply about it so far."""

    model: VisionLanguageModel
    shown: ShownImage
    replies: dict[Ask, Reply] = field(default_factory=dict)
    drawn: dict[Hashable, str] = field(default_factory=dict)
    """Pictures of it that the page has drawn, by what they show."""

    def answer(self, ask: Ask) -> Reply:
        """The reply to an ask, from a prefill where it has not been asked before."""
        if ask not in self.replies:
            self.replies[ask] = answer_alone(self.model, self.shown.encoded, ask)
        return self.replies[ask]

    def outcome_of(self, dialogue: Dialogue) -> Outcome:
        """Outcome of a dialogue about the image."""
        return run_dialogue(dialogue, self.answer)


@dataclass(frozen=True)
class Comparison:
    """A method's decision about an image beside zero-shot's, and their cost."""

    choice: Choice
    decision: Decision
    beside: Decision | None
    """Zero-shot's; None: the method is zero-shot."""
    visual_grid: dict[str, Any] | None
    """Places of the visual tokens on any image; None: not known, or each image's own."""
    drawn: dict[Hashable, str]
    """The image's own: pictures that need not be drawn again."""
    new_prefills: int
    """Prefills that this position of the controls cost."""
    prefills: int
    """Prefills of the image so far."""
    latency_ms: float


class Session:
    """A model, loaded, that answers about one image at a time.

    Args:
        opened: the model.
        settings: settings that hold under every preset, by their names.
        task: a task beside the bundled ones: a taxonomy file.

    Raises:
        InputError: the model cannot be loaded, or the task is none.
    """

    def __init__(
        self, opened: OpenedModel, settings: Mapping[str, Any] | None = None, task: str = "emoset"
    ) -> None:
        self.opened, self.model = opened, opened.model
        self._settings = dict(settings or {})
        self.tasks: dict[str, Taxonomy] = {
            name: load_taxonomy(name) for name in dict.fromkeys((task, *task_names()))
        }

    def preset(self, name: str) -> MethodConfig:
        """A preset with the session's settings put in.

        Raises:
            InputError: no such preset, or the settings do not go with it.
        """
        return replace(get_preset(name), **self._settings)

    def run(self, choice: Choice) -> MethodRun:
        """The run that the controls choose.

        Raises:
            InputError: an unknown name, or a value out of its range.
        """
        config = replace(self.preset(choice.preset), **choice.settings)
        run = MethodRun(choice.method, config, choice.preset)
        run.require_model(self.opened)
        return run

    def read(self, path: Path, name: str) -> LiveImage:
        """An image file, encoded once.

        Args:
            path: of the file.
            name: stands for the image where its path says nothing.

        Raises:
            InputError: it cannot be read, or the model cannot take it.
            RunError: there is not enough memory.
        """
        with memory_told():
            shown = encode_image(self.model, path, name)
        return LiveImage(self.model, shown._replace(image=shrunk(shown.image, LONGEST_SIDE)))

    def compare(self, image: LiveImage, choice: Choice) -> Comparison:
        """A method's decision beside zero-shot's, with the prefills that were still missing.

        Raises:
            InputError: an unknown name, a value out of its range, or a prompt that does not fit.
            RunError: the model's probabilities are not numbers, or there is not enough memory.
        """
        require_known("task", choice.task, self.tasks)
        taxonomy, run = self.tasks[choice.task], self.run(choice)
        beside = None if run.method == BESIDE else self.run(replace(choice, method=BESIDE))
        runs = [run, *([beside] if beside else [])]
        check_prompts(image.model, runs, taxonomy, {None: "the prompts"})
        before, start = len(image.replies), time.perf_counter()
        decision_of = partial(decide, image.shown, taxonomy=taxonomy, outcome_of=image.outcome_of)
        with memory_told():
            decisions = [decision_of(run=each) for each in runs]
        return Comparison(
            choice,
            decisions[0],
            decisions[1] if beside else None,
            image.model.visual_grid,
            image.drawn,
            len(image.replies) - before,
            len(image.replies),
            1000 * (time.perf_counter() - start),
        )
