"""`sepm predict`: how a method decides about images, step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from sepm.analysis.plain_text import as_csv
from sepm.commands.options import COMMAND, AsJson, MethodOptions, Model, Settings
from sepm.datasets.files import write_whole
from sepm.datasets.folder_walk import files_below
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError, RunError
from sepm.evaluation.request import require_files
from sepm.method.confidence import gate_in_words
from sepm.method.config import MethodConfig
from sepm.method.dialogue import CoarseResult, Reply
from sepm.method.taxonomy import Taxonomy, no_class
from sepm.progress import tell
from sepm.registry import MethodRun
from sepm.terminal import complain, show, show_json

if TYPE_CHECKING:
    from sepm.inference.predict import Decision
    from sepm.report.dropped_tokens_figure import Scene
    from sepm.report.style import Format


PICTURE_SUFFIXES: dict[str, "Format"] = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Of the files in a folder; a file that is named may have any."""
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class PredictionOptions:
    """The task, the method, and files beside the text.

    Raises:
        InputError: a picture of an unknown format.
    """

    dataset: str = "emoset"
    """Task: a name that `sepm tasks` lists, or a taxonomy file."""
    method: str = "sepm"
    """Method: a name that `sepm methods` lists."""
    picture: Path | None = None
    """Draw the decisions too (.png, .svg or .pdf); many images give several pages."""
    csv: Path | None = None
    """Write a line for each image, with the probability of every class that was shown, or why it
    could not be read."""

    def __post_init__(self) -> None:
        if self.picture and self.picture.suffix not in PICTURE_SUFFIXES:
            raise InputError(f"--picture must end in .png, .svg or .pdf: {self.picture}")


def run(
    images: Annotated[tuple[Path, ...], Parameter(help="Image files, or folders of them.")],
    /,
    *,
    model: Model,
    options: Annotated[PredictionOptions, Parameter(name="*", group=COMMAND)] = PredictionOptions(),
    settings: Settings = MethodOptions(),
    as_json: AsJson = False,
) -> int:
    """Show how a method decides about images, step by step.

    Exit status 0: about all of them.

    Raises:
        InputError: no image could be read.
        RunError: some could not.
    """
    (method_run,) = settings.runs([options.method])
    taxonomy = load_taxonomy(options.dataset)
    require_files(model)
    paths = list(image_files(images))
    if not any(path.exists() for path in paths):
        named = ", ".join(map(str, paths[:SHOWN]))
        raise InputError(f"no image: no file or folder {named}; give images, or folders of them")
    from sepm.inference.predict import Predictor  # imports torch, once the options are right
    from sepm.models.opening import start_model

    opened = start_model(model)
    method_run.require_model(opened)
    predictor = Predictor(opened.model, method_run, taxonomy)
    told = Told(options, method_run, taxonomy, opened.model.visual_grid, as_json=as_json)
    try:
        for path in paths:
            try:
                decision = predictor(path)
            except InputError as error:  # of this image; the others can be read
                complain(str(error))
                told.leave_out(path, error)
            else:
                told.add(decision)
    finally:  # also when interrupted: what was decided is not lost
        told.finish()
    if not told.number:
        raise InputError(f"none of {len(paths)} images could be read")
    if failed := len(paths) - told.number:
        raise RunError(f"{failed} of {len(paths)} images could not be read; they are named above")
    return 0


class Told:
    """What a command tells of its decisions; images are kept, shrunk, for a picture alone."""

    def __init__(
        self,
        options: PredictionOptions,
        run: MethodRun,
        taxonomy: Taxonomy,
        visual_grid: dict[str, Any] | None,
        *,
        as_json: bool,
    ) -> None:
        self._options, self._run, self._as_json = options, run, as_json
        self._taxonomy, self._grid = taxonomy, visual_grid
        self.number = 0
        """Decisions so far."""
        self._records: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []
        self._scenes: list[Scene] = []

    def add(self, decision: "Decision") -> None:
        """Show a decision, and keep of it what is told at the end."""
        self.number += 1
        if self._as_json:
            self._records.append(decision.as_dict())
        else:
            show("\n" * (self.number > 1) + as_text(decision))
        if self._options.csv:
            self._rows.append(csv_row(decision, self._run))
        if self._options.picture:
            self._scenes.append(scene_of(decision, self._grid))

    def leave_out(self, path: Path, error: InputError) -> None:
        """Note an image that cannot be read for the table's column `error`."""
        reason = str(error.__cause__ or error)
        self._rows.append({"image": str(path), "run": self._run.folder_name, "error": reason})

    def finish(self) -> None:
        """Print the JSON, write the table and the picture, where these are wanted.

        Raises:
            InputError: a file cannot be written.
        """
        if self.number and self._as_json:
            show_json(self._records)
        if self._rows and self._options.csv:
            columns = dict.fromkeys(max(self._rows, key=len))
            write_whole(self._options.csv, as_csv([columns | row for row in self._rows]))
            tell(f"{self._options.csv}: {len(self._rows)} images")
        if self._scenes and self._options.picture:
            write_picture(self._options.picture, self._scenes, self._taxonomy, self._run.config)


def image_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files, and those with the suffix of an image below the folders.

    Raises:
        InputError: a folder holds none, or cannot be listed.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = [file for file in files_below(path) if file.suffix.lower() in IMAGE_SUFFIXES]
        if not found:
            raise InputError(f"no image in {path} ({', '.join(IMAGE_SUFFIXES)})")
        yield from found


def csv_row(decision: "Decision", run: MethodRun) -> dict[str, Any]:
    """A decision in a line: the run, the answers, the gate, and p of every class that was shown.

    An image that cannot be read has an `error` instead.
    """
    outcome, names = decision.outcome, decision.taxonomy.names
    coarse, probs = outcome.coarse, outcome.probs_by_class(decision.taxonomy)
    return {
        "image": decision.source,
        "run": run.folder_name,
        "emotion": decision.emotion,
        "coarse_answer": coarse.reply.text if coarse else None,
        "confidence": coarse.confidence if coarse else None,
        "branch": coarse.branch if coarse else None,
        "dropped": len(outcome.dropped or ()),
        "visual_tokens": decision.num_visual_tokens,
        "fine_answer": outcome.reply.text,
        **{f"p_{name}": probs.get(name) for name in names},
        "error": None,
    }


def scene_of(decision: "Decision", visual_grid: dict[str, Any] | None) -> "Scene":
    """What is drawn of a decision.

    Args:
        decision: it may tell the places of its own image.
        visual_grid: places on any image; None: not known, or each image's own.
    """
    from sepm.records.tiled_grid import token_places
    from sepm.report.dropped_tokens_figure import Scene
    from sepm.report.overlay import shrunk

    record = decision.as_dict()
    return Scene(record, shrunk(decision.image), token_places(visual_grid, record))


def write_picture(
    path: Path, scenes: "Sequence[Scene]", taxonomy: Taxonomy, config: MethodConfig
) -> None:
    """Draw decisions of one method over the places of their visual tokens, a row for each image.

    Raises:
        InputError: the file cannot be written.
    """
    from sepm.report.decision import draw_decisions, pages_of
    from sepm.report.style import picture_files, styled

    with styled():
        pages = draw_decisions(scenes, taxonomy, config)
        written: list[Path] = []
        kind = PICTURE_SUFFIXES[path.suffix]
        for file, content in picture_files(path, pages, pages_of(len(scenes)), kind):
            write_whole(file, content)
            written.append(file)
    several = len(written) > 1
    tell(f"{written[0]} to {written[-1]}" if several else str(written[0]))


def as_text(decision: "Decision") -> str:
    """The decision as one reads it, step by step."""
    outcome, config = decision.outcome, decision.config
    lines = [decision.source]
    if outcome.coarse is not None:
        lines += _coarse_lines(outcome.coarse, config)
    if outcome.dropped:
        listed = " ".join(map(str, outcome.dropped))
        kind = f", {config.drop}" if decision.run.reads("drop") else ""
        lines.append(
            f"  dropped     {len(outcome.dropped)} of {decision.num_visual_tokens} visual tokens "
            f"(β = {config.beta:g}{kind}): {listed}"
        )
    if outcome.reply.visual_token_counts is not None:
        counts = " ".join(map(str, outcome.reply.visual_token_counts))
        lines.append(f"  tokens      before the first layer and after each: {counts}")
    lines += _indented("fine query" if outcome.coarse else "query", outcome.query.text)
    for number, reply in enumerate(outcome.rotations):
        lines.append(f"  order {number:<4}  {_shown(reply)}")
    lines.append(f"  {'mean' if outcome.rotations else 'answer':<10}  {_shown(outcome.reply)}")
    unread = no_class("unread", decision.taxonomy.names)
    lines.append(f"  emotion     {decision.emotion or unread}")
    return "\n".join(lines)


def _coarse_lines(coarse: CoarseResult, config: MethodConfig) -> list[str]:
    gate = gate_in_words(config.ambiguous_when, config.alpha)
    return [
        *_indented("coarse query", coarse.query.text),
        f"  answer      {_shown(coarse.reply)}",
        f"  confidence  {coarse.confidence:.4f} ({config.variance} variance; {gate})",
        f"  branch      {coarse.branch}",
    ]


def _indented(title: str, text: str) -> list[str]:
    return [f"  {title}", *(f"    | {line}" for line in text.splitlines())]


def _shown(reply: Reply) -> str:
    probs = ", ".join(f"{letter} {p:.4f}" for letter, p in reply.probs.items())
    return f"{reply.text or '(nothing)'}   p: {probs}"
