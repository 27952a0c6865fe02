"""Every method by name: the rows of Tables 1-3."""

from functools import partial
from typing import Protocol

from sepm.baselines.single_query import single_query
from sepm.errors import InputError, unknown_name
from sepm.method.algorithm import coarse_to_fine
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Dialogue, Sample
from sepm.method.taxonomy import Taxonomy


class Method(Protocol):
    """A recipe: given an image's sample, the dialogue that decides its class."""

    def __call__(self, sample: Sample, taxonomy: Taxonomy, config: MethodConfig) -> Dialogue: ...


METHODS: dict[str, Method] = {
    "zero-shot": single_query,
    "zero-shot-cot": partial(single_query, chain_of_thought=True),
    "fp": partial(single_query, phrase=True),
    "cci": partial(coarse_to_fine, phrase=False, drop=False),
    "cci+fp": partial(coarse_to_fine, phrase=True, drop=False),
    "sepm": partial(coarse_to_fine, phrase=True, drop=True),
}


def get_method(name: str) -> Method:
    """The method of that name.

    Raises:
        InputError: no such method.
    """
    if name not in METHODS:
        raise InputError(unknown_name("method", name, METHODS))
    return METHODS[name]
