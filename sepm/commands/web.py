"""`sepm web`: a live page about one image, served on this machine."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from sepm.commands.options import COMMAND, MODEL, MethodOptions, Settings
from sepm.datasets.tasks import load_taxonomy
from sepm.evaluation.request import require_files
from sepm.models.options import ModelOptions
from sepm.registry import MethodRun
from sepm.web import demo
from sepm.web.choice import SETTINGS, Choice
from sepm.web.options import ServerOptions, require_gradio


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Task and method where the page's controls begin."""

    dataset: str = Choice.task
    """Task: a name that `sepm tasks` lists, or a taxonomy file."""
    method: str = Choice.method
    """Method: a name that `sepm methods` lists."""


@dataclass(frozen=True, kw_only=True)
class DemoOrModel(ModelOptions):
    """A model; the bundled demo's unless another is given."""

    model_path: str = str(demo.MODEL)
    """Checkpoint: a local folder or a hub id."""


def run(
    *,
    options: Annotated[StartOptions, Parameter(name="*", group=COMMAND)] = StartOptions(),
    server: Annotated[ServerOptions, Parameter(name="*", group=COMMAND)] = ServerOptions(),
    model: Annotated[DemoOrModel, Parameter(name="*", group=MODEL)] = DemoOrModel(),
    settings: Settings = MethodOptions(),
) -> int:
    """Serve a live page about one image: move α and β, see what changes.

    Exit status 0, once the page is ended.
    """
    require_gradio()
    MethodRun(options.method, settings.config, settings.preset)
    load_taxonomy(options.dataset)
    require_files(model)
    given = settings.given
    moved = {name: given.pop(name) for name in SETTINGS if name in given}
    choice = Choice(method=options.method, preset=settings.preset, task=options.dataset, **moved)
    from sepm.models.opening import start_model  # imports torch, once the options are right
    from sepm.web.server import serve

    serve(start_model(model), server, choice, given)
    return 0
