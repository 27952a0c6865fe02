"""A checkpoint's processor, built from its parts so that torchvision is not needed.

Images go through the Pillow form of its image processor: torchvision's pixels are others. A video
processor, which would ask for torchvision, is stood in for by a thing that nobody calls.
"""

import importlib
import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import transformers
from transformers import AutoTokenizer, PretrainedConfig
from transformers.image_processing_utils import BaseImageProcessor
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.processing_utils import ProcessorMixin

from llava.errors import CheckpointError, checkpoint_errors
from sepm.errors import InputError, require_known

Settings = dict[str, Any]
UNRECORDED = frozenset(
    {"image_processor_type", "processor_class", "_processor_class", "auto_map", "data_format"}
    | {"device", "disable_grouping", "input_data_format", "return_tensors"}
)
"""Entries of an image processor's settings that decide no pixel."""


class NoVideos:
    """Stands for a video processor."""

    model_input_names: tuple[str, ...] = ()
    merge_size = 1
    temporal_patch_size = 2


def parse_settings(words: tuple[str, ...]) -> Settings:
    """Settings of the image processor, from texts `name=value`; values are read as JSON.

    Raises:
        InputError: a text has no `=`.
    """
    settings: Settings = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"--processor takes name=value, got '{word}'")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings


def open_processor(folder: Path, config: PretrainedConfig, settings: Settings) -> ProcessorMixin:
    """The processor of a checkpoint, with some settings of its image processor changed.

    Raises:
        CheckpointError: files are missing or do not fit, or the family has none in Pillow form.
        InputError: the image processor has no such setting, or not such a value.
    """
    kind: Any = PROCESSOR_MAPPING.get(type(config), None)
    if kind is None:
        raise CheckpointError(f"{folder}: transformers has no processor for {config.model_type}")
    with checkpoint_errors(folder):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if not getattr(tokenizer, "is_fast", False):
        raise CheckpointError(f"{folder}: no tokenizer.json, so that tokens have no offsets")
    kind = _without_torchvision(kind, folder)
    with checkpoint_errors(folder):
        stored, _ = kind.get_processor_dict(folder, local_files_only=True)
    names = set(inspect.signature(kind.__init__).parameters)
    template = stored.get("chat_template") or tokenizer.chat_template
    parts: Settings = {
        **{name: value for name, value in stored.items() if name in names},
        "image_processor": open_image_processor(folder, settings),
        "tokenizer": tokenizer,
        "chat_template": _chat_template(folder, template),
        **({"video_processor": NoVideos()} if "video_processor" in names else {}),
    }
    checking = patch.object(ProcessorMixin, _CHECK.__name__, _accepting_stand_ins)
    with checkpoint_errors(folder), checking:
        return kind(**parts)


def open_image_processor(folder: Path, settings: Settings) -> BaseImageProcessor:
    """The image processor in Pillow form.

    Raises:
        CheckpointError: there is none.
        InputError: it has no such setting, or not such a value.
    """
    with checkpoint_errors(folder):
        stored = AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False)
    if type(stored).__name__.endswith("Fast"):
        raise CheckpointError(
            f"{folder}: transformers {transformers.__version__} has its image processor "
            f"({type(stored).__name__}) with torchvision only, whose pixels are others"
        )
    known = {*stored.to_dict(), *getattr(stored.valid_kwargs, "__annotations__", ())}
    for name in settings:
        require_known("--processor setting", name, sorted(known - UNRECORDED))
    if not settings:
        return stored
    try:
        return type(stored).from_pretrained(folder, **settings)
    except (TypeError, ValueError) as error:
        raise InputError(f"--processor: {error}") from error


def recorded_settings(image_processor: BaseImageProcessor, called_with: Settings) -> Settings:
    """All settings that the pixels depend on, ready for JSON.

    Args:
        called_with: settings that the processor, or the user, gives it beside its own.
    """
    stored: Settings = json.loads(image_processor.to_json_string())
    called = {name: value for name, value in called_with.items() if _is_plain(value)}
    settings = {
        name: value
        for name, value in (stored | called).items()
        if name not in UNRECORDED and value is not None
    }
    return {"class": type(image_processor).__name__, **dict(sorted(settings.items()))}


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _chat_template(folder: Path, stored: Any) -> str:
    """A checkpoint's chat template, of one or of several by name; it must have one."""
    template = stored.get("default") if isinstance(stored, Mapping) else stored
    if not template:
        raise CheckpointError(
            f"{folder} has no chat template, which prompts are written with; a base model without "
            "one cannot be asked"
        )
    return str(template)


def _without_torchvision(kind: Any, folder: Path) -> Any:
    """The processor's class, also where its module asks for torchvision's image processor.

    The Pillow form stands in for that while the module is read.
    """
    if "torchvision" not in getattr(kind, "_backends", ()):
        return kind
    package = kind.__module__.rpartition(".")[0]
    family = package.rpartition(".")[2]
    with checkpoint_errors(folder):
        in_pillow = importlib.import_module(f"{package}.image_processing_pil_{family}")
        with patch.dict(sys.modules, {f"{package}.image_processing_{family}": in_pillow}):
            return getattr(importlib.import_module(kind.__module__), kind.__name__)


_CHECK = ProcessorMixin.check_argument_for_proper_class


def _accepting_stand_ins(processor: ProcessorMixin, name: str, argument: Any) -> Any:
    """The library's check of a processor's parts, which takes `NoVideos` for a video processor."""
    return type(argument) if isinstance(argument, NoVideos) else _CHECK(processor, name, argument)
