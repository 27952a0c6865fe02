"""A checkpoint, inspected once a command, and its model, loaded when it is needed."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import transformers

from llava import CheckpointError
from llava.checkpoints.files import locate, read_json
from sepm.errors import InputError
from sepm.models.checksums import checksums
from sepm.models.device import Placement, choose_device, choose_placement, prepare_device
from sepm.models.found import FoundCheckpoint
from sepm.models.llava_and_vila import inspect_original
from sepm.models.memory import is_out_of_memory
from sepm.models.options import ModelOptions, hub_revision
from sepm.models.protocol import VisionLanguageModel
from sepm.progress import tell


@contextmanager
def _told_as_input() -> Iterator[None]:
    """Within it, what is wrong with a checkpoint is an `InputError`."""
    try:
        yield
    except CheckpointError as error:
        raise InputError(str(error)) from error


@dataclass(frozen=True)
class OpenedModel:
    """A checkpoint whose settings have been read; `model` reads its weights."""

    options: ModelOptions
    placement: Placement
    checkpoint: FoundCheckpoint
    advice: str = "Try --dtype float16, or --device cpu"
    """Said where the model does not fit in memory."""

    @property
    def name(self) -> str:
        """The checkpoint's name, as results show it."""
        return self.options.name

    @property
    def revision(self) -> str | None:
        """Commit of the hub that it is of, where its folder tells."""
        return hub_revision(self.checkpoint.folder)

    @property
    def description(self) -> str:
        """Its family, for messages."""
        return self.checkpoint.description

    @property
    def num_layers(self) -> int:
        """L, its number of decoder layers."""
        return self.checkpoint.num_layers

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities that a method may need."""
        return self.checkpoint.capabilities

    @cached_property
    @_told_as_input()
    def settings(self) -> dict[str, Any]:
        """All that decides rows beside files and precision, by the names that results show.

        Raises:
            InputError: a file of the checkpoint cannot be read.
        """
        return self.checkpoint.settings

    @property
    def prompt_format(self) -> dict[str, Any]:
        """Prompt format of the loaded model, and what its template was chosen by."""
        return {**self.model.prompt_format, "chosen_by": self.checkpoint.template_source}

    @cached_property
    @_told_as_input()
    def hashes(self) -> dict[str, Any]:
        """SHA-256 of what makes the model.

        `checkpoint` is that of the language model's index or weight file alone, which tells a
        release; `model_files` has every weight file, settings, tokenizer, preprocessor and vision
        tower, by their paths in the checkpoint; `conversation` is that of the template's words.

        Raises:
            InputError: a file is not there, or cannot be read.
        """
        try:
            files = self.checkpoint.identity_files()
            sums = checksums(files.values())
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error
        return {
            "checkpoint": sums[self.checkpoint.identity],
            "conversation": hashlib.sha256(self.checkpoint.template.encode()).hexdigest(),
            "model_files": {name: sums[path] for name, path in files.items()},
        }

    @cached_property
    @_told_as_input()
    def model(self) -> VisionLanguageModel:
        """The model; notes tell what is loaded, how large it is and how long it took.

        Where nothing tells its prompt template, a note says which is used.

        Raises:
            InputError: the checkpoint is wrong, or does not fit in memory; the message says what to
                do.
        """
        for note in self.checkpoint.notes:
            tell(note)
        try:
            tell(f"loading {self.name} ({self._size}) on {self.placement.device}")
            started = time.monotonic()
            model = self.checkpoint.load(self.placement)
            tell(f"loaded {self.name} in {time.monotonic() - started:.1f} s")
            return model
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                f"model '{self.options.model_path}' does not fit in the memory of "
                f"{self.placement.device}: {error} {self.advice}"
            ) from error

    @property
    def _size(self) -> str:
        """Size of the files that make the model; "? MB" where one cannot be read."""
        try:
            files = set(self.checkpoint.identity_files().values())
            size = sum(path.stat().st_size for path in files)
        except (CheckpointError, OSError):  # which loading tells, or needs not
            return "? MB"
        return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"

    def in_precision(self, dtype: str, advice: str) -> "OpenedModel":
        """The same checkpoint in another precision, not loaded, with advice of its own."""
        return replace(self, placement=choose_placement(self.options.device, dtype), advice=advice)


@_told_as_input()
def open_model(options: ModelOptions) -> OpenedModel:
    """The checkpoint of the options, downloaded where it is a hub id; no weight is read.

    Raises:
        InputError: the device is not there, or the checkpoint: it is missing, incomplete, or of
            another family.
    """
    choose_device(options.device)
    found = find_checkpoint(options)
    placement = choose_placement(
        options.device, options.dtype, options.vision_dtype, found.own_dtype
    )
    return OpenedModel(options, placement, found)


def find_checkpoint(options: ModelOptions) -> FoundCheckpoint:
    """The checkpoint of the options, of the format that its files tell.

    Raises:
        CheckpointError: it is missing, incomplete, or of another family.
        InputError: an option is not for it.
    """
    folder = locate(options.model_path, "model")
    stored = read_json(folder, "config.json")
    if "vision_config" in stored or "text_config" in stored:
        from sepm.models.auto.checkpoint import inspect_auto, is_known  # all of transformers' parts

        if is_known(stored):
            return inspect_auto(folder, stored, options)
        raise CheckpointError(
            f"{folder / 'config.json'}: model_type '{stored.get('model_type')}' is no "
            f"image-text-to-text model of transformers {transformers.__version__}"
            + ("; code of its own (auto_map) is not run" if "auto_map" in stored else "")
        )
    return inspect_original(folder, stored, options)


def start_model(options: ModelOptions) -> OpenedModel:
    """The model of a command, opened, and the whole process set to compute on its device.

    Raises:
        InputError: as `open_model`.
    """
    opened = open_model(options)
    prepare_device(opened.placement.device)
    return opened
