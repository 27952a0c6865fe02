"""The three functions of `import sepm`, for notebooks and scripts."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import msgspec

from sepm.datasets.options import DataOptions
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError, require_known
from sepm.evaluation.evaluate import evaluate as evaluate_on_disk
from sepm.evaluation.request import EvaluationRequest, RunOptions
from sepm.inference.predict import Decision, ImageSource, Predictor
from sepm.method.config import DEFAULT_PRESET, MethodConfig
from sepm.models.opening import OpenedModel, start_model
from sepm.models.options import ModelOptions
from sepm.records.folder import ACCURACY, read_json
from sepm.registry import MethodRun, get_preset


def load_model(model_path: str | Path, **options: Any) -> OpenedModel:
    """A model, loaded.

    Args:
        model_path: a local folder or a hub id.
        options: `device`, `dtype`, `vision_dtype`, `conversation`, as of `sepm eval`.

    Raises:
        InputError: the device or the checkpoint is not there, or it does not fit in memory.
    """
    opened = start_model(ModelOptions(model_path=str(model_path), **options))
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
    """
    run = _run(method, preset, settings)
    run.require_model(model)
    return Predictor(model.model, run, load_taxonomy(dataset))(image)


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
    names = [method] if isinstance(method, str) else list(dict.fromkeys(method))
    data = DataOptions(
        question_file=Path(question_file),
        image_folder=Path(image_folder),
        dataset=dataset,
        limit=limit,
        on_bad_image=on_bad_image,
    )
    run = RunOptions(
        output_dir=Path(output_dir),
        batch_size=batch_size,
        save_scores=save_scores,
        overwrite=overwrite,
    )
    request = EvaluationRequest(model.options, data, run)
    runs = [_run(name, preset, settings) for name in names]
    found = evaluate_on_disk(request, runs, data.read(), model)
    return [read_json(folder / ACCURACY) for folder in found.values()]


def _run(method: str, preset: str, settings: dict[str, Any]) -> MethodRun:
    known = asdict(get_preset(preset))
    for name in settings:
        require_known("setting", name, known)
    try:
        config = msgspec.convert(known | settings, MethodConfig)
    except msgspec.ValidationError as error:
        raise InputError(f"settings: {error}") from error
    return MethodRun(method, config, preset)
