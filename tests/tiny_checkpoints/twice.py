"""One set of random weights in two formats: LLaVA-1.5's original one, and transformers' own."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import CLIPVisionConfig, LlamaConfig, LlamaTokenizer, LlavaConfig
from transformers import LlavaForConditionalGeneration as HubLlava

from llava import load_checkpoint
from llava.conversation import VICUNA_V1
from tests.tiny_checkpoints.families_processors import CLIP_LLAVA
from tests.tiny_checkpoints.llava import write_llava
from tests.tiny_checkpoints.variants import Variant
from tests.tiny_checkpoints.weights import write_json

IMAGE, UNUSED = "<image>", "<0x01>"
"""The image's placeholder, and the piece whose id it takes: another row of the vocabulary would
have a share of every probability."""
TEMPLATE = (
    VICUNA_V1.before_image
    + "{% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}<image>\n{% else %}"
    + "{{ part['text'] }}{% endif %}{% endfor %}"
    + VICUNA_V1.before_answer
    + "{% if messages[1] %} {{ messages[1]['content'][0]['text'] }}{% endif %}"
)
PARTS = {
    "language_model.model.": "model.language_model.",
    "language_model.lm_head.": "lm_head.",
    "vision_tower.vision_model.": "model.vision_tower.",
    "mm_projector.0.": "model.multi_modal_projector.linear_1.",
    "mm_projector.2.": "model.multi_modal_projector.linear_2.",
}
"""Beginnings of weights' names: ours, and transformers'."""


def write_llava_twice(original: Path, converted: Path, variant: Variant) -> None:
    """A checkpoint in the original layout, and the same weights as llava-hf has them.

    The original pads images to a square and llava-hf's processor crops one from their middle, so
    that only square images are the same to both.

    Args:
        original: folder that is made.
        converted: folder that is made.
        variant: with a projector of two layers.
    """
    write_llava(original, variant)
    converted.mkdir(parents=True)
    image_id = write_tokenizer(original, converted)
    model = load_checkpoint(str(original))
    tower = json.loads((original / "vision_tower" / "config.json").read_text())
    language: Any = model.language_model.config.to_dict()
    kind: Any = LlavaConfig
    config = kind(
        text_config=LlamaConfig(**language),
        vision_config=CLIPVisionConfig(**tower),
        image_token_id=image_id,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_seq_length=variant.patches,
    )
    hub = HubLlava(config)
    hub.load_state_dict(renamed(model.state_dict(), hub.state_dict()))
    hub.save_pretrained(converted)
    write_processor(original, converted, variant)


def renamed(weights: dict[str, Tensor], known: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under transformers' names; the tower's end, which nobody reads, as it is there."""
    found = {}
    for name, weight in weights.items():
        beginning = next(own for own in PARTS if name.startswith(own))
        found[PARTS[beginning] + name.removeprefix(beginning)] = weight
    return known | found


def write_tokenizer(original: Path, converted: Path) -> int:
    """The same tokenizer with a placeholder for the image, whose id is given back.

    The text on each side of the placeholder is read on its own, as the original reads it.
    """
    own = json.loads(LlamaTokenizer.from_pretrained(original).backend_tokenizer.to_str())
    own["pre_tokenizer"] = None
    blanks = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    own["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "Prepend", "prepend": "▁"}, blanks],
    }
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    number = own["model"]["vocab"][IMAGE] = own["model"]["vocab"].pop(UNUSED)
    own["added_tokens"].append({"id": number, "content": IMAGE, "special": True, **flags})
    write_json(converted / "tokenizer.json", own)
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "image_token": IMAGE, **special}
    write_json(converted / "tokenizer_config.json", config)
    return number


def write_processor(original: Path, converted: Path, variant: Variant) -> None:
    """Image processor, processor and chat template, in llava-hf's files."""
    own = json.loads((original / "vision_tower" / "preprocessor_config.json").read_text())
    own.pop("feature_extractor_type")
    images = {"image_processor_type": "CLIPImageProcessor", "processor_class": "LlavaProcessor"}
    write_json(converted / "preprocessor_config.json", own | images)
    processor = {**CLIP_LLAVA, "processor_class": "LlavaProcessor", "patch_size": variant.patch}
    write_json(converted / "processor_config.json", processor)
    (converted / "chat_template.jinja").write_text(TEMPLATE)
