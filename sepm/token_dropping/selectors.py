"""Every way to choose the dropped visual tokens, by its name in `--drop`."""

from sepm.method import algorithm
from sepm.method.algorithm import Selector
from sepm.method.config import Drop, MethodConfig
from sepm.method.dialogue import Reply, Sample
from sepm.method.dropping import num_dropped
from sepm.token_dropping.cls_attention import by_cls_attention
from sepm.token_dropping.divprune import by_diversity

SELECTORS: dict[Drop, Selector] = {
    **algorithm.SELECTORS,
    "cls": by_cls_attention,
    "divprune": by_diversity,
}


def dropped_tokens(sample: Sample, coarse: Reply, config: MethodConfig) -> tuple[int, ...]:
    """R, the visual tokens that the fine stage does without, as `config.drop` says."""
    if not num_dropped(config.beta, sample.num_visual_tokens):
        return ()
    return SELECTORS[config.drop](sample, coarse, config)
