"""Several exercises about one scene in one sequence, so that the scene is read once for all.

The sequence is the system prompt, the visual tokens, then one exercise after another. An exercise
sees what stands before the image, the image, and itself, at the positions it would have alone; so
the numbers are those of separate sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dialogues import Exercise
from llava.prompt import PromptTokenizer
from sepm.method.prompts import foe_span

NAME_WEIGHT, END_WEIGHT = 0.25, 0.1
"""Weight, relative to an answer's first token, of the name after each word of the phrase, and of
the end token and further tokens of an answer."""

_PADDING = -1


@dataclass(frozen=True)
class TokenizedExercise:
    """One exercise from the line break after the image on."""

    ids: tuple[int, ...]
    targets: tuple[tuple[int, int, float], ...]
    """(index into `ids`, id that follows there, weight)."""


class ExerciseTokenizer:
    """Turns exercises into ids and targets, by the package's own prompt tokenizer."""

    def __init__(self, prompts: PromptTokenizer) -> None:
        self.prompts = prompts
        first = prompts.tokenize("")
        self.before_image = first.input_ids[: first.image_position]

    def __call__(self, exercise: Exercise) -> TokenizedExercise:
        prompt = self.prompts.tokenize(exercise.query.text)
        start = prompt.image_position + 1
        asked = prompt.input_ids[start:]
        end = self.prompts.tokenizer.eos_token_id
        assert isinstance(end, int), "the demo's tokenizer has one end token"
        answer = (*self._ids(exercise.answer), end)
        targets = [
            (index, token, END_WEIGHT if index >= len(asked) else 1.0)
            for index, token in enumerate(answer, start=len(asked) - 1)
        ]
        if exercise.query.phrase:
            name = self._ids(exercise.name)[0]
            rows = prompt.positions_of(*foe_span(exercise.query, "phrase"))
            targets += [(row - start, name, NAME_WEIGHT) for row in rows]
        return TokenizedExercise((*asked, *answer[:-1]), tuple(targets))

    def _ids(self, text: str) -> tuple[int, ...]:
        """A text's ids as they follow a word: with a leading space."""
        return tuple(self.prompts.tokenizer(text, add_special_tokens=False).input_ids)


@dataclass(frozen=True)
class PackedBatch:
    """B scenes with their exercises, padded to one length; the T positions include the image."""

    image_position: int
    """Position of the first visual token."""
    ids: Tensor
    """int64[B, T - N]."""
    position_ids: Tensor
    """int64[B, T]."""
    attends: Tensor
    """bool[B, 1, T, T], which position (row) looks at which (column)."""
    rows: tuple[Tensor, Tensor]
    """Scene and position of each target."""
    targets: Tensor
    """int64, the id that follows there."""
    weights: Tensor
    """float32, its weight in the loss."""


def pack(
    scenes: Sequence[Sequence[TokenizedExercise]], before_image: Sequence[int], num_tokens: int
) -> PackedBatch:
    """The exercises of B scenes as one batch; each image keeps `num_tokens` (N) visual tokens."""
    lead = len(before_image)
    shared = lead + num_tokens
    length = shared + max(sum(len(e.ids) for e in exercises) for exercises in scenes)
    ids = torch.zeros(len(scenes), length - num_tokens, dtype=torch.long)
    ids[:, :lead] = torch.tensor(before_image)
    positions = torch.arange(length).repeat(len(scenes), 1)
    owners = torch.full((len(scenes), length), _PADDING)
    owners[:, :shared] = 0
    found: list[tuple[int, int, int, float]] = []
    for scene, exercises in enumerate(scenes):
        start = shared
        for number, exercise in enumerate(exercises, start=1):
            end = start + len(exercise.ids)
            ids[scene, start - num_tokens : end - num_tokens] = torch.tensor(exercise.ids)
            positions[scene, start:end] = torch.arange(shared, shared + len(exercise.ids))
            owners[scene, start:end] = number
            found += [(scene, start + i, token, weight) for i, token, weight in exercise.targets]
            start = end
    row_owner, column_owner = owners[:, :, None], owners[:, None, :]
    visible = (column_owner == 0) | (column_owner == row_owner)
    attends = visible & torch.ones(length, length, dtype=torch.bool).tril()
    scene_index, position, targets, weights = map(torch.tensor, zip(*found, strict=True))
    rows = scene_index, position
    return PackedBatch(lead, ids, positions, attends[:, None], rows, targets, weights)
