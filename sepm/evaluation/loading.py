"""The model as the command line names it, on the device and in the precision asked for."""

from pathlib import Path

import torch

from llava import CheckpointError, Llava, load_llava
from llava.checkpoint import locate, weight_files
from llava.config import read_config
from sepm.errors import InputError
from sepm.evaluation.device import choose_placement
from sepm.method.taxonomy import Taxonomy


def find_checkpoint(model_path: str) -> Path:
    """The checkpoint's folder, downloaded where it is a hub id; no weight is read.

    Raises:
        InputError: it is not there, incomplete, or of another family.
    """
    try:
        folder = locate(model_path, "model")
        read_config(folder)
        weight_files(folder)
    except CheckpointError as error:
        raise InputError(str(error)) from error
    return folder


def read_num_layers(checkpoint: Path) -> int:
    """How many decoder layers a checkpoint's language model has; no weight is read."""
    return read_config(checkpoint).language.num_hidden_layers


def load_model(model_path: str, device: str, dtype: str, vision_dtype: str = "auto") -> Llava:
    """The model, loaded.

    Raises:
        InputError: device, dtype or checkpoint are wrong, or the model does not fit in memory; the
            message says what to do.
    """
    place = choose_placement(device, dtype, vision_dtype)
    try:
        return load_llava(
            model_path, device=place.device, dtype=place.dtype, vision_dtype=place.vision_dtype
        )
    except CheckpointError as error:
        raise InputError(str(error)) from error
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"model '{model_path}' does not fit in the memory of {place.device}: {error} "
            "Try --dtype float16, or --device cpu"
        ) from error


def check_option_letters(model: Llava, taxonomy: Taxonomy) -> None:
    """See that the model can answer with every option letter.

    Raises:
        InputError: a letter is not one token of the checkpoint's tokenizer.
    """
    for letter in taxonomy.option_letters:
        try:
            model.option_id(letter)
        except ValueError as error:
            raise InputError(
                f"{error}; task {taxonomy.name} needs a tokenizer in which "
                f"{' '.join(taxonomy.option_letters)} are single tokens"
            ) from error
