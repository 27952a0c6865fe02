"""SparseVLM's prefill of one prompt: its decisions, applied between decoder layers."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sepm.baselines.sparsevlm import num_kept, reduced, text_raters
from sepm.baselines.sparsevlm_settings import SparseVLMSettings
from sepm.method.dialogue import ReducedPrefill
from sepm.models.protocol import EncodedImage, LayerState, LayerwiseModel, Prompt


@dataclass(frozen=True)
class SparsePrefill:
    """Prefills one prompt at a time, visual tokens thinned out and merged after some layers."""

    settings: SparseVLMSettings

    def prefill(self, model: LayerwiseModel, prompt: Prompt, image: EncodedImage) -> ReducedPrefill:
        """Prefill of a prompt, and the number of visual tokens that each layer ran on and left.

        Raters are chosen once, before the first layer; they rate by the attention of the very layer
        after which visual tokens are reduced.

        Raises:
            InputError: the model has too few decoder layers.
        """
        self.settings.require_depth(model.num_layers)
        reduction = _Reduction(self.settings)
        prefill: Any = model.prefill_layerwise(prompt, image, reduction.after_layer)
        return ReducedPrefill(prefill, tuple(reduction.counts))


class _Reduction:
    """Reduction of one image's visual tokens from layer to layer."""

    def __init__(self, settings: SparseVLMSettings) -> None:
        self._settings = settings
        self._raters: list[int] = []
        self.counts: list[int] = []
        """Visual tokens before the first layer and after each."""

    def after_layer(self, layer: int, state: LayerState) -> Tensor | None:
        """The visual tokens float[N', D] that go on, or None: all of them."""
        if layer < 0:
            self._raters = text_raters(state.visual_tokens, state.text_tokens).tolist()
        kept = self._reduced(layer, state) if layer in self._settings.layers else None
        self.counts.append(len(state.visual_tokens if kept is None else kept))
        return kept

    def _reduced(self, layer: int, state: LayerState) -> Tensor | None:
        rater_attention = state.attention(self._raters).mean(dim=0)  # [H, M, N] -> [M, N]
        keep = num_kept(self._settings, layer, rater_attention)
        return None if keep is None else reduced(state.visual_tokens, rater_attention, keep)
