import torch

from sepm.bench.arithmetic import count_flops, measure_ceiling, own_products
from sepm.bench.workload import Workload
from sepm.models.shapes import LanguageShape


def test_a_product_counts_two_operations_for_each_multiplication() -> None:
    left, right = torch.ones(3, 4), torch.ones(4, 5)
    assert count_flops(lambda: left @ right) == 2 * 3 * 4 * 5


def test_sdpa_counts_two_products_for_each_head() -> None:
    states = torch.ones(2, 4, 6, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert count_flops(lambda: attend(states, states, states)) == 2 * (2 * (2 * 4) * 6 * 6 * 8)


def test_a_lean_prefill_has_the_operations_that_one_counts_by_hand(workload: Workload) -> None:
    model, shape = workload.model, workload.model.shape.language
    prompt = model.tokenize("Which?")
    batch, length = 2, prompt.num_text_tokens + model.max_visual_tokens
    width, inner = shape.hidden_size, shape.intermediate_size
    narrow = width // shape.num_attention_heads * shape.num_key_value_heads
    keys_and_values = 2 * (2 * length * width * narrow)
    around_attention = 2 * width * width * 2  # queries and output, of one position
    attention = 2 * 2 * length * width  # of one position
    mlp = 3 * (2 * width * inner)  # of one position
    one_position = around_attention + attention + mlp
    layers = shape.num_hidden_layers
    of_a_row = layers * keys_and_values + ((layers - 1) * length + 1) * one_position
    of_a_row += 2 * width * shape.vocab_size
    images = model.encode(workload.pixels(batch))
    counted = count_flops(lambda: model.prefill([prompt] * batch, images, [()] * batch))
    assert counted == batch * of_a_row


def test_the_ceiling_is_measured_on_the_model_s_own_products() -> None:
    shape = LanguageShape(16, 40, 2, 2, 2, 100)
    assert own_products(shape, positions=7) == [(7, 16, 16), (7, 16, 40), (7, 40, 16)]


def test_the_ceiling_is_the_fastest_product(workload: Workload) -> None:
    ceiling = measure_ceiling(workload, batch_size=2)
    speeds = [product["tflops"] for product in ceiling["products"]]
    assert ceiling["tflops"] == max(speeds) > min(speeds) > 0
