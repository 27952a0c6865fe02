"""`sepm predict`: how a method decides about an image, step by step."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from sepm.commands.method_options import add_method_options, method_config
from sepm.commands.options import add_options, given_options
from sepm.datasets.files import write_whole
from sepm.datasets.image_files import read_image
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.evaluation.request import (
    CONVERSATION_HELP,
    VISION_DTYPE_HELP,
    ConversationName,
    Dtype,
)
from sepm.method.confidence import gate_in_words
from sepm.method.config import MethodConfig
from sepm.method.dialogue import CoarseResult, Reply
from sepm.method.taxonomy import Taxonomy, no_class
from sepm.registry import get_method
from sepm.terminal import show, show_json

if TYPE_CHECKING:
    from sepm.inference.predict import Decision
    from sepm.report.style import Format


PICTURE_SUFFIXES: dict[str, "Format"] = {".png": "png", ".svg": "svg"}


@dataclass(frozen=True, kw_only=True)
class PredictionRequest:
    """The model and how to compute."""

    model_path: Annotated[str, "checkpoint: a local folder or a hub id"]
    dataset: Annotated[str, "task: a bundled taxonomy's name, or a taxonomy file"] = "emoset"
    method: Annotated[str, "method"] = "sepm"
    device: Annotated[str, "auto, cpu, cuda, cuda:N or mps"] = "auto"
    dtype: Annotated[Dtype, "precision; auto: float32 on a CPU, float16 elsewhere"] = "auto"
    vision_dtype: Annotated[Dtype, VISION_DTYPE_HELP] = "auto"
    conversation: Annotated[ConversationName, CONVERSATION_HELP] = "auto"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image files")
    add_options(parser, PredictionRequest)
    add_method_options(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON list, an object an image")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw the decisions too (.png or .svg)"
    )


def run(args: argparse.Namespace) -> int:
    """Exit status 0."""
    request = PredictionRequest(**given_options(args, PredictionRequest))
    config = method_config(args)
    if args.picture and args.picture.suffix not in PICTURE_SUFFIXES:
        raise InputError(f"--picture must end in {' or '.join(PICTURE_SUFFIXES)}: {args.picture}")
    method, taxonomy = get_method(request.method), load_taxonomy(request.dataset)
    # These import torch, once the options are right.
    from sepm.inference.device import choose_device, prepare_device
    from sepm.inference.predict import predict
    from sepm.models.opening import find_checkpoint, load_model

    prepare_device(choose_device(request.device))
    checkpoint = find_checkpoint(request.model_path, request.conversation)
    method.require_model(config, checkpoint.family, checkpoint.num_layers)
    model = load_model(
        request.model_path,
        request.device,
        request.dtype,
        request.vision_dtype,
        request.conversation,
    )
    if args.picture and model.visual_grid is None:
        raise InputError("--picture: this model's visual tokens are not all patches of the image")
    decisions = predict(model, args.images, method.recipe, taxonomy, config)
    if args.json:
        show_json([as_json(decision, taxonomy) for decision in decisions])
    else:
        show("\n\n".join(as_text(decision, taxonomy, config) for decision in decisions))
    if args.picture and model.visual_grid is not None:
        write_picture(args.picture, decisions, model.visual_grid, taxonomy, config)
    return 0


def write_picture(
    path: Path,
    decisions: "Sequence[Decision]",
    visual_tokens: dict[str, Any],
    taxonomy: Taxonomy,
    config: MethodConfig,
) -> None:
    """Draw the decisions, a row for each image, over what `Llava.visual_grid` tells.

    Raises:
        InputError: the file cannot be written.
    """
    from sepm.report.decision import draw_decisions
    from sepm.report.dropped_tokens import Scene
    from sepm.report.geometry import VisualGrid
    from sepm.report.overlay import shrunk
    from sepm.report.style import rendered, styled

    grid = VisualGrid.from_facts(visual_tokens)
    scenes = [
        Scene(as_json(decision, taxonomy), shrunk(read_image(decision.image)), grid)
        for decision in decisions
    ]
    with styled():
        picture = rendered(draw_decisions(scenes, taxonomy, config), PICTURE_SUFFIXES[path.suffix])
    write_whole(path, picture)


def as_json(decision: "Decision", taxonomy: Taxonomy) -> dict[str, Any]:
    """The decision with the fields of a prediction record."""
    from sepm.records.record import decision_fields

    return {
        "image": str(decision.image),
        "num_visual_tokens": decision.num_visual_tokens,
        **decision_fields(decision.outcome, taxonomy, save_scores=True),
    }


def as_text(decision: "Decision", taxonomy: Taxonomy, config: MethodConfig) -> str:
    """The decision as one reads it, step by step."""
    outcome = decision.outcome
    lines = [str(decision.image)]
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
    letter = outcome.reply.letter
    named = taxonomy.by_letter(letter).name if letter else no_class("unread", taxonomy.names)
    lines.append(f"  emotion     {named}")
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
