"""One query with all options: zero-shot, chain of thought, SparseVLM, the phrase alone (FP)."""

from sepm.baselines.sparsevlm_settings import sparsevlm_settings
from sepm.method.answers import fine_key
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Ask, Dialogue, Outcome, Sample, TokenReduction
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

    Args:
        sample: the image; the query is the same for all.
        taxonomy: the task's classes, all of them offered.
        config: wording.
        phrase: put the Focus-on-Emotion phrase in front (FP, Table 3): that of the coarse stage,
            also where a preset has another one for the fine stage.
        chain_of_thought: replace the last line by the paper's step-by-step sentence (section 4.2).
        reduction: reduce visual tokens between decoder layers.
    """
    del sample
    answer = CHAIN_OF_THOUGHT if chain_of_thought else config.fine_answer
    body = fine_body(taxonomy.classes, config.fine_question, answer)
    query = Query(body, config.phrase if phrase else None)
    letters = taxonomy.option_letters
    reply = yield Ask(query, options=letters, key=fine_key(taxonomy), reduction=reduction)
    return Outcome(query, reply, letters)


def sparsevlm(sample: Sample, taxonomy: Taxonomy, config: MethodConfig) -> Dialogue:
    """The zero-shot query, SparseVLM reducing visual tokens between decoder layers (Table 1)."""
    from sepm.baselines.sparsevlm_prefill import SparsePrefill  # imports torch

    return single_query(
        sample, taxonomy, config, reduction=SparsePrefill(sparsevlm_settings(config))
    )
