"""One query with all options: zero-shot, chain of thought, SparseVLM, the phrase alone (FP)."""

from collections.abc import Sequence
from dataclasses import replace

from sepm.baselines.rotations import likeliest, mean_probabilities, rotated_orders
from sepm.baselines.sparsevlm_settings import sparsevlm_settings
from sepm.method.answers import fine_key
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply, Sample, TokenReduction
from sepm.method.prompts import CHAIN_OF_THOUGHT, Query, fine_body
from sepm.method.taxonomy import Taxonomy


def single_query(
    sample: Sample,
    taxonomy: Taxonomy,
    config: MethodConfig,
    *,
    phrase: bool = False,
    chain_of_thought: bool = False,
    reduction: TokenReduction | None = None,
) -> Dialogue:
    """The emotion class in one step, in the configuration's wording.

    With several rotations the same query is asked in as many orders of the options, and the class
    of the highest mean probability is the answer.

    Args:
        sample: the image; the query is the same for all.
        taxonomy: the task's classes, all of them offered.
        config: wording, and the number of orders.
        phrase: put the Focus-on-Emotion phrase in front (FP, Table 3): that of the coarse stage,
            also where a preset has another one for the fine stage.
        chain_of_thought: replace the last line by the paper's step-by-step sentence (section 4.2).
        reduction: reduce visual tokens between decoder layers.
    """
    del sample
    answer = CHAIN_OF_THOUGHT if chain_of_thought else config.fine_answer
    letters = taxonomy.option_letters
    queries: list[Query] = []
    replies: list[Reply] = []
    for classes in rotated_orders(taxonomy, config.rotations):
        body = fine_body(classes, config.fine_question, answer)
        query = Query(body, config.phrase if phrase else None)
        reply = yield Ask(query, options=letters, key=fine_key(classes), reduction=reduction)
        queries.append(query)
        replies.append(reply)
    if len(replies) == 1:
        return Outcome(queries[0], replies[0], letters)
    together = mean_reply(replies, taxonomy)
    return Outcome(queries[0], together, letters, rotations=tuple(replies))


def mean_reply(replies: Sequence[Reply], taxonomy: Taxonomy) -> Reply:
    """What the replies to several orders of the options come to, in letters of the full list.

    All replies count with their probabilities, read or not. Where none could be read, neither is
    this. Visual tokens are those of the first order.
    """
    probs = mean_probabilities([reply.probs for reply in replies], taxonomy)
    if all(reply.letter is None for reply in replies):
        return replace(replies[0], probs=probs)
    letter = likeliest(probs)
    return replace(replies[0], letter=letter, text=letter, probs=probs, read="mean")


def sparsevlm(sample: Sample, taxonomy: Taxonomy, config: MethodConfig) -> Dialogue:
    """The zero-shot query, SparseVLM reducing visual tokens between decoder layers (Table 1)."""
    from sepm.baselines.sparsevlm_prefill import SparsePrefill  # imports torch

    return single_query(
        sample, taxonomy, config, reduction=SparsePrefill(sparsevlm_settings(config))
    )
