"""A checkpoint, inspected once a command, and its model, loaded when it is needed."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from llava import Checkpoint, CheckpointError, inspect_checkpoint
from llava.checkpoints.files import identity_file
from llava.conversation import CONVERSATIONS
from sepm.errors import InputError
from sepm.models.checksums import checksums
from sepm.models.device import Placement, choose_placement, prepare_device
from sepm.models.llava_and_vila import CAPABILITIES, identity_files, notes
from sepm.models.memory import is_out_of_memory
from sepm.models.options import ModelOptions, hub_revision
from sepm.models.protocol import VisionLanguageModel
from sepm.progress import tell


@dataclass(frozen=True)
class OpenedModel:
    """A checkpoint whose settings have been read; `model` reads its weights."""

    options: ModelOptions
    placement: Placement
    checkpoint: Checkpoint
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
        return f"a {self.checkpoint.family}"

    @property
    def num_layers(self) -> int:
        """L, its number of decoder layers."""
        return self.checkpoint.num_layers

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities that a method may need."""
        return CAPABILITIES[self.checkpoint.family]

    @property
    def conversation(self) -> str:
        """Name of its prompt template."""
        return self.checkpoint.conversation.name

    @property
    def prompt_format(self) -> dict[str, Any]:
        """Prompt format of the loaded model, and what its template was chosen by."""
        return {**self.model.prompt_format, "chosen_by": self.checkpoint.conversation_source}

    @property
    def hashes(self) -> dict[str, Any]:
        """SHA-256 of what makes the model.

        `checkpoint` is that of the language model's index or weight file alone, which tells a
        release; `model_files` has every weight file, settings, tokenizer, preprocessor and vision
        tower, by their paths in the checkpoint; `conversation` is that of the template's words.

        Raises:
            InputError: a file is not there, or cannot be read.
        """
        return self._hashes

    @cached_property
    def _hashes(self) -> dict[str, Any]:
        try:
            files = identity_files(self.checkpoint)
            sums = checksums(files.values())
            index = sums[identity_file(self.checkpoint.folders[0])]
        except CheckpointError as error:
            raise InputError(str(error)) from error
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error
        template = repr(self.checkpoint.conversation)
        return {
            "checkpoint": index,
            "conversation": hashlib.sha256(template.encode()).hexdigest(),
            "model_files": {name: sums[path] for name, path in files.items()},
        }

    @cached_property
    def model(self) -> VisionLanguageModel:
        """The model; where nothing tells its prompt template, a line says which is used.

        Raises:
            InputError: the checkpoint is wrong, or does not fit in memory; the message says what to
                do.
        """
        for note in notes(self.checkpoint):
            tell(note)
        place = self.placement
        try:
            return self.checkpoint.load(
                device=place.device, dtype=place.dtype, vision_dtype=place.vision_dtype
            )
        except CheckpointError as error:
            raise InputError(str(error)) from error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                f"model '{self.options.model_path}' does not fit in the memory of {place.device}: "
                f"{error} {self.advice}"
            ) from error

    def in_precision(self, dtype: str, advice: str) -> "OpenedModel":
        """The same checkpoint in another precision, not loaded, with advice of its own."""
        return replace(self, placement=choose_placement(self.options.device, dtype), advice=advice)


def open_model(options: ModelOptions) -> OpenedModel:
    """The checkpoint of the options, downloaded where it is a hub id; no weight is read.

    Raises:
        InputError: the device is not there, or the checkpoint: it is missing, incomplete, or of
            another family.
    """
    placement = choose_placement(options.device, options.dtype, options.vision_dtype)
    try:
        found = inspect_checkpoint(options.model_path)
    except CheckpointError as error:
        raise InputError(str(error)) from error
    if options.conversation != "auto":
        template = CONVERSATIONS[options.conversation]
        found = replace(found, conversation=template, conversation_source="option")
    return OpenedModel(options, placement, found)


def start_model(options: ModelOptions) -> OpenedModel:
    """The model of a command, opened, and the whole process set to compute on its device.

    Raises:
        InputError: as `open_model`.
    """
    opened = open_model(options)
    prepare_device(opened.placement.device)
    return opened
