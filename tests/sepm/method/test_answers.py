"""Reading an answer's text: what counts as an answer, and what is left unread."""

import pytest

from sepm.datasets.tasks import load_taxonomy
from sepm.method.answers import COARSE_KEY, fine_key

KEY = fine_key(load_taxonomy("emoset"))


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("D", "D"),
        ("(D)", "D"),
        ("D. Content", "D"),
        ("D) it is calm", "D"),
        ("D: Content", "D"),
        ("The answer is D", "D"),
        ("Let's think. The scene is dark.\nAnswer: (G)", "G"),
        ("So the answer would be option H.", "H"),
        ("Contentment", "D"),
        ("The answer is contentment.", "D"),
        ("Answer: **D**", "D"),
        ("the answer is: 'D'", "D"),
        ("(D) Content", "D"),
        ("sad", "H"),
        ("EXCITEMENT!", "F"),
    ],
)
def test_an_answer_is_read(text: str, letter: str) -> None:
    assert KEY.read(text) == letter


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A man is smiling",
        "I cannot tell",
        "anger or fear",
        "The answer is A. No, the answer is B.",
        "The answer is a dog",
        "Z",
        "awesome",
        "The content of the image is a dog running on grass.",
        "There is no fear in this picture",
        "It is not sadness",
        "The image is not about anger.",
        "The answer is A or B",
        "(A) or (B)",
        "A, B, and C are possible",
        "The answer is A man",
        "A. is wrong, the answer is D",
    ],
)
def test_what_names_no_class_or_several_is_unread(text: str) -> None:
    assert KEY.read(text) is None


def test_the_coarse_answer_may_be_the_word() -> None:
    assert COARSE_KEY.read("Positive") == "A"
    assert COARSE_KEY.read("negative.") == "B"
    assert COARSE_KEY.read("C") is None
    assert COARSE_KEY.read("It is not positive") is None
