"""The paper's settings and those of the four states of the released code, each one value."""

from dataclasses import replace

from sepm.method.config import MethodConfig
from sepm.method.prompts import PREDOMINANT_PHRASE

PAPER = MethodConfig()

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
