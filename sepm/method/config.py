"""Settings of the method, each one that an experiment varies, and the presets as values of them."""

from dataclasses import dataclass, replace
from typing import Literal, get_args, get_origin, get_type_hints

from sepm.errors import InputError, unknown_name
from sepm.method.confidence import MAXIMUM_CONFIDENCE, AmbiguousWhen, Variance
from sepm.method.prompts import (
    COARSE_ANSWER,
    COARSE_QUESTION,
    FOE_PHRASE,
    PREDOMINANT_PHRASE,
    FoeTokens,
)

CoarseQuery = Literal["taxonomy", "file"]
Drop = Literal["foe", "query", "random", "cls", "divprune", "highest"]
ImagePass = Literal["twice", "once"]
Letters = Literal["kept", "renumbered"]
SparseVLMVersion = Literal["1.5", "1"]


@dataclass(frozen=True)
class MethodConfig:
    """Every choice that a row of Tables 1-3 or Figure 3 varies; the defaults are the paper's.

    Also every point where the paper and the released code differ.

    Raises:
        InputError: a value is out of its range or unknown.
    """

    alpha: float = 0.1
    """Confidence threshold α, from 0 to the variance's maximum."""
    beta: float = 0.2
    """Drop ratio β in [0, 1): floor(β × N) visual tokens are dropped."""
    variance: Variance = "population"
    """Variance of p_A and p_B: over n as in Eq. (4), or over n - 1 (sample)."""
    ambiguous_when: AmbiguousWhen = "at-most"
    """Ambiguous when the confidence is at most α, below α, or never (no gate)."""
    phrase: str = FOE_PHRASE
    """Focus-on-Emotion phrase of both stages."""
    fine_phrase: str | None = None
    """Another phrase for the fine stage."""
    foe_tokens: FoeTokens = "phrase"
    """Tokens that score the image: the phrase without its full stop, or with it, or without both
    the stop and the first token."""
    coarse_query: CoarseQuery = "taxonomy"
    """Coarse query: made from the taxonomy, or the question file's text."""
    fine_question: str = COARSE_QUESTION
    """Line before the options."""
    fine_answer: str = COARSE_ANSWER
    """Line after the options."""
    letters: Letters = "kept"
    """Option letters of the fine query: those of the full list, as A C D F (kept), or A B C D for
    whichever classes it offers (renumbered)."""
    rotations: int = 1
    """Orders of the options that a method of one query asks in, each rotated by one more place; the
    mean probability over them decides."""
    drop: Drop = "foe"
    """What chooses the dropped visual tokens: FoE scores, those by the whole query, or chance
    (Table 2); the highest FoE scores (a control); without text the tower's CLS attention, or
    DivPrune."""
    image_pass: ImagePass = "twice"
    """Prefill the image again without the dropped visual tokens, as the paper does (twice), or hide
    them from the fine query behind the coarse stage's prefill (once)."""
    seed: int = 0
    """Seed of the random drop, drawn per question id."""
    retain: int = 192
    """SparseVLM's budget: 192, 128, 96 or 64 visual tokens on average."""
    sparsevlm_version: SparseVLMVersion = "1.5"
    """SparseVLM with fixed budgets (1.5), or with the rank's of each image (1)."""
    sparsevlm_layers: tuple[int, ...] | None = None
    """Decoder layers, from 0, after which SparseVLM reduces visual tokens; unless given 2 6 15, in
    version 1 also 19, which suit 32 layers."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(MethodConfig).items():
            value, choices = getattr(self, name), get_args(hint)
            if get_origin(hint) is Literal and value not in choices:
                raise InputError(unknown_name(name, str(value), choices))
        maximum = MAXIMUM_CONFIDENCE[self.variance]
        if not 0 <= self.alpha <= maximum:
            raise InputError(
                f"alpha (α) must be in [0, {maximum}] for the {self.variance} variance, "
                f"got {self.alpha}"
            )
        if not 0 <= self.beta < 1:
            raise InputError(f"drop ratio beta (β) must be in [0, 1), got {self.beta}")
        if self.rotations < 1:
            raise InputError(f"rotations must be at least 1, got {self.rotations}")
        if not self.phrase.strip(" ."):
            raise InputError("the phrase is empty; the methods cci and zero-shot go without it")
        if self.foe_tokens == "all-but-first-token" and len(self.phrase.split()) < 2:
            raise InputError(
                f"phrase '{self.phrase}' is one word, which may be one token, and foe_tokens is "
                "all-but-first-token, which would leave none; give --foe-tokens phrase"
            )


PAPER = MethodConfig()
"""The paper's settings; those below are of four states of the released code."""

RELEASED = replace(
    PAPER,
    beta=0.1,
    variance="sample",
    ambiguous_when="below",
    foe_tokens="all-but-first-token",
    coarse_query="file",
    fine_question="Which of the following descriptions is represented in the image?",
    fine_answer="Answer with the option's letter from the given choices directly.",
)
"""The released code since January 2026."""

RELEASED_2025_08 = replace(RELEASED, ambiguous_when="never")
"""From 26 August 2025 to 21 January 2026, the longest: one phrase in both stages, but no gate."""

RELEASED_2025_07 = replace(RELEASED_2025_08, fine_phrase=PREDOMINANT_PHRASE)
"""As first published: no confidence gate, and another phrase in the fine stage."""

RELEASED_2025_03 = replace(RELEASED, ambiguous_when="never", beta=0.2, phrase=PREDOMINANT_PHRASE)
"""The authors' state before the paper's camera-ready version."""

PRESETS: dict[str, MethodConfig] = {
    "paper": PAPER,
    "released": RELEASED,
    "released-2025-08": RELEASED_2025_08,
    "released-2025-07": RELEASED_2025_07,
    "released-2025-03": RELEASED_2025_03,
}

DEFAULT_PRESET = "paper"
