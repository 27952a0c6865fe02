"""Every tiny family opens as one of the hub does, and its processor agrees with its model."""

import string
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from sepm.models.auto.processor import open_processor
from sepm.models.auto.prompts import ChatTemplate
from tests.tiny_checkpoints.families import FAMILIES, image_of, write_family

QUERY = "Please focus on emotion.\nWhich one?\nA. Positive\nB. Negative"
ANSWERS_AFTER_A_SPACE = ("llava", "smolvlm")
SHAPES = (60, 40), (40, 40), (90, 30)
NUM_VISUAL_TOKENS = {
    "llava": (49, 49, 49),
    "llava_next": (199, 259, 124),
    "llava_onevision": (199, 259, 124),
    "qwen2_vl": (40, 25, 44),
    "qwen2_5_vl": (40, 25, 44),
    "qwen3_vl": (40, 25, 44),
    "internvl": (80, 16, 64),
    "gemma3": (16, 16, 16),
    "smolvlm": (80, 80, 48),
    "mistral3": (40, 25, 24),
    "glm4v": (24, 25, 27),
    "paligemma": (64, 64, 64),
}
"""Of images of the three shapes, width × height."""


def processor_of(folder: Path) -> Any:
    return open_processor(folder, AutoConfig.from_pretrained(folder), {})


def prompt_of(processor: Any) -> str:
    return ChatTemplate(processor.tokenizer, processor.chat_template).render(QUERY)


@pytest.mark.parametrize("name", FAMILIES)
@torch.inference_mode()
def test_a_family_reads_images_and_text_with_as_many_placeholders_as_visual_tokens(
    name: str, tmp_path: Path
) -> None:
    write_family(name, tmp_path)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path)
    processor = processor_of(tmp_path)
    tokenizer, prompt = processor.tokenizer, prompt_of(processor)

    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert QUERY in prompt
    counts, logits = [], []
    for shape in SHAPES:
        inputs = processor(images=[image_of(*shape)], text=[prompt], return_tensors="pt")
        inputs.pop("labels", None)
        counts.append(int((inputs["input_ids"] == model.config.image_token_id).sum()))
        logits.append(model(**inputs).logits[0, -1])
    assert tuple(counts) == NUM_VISUAL_TOKENS[name]
    assert all(row.isfinite().all() and row.std() > 0.5 for row in logits)
    assert (logits[0] - logits[1]).abs().max() > 0.1

    lead = " " if name in ANSWERS_AFTER_A_SPACE else ""
    before = tokenizer(prompt).input_ids
    after = [tokenizer(prompt + lead + letter).input_ids for letter in string.ascii_uppercase]
    assert [ids[:-1] for ids in after] == [before] * 26
    text = "a\n\nb \tä€ A.\nB"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text


@pytest.mark.parametrize(
    ("name", "written", "added"),
    [
        ("llava", 0, 1),
        ("gemma3", 1, 1),
        ("mistral3", 1, 1),
        ("smolvlm", 1, 0),
        ("qwen2_5_vl", 0, 0),
    ],
)
def test_the_first_token_is_written_by_template_tokenizer_both_or_none(
    name: str, written: int, added: int, tmp_path: Path
) -> None:
    write_family(name, tmp_path)
    processor = processor_of(tmp_path)
    bos, ids = processor.tokenizer.bos_token, processor.tokenizer("A").input_ids

    assert (prompt_of(processor).count(bos) if bos else 0) == written
    assert ids.count(processor.tokenizer.bos_token_id) == added


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for folder, seed in (("one", 3), ("same", 3), ("other", 4)):
        write_family("internvl", tmp_path / folder, seed=seed)
    one, same, other = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("one", "same", "other")
    )

    assert one == same
    assert [file for file in one if one[file] != other[file]] == ["model.safetensors"]


def test_an_image_processor_is_read_from_the_file_of_the_processor_too(tmp_path: Path) -> None:
    write_family("internvl", tmp_path, layout="one file")

    assert not (tmp_path / "preprocessor_config.json").exists()
    assert processor_of(tmp_path).image_processor.max_patches == 4
