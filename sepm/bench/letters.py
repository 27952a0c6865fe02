"""A random model whose answers are an option letter and the end, as those of a trained model are.

Random weights answer with any word, and an answer that is no bare letter is decoded 128 tokens on.
A trained model writes a letter and ends, so that an answer costs one prefill and one decoded token.
Here the rows of A and B are laid along the hidden states that the queries end in, and
all other rows against them: every answer, also that of a fine query, is A or B. Which of the two,
and how surely, is the image's doing, so that some coarse answers are trusted and others are not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from llava import Llava

LOUDNESS = 12.0
"""Logit of A and B at a typical hidden state; the others have it with the opposite sign, so that
even tens of thousands of them together weigh little."""
SPREAD = 1.0
"""Standard deviation over images of half the difference of the logits of A and B. At 1, half of
the confidences, tanh² of it / 4, lie below α = 0.1 and half above."""


LETTER_SIGNAL = 1000.0
"""What a letter's embedding writes to the last channel: more than all others hold together."""


@torch.inference_mode()
def answer_with_letters(model: Llava, queries: Sequence[str], pixel_values: Tensor) -> None:
    """Let every answer be A or B, which the image decides, and end after it.

    Args:
        model: with an output layer of its own, which is changed in place.
        queries: of the kinds that will be asked.
        pixel_values: float32[B, 3, height, width], at least two images that differ.
    """
    signal_letters(model)
    visual_tokens = model.encode(pixel_values)
    states = torch.stack([_last_states(model, query, visual_tokens) for query in queries])
    loud = LOUDNESS * _along(states.mean(dim=(0, 1)))  # [D]
    apart = SPREAD * direction_of_images(states)
    head = model.language_model.lm_head.weight
    head.mul_(0.25).sub_(loud.to(head))
    a, b = (model.option_id(letter) for letter in "AB")
    head[a], head[b] = (loud + apart).to(head), (loud - apart).to(head)
    head[:, -1] = 0
    for end in model.end_ids:
        head[end] = 0
        head[end, -1] = 1


def signal_letters(model: Llava) -> None:
    """Keep the last channel for a single message: this position's token is an option letter.

    Of all that writes to the hidden states only the embeddings of A and B keep that channel.
    """
    writers = ("o_proj.weight", "down_proj.weight")
    for name, parameter in model.named_parameters():
        if name.startswith("mm_projector.") or name.endswith(writers):
            parameter[-1] = 0
    embeddings = model.language_model.model.embed_tokens.weight
    embeddings[:, -1] = 0
    for letter in "AB":
        embeddings[model.option_id(letter), -1] = LETTER_SIGNAL


def _last_states(model: Llava, query: str, visual_tokens: Tensor) -> Tensor:
    """What the output layer is fed at the last position, float32[B, D]."""
    fed: list[Tensor] = []
    head = model.language_model.lm_head
    hook = head.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
    try:
        for tokens in visual_tokens:  # one at a time: as little memory as any variant takes
            model.prefill([model.tokenize(query)], tokens[None])
    finally:
        hook.remove()
    return torch.cat([states.reshape(1, -1) for states in fed]).float()


def _along(state: Tensor) -> Tensor:
    """The direction float32[D] whose product with the state is 1."""
    return state / state.square().sum()


def direction_of_images(states: Tensor) -> Tensor:
    """Along what float32[queries, B, D] differ most between images, never between queries.

    Its products with the states have mean 0 for every query and standard deviation 1 over all.
    """
    means = states.mean(dim=1)  # [queries, D]
    basis = torch.linalg.qr(means.T).Q
    deviations = (states - means[:, None]).flatten(0, 1)
    deviations = deviations - deviations @ basis @ basis.T
    direction = torch.linalg.svd(deviations, full_matrices=False).Vh[0]
    return direction / (deviations @ direction).std()
