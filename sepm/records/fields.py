"""The fields of a prediction record and what they must say of each other.

A line of `predictions.jsonl` is decoded as `RecordFields`. Fields that it does not name are
refused: a row of a later version must not be read for less than it says. Fields without a default
must be there: without `read` a row is of an earlier rule of reading answers.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import fmean
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sepm.method.answers import COARSE_KEY, AnswerKey
from sepm.method.confidence import MAXIMUM_CONFIDENCE, Branch, choose_branch, confidence
from sepm.method.taxonomy import option_letter

ROUNDING = 1e-6
"""How far float32 may round a softmax above 1, and a confidence away from its formula."""

Word = Annotated[str, Meta(min_length=1)]
Share = Annotated[float, Meta(ge=0, le=1 + ROUNDING)]
Index = Annotated[int, Meta(ge=0)]
Count = Annotated[float, Meta(ge=0)]
Size = Annotated[int, Meta(ge=1)]
Tile = tuple[Size, Size, float, float, float, float]
Read = Literal["letter", "text"]
ReadOrMean = Literal["letter", "text", "mean"]


def answer_given(text: str, read: ReadOrMean, key: AnswerKey) -> str | None:
    """The option letter that an answer gives where it is read in that way; None: none."""
    if read == "text":
        return key.read(text)
    return text if text in key.letters else None


class _Fields(Struct, forbid_unknown_fields=True):
    """Fields that are there with the right types and ranges, and no others."""

    def __post_init__(self) -> None:
        if faults := list(self.faults()):
            raise ValueError("; ".join(faults))

    def faults(self) -> Iterator[str]:
        """Each contradiction between the fields."""
        yield from ()


class CoarseFields(_Fields):
    """`coarse`: the coarse stage's query, answer and gate."""

    prompt: str
    text: str
    read: Read | None
    p_a: Share
    p_b: Share
    confidence: float
    branch: Branch
    off_menu: bool

    def faults(self) -> Iterator[str]:
        """A confidence that is neither variance of p_A and p_B (Eq. 4); an answer not followed."""
        if (self.read is None) != self.off_menu:
            yield f"off_menu is {str(self.off_menu).lower()}, but read is {self.read!r}"
        variances = [confidence(self.p_a, self.p_b, name) for name in MAXIMUM_CONFIDENCE]
        if not any(math.isclose(self.confidence, v, abs_tol=ROUNDING) for v in variances):
            yield f"confidence {self.confidence:g} is no variance of p_a and p_b"
        given = self.read and answer_given(self.text, self.read, COARSE_KEY)
        if self.read and given is None:
            yield f"read is '{self.read}', but neither A nor B is given so in {self.text!r}"
        ambiguous = self.branch == "ambiguous"
        if self.branch != choose_branch(given, self.p_a, self.p_b, ambiguous=ambiguous):
            yield f"text {self.text!r} contradicts branch {self.branch}"


class FineFields(_Fields):
    """`fine`: the query that decided, and its answer."""

    prompt: str
    text: str
    read: ReadOrMean | None
    probs: Annotated[dict[str, Share], Meta(min_length=1)]
    classes: Annotated[list[Word], Meta(min_length=1)] | UnsetType = UNSET
    """The class behind each letter of `probs`, where the query numbers its options anew."""

    def faults(self) -> Iterator[str]:
        """Other letters than A, B, C, … for the classes of a query that numbers them anew."""
        if not self.classes:
            return
        if len({*self.classes}) != len(self.classes):
            yield f"classes {self.classes} must be different ones"
        if list(self.probs) != [option_letter(i) for i in range(len(self.classes))]:
            yield f"probs are of {' '.join(self.probs)}, but there are {len(self.classes)} classes"


class RotationFields(_Fields):
    """An item of `rotations`: the answer to the query with its options in one order."""

    text: str
    read: Read | None
    probs: dict[str, Share]


class TokenUsageFields(_Fields):
    """`sparsevlm`: visual tokens in the decoder layers."""

    tokens_after_layer: Annotated[list[Index], Meta(min_length=1)]
    mean_tokens: Count
    mean_tokens_processed: Count

    def faults(self) -> Iterator[str]:
        """Another mean than that of the layers."""
        if not math.isclose(self.mean_tokens, fmean(self.tokens_after_layer)):
            yield f"mean_tokens {self.mean_tokens:g} is not the mean of tokens_after_layer"


class RecordFields(_Fields):
    """One line of `predictions.jsonl`."""

    question_id: Word
    image: Word
    label: Word
    prediction: Word | None
    correct: bool
    status: Literal["ok", "unread", "error"]
    labels: Annotated[list[Word], Meta(min_length=1)] | UnsetType = UNSET
    image_sha256: str | UnsetType | None = UNSET
    num_visual_tokens: Size | UnsetType = UNSET
    tiles: Annotated[list[Tile], Meta(min_length=1)] | UnsetType = UNSET
    error: str | UnsetType = UNSET
    coarse: CoarseFields | UnsetType = UNSET
    dropped: list[Index] | UnsetType = UNSET
    sparsevlm: TokenUsageFields | UnsetType = UNSET
    fine: FineFields | UnsetType = UNSET
    rotations: Annotated[list[RotationFields], Meta(min_length=2)] | UnsetType = UNSET
    foe_scores: Annotated[list[Share], Meta(min_length=1)] | UnsetType = UNSET

    def faults(self) -> Iterator[str]:
        """Contradictions to the status, the labels, the prediction or the visual tokens."""
        labels = self.labels or [self.label]
        if labels[0] != self.label or len(set(labels)) != len(labels):
            yield f"labels {labels} must be different ones, the first '{self.label}'"
        if (self.status == "ok") != (self.prediction is not None):
            yield f"status {self.status} contradicts prediction {self.prediction!r}"
        if self.fine and (self.fine.read is None) != (self.status == "unread"):
            yield f"status {self.status} contradicts read {self.fine.read!r}"
        if self.fine and (self.fine.read == "mean") != bool(self.rotations and self.fine.read):
            yield f"read {self.fine.read!r} contradicts {len(self.rotations or ())} rotations"
        if self.correct != (self.prediction in labels):
            yield (
                f"correct is {str(self.correct).lower()}, but the prediction is "
                f"{self.prediction!r} and the label {' or '.join(map(repr, labels))}"
            )
        yield from self._misplaced()
        yield from self._token_faults()

    def _misplaced(self) -> Iterator[str]:
        """Fields that a row of this status lacks, or must not have."""
        own = ("num_visual_tokens", "tiles")
        answered = ("dropped", "fine", "coarse", "sparsevlm", "foe_scores", "rotations", *own)
        failed = self.status == "error"
        needed, refused = (("error",), answered) if failed else (answered[:2], ("error",))
        for name in needed:
            if getattr(self, name) is UNSET:
                yield f"status {self.status} without field `{name}`"
        for name in refused:
            if getattr(self, name) is not UNSET:
                yield f"status {self.status} with field `{name}`"

    def _token_faults(self) -> Iterator[str]:
        dropped, scores = self.dropped or [], self.foe_scores or []
        total = self.num_visual_tokens or len(scores)
        if any(later <= earlier for earlier, later in pairwise(dropped)):
            yield "dropped is not ascending"
        elif dropped and total and dropped[-1] >= total:
            yield f"visual token {dropped[-1]} is dropped of {total}"
        if scores and len(scores) != total:
            yield f"{len(scores)} scores of {total} visual tokens"
        for _, _, left, top, right, bottom in self.tiles or ():
            if not (left < right and top < bottom):
                yield f"a tile from {left:g}, {top:g} to {right:g}, {bottom:g} is no rectangle"
        if self.tiles and sum(rows * columns for rows, columns, *_ in self.tiles) != total:
            yield f"the tiles do not hold num_visual_tokens {total}"
