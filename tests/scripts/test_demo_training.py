"""The demo's training: exercises packed together are what they are alone; names follow phrases."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import torch

from llava.prompt import PromptTokenizer

Module = Callable[[str], ModuleType]


def test_packed_exercises_are_answered_as_if_alone(
    demo_module: Module, prompts: PromptTokenizer
) -> None:
    packing, dialogues = demo_module("packing"), demo_module("dialogues")
    torch.manual_seed(0)
    model = demo_module("model").DemoModel(len(prompts.tokenizer)).eval()
    tokenize = packing.ExerciseTokenizer(prompts)
    lessons = [
        [tokenize(e) for e in dialogues.exercises(name, "square", np.random.default_rng(seed))]
        for seed, name in enumerate(("awe", "fear"))
    ]
    visual_tokens = torch.randn(2, 5, 128)

    def states(scenes: list, tokens: torch.Tensor) -> torch.Tensor:
        packed = packing.pack(scenes, tokenize.before_image, num_tokens=5)
        return model(tokens, packed)[packed.rows]

    together = states(lessons, visual_tokens)
    alone = torch.cat(
        [states([[e]], visual_tokens[i : i + 1]) for i in range(2) for e in lessons[i]]
    )
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_every_word_of_the_phrase_is_followed_by_the_name(
    demo_module: Module, prompts: PromptTokenizer
) -> None:
    packing, dialogues = demo_module("packing"), demo_module("dialogues")
    exercise = dialogues.Exercise(
        dialogues.Query("", "Please focus on emotion."), answer="B", name="fear"
    )
    tokenized = packing.ExerciseTokenizer(prompts)(exercise)
    pieces = prompts.tokenizer.convert_ids_to_tokens(list(tokenized.ids))
    learned = [
        (pieces[index], prompts.tokenizer.convert_ids_to_tokens(token))
        for index, token, _ in tokenized.targets
    ]
    assert learned == [
        (":", "▁B"), ("▁B", "</s>"), ("Please", "▁fear"), ("▁focus", "▁fear"), ("▁on", "▁fear"),
        ("▁emotion", "▁fear"),
    ]  # fmt: skip


def test_every_exercise_asks_in_the_words_of_a_preset(demo_module: Module) -> None:
    dialogues = demo_module("dialogues")
    known = {query.text for query in dialogues.every_query()}
    rng = np.random.default_rng(0)
    asked = {e.query.text for _ in range(400) for e in dialogues.exercises("anger", "square", rng)}
    assert asked <= known
    assert len(asked) > 20


def test_chain_of_thought_is_answered_by_letter_sentence_or_word(demo_module: Module) -> None:
    dialogues = demo_module("dialogues")
    anger = dialogues.TAXONOMY.by_name("anger")
    spoken = [dialogues._spoken(anger, shape) for shape in ("square", "landscape", "portrait")]
    assert spoken == ["B", "The answer is B.", "Anger"]
