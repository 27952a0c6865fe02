"""Dropping by the vision tower's CLS attention (FasterVLM, Zhang et al., arXiv 2412.01818).

The class token's attention to each patch, in the layer whose output the projector reads, tells how
much the patch counts for the image as a whole; no text is read. With a_h the softmaxed attention of
head h over the class token and the N patches, the score of patch i is the mean over heads,
s_i = (1 / H) sum_h a_h[CLS, i], and the lowest go.
"""

from typing import TYPE_CHECKING

from sepm.method.config import MethodConfig
from sepm.method.dialogue import Reply, Sample
from sepm.method.dropping import lowest_scored

if TYPE_CHECKING:
    from sepm.models.protocol import DescribedImage


def by_cls_attention(sample: Sample, coarse: Reply, config: MethodConfig) -> tuple[int, ...]:
    """Indices of the floor(β × N) visual tokens with the lowest CLS attention, ascending."""
    image: DescribedImage = sample.image
    assert image.cls_attention is not None, "the method asks for that capability"
    return lowest_scored(image.cls_attention.tolist(), config.beta)
