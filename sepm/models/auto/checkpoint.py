"""A checkpoint in transformers' format: what it is, whether it can be asked, and its model."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from llava.checkpoints.files import deciding_files, identity_file, weight_files
from llava.checkpoints.unusable import require_merged, require_unquantised
from llava.errors import CheckpointError, checkpoint_errors
from sepm.errors import InputError
from sepm.models.auto.decoder_inputs import Positions
from sepm.models.auto.model import AutoVisionLanguageModel, attention_of
from sepm.models.auto.probe import Probe, probe_processor
from sepm.models.auto.processor import Settings, open_processor, parse_settings
from sepm.models.auto.prompts import PROBE, AutoPrompts, ChatTemplate
from sepm.models.device import Placement
from sepm.models.found import FoundCheckpoint
from sepm.models.memory import is_out_of_memory
from sepm.models.options import ModelOptions

LINEAR_ATTENTION = (
    "some layers of this model are no softmax attention: they keep a state that dropping changes "
    "too, beyond what the dropped tokens are to the other layers"
)


def is_known(stored: Mapping[str, Any]) -> bool:
    """Whether transformers has the family of a `config.json` as image-text-to-text."""
    return stored.get("model_type") in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


@dataclass(frozen=True, kw_only=True)
class AutoCheckpoint(FoundCheckpoint):
    """A checkpoint in transformers' format."""

    config: PretrainedConfig
    options: ModelOptions
    attention_layer: int
    """Decoder layer, from 0, whose attention is read: the last that sees the whole prompt."""
    positions: Positions
    image_id: int
    """Id of a visual token's placeholder in a prompt."""

    @cached_property
    def processor(self) -> Any:
        """Its `ProcessorMixin`, with the options' settings."""
        return open_processor(self.folder, self.config, self._given)

    @cached_property
    def chat_template(self) -> ChatTemplate:
        """Its chat template, which is sure to be of use."""
        with checkpoint_errors(self.folder):
            return ChatTemplate(self.processor.tokenizer, self.template)

    @cached_property
    def probe(self) -> Probe:
        """What the processor makes of one image and the template."""
        prompt = self.chat_template.probe
        with checkpoint_errors(self.folder):
            return probe_processor(self.processor, prompt, self.image_id, self._given)

    @property
    def _given(self) -> Settings:
        return parse_settings(self.options.processor)

    @property
    def template(self) -> str:
        return str(self.processor.chat_template)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "conversation": "chat template",
            "attention": self.options.attention,
            "attention_layer": self.attention_layer,
            "positions": self.positions,
            "processor": self.probe.settings,
        }

    def identity_files(self) -> dict[str, Path]:
        patterns = ("*.jinja", "vocab.txt", "merges.txt")
        more = (path for pattern in patterns for path in self.folder.glob(pattern))
        files = {*deciding_files(self.folder), *more}
        return {path.relative_to(self.folder).as_posix(): path for path in sorted(files)}

    def load(self, place: Placement) -> AutoVisionLanguageModel:
        weight_files(self.folder)
        try:
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                self.folder,
                dtype=place.dtype,
                device_map={"": str(place.device)},
                attn_implementation=self.options.attention,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise CheckpointError(f"{self.folder}: {type(error).__name__}: {error}") from error
        model, info = loaded
        for kind in ("missing_keys", "mismatched_keys"):
            if names := sorted(map(str, info.get(kind, ()))):
                raise CheckpointError(
                    f"{self.folder}: {len(names)} {kind.replace('_', ' ')} of weights, such as "
                    f"{names[0]}"
                )
        return self.assembled(model)

    def assembled(self, model: PreTrainedModel) -> AutoVisionLanguageModel:
        """A model of this checkpoint's configuration with its prompts and preprocessing.

        Raises:
            CheckpointError: prompts cannot be written, or images are not taken.
        """
        opened = AutoVisionLanguageModel(
            model.eval(),
            self._prompts(),
            self.probe.preprocess,
            attention_layer=self.attention_layer,
            positions=self.positions,
            end_ids=self._end_ids(model),
            max_positions=self._max_positions,
            window=_sliding_window(self.config.get_text_config()),
        )
        self._check_encoding(opened)
        return opened

    def _prompts(self) -> AutoPrompts:
        """The prompts, which are sure to be what the processor makes of the template."""
        probe, tokenizer = self.probe, self.processor.tokenizer
        with checkpoint_errors(self.folder):
            prompts = AutoPrompts(
                tokenizer,
                self.chat_template,
                probe.text,
                str(tokenizer.convert_ids_to_tokens(self.image_id)),
                adds_special_tokens=probe.preprocess.adds_special_tokens,
            )
            prompt = prompts.tokenize(PROBE)
        whole = (*prompt.before_image, *probe.image.ids.tolist(), *prompt.after_image)
        if whole != probe.ids:
            raise CheckpointError(
                f"{self.folder}: the tokenizer reads a prompt in parts otherwise than as a whole; "
                "the query's tokens cannot be known"
            )
        return prompts

    def _check_encoding(self, model: AutoVisionLanguageModel) -> None:
        """Require that the model takes images as the processor prepares them."""
        try:
            model.encode([self.probe.image])
        except (ValueError, TypeError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            raise CheckpointError(
                f"{self.folder}: the model does not take images as its processor, with these "
                f"settings, prepares them: {error}"
            ) from error

    def _end_ids(self, model: PreTrainedModel) -> frozenset[int]:
        """Ids that end an answer, at least one."""
        named: list[Any] = [
            getattr(model.generation_config, "eos_token_id", None),
            getattr(self.config.get_text_config(), "eos_token_id", None),
            self.processor.tokenizer.eos_token_id,
        ]
        ids = (value if isinstance(value, list) else [value] for value in named)
        found = frozenset(int(x) for own in ids for x in own if x is not None)
        if not found:
            raise CheckpointError(f"{self.folder}: no eos_token_id, so no answer would ever end")
        return found

    @property
    def _max_positions(self) -> int:
        """Positions that the model has, or the window of the layer that is read."""
        text: Any = self.config.get_text_config()
        positions = int(getattr(text, "max_position_embeddings", None) or 2**31)
        window = None if _layer_types(text) else _sliding_window(text)
        return min(positions, window) if window else positions


def inspect_auto(folder: Path, stored: Mapping[str, Any], options: ModelOptions) -> AutoCheckpoint:
    """The checkpoint of a folder, given its `config.json`.

    Raises:
        CheckpointError: it cannot be asked as the method asks; the message says what it lacks.
        InputError: an option is not for it.
    """
    require_merged(folder)
    require_unquantised(dict(stored), folder / "config.json")
    if options.conversation != "auto" or options.vision_dtype != "auto":
        raise InputError(
            "--conversation and --vision-dtype are for LLaVA-1.5 and VILA-1.5 in their original "
            f"format; {folder} has a chat template and one precision"
        )
    identity = identity_file(folder)
    with checkpoint_errors(folder / "config.json"):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        text: Any = config.get_text_config()
        layer = attention_layer(text)
    positions = _positions(options, text)
    if getattr(text, "attn_logit_softcapping", None) and options.attention != "eager":
        raise CheckpointError(
            f"{folder}: its attention is soft-capped, which fast kernels do not compute; "
            "--attention eager does, and keeps whole attention maps in memory"
        )
    require_structure(folder, config, layer)
    if (image_id := image_token_id(config)) is None:
        raise CheckpointError(f"{folder}: config.json names no image_token_id")
    return AutoCheckpoint(
        folder=folder,
        description=f"a {config.model_type} of transformers",
        num_layers=int(text.num_hidden_layers),
        identity=identity,
        own_dtype=_own_dtype(config),
        notes=notes_on_layers(text),
        config=config,
        options=options,
        attention_layer=layer,
        positions=positions,
        image_id=image_id,
    )


def _own_dtype(config: PretrainedConfig) -> torch.dtype | None:
    """Precision that the weights are stored in, where the configuration says so."""
    dtype = config.dtype or config.get_text_config().dtype
    return dtype if isinstance(dtype, torch.dtype) else None


def notes_on_layers(text_config: Any) -> tuple[str, ...]:
    """A note where a decoder has layers other than of softmax attention."""
    softmax = {"full_attention", "sliding_attention", "chunked_attention"}
    return (LINEAR_ATTENTION,) if {*_layer_types(text_config)} - softmax else ()


def require_structure(folder: Path, config: PretrainedConfig, layer: int) -> None:
    """See that a model has what the method needs.

    Raises:
        CheckpointError: it encodes and decodes, attends across, has attention sinks, or is built in
            another way.
    """
    unfit = f"{folder}: SEPM needs attention rows from text to visual tokens in one decoder, and"
    if config.is_encoder_decoder or config.get_text_config().is_encoder_decoder:
        raise CheckpointError(f"{unfit} this is an encoder with a decoder")
    with checkpoint_errors(folder / "config.json"), init_empty_weights():
        model = AutoModelForImageTextToText.from_config(config)
    decoder = model.get_decoder()
    if any("cross_att" in name or "crossatt" in name for name, _ in decoder.named_modules()):
        raise CheckpointError(f"{unfit} this model reads images by cross-attention")
    try:
        attention = attention_of(decoder, layer)
    except (AttributeError, IndexError) as error:
        raise CheckpointError(f"{unfit} this decoder has no such layer ({error})") from error
    if not hasattr(model.base_model, "get_image_features") or not hasattr(attention, "config"):
        raise CheckpointError(f"{unfit} this model is built in another way")
    if isinstance(getattr(attention, "sinks", None), nn.Parameter):
        raise CheckpointError(f"{unfit} this model has attention sinks, which take a share of them")


def image_token_id(config: PretrainedConfig) -> int | None:
    """Id of a visual token's placeholder in a prompt."""
    names = ("image_token_id", "image_token_index")
    return next((getattr(config, n) for n in names if getattr(config, n, None) is not None), None)


def attention_layer(text_config: Any) -> int:
    """The last decoder layer, from 0, whose softmax attention sees the whole prompt.

    Where all have a window it is the last, and prompts must fit into that.
    """
    kinds = _layer_types(text_config)
    full = [number for number, kind in enumerate(kinds) if kind == "full_attention"]
    return full[-1] if full else int(text_config.num_hidden_layers) - 1


def _layer_types(text_config: Any) -> list[str]:
    return list(getattr(text_config, "layer_types", None) or ())


def _sliding_window(text_config: Any) -> int | None:
    """Tokens that a layer of sliding attention sees, itself included; None: no layer slides."""
    kinds = _layer_types(text_config) or ["sliding_attention"]  # all alike where none is named
    window = getattr(text_config, "sliding_window", None)
    return int(window) if window and "sliding_attention" in kinds else None


def _positions(options: ModelOptions, text_config: Any) -> Positions:
    """Positions after dropping: renumbered where a token has one number, kept in a grid."""
    rope = getattr(text_config, "rope_parameters", None) or {}
    kinds = rope.values() if all(isinstance(v, dict) for v in rope.values()) else [rope]
    is_grid = any("mrope_section" in kind for kind in kinds)
    if options.positions == "auto":
        return "kept" if is_grid else "renumbered"
    if options.positions == "renumbered" and is_grid:
        raise InputError(
            "--positions renumbered: this model's visual tokens have positions in a grid (M-RoPE), "
            "where numbers without gaps have no meaning; use --positions kept"
        )
    return options.positions
