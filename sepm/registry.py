"""Every method by name: the rows of Tables 1-3."""

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Protocol

from sepm.baselines.single_query import single_query, sparsevlm
from sepm.errors import InputError, unknown_name
from sepm.method.algorithm import coarse_to_fine
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Dialogue, Sample
from sepm.method.taxonomy import Taxonomy


class Recipe(Protocol):
    """Given an image's sample, the dialogue that decides its class."""

    def __call__(self, sample: Sample, taxonomy: Taxonomy, config: MethodConfig) -> Dialogue: ...


@dataclass(frozen=True)
class Method:
    """A recipe and the settings it reads; the others make no difference to it."""

    recipe: Recipe
    reads: frozenset[str]

    def relevant(self, config: MethodConfig, preset: MethodConfig) -> MethodConfig:
        """The configuration with what the method does not read put back to the preset's."""
        unread = {f.name for f in fields(config)} - self.reads
        return replace(config, **{name: getattr(preset, name) for name in unread})

    def require_model(self, config: MethodConfig, family: str, num_layers: int) -> None:
        """Raise `InputError` where the method does not run on a model.

        Args:
            config: settings of the method.
            family: of the model ("llava-1.5", "vila-1.5").
            num_layers: decoder layers of the model.
        """
        if "sparsevlm_layers" not in self.reads:
            return
        if family != SPARSEVLM_FAMILY:
            raise InputError(
                "sparsevlm: the paper ran it on LLaVA only, and its budgets are for LLaVA-1.5's "
                f"576 visual tokens; this model is a {family}; leave it out"
            )
        config.sparsevlm.require_depth(num_layers)


WORDING = frozenset({"fine_question", "fine_answer"})
COARSE = frozenset({"alpha", "variance", "ambiguous_when", "coarse_query"})
PHRASE = frozenset({"phrase", "fine_phrase"})
DROPPING = frozenset({"beta", "foe_tokens", "drop", "seed"})
SPARSEVLM_FAMILY = "llava-1.5"
SPARSEVLM = frozenset({"retain", "sparsevlm_version", "sparsevlm_layers"})

METHODS: dict[str, Method] = {
    "zero-shot": Method(single_query, WORDING),
    "zero-shot-cot": Method(
        partial(single_query, chain_of_thought=True), WORDING - {"fine_answer"}
    ),
    "sparsevlm": Method(sparsevlm, WORDING | SPARSEVLM),
    "fp": Method(partial(single_query, phrase=True), WORDING | {"phrase"}),
    "cci": Method(partial(coarse_to_fine, phrase=False, drop=False), WORDING | COARSE),
    "cci+fp": Method(partial(coarse_to_fine, phrase=True, drop=False), WORDING | COARSE | PHRASE),
    "sepm": Method(
        partial(coarse_to_fine, phrase=True, drop=True), WORDING | COARSE | PHRASE | DROPPING
    ),
}


def get_method(name: str) -> Method:
    """The method of that name.

    Raises:
        InputError: no such method.
    """
    if name not in METHODS:
        raise InputError(unknown_name("method", name, METHODS))
    return METHODS[name]
