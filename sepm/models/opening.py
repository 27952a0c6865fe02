"""The model as the command line names it, on the device and in the precision asked for."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from llava import Checkpoint, CheckpointError, Llava, inspect_checkpoint, load_checkpoint
from llava.checkpoints.files import deciding_files, identity_file
from llava.conversation import CONVERSATIONS
from sepm.errors import InputError
from sepm.inference.batch_size import is_out_of_memory
from sepm.inference.device import choose_placement
from sepm.inference.progress import tell
from sepm.method.taxonomy import Taxonomy
from sepm.models.checksums import checksums


def find_checkpoint(model_path: str, conversation: str = "auto") -> Checkpoint:
    """The checkpoint, downloaded where it is a hub id, with its prompt template; no weight is read.

    Args:
        model_path: a local folder or a hub id.
        conversation: name of the template; "auto" is the checkpoint's.

    Raises:
        InputError: it is not there, incomplete, or of another family.
    """
    try:
        found = inspect_checkpoint(model_path)
    except CheckpointError as error:
        raise InputError(str(error)) from error
    if conversation == "auto":
        return found
    return replace(found, conversation=CONVERSATIONS[conversation], conversation_source="option")


def checkpoint_hashes(checkpoint: Checkpoint) -> dict[str, Any]:
    """SHA-256 of what makes the model.

    `checkpoint` is that of the language model's index or weight file alone, which tells a release;
    `model_files` has every weight file, settings, tokenizer, preprocessor and vision tower, by
    their paths in the checkpoint; `conversation` is that of the prompt template's words.

    Raises:
        InputError: a file is not there, or cannot be read.
    """
    try:
        files = _named_files(checkpoint)
        sums = checksums(files.values())
        index = sums[identity_file(checkpoint.folders[0])]
    except CheckpointError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return {
        "checkpoint": index,
        "conversation": hashlib.sha256(repr(checkpoint.conversation).encode()).hexdigest(),
        "model_files": {name: sums[path] for name, path in files.items()},
    }


def _named_files(checkpoint: Checkpoint) -> dict[str, Path]:
    """The files that make the model; those of a vision tower elsewhere as if it were inside."""
    named: dict[str, Path] = {}
    for folder in checkpoint.folders:
        place = Path(os.path.relpath(folder, checkpoint.folder))
        if ".." in place.parts:
            place = Path("vision_tower")
        files = deciding_files(folder)
        named |= {(place / path.relative_to(folder)).as_posix(): path for path in files}
    return named


def load_model(
    model_path: str,
    device: str,
    dtype: str,
    vision_dtype: str = "auto",
    conversation: str = "auto",
    advice: str = "Try --dtype float16, or --device cpu",
) -> Llava:
    """The model, loaded; where nothing tells its prompt template, a line says which is used.

    Args:
        model_path: a local folder or a hub id.
        device: as the command line names it.
        dtype: likewise.
        vision_dtype: likewise.
        conversation: likewise.
        advice: what to do where the model does not fit in memory.

    Raises:
        InputError: device, dtype or checkpoint are wrong, or the model does not fit in memory; the
            message says what to do.
    """
    place = choose_placement(device, dtype, vision_dtype)
    checkpoint = find_checkpoint(model_path, conversation)
    for note in checkpoint.notes:
        tell(note)
    if checkpoint.conversation_source == "default":
        tell(_template_note(checkpoint))
    try:
        return load_checkpoint(
            model_path,
            device=place.device,
            dtype=place.dtype,
            vision_dtype=place.vision_dtype,
            conversation=checkpoint.conversation,
        )
    except CheckpointError as error:
        raise InputError(str(error)) from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"model '{model_path}' does not fit in the memory of {place.device}: {error} {advice}"
        ) from error


def _template_note(checkpoint: Checkpoint) -> str:
    return (
        "this VILA-1.5 does not tell the prompt template that it was trained with (it calls "
        f"itself '{checkpoint.recorded_name}'); {checkpoint.conversation.name} is used. "
        "--conversation llama_3_fix is that of the -Fix re-release"
    )


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
