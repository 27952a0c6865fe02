"""`sepm web`: a live page about one image, served on this machine."""

import argparse
from dataclasses import dataclass
from typing import Annotated

from sepm.commands.dataclass_options import add_options, given_options
from sepm.commands.shared_options import add_groups, add_method_options, method_config
from sepm.datasets.tasks import load_taxonomy
from sepm.method.config import MethodConfig
from sepm.models.options import ModelOptions
from sepm.registry import MethodRun
from sepm.web.choice import Choice, with_controls, without_controls
from sepm.web.demo import MODEL
from sepm.web.options import ServerOptions, require_gradio


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """The model, and where the page's controls stand at first."""

    model_path: Annotated[str, "checkpoint: a local folder or a hub id"] = str(MODEL)
    dataset: Annotated[str, "task: a bundled taxonomy's name, or a taxonomy file"] = "emoset"
    method: Annotated[str, "method"] = "sepm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_options(parser, StartOptions)
    add_options(parser, ServerOptions)
    add_groups(parser, ModelOptions, without=("model_path",))
    add_method_options(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 0, once the page is ended."""
    require_gradio()
    MethodRun(args.method, method_config(args), args.preset)
    load_taxonomy(args.dataset)
    options = ServerOptions(**given_options(args, ServerOptions))
    given = given_options(args, MethodConfig)
    choice = Choice(
        method=args.method, preset=args.preset, task=args.dataset, **with_controls(given)
    )
    from sepm.models.opening import start_model  # imports torch, once the options are right
    from sepm.web.server import serve

    opened = start_model(ModelOptions(**given_options(args, ModelOptions)))
    serve(opened, options, choice, without_controls(given))
    return 0
