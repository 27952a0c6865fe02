"""Image processors, processors and chat templates of the tiny families, as the hub has them.

They are written by hand, since transformers cannot build a processor with a video part where
torchvision is missing. The templates are shorter than the real ones, and write the same of one
turn.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.tiny_checkpoints.families_models import PINPOINTS
from tests.tiny_checkpoints.weights import Json, write_json

Layout = Literal["one file each", "one file"]
"""`preprocessor_config.json` beside `processor_config.json`, or the first inside the second, as
transformers 5 saves it."""

CLIP_COLOURS: Json = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
HALVES: Json = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
STEPS: Json = {
    "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "do_normalize": True,
    "rescale_factor": 1 / 255, "resample": 3,
}  # fmt: skip
CLIP_PIXELS: Json = {
    **STEPS, **CLIP_COLOURS, "do_center_crop": True, "size": {"shortest_edge": 28},
    "crop_size": {"height": 28, "width": 28},
}  # fmt: skip
GRID: Json = {"patch_size": 4, "temporal_patch_size": 2, "merge_size": 2}
AREA: Json = {"shortest_edge": 1024, "longest_edge": 4096}
"""Fewest and most pixels of an image: 16 to 64 visual tokens of 8 × 8 pixels, half of it for GLM,
which counts an image as two frames."""

IMAGE_AND_TEXT = (
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
)


def _turns(before: str, image: str, after: str, answer: str) -> str:
    """A Jinja template of turns that are written alike, and the beginning of the answer."""
    turn = before + IMAGE_AND_TEXT.replace("IMAGE", image) + after
    return (
        f"{{% for message in messages %}}{turn}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{answer}{{% endif %}}"
    )


QWEN_TURN = "<|im_start|>{{ message['role'] }}\n"
QWEN_ANSWER = "<|im_start|>assistant\n"
QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
QWEN3_TEMPLATE = _turns(QWEN_TURN, QWEN_IMAGE, "<|im_end|>\n", QWEN_ANSWER)
QWEN_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}" + QWEN3_TEMPLATE
)


@dataclass(frozen=True)
class ProcessorRecipe:
    """Everything that a family's processor is read from, but the tokenizer."""

    processor_class: str
    image_processor: Json
    chat_template: str | None
    options: Json = field(default_factory=dict)
    """Further entries of `processor_config.json`."""
    video_processor_type: str | None = None
    """Class of a video processor with the image processor's settings."""


def write_processor(
    folder: Path, recipe: ProcessorRecipe, chat_template: str | None, layout: Layout
) -> None:
    """The JSON files of the processor and, where there is one, its `chat_template.jinja`."""
    name = {"processor_class": recipe.processor_class}
    image, options = {**recipe.image_processor, **name}, {**recipe.options, **name}
    parts = {"image_processor": ("preprocessor_config.json", image)}
    if kind := recipe.video_processor_type:
        video = {k: v for k, v in image.items() if k != "image_processor_type"}
        video["video_processor_type"] = kind
        parts["video_processor"] = ("video_preprocessor_config.json", video)
    for part, (file_name, content) in parts.items():
        if layout == "one file":
            options[part] = content
        else:
            write_json(folder / file_name, content)
    if layout == "one file" or recipe.options:
        write_json(folder / "processor_config.json", options)
    if chat_template is not None:
        (folder / "chat_template.jinja").write_text(chat_template, encoding="utf-8")


def _qwen(processor: str, template: str, size: Json, colours: Json, video: str) -> ProcessorRecipe:
    pixels = {**STEPS, **colours, **GRID, **size}
    return ProcessorRecipe(
        processor_class=processor,
        image_processor={"image_processor_type": "Qwen2VLImageProcessor", **pixels},
        video_processor_type=video,
        chat_template=template,
    )


PIXEL_BOUNDS: Json = {"min_pixels": AREA["shortest_edge"], "max_pixels": AREA["longest_edge"]}
QWEN2_VIDEO, QWEN3_VIDEO = "Qwen2VLVideoProcessor", "Qwen3VLVideoProcessor"

CLIP_LLAVA: Json = {
    "image_token": "<image>",
    "num_additional_image_tokens": 1,
    "patch_size": 4,
    "vision_feature_select_strategy": "default",
}
"""Options of LLaVA's processors around a CLIP, whose class token is read by nobody."""

PROCESSORS: dict[str, ProcessorRecipe] = {
    "llava": ProcessorRecipe(
        processor_class="LlavaProcessor",
        image_processor={"image_processor_type": "CLIPImageProcessor", **CLIP_PIXELS},
        options=CLIP_LLAVA,
        chat_template=_turns("{{ message['role'] | upper }}: ", "<image>\n", " ", "ASSISTANT:"),
    ),
    "llava_next": ProcessorRecipe(
        processor_class="LlavaNextProcessor",
        image_processor={
            "image_processor_type": "LlavaNextImageProcessor", **CLIP_PIXELS, "do_pad": True,
            "image_grid_pinpoints": PINPOINTS,
        },
        options=CLIP_LLAVA,
        chat_template=_turns("[INST] ", "<image>\n", " [/INST]", ""),
    ),
    "llava_onevision": ProcessorRecipe(
        processor_class="LlavaOnevisionProcessor",
        image_processor={
            "image_processor_type": "LlavaOnevisionImageProcessor", **STEPS, **CLIP_COLOURS,
            "do_pad": True, "image_grid_pinpoints": PINPOINTS, "size": {"height": 28, "width": 28},
        },
        video_processor_type="LlavaOnevisionVideoProcessor",
        options={
            "image_token": "<image>", "video_token": "<video>", "num_image_tokens": 49,
            "vision_aspect_ratio": "anyres_max_9", "vision_feature_select_strategy": "full",
        },
        chat_template=_turns(
            "<|im_start|>{{ message['role'] }} ", "<image>\n", "<|im_end|>", QWEN_ANSWER
        ),
    ),
    "qwen2_vl": _qwen("Qwen2VLProcessor", QWEN_TEMPLATE, PIXEL_BOUNDS, CLIP_COLOURS, QWEN2_VIDEO),
    "qwen2_5_vl": _qwen(
        "Qwen2_5_VLProcessor", QWEN_TEMPLATE, PIXEL_BOUNDS, CLIP_COLOURS, QWEN2_VIDEO
    ),
    "qwen3_vl": _qwen("Qwen3VLProcessor", QWEN3_TEMPLATE, {"size": AREA}, HALVES, QWEN3_VIDEO),
    "internvl": ProcessorRecipe(
        processor_class="InternVLProcessor",
        image_processor={
            "image_processor_type": "GotOcr2ImageProcessor", **STEPS, **CLIP_COLOURS,
            "size": {"height": 32, "width": 32}, "crop_to_patches": False, "min_patches": 1,
            "max_patches": 4,
        },
        video_processor_type="InternVLVideoProcessor",
        options={"image_seq_length": 16},
        chat_template=_turns(QWEN_TURN, "<IMG_CONTEXT>\n", "<|im_end|>\n", QWEN_ANSWER),
    ),
    "gemma3": ProcessorRecipe(
        processor_class="Gemma3Processor",
        image_processor={
            "image_processor_type": "Gemma3ImageProcessor", **STEPS, **HALVES, "resample": 2,
            "do_convert_rgb": None, "do_pan_and_scan": None, "image_seq_length": 16,
            "size": {"height": 32, "width": 32},
        },
        options={"image_seq_length": 16},
        chat_template="{{ bos_token }}" + _turns(
            "<start_of_turn>{{ message['role'] }}\n", "<start_of_image>", "<end_of_turn>\n",
            "<start_of_turn>model\n",
        ),
    ),
    "smolvlm": ProcessorRecipe(
        processor_class="SmolVLMProcessor",
        image_processor={
            "image_processor_type": "SmolVLMImageProcessor", **STEPS, **HALVES, "resample": 1,
            "do_image_splitting": True, "do_pad": True, "size": {"longest_edge": 64},
            "max_image_size": {"longest_edge": 32},
        },
        video_processor_type="SmolVLMVideoProcessor",
        options={"image_seq_len": 16},
        chat_template="<|im_start|>" + _turns(
            "{{ message['role'] | capitalize }}:"
            "{% if message['content'][0]['type'] != 'image' %} {% endif %}",
            "<image>", "<end_of_utterance>\n", "Assistant:",
        ),
    ),
    "mistral3": ProcessorRecipe(
        processor_class="PixtralProcessor",
        image_processor={
            "image_processor_type": "PixtralImageProcessor", **STEPS, **CLIP_COLOURS,
            "patch_size": 4, "size": {"longest_edge": 64},
        },
        options={
            "image_token": "[IMG]", "image_break_token": "[IMG_BREAK]",
            "image_end_token": "[IMG_END]", "patch_size": 4, "spatial_merge_size": 2,
        },
        chat_template="{{ bos_token }}" + _turns("[INST]", "[IMG]", "[/INST]", ""),
    ),
    "glm4v": ProcessorRecipe(
        processor_class="Glm4vProcessor",
        image_processor={
            "image_processor_type": "Glm4vImageProcessor", **STEPS, **CLIP_COLOURS, **GRID,
            "size": AREA,
        },
        video_processor_type="Glm4vVideoProcessor",
        chat_template="[gMASK]<sop>" + _turns(
            "<|{{ message['role'] }}|>\n", "<|begin_of_image|><|image|><|end_of_image|>", "",
            "<|assistant|>\n",
        ),
    ),
    "paligemma": ProcessorRecipe(
        processor_class="PaliGemmaProcessor",
        image_processor={
            "image_processor_type": "SiglipImageProcessor", **STEPS, **HALVES,
            "image_seq_length": 64, "size": {"height": 32, "width": 32},
        },
        chat_template=_turns("", "<image>", "", ""),
    ),
}  # fmt: skip
