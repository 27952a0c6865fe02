"""The three functions of `import sepm`, for notebooks and scripts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
from PIL import Image

from sepm.datasets.options import DataOptions
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError, require_known
from sepm.evaluation.evaluate import evaluate as evaluate_on_disk
from sepm.evaluation.request import EvaluationRequest, RunOptions
from sepm.inference.predict import Decision, ImageSource, Predictor
from sepm.method.config import DEFAULT_PRESET, MethodConfig
from sepm.models.opening import OpenedModel, start_model
from sepm.models.options import ModelOptions
from sepm.progress import tell
from sepm.records.folder import ACCURACY, read_json
from sepm.registry import MethodRun, get_preset, without_effect

T = TypeVar("T")


def load_model(model_path: str | Path, **options: Any) -> OpenedModel:
    """A model, loaded.

    Args:
        model_path: a local folder or a hub id.
        options: `device`, `dtype`, `vision_dtype`, `conversation`, as of `sepm eval`; of a
            transformers checkpoint also `processor=["name=value", ...]`, `positions`, `attention`.

    Raises:
        InputError: an unknown option or value, the device or the checkpoint is not there, or it
            does not fit in memory.
    """
    opened = start_model(_checked(ModelOptions, {"model_path": str(model_path), **options}))
    _ = opened.model
    return opened


def predict(
    model: OpenedModel,
    image: ImageSource,
    method: str = "sepm",
    *,
    dataset: str = "emoset",
    preset: str = DEFAULT_PRESET,
    **settings: Any,
) -> Decision:
    """A method's decision about one image: `decision.emotion`, `decision.as_dict()`.

    Args:
        model: from `load_model`.
        image: a path, or a PIL image.
        method: name of the method.
        dataset: a bundled task, or a taxonomy file.
        preset: name of the preset.
        settings: fields of `MethodConfig` that differ from it, such as `alpha` and `beta`.

    Raises:
        InputError: an unknown name, a value out of its range, or an unreadable image.
        RunError: memory does not suffice, or the model's probabilities are not numbers.
    """
    _require("model", model, OpenedModel, "sepm.load_model gives one")
    _require("image", image, (str, Path, Image.Image), "a path or an image of Pillow is wanted")
    (run,) = _runs([method], preset, settings)
    run.require_model(model)
    return Predictor(model.model, run, load_taxonomy(str(dataset)))(image)


def evaluate(
    model: OpenedModel,
    question_file: str | Path,
    image_folder: str | Path,
    method: str | Sequence[str] = "sepm",
    *,
    preset: str = DEFAULT_PRESET,
    dataset: str = "emoset",
    limit: int | None = None,
    on_bad_image: Literal["stop", "skip"] = "stop",
    output_dir: str | Path = "results",
    batch_size: int | Literal["auto"] = RunOptions.batch_size,
    save_scores: bool = False,
    overwrite: bool = False,
    **settings: Any,
) -> list[dict[str, Any]]:
    """The `accuracy.json` of each method, as `sepm eval` computes it; rows that exist are kept.

    Args:
        model: from `load_model`.
        question_file: JSON Lines.
        image_folder: folder that its images are relative to.
        method: one name, or several that share one pass.
        preset: name of the preset.
        dataset: a bundled task, or a taxonomy file.
        limit: compute only the first so many questions.
        on_bad_image: "stop", or "skip".
        output_dir: folder of the results.
        batch_size: images computed together, or "auto".
        save_scores: keep each visual token's score in the records.
        overwrite: start afresh where results exist.
        settings: fields of `MethodConfig` that differ from the preset.

    Raises:
        InputError: the input or the configuration is wrong; nothing was computed.
        RunError: the run failed on the way; the rows that were done are kept.
    """
    _require("model", model, OpenedModel, "sepm.load_model gives one")
    _require("method", method, Iterable, "a name or several are wanted")
    names = [method] if isinstance(method, str) else list(method)
    if not names:
        raise InputError("method: none was given")
    about_data = {
        "question_file": question_file,
        "image_folder": image_folder,
        "dataset": str(dataset),
        "limit": limit,
        "on_bad_image": on_bad_image,
    }
    about_run = {
        "output_dir": output_dir,
        "batch_size": batch_size,
        "save_scores": save_scores,
        "overwrite": overwrite,
    }
    data = _checked(DataOptions, about_data)
    request = EvaluationRequest(model.options, data, _checked(RunOptions, about_run))
    runs = _runs(names, preset, settings)
    found = evaluate_on_disk(request, runs, data.read(), model)
    return [read_json(folder / ACCURACY) for folder in found.values()]


def _require(name: str, value: object, kinds: type | tuple[type, ...], wanted: str) -> None:
    if not isinstance(value, kinds):
        raise InputError(f"{name}: {wanted}, got {type(value).__name__}")


def _runs(methods: Sequence[str], preset: str, settings: Mapping[str, Any]) -> list[MethodRun]:
    """The methods with their settings; a note tells of settings that no method reads."""
    for kind, name in (("preset", preset), *(("method", method) for method in methods)):
        _require(kind, name, str, "a name is wanted")
    config = _checked(MethodConfig, {**asdict(get_preset(preset)), **settings})
    runs = [MethodRun(method, config, preset) for method in dict.fromkeys(methods)]
    for note in without_effect(runs, settings):
        _tell_once(note)
    return runs


@cache
def _tell_once(note: str) -> None:
    """Tell a note at the first image of a loop alone."""
    tell(note)


def _checked(kind: type[T], values: Mapping[str, Any]) -> T:
    """A group of settings whose names, types and choices are right; numpy's numbers are numbers.

    Raises:
        InputError: an unknown name, or a value of another type, no choice, or out of its range.
    """
    hints = get_type_hints(kind)
    plain = {name: _plain(value) for name, value in values.items()}
    for name, value in plain.items():
        require_known("setting", name, hints)
        if get_origin(hints[name]) is Literal:
            require_known(name, str(value), get_args(hints[name]))
    try:
        return msgspec.convert(plain, kind, dec_hook=lambda wanted, value: wanted(value))
    except msgspec.ValidationError as error:
        raise InputError(f"settings: {error}") from error


def _plain(value: Any) -> Any:
    """A value without numpy's types, also where it is a sequence."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return [*map(_plain, value)] if isinstance(value, (tuple, list, range)) else value
