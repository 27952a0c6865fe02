import json

import pytest
from accelerate import init_empty_weights
from transformers import LlamaForCausalLM

from sepm.bench.request import BenchRequest, Part
from sepm.errors import InputError
from sepm.models.random_llava import TOKENIZER, language_config
from sepm.models.shapes import SHAPES


@pytest.mark.parametrize(
    ("name", "parameters"), [("llava-1.5-7b", 6_738_415_616), ("vila1.5-8b", 8_030_261_248)]
)
def test_the_paper_s_models_have_their_language_models_published_size(
    name: str, parameters: int
) -> None:
    with init_empty_weights():
        model = LlamaForCausalLM(language_config(SHAPES[name].language))
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_the_rotary_base_reaches_the_configuration() -> None:
    config = language_config(SHAPES["vila1.5-8b"].language).to_dict()
    assert config["rope_parameters"]["rope_theta"] == 500_000.0


def test_the_demo_s_shape_is_that_of_the_bundled_checkpoint() -> None:
    shape = SHAPES["demo"]
    stored = json.loads((TOKENIZER / "config.json").read_text())
    for name, value in vars(shape.language).items():
        assert stored[name] == value
    tower = json.loads((TOKENIZER / "vision_tower" / "config.json").read_text())
    for name, value in vars(shape.tower).items():
        assert name == "kind" or tower[name] == value


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shape": "lava-1.5-7b"}, "unknown shape 'lava-1.5-7b'; did you mean 'llava-1"),
        ({"images": 1}, "images must be at least 2, got 1"),
        ({"repeats": 0}, "repeats must be at least 1, got 0"),
        ({"batch_sizes": (8, 0)}, "batch size must be from 1 to 512, got 0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BenchRequest(**wrong)


@pytest.mark.parametrize(
    ("only", "sizes"),
    [
        (("single", "batched"), (1, 2, 4)),
        (("batched",), (2, 4)),
        (("reference", "methods"), ()),
    ],
)
def test_sepm_alone_is_measured_at_the_batch_sizes_of_the_parts_asked_for(
    only: tuple[Part, ...], sizes: tuple[int, ...]
) -> None:
    request = BenchRequest(only=only, batch_sizes=(2, 4))
    assert request.measured_batch_sizes == sizes


def test_the_result_goes_where_results_go_unless_told() -> None:
    assert str(BenchRequest(shape="demo").output_file) == "results/bench/demo.json"
