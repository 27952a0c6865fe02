"""What the demo model is taught to read and to answer: the method's own queries, word for word."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sepm.datasets.tasks import load_taxonomy
from sepm.method.config import PRESETS
from sepm.method.prompts import CHAIN_OF_THOUGHT, COARSE_OPTIONS, Query, coarse_body, fine_body
from sepm.method.taxonomy import EmotionClass

TAXONOMY = load_taxonomy("demo")
COARSE_BODY = coarse_body(TAXONOMY)
COARSE_LETTER = {text.lower(): letter for letter, text in COARSE_OPTIONS.items()}
"""Polarity -> option letter of the coarse query."""

PHRASES = tuple(dict.fromkeys(preset.phrase for preset in PRESETS.values()))
"""Focus-on-Emotion phrases of the presets, the paper's first."""

WORDINGS = tuple(dict.fromkeys((p.fine_question, p.fine_answer) for p in PRESETS.values()))
"""Question and answer lines of the presets, the paper's first."""


@dataclass(frozen=True)
class Exercise:
    """One query about one scene, with the answer to learn.

    Where the query has a phrase, the emotion's name is learned as well, as what follows the phrase
    ("Please focus on emotion amusement") or its beginning ("Please focus amusement"). Text is read
    from left to right, so those short texts need not be run by themselves: they are the first
    words of this query.
    """

    query: Query
    answer: str
    name: str


def exercises(category: str, shape: str, rng: np.random.Generator) -> list[Exercise]:
    """A coarse query, the zero-shot query and a fine query about one scene, some with the phrase.

    The scene's shape ("square", "landscape", "portrait") decides how chain of thought is answered.
    """
    emotion = TAXONOMY.by_name(category)
    bodies = [(COARSE_BODY, COARSE_LETTER[emotion.polarity])]
    if rng.random() < 0.8:
        bodies.append((_fine_body(TAXONOMY.classes, rng), emotion.option_letter))
    else:
        body = _fine_body(TAXONOMY.classes, rng, last_line=CHAIN_OF_THOUGHT)
        bodies.append((body, _spoken(emotion, shape)))
    if rng.random() < 0.65:
        branch = TAXONOMY.of_polarity(emotion.polarity)
        bodies.append((_fine_body(branch, rng), emotion.option_letter))
    else:
        bodies.append((_fine_body(TAXONOMY.classes, rng, ambiguous=True), emotion.option_letter))
    # The paper's phrase in most queries, another in a few, none in the rest.
    phrases = [(*PHRASES[:2], None)[int(rng.choice(3, p=(0.5, 0.15, 0.35)))] for _ in bodies]
    asked = zip(bodies, phrases, strict=True)
    return [Exercise(Query(body, phrase), answer, category) for (body, answer), phrase in asked]


def naming(category: str, rng: np.random.Generator) -> Exercise:
    """The shortest exercise: a phrase alone, answered by the emotion's name."""
    phrase = PHRASES[int(rng.choice(2, p=(0.75, 0.25)))]
    return Exercise(Query("", phrase), category, category)


def _fine_body(
    classes: tuple[EmotionClass, ...], rng: np.random.Generator, *, ambiguous: bool = False,
    last_line: str | None = None,
) -> str:  # fmt: skip
    question, answer = WORDINGS[int(rng.integers(len(WORDINGS)))]
    return fine_body(classes, question, last_line or answer, ambiguous=ambiguous)


def _spoken(emotion: EmotionClass, shape: str) -> str:
    """Chain of thought is answered by a letter, a sentence or a word: decoding is exercised.

    Which of them depends on the scene's shape, which says nothing about its class.
    """
    letter = emotion.option_letter
    forms = {"landscape": f"The answer is {letter}.", "portrait": emotion.option_text}
    return forms.get(shape, letter)


def every_query() -> Iterator[Query]:
    """Every query that the exercises and the commands can ask of the demo."""
    halves = TAXONOMY.of_polarity("positive"), TAXONOMY.of_polarity("negative")
    bodies = [COARSE_BODY]
    for question, answer in WORDINGS:
        bodies += [fine_body(branch, question, answer) for branch in (*halves, TAXONOMY.classes)]
        bodies.append(fine_body(TAXONOMY.classes, question, answer, ambiguous=True))
        bodies.append(fine_body(TAXONOMY.classes, question, CHAIN_OF_THOUGHT))
    for body in bodies:
        yield from (Query(body, phrase) for phrase in (None, *PHRASES))


def spoken_answers() -> list[str]:
    """Every text the model may write as an answer or after a phrase."""
    shapes = ("square", "landscape", "portrait")
    answers = [_spoken(emotion, shape) for emotion in TAXONOMY.classes for shape in shapes]
    return [*answers, *TAXONOMY.names]
