"""`sepm predict`: how a method decides about an image, step by step."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from sepm.commands.dataclass_options import add_options, given_options
from sepm.commands.shared_options import add_groups, add_method_options, method_config
from sepm.datasets.files import write_whole
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.method.confidence import gate_in_words
from sepm.method.config import MethodConfig
from sepm.method.dialogue import CoarseResult, Reply
from sepm.method.taxonomy import no_class
from sepm.models.options import ModelOptions
from sepm.progress import tell
from sepm.registry import MethodRun
from sepm.terminal import show_result

if TYPE_CHECKING:
    from sepm.inference.predict import Decision
    from sepm.report.style import Format


PICTURE_SUFFIXES: dict[str, "Format"] = {".png": "png", ".svg": "svg", ".pdf": "pdf"}


@dataclass(frozen=True, kw_only=True)
class PredictionOptions:
    """The task and the method."""

    dataset: Annotated[str, "task: a bundled taxonomy's name, or a taxonomy file"] = "emoset"
    method: Annotated[str, "method"] = "sepm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image files")
    add_options(parser, PredictionOptions)
    parser.add_argument("--json", action="store_true", help="print a JSON list, an object an image")
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="draw the decisions too (.png, .svg or .pdf); many images give FILE-01, FILE-02, …",
    )
    add_groups(parser, ModelOptions)
    add_method_options(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 0."""
    method_run = MethodRun(args.method, method_config(args), args.preset)
    if args.picture and args.picture.suffix not in PICTURE_SUFFIXES:
        raise InputError(f"--picture must end in .png, .svg or .pdf: {args.picture}")
    taxonomy = load_taxonomy(args.dataset)
    from sepm.inference.predict import predict  # imports torch, once the options are right
    from sepm.models.opening import start_model

    opened = start_model(ModelOptions(**given_options(args, ModelOptions)))
    method_run.require_model(opened)
    decisions = predict(opened.model, args.images, method_run, taxonomy)
    text = "\n\n".join(map(as_text, decisions))
    show_result([decision.as_dict() for decision in decisions], text, as_json=args.json)
    if args.picture:
        write_picture(args.picture, decisions, opened.model.visual_grid)
    return 0


def write_picture(
    path: Path, decisions: "Sequence[Decision]", visual_grid: dict[str, Any] | None
) -> None:
    """Draw decisions of one method, a row for each image, over the places of its visual tokens.

    More images than a page holds give several files, which are told: "decision-01.png"; a PDF
    holds all pages.

    Args:
        path: of the picture.
        decisions: each may tell the places of its own image.
        visual_grid: places on any image; None: not known, or each image's own.

    Raises:
        InputError: the file cannot be written.
    """
    from sepm.report.decision import draw_decisions
    from sepm.report.dropped_tokens import Scene
    from sepm.report.overlay import shrunk
    from sepm.report.style import picture_files, styled
    from sepm.report.tiled_grid import token_places

    first, records = decisions[0], [decision.as_dict() for decision in decisions]
    scenes = [
        Scene(record, shrunk(decision.image), token_places(visual_grid, record))
        for record, decision in zip(records, decisions, strict=True)
    ]
    with styled():
        pages = draw_decisions(scenes, first.taxonomy, first.config)
        files = picture_files(path, pages, PICTURE_SUFFIXES[path.suffix])
    for file, content in files.items():
        write_whole(file, content)
    if len(files) > 1:
        tell(f"the pictures are {' '.join(map(str, files))}")


def as_text(decision: "Decision") -> str:
    """The decision as one reads it, step by step."""
    outcome, config = decision.outcome, decision.config
    lines = [decision.source]
    if outcome.coarse is not None:
        lines += _coarse_lines(outcome.coarse, config)
    if outcome.dropped:
        listed = " ".join(map(str, outcome.dropped))
        lines.append(
            f"  dropped     {len(outcome.dropped)} of {decision.num_visual_tokens} visual tokens "
            f"(β = {config.beta:g}, {config.drop}): {listed}"
        )
    if outcome.reply.visual_token_counts is not None:
        counts = " ".join(map(str, outcome.reply.visual_token_counts))
        lines.append(f"  tokens      before the first layer and after each: {counts}")
    lines += _indented("fine query" if outcome.coarse else "query", outcome.query.text)
    lines.append(f"  answer      {_shown(outcome.reply)}")
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
