"""Settings of SparseVLM (Zhang et al., arXiv 2410.04417): version, token budget, layers.

Three generations share the name, and SEPM (Table 1) does not say which one it compares with, nor at
which budget. Version 1.5 is the one behind SparseVLM's published numbers; version 1 is the only one
that was public before SEPM was submitted. What follows is their code where it differs from their
paper, which has no budgets.
"""

from dataclasses import dataclass

from sepm.errors import InputError
from sepm.method.config import MethodConfig, SparseVLMVersion
from sepm.models.protocol import LAYERWISE, ModelFacts

LAYERS: dict[SparseVLMVersion, tuple[int, ...]] = {"1.5": (2, 6, 15), "1": (2, 6, 15, 19)}
"""Decoder layers, from 0, after which visual tokens are reduced; for a model of 32 layers."""

BUDGETS = {192: (300, 200, 110), 128: (303, 110, 36), 96: (238, 48, 26), 64: (66, 30, 17)}
"""Version 1.5: visual tokens kept after each of its layers, merged ones not counted.

The keys are what its authors call the setting: the mean over 32 layers of the token count after
each, of 576. The numbers are absolute and not scaled to images of fewer tokens.
"""

RANK_RULES = {192: (13.5, 0), 128: (9.0, 6), 64: (0.8, 0)}
"""Version 1: scale and bias that turn the rank of the attention into the number kept."""


@dataclass(frozen=True)
class SparseVLMSettings:
    """Settings of one run of SparseVLM.

    Raises:
        InputError: no such budget in this version, or layers that are no ascending list.
    """

    version: SparseVLMVersion
    retain: int
    """192, 128, 96 (not in version 1) or 64."""
    layers: tuple[int, ...]

    def __post_init__(self) -> None:
        budgets = BUDGETS if self.version == "1.5" else RANK_RULES
        if self.retain not in budgets:
            raise InputError(
                f"retain must be one of {', '.join(map(str, budgets))} for sparsevlm version "
                f"{self.version}, got {self.retain}"
            )
        if not self.layers or list(self.layers) != sorted({*self.layers}) or self.layers[0] < 0:
            raise InputError(
                f"sparsevlm's layers must be increasing numbers from 0, got {self._listed}; "
                "give --sparsevlm-layers"
            )
        wanted = len(LAYERS["1.5"])
        if self.version == "1.5" and len(self.layers) != wanted:
            raise InputError(
                f"sparsevlm version 1.5 has budgets for {wanted} layers, got {len(self.layers)} "
                f"({self._listed}); --sparsevlm-layers takes {wanted} numbers"
            )

    def require_depth(self, num_layers: int) -> None:
        """Raise `InputError` where the model has too few decoder layers."""
        if self.layers[-1] >= num_layers:
            raise InputError(
                f"sparsevlm's layers {self._listed} need at least {self.layers[-1] + 1} decoder "
                f"layers, this model has {num_layers}; give --sparsevlm-layers"
            )

    @property
    def _listed(self) -> str:
        return ", ".join(map(str, self.layers)) or "none"


def sparsevlm_settings(config: MethodConfig) -> SparseVLMSettings:
    """Settings of SparseVLM in a configuration.

    Raises:
        InputError: they are out of their range.
    """
    version = config.sparsevlm_version
    return SparseVLMSettings(version, config.retain, config.sparsevlm_layers or LAYERS[version])


def check_sparsevlm(config: MethodConfig, model: ModelFacts | None = None) -> None:
    """Raise `InputError` where SparseVLM cannot run with such settings, or on such a model."""
    settings = sparsevlm_settings(config)
    if model is None:
        return
    if LAYERWISE not in model.capabilities:
        raise InputError(
            "sparsevlm: the paper ran it on LLaVA only, and its budgets are for LLaVA-1.5's 576 "
            f"visual tokens; this model is {model.description} and offers no {LAYERWISE}; "
            "leave it out"
        )
    settings.require_depth(model.num_layers)
