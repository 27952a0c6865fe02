"""Figures of a group of runs, by name."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from sepm.analysis.stored_run import StoredRun
from sepm.records.tiled_grid import PLACES_UNKNOWN
from sepm.report.confidence_figure import draw_confidence
from sepm.report.confusion_figure import draw_confusion, draw_difference
from sepm.report.dropped_tokens_figure import Scene, draw_dropped_tokens, scale_of
from sepm.report.flips_figure import draw_flips
from sepm.report.image_folders import load_image
from sepm.report.per_class_figure import draw_per_class
from sepm.report.risk_coverage_figure import draw_risk_coverage
from sepm.report.runs import RunGroup
from sepm.report.samples import per_class_samples, samples_by_id
from sepm.report.sweep_figure import draw_sensitivity


@dataclass(frozen=True)
class Choice:
    """Samples of Figure 4."""

    image_folder: Path | None = None
    samples: tuple[str, ...] = ()
    """Question ids; none: drawn evenly."""
    per_class: int = 1
    columns: int = 1
    """Figures beside each other that the samples are spread over."""


@dataclass(frozen=True)
class Drawn:
    """A figure with its caption."""

    name: str
    """Name of its files."""
    caption: str
    figure: Figure


@dataclass(frozen=True)
class NotDrawn:
    """A figure that these runs do not give, and the reason."""

    name: str
    reason: str


Result = Drawn | NotDrawn


def draw_figures(group: RunGroup, choice: Choice, names: Sequence[str]) -> Iterator[Result]:
    """The figures asked for, one at a time."""
    for name in names:
        yield from FIGURES[name](group, choice)


def _sensitivity(group: RunGroup, choice: Choice) -> Iterator[Result]:
    if figure := draw_sensitivity(group):
        caption = "Fig. 3: Accuracy over the confidence threshold α and the drop ratio β"
        yield Drawn("figure-3", caption, figure)
    else:
        yield NotDrawn("figure-3", "needs sepm sensitivity, or runs that differ in α or β alone")


def _dropped_tokens(group: RunGroup, choice: Choice) -> Iterator[Result]:
    run = next((r for r in _sepm_first(group) if r.scored), None)
    if run is None:
        yield NotDrawn("figure-4", "needs a run made with --save-scores")
    elif not any(run.token_places(record) for record in run.scored):
        yield NotDrawn("figure-4", f"{run.name}: {PLACES_UNKNOWN}")
    elif choice.image_folder is None:
        yield NotDrawn("figure-4", "needs --image-folder")
    else:
        records = (
            samples_by_id(run.scored, choice.samples)
            if choice.samples
            else per_class_samples(run.scored, run.taxonomy, choice.per_class)
        )
        folder = choice.image_folder
        scenes = [Scene(r, load_image(r, folder), run.token_places(r)) for r in records]
        scale, rows = scale_of(scenes), math.ceil(len(scenes) / choice.columns)
        caption = f"Fig. 4: Visual tokens that {run.name} drops, and the scores it drops them by"
        for first in range(0, len(scenes), rows):
            figure = draw_dropped_tokens(scenes[first : first + rows], scale)
            yield Drawn("figure-4", caption, figure)


def _confidence(group: RunGroup, choice: Choice) -> Iterator[Result]:
    if run := next((r for r in _sepm_first(group) if r.staged), None):
        caption = f"Fig. 5: Coarse answers of {run.name} by their confidence"
        yield Drawn("figure-5", caption, draw_confidence(run))
    else:
        yield NotDrawn("figure-5", "needs a run with a coarse stage: cci, cci+fp or sepm")


def _risk_coverage(group: RunGroup, choice: Choice) -> Iterator[Result]:
    if group.answered:
        caption = "Error rate among the surest answers, for every share of them (risk-coverage)"
        yield Drawn("risk-coverage", caption, draw_risk_coverage(group.answered))
    else:
        yield NotDrawn("risk-coverage", "needs a run with an answer")


def _confusion(group: RunGroup, choice: Choice) -> Iterator[Result]:
    for run in group.compared or group.runs[:1]:
        caption = f"Confusion matrix of {run.name}, coloured by the share of the row"
        yield Drawn(f"confusion-{run.name}", caption, draw_confusion(run))
    if group.compared and (figure := draw_difference(*group.compared)):
        first, second = group.compared
        caption = f"Difference: {second.name} − {first.name}; on the diagonal, more is better"
        yield Drawn("confusion-difference", caption, figure)


def _pair_figure(
    name: str,
    caption: str,
    draw: Callable[[StoredRun, StoredRun], Figure | None],
    group: RunGroup,
    choice: Choice,
) -> Iterator[Result]:
    if (pair := group.compared) and (figure := draw(*pair)):
        yield Drawn(name, f"{caption}: {pair[0].name} and {pair[1].name}", figure)
    else:
        yield NotDrawn(name, "needs two runs over the same images, such as zero-shot and sepm")


def _sepm_first(group: RunGroup) -> list[StoredRun]:
    """The runs, SEPM's own with default settings in front."""
    return sorted(group.runs, key=lambda run: (run.method != "sepm", not run.is_default))


FIGURES: dict[str, Callable[[RunGroup, Choice], Iterator[Result]]] = {
    "3": _sensitivity,
    "4": _dropped_tokens,
    "5": _confidence,
    "6": partial(_pair_figure, "figure-6", "Fig. 6: Accuracy of each class", draw_per_class),
    "confusion": _confusion,
    "risk-coverage": _risk_coverage,
    "flips": partial(_pair_figure, "flips", "Samples gained and lost", draw_flips),
}
"""The paper's figures by number, and what belongs to them."""
