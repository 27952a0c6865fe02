"""How long each stage takes, without slowing what is measured."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from llava import Llava
from llava.prompt import Prompt

LOAD = "decode + preprocess"
"""From the file to pixels."""
ENCODE = "encode"
PREFIX = "prefix"
"""The part of a prefill that several prompts share: the text before the image, or image too."""
COARSE = "coarse prefill"
FINE = "fine prefill"
"""Every prefill of a query that asks for the class, a single-stage method's too."""
MIXED = "coarse and fine prefill"
ANSWER = "answer decoding"
"""The token after a letter, and answers that are no bare letter; the reference's are within its
prefills."""

PREFILLS = ("prefill", "prefill_behind")
"""The model's methods that prefill prompts."""


@dataclass
class Stage:
    """What went by in a stage."""

    seconds: float = 0.0
    calls: int = 0
    rows: int = 0
    """Images or prompts; of the text before the image none."""


@dataclass
class StageClock:
    """Adds up the time spent in each stage.

    On CUDA the device is timed by events in its own stream, so nothing waits for it; elsewhere a
    call is timed from its beginning to its end.

    Args:
        device: what is timed.
        coarse: the prompts that ask the coarse query.
    """

    device: torch.device
    coarse: frozenset[Prompt]
    _stages: dict[str, Stage] = field(default_factory=dict)
    _events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, rows: int) -> Iterator[None]:
        """Time the block as a part of a stage that concerns so many images or prompts."""
        stage = self._stages.setdefault(name, Stage())
        stage.calls += 1
        stage.rows += rows
        if self.device.type == "cuda" and name != LOAD:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            yield
            end.record()
            self._events.append((name, begin, end))
            return
        synchronize(self.device)
        started = time.perf_counter()
        yield
        synchronize(self.device)
        stage.seconds += time.perf_counter() - started

    def prefill_stage(self, prompts: Sequence[Prompt]) -> str:
        """The stage that a prefill of these prompts belongs to."""
        coarse = {prompt in self.coarse for prompt in prompts}
        return MIXED if len(coarse) > 1 else COARSE if coarse == {True} else FINE

    @contextmanager
    def timing(self, model: Llava) -> Iterator[None]:
        """Time what the model does within the block."""
        timed = {
            "encode": lambda arguments: (ENCODE, len(arguments[0])),
            "opening": lambda _: (PREFIX, 0),
            "prefix": lambda arguments: (PREFIX, len(arguments[1])),
            "second_tokens": lambda arguments: (ANSWER, len(arguments[1])),
            "decode": lambda arguments: (ANSWER, len(arguments[1])),
            **dict.fromkeys(PREFILLS, self._of_prompts),
        }
        names = [name for name in timed if hasattr(model, name)]
        for name in names:
            setattr(model, name, partial(self._call, getattr(model, name), timed[name]))
        try:
            yield
        finally:
            for name in names:
                delattr(model, name)  # the class's own is seen again

    def totals(self) -> dict[str, Stage]:
        """Every stage so far; waits for the device."""
        synchronize(self.device)
        for name, begin, end in self._events:
            self._stages[name].seconds += begin.elapsed_time(end) / 1000
        self._events.clear()
        return self._stages

    def _call(
        self,
        method: Callable[..., Any],
        describe: Callable[[Sequence[Any]], tuple[str, int]],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        with self.stage(*describe((*args, *kwargs.values()))):
            return method(*args, **kwargs)

    def _of_prompts(self, arguments: Sequence[Any]) -> tuple[str, int]:
        prompts = list(_prompts_in(arguments))
        return self.prefill_stage(prompts), len(prompts)


def _prompts_in(value: Any) -> Iterator[Prompt]:
    """All prompts in a call's arguments, however nested."""
    if isinstance(value, Prompt):
        yield value
    elif isinstance(value, (list, tuple)):
        for element in value:
            yield from _prompts_in(element)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
