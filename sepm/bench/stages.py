"""Time of each stage, measured without slowing what is measured."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch

from sepm.models.protocol import Prompt, VisionLanguageModel

LOAD = "decode + preprocess"
"""From the file to pixels."""
ENCODE = "encode"
SHARED = "shared"
"""Text before the image, images in front of several prompts, and all prompts after such images."""
COARSE = "coarse prefill"
FINE = "fine prefill"
"""Every prefill of a query that asks for the class, a single-stage method's too."""
ANSWER = "answer decoding"
"""The token after a letter, and answers that are no bare letter; the reference's are within its
prefills."""

STAGE_OF_METHOD = {
    "encode": ENCODE,
    "text_prefix": SHARED,
    "image_prefix": SHARED,
    "prefill_with_prefix": SHARED,
    "prefill": None,
    "second_tokens": ANSWER,
    "decode": ANSWER,
}
"""The stage that each of the model's methods belongs to; that of a prefill depends on its query."""


class StageClock:
    """Sum of the time spent in each stage.

    On CUDA the device is timed by events in its own stream, so nothing waits for it; elsewhere a
    call is timed from its beginning to its end. A prefill's stage is told by its prompts.
    """

    def __init__(self, device: torch.device, coarse: frozenset[Prompt]) -> None:
        self.calls = Counter[str]()
        self._device, self._coarse = device, coarse
        self._seconds = defaultdict[str, float](float)
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as a part of a stage."""
        self.calls[name] += 1
        if self._device.type == "cuda" and name != LOAD:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            yield
            end.record()
            self._events.append((name, begin, end))
            return
        started = now(self._device)
        yield
        self._seconds[name] += now(self._device) - started

    def prefill_stage(self, prompt: Prompt) -> str:
        """The stage of a prefill, told by its first prompt."""
        return COARSE if prompt in self._coarse else FINE

    @contextmanager
    def timing(self, model: VisionLanguageModel) -> Iterator[None]:
        """Time the model's methods within the block."""
        with ExitStack() as at_the_end:
            for name, stage in STAGE_OF_METHOD.items():
                setattr(model, name, partial(self._call, getattr(model, name), stage))
                at_the_end.callback(delattr, model, name)  # the class's own is seen again
            yield

    def totals(self) -> dict[str, float]:
        """Seconds of every stage so far; waits for the device."""
        now(self._device)
        for name, begin, end in self._events:
            self._seconds[name] += begin.elapsed_time(end) / 1000
        self._events.clear()
        return dict(self._seconds)

    def _call(
        self, method: Callable[..., Any], stage: str | None, first: Any, *args: Any, **kwargs: Any
    ) -> Any:
        with self.stage(stage or self.prefill_stage(first[0])):
            return method(first, *args, **kwargs)


def now(device: torch.device) -> float:
    """The time in seconds when the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
