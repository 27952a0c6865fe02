"""The live page: its controls, and the events that they set going.

Events get what the browser sent, not what gradio makes of it: the session checks every value and
tells what is wrong with it in the words of the command line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import msgspec

from sepm.datasets.image_files import read_image
from sepm.errors import InputError, RunError
from sepm.method.confidence import MAXIMUM_CONFIDENCE
from sepm.method.config import PRESETS, MethodConfig
from sepm.registry import METHODS, get_method
from sepm.report.overlay import shrunk
from sepm.web.choice import SETTINGS, Choice
from sepm.web.session import Comparison, LiveImage, Session
from sepm.web.view import Change, change_between, comparison_html, data_url, message_html

HINT = "Drop an image in to see how the model decides about it."
HINT_SCENES = "Drop an image in, or take a scene, to see how the model decides about it."
MODEL = "model"
"""Queue of all that computes: one position of the controls at a time."""
LONGEST_PHRASE = 500
"""Characters of it."""
ALPHA_STEP, BETA_STEP = 0.005, 0.01
LARGEST_BETA = 0.99
THUMBNAIL = 96
"""Pixels of a scene's longer side."""

CONTROLS = ("method", "preset", "task", *SETTINGS)
"""Fields of a `Choice`, in the order in which events get them."""

Positions = Any
"""Positions of the controls, as the browser sent them."""


RECENT = 4
"""Images that stay in memory for a second tab: equal uploads have one path."""


@dataclass
class Tab:
    """An image in one browser tab, and what is shown of it."""

    image: LiveImage
    last: Comparison | None = None
    change: Change | None = None
    """The last one."""
    told: str | None = None
    """The error that stands in place of the results."""


class Page:
    """Events of the page, over one session.

    Args:
        session: answers.
        start: positions of the controls at first.
        uploads: folder of the uploaded files.
        scenes: image files to try.

    Raises:
        InputError: such a start is not possible.
    """

    def __init__(
        self, session: Session, start: Choice, uploads: Path, scenes: Sequence[Path] = ()
    ) -> None:
        self.session, self.uploads, self.scenes = session, uploads.resolve(), list(scenes)
        self.start = replace(start, **_settings(session.run(start).config))
        self._recent: dict[Path, LiveImage] = {}
        self.hint = message_html("hint", HINT_SCENES if scenes else HINT)

    def take_upload(self, file: dict[str, Any] | None, *positions: Positions) -> list[Any]:
        """Read an uploaded image, delete its file, and show what the method says about it."""
        if file is None:
            return [gr.skip()] * 3
        path = Path(file["path"]).resolve()
        if not path.is_relative_to(self.uploads):
            return [None, None, message_html("error", "that file was not uploaded")]
        try:
            return [None, *self._take(path, Path(file.get("orig_name") or path).name, positions)]
        finally:
            path.unlink(missing_ok=True)

    def take_scene(self, index: int, *positions: Positions) -> list[Any]:
        """Show what the method says about a scene."""
        path = self.scenes[index]
        return self._take(path, path.name, positions)

    def _take(self, path: Path, name: str, positions: Sequence[Positions]) -> list[Any]:
        try:
            tab = Tab(self._read(path, name))
        except (InputError, RunError) as error:
            return [None, message_html("error", str(error))]
        return [tab, self.show(tab, *positions)]

    def _read(self, path: Path, name: str) -> LiveImage:
        """The image of a file; of one that another tab's upload of it took, as it was read then."""
        if path.exists() or path not in self._recent:
            self._recent[path] = self.session.read(path, name)
        for old in list(self._recent)[:-RECENT]:
            del self._recent[old]
        return self._recent[path]

    def show(self, tab: Tab | None, *positions: Positions) -> Any:
        """The results at some positions of the controls, or what is wrong with these."""
        try:
            choice = self._choice(positions)
            if tab is None:
                self.session.run(choice)
                return self.hint
            if tab.told is None and tab.last and tab.last.choice == choice:
                return gr.skip()  # a control was left, not moved
            return self._compare(tab, choice)
        except (InputError, RunError) as error:
            if tab is not None:
                tab.told = str(error)
            return message_html("error", str(error))

    def _compare(self, tab: Tab, choice: Choice) -> str:
        before, tab.last = tab.last, self.session.compare(tab.image, choice)
        change = change_between(before, tab.last) if before else None
        tab.change, tab.told = change or tab.change, None
        return comparison_html(tab.last, tab.change, new=change is not None)

    def _choice(self, positions: Sequence[Positions]) -> Choice:
        try:
            choice = msgspec.convert(dict(zip(CONTROLS, positions, strict=True)), Choice)
        except msgspec.ValidationError as error:
            raise InputError(f"controls: {error}") from error
        if len(choice.phrase or "") > LONGEST_PHRASE:
            raise InputError(f"the phrase may have {LONGEST_PHRASE} characters")
        return choice

    def set_preset(self, name: str) -> list[Any]:
        """The controls of α, β and the phrase, put where a preset has them."""
        try:
            config = self.session.preset(name)
        except InputError:  # which `show` tells
            return [gr.skip()] * len(SETTINGS)
        updates = {name: {"value": value} for name, value in _settings(config).items()}
        updates["alpha"]["maximum"] = MAXIMUM_CONFIDENCE[config.variance]
        return [gr.update(**updates[name]) for name in SETTINGS]

    def set_method(self, name: str) -> list[Any]:
        """The controls of α, β and the phrase, open where the method reads them."""
        reads = METHODS[name].reads if name in METHODS else frozenset()
        return [gr.update(interactive=setting in reads) for setting in SETTINGS]


def _settings(config: MethodConfig) -> dict[str, Any]:
    """Where a configuration has the settings that have a control."""
    return {name: getattr(config, name) for name in SETTINGS}


class LocalBlocks(gr.Blocks):
    """A page that takes files from nowhere but its own uploads: no address is fetched."""

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        """Inputs of an event, refused where one names a file by an address."""
        if _names_an_address(inputs):
            raise gr.Error(
                "a file must be uploaded; addresses are not fetched", print_exception=False
            )
        return await super().preprocess_data(block_fn, inputs, state, explicit_call)


def _names_an_address(value: Any) -> bool:
    if isinstance(value, dict):
        return "://" in str(value.get("path")) or _names_an_address([*value.values()])
    return isinstance(value, list) and any(map(_names_an_address, value))


def build(page: Page, uploads_kept: tuple[int, int]) -> gr.Blocks:
    """The page with its controls and events.

    Args:
        page: has the events.
        uploads_kept: seconds between two looks for uploads that no event took, and their age then.
    """
    model = page.session.opened
    with LocalBlocks(
        title="SEPM", analytics_enabled=False, fill_width=True, delete_cache=uploads_kept
    ) as blocks:
        tab = gr.State(None)
        gr.HTML(f"<h1>SEPM</h1><p>on {escape(model.name)}, {escape(model.description)}</p>")
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                upload = gr.File(label="Image", file_types=["image"], height=130, elem_id="upload")
                scenes = _scenes(page.scenes)
                controls = _controls(page)
            with gr.Column(scale=3, min_width=320):
                results = gr.HTML(page.hint, elem_id="results", apply_default_css=False)
        _connect(page, tab, upload, scenes, controls, results)
    return blocks


def _scenes(paths: Sequence[Path]) -> gr.Dataset:
    """Scenes to try, their thumbnails inside the page itself."""
    return gr.Dataset(
        components=[gr.HTML(visible=False)],
        samples=[[_thumbnail(path)] for path in paths],
        samples_per_page=max(len(paths), 1),
        type="index",
        label="Scenes",
        visible=bool(paths),
        elem_id="scenes",
    )


def _thumbnail(path: Path) -> str:
    source = data_url(shrunk(read_image(path), THUMBNAIL), "png")
    return f'<img src="{source}" alt="{escape(path.stem)}">'


def _controls(page: Page) -> list[Any]:
    """The controls at their start, in the order of `CONTROLS`."""
    start, config = page.start, page.session.preset(page.start.preset)
    reads = get_method(start.method).reads
    own: dict[str, dict[str, Any]] = {
        name: {"value": getattr(start, name), "interactive": name in reads, "elem_id": name}
        for name in SETTINGS
    }
    with gr.Row():
        method = gr.Dropdown([*METHODS], value=start.method, label="Method", elem_id="method")
        preset = gr.Dropdown([*PRESETS], value=start.preset, label="Preset", elem_id="preset")
    largest = MAXIMUM_CONFIDENCE[config.variance]
    alpha_is = "α, confidence threshold"
    alpha = gr.Slider(0, largest, step=ALPHA_STEP, label=alpha_is, **own["alpha"])
    beta = gr.Slider(0, LARGEST_BETA, step=BETA_STEP, label="β, drop ratio", **own["beta"])
    phrase = gr.Textbox(label="Phrase", max_length=LONGEST_PHRASE, **own["phrase"])
    task = gr.Dropdown([*page.session.tasks], value=start.task, label="Task", elem_id="task")
    return [method, preset, task, alpha, beta, phrase]


def _connect(
    page: Page,
    tab: gr.State,
    upload: gr.File,
    scenes: gr.Dataset,
    controls: list[Any],
    results: Any,
) -> None:
    """Let every control set its event going, as soon as it is moved."""
    method, preset, task, alpha, beta, phrase = controls
    raw: dict[str, Any] = {"preprocess": False, "api_visibility": "private"}
    computing: dict[str, Any] = {
        **raw,
        "concurrency_id": MODEL,
        "concurrency_limit": 1,
        "show_progress": "minimal",
        "show_progress_on": results,
    }
    showing = {"fn": page.show, "inputs": [tab, *controls], "outputs": results, **computing}
    upload.upload(page.take_upload, [upload, *controls], [upload, tab, results], **computing)
    scenes.click(page.take_scene, [scenes, *controls], [tab, results], **computing)
    for chosen, put in ((method, page.set_method), (preset, page.set_preset)):
        changed = chosen.input(
            put, chosen, [alpha, beta, phrase], queue=False, show_progress="hidden", **raw
        )
        changed.then(**showing)
    task.input(**showing)
    for slider in (alpha, beta):
        slider.input(trigger_mode="always_last", **showing)
    phrase.submit(**showing)
    phrase.blur(**showing)
