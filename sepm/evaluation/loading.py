"""The model as the command line names it, on the device and in the precision asked for."""

from llava import CheckpointError, Llava, load_llava
from sepm.errors import InputError
from sepm.evaluation.device import choose_device, choose_dtype


def load_model(model_path: str, device: str, dtype: str, vision_dtype: str = "auto") -> Llava:
    """The model, loaded.

    Raises:
        InputError: device, dtype or checkpoint are wrong; the message says what to do.
    """
    place = choose_device(device)
    chosen = choose_dtype(dtype, place)
    vision = chosen if vision_dtype == "auto" else choose_dtype(vision_dtype, place)
    try:
        return load_llava(model_path, device=place, dtype=chosen, vision_dtype=vision)
    except CheckpointError as error:
        raise InputError(str(error)) from error
