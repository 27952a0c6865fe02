"""Orders of the options, the class that their mean decides, and letters numbered anew."""

import pytest

from sepm.baselines.rotations import likeliest, mean_probabilities, rotated_orders
from sepm.baselines.single_query import single_query
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.method.algorithm import coarse_to_fine
from sepm.method.config import MethodConfig
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply, Sample
from tests.sepm.joys import JOYS

EMOSET = load_taxonomy("emoset")
SAMPLE = Sample("1", 4)
FALLING = {"A": 0.4, "B": 0.3, "C": 0.2, "D": 0.1}


def answered(dialogue: Dialogue, *replies: Reply) -> tuple[list[Ask], Outcome]:
    """The asks of a dialogue that gets these replies, and its outcome."""
    asks = [next(dialogue)]
    for reply in replies[:-1]:
        asks.append(dialogue.send(reply))
    with pytest.raises(StopIteration) as stop:
        dialogue.send(replies[-1])
    return asks, stop.value.value


def reply(letter: str | None, probs: dict[str, float] = FALLING) -> Reply:
    return Reply(letter, letter or "hm", probs, read="letter" if letter else None)


def test_option_k_of_order_r_is_class_k_plus_r_and_letters_stay_in_order() -> None:
    orders = rotated_orders(JOYS, 4)
    assert [[c.name for c in order] for order in orders] == [
        ["joy", "fear", "calm", "grief"],
        ["fear", "calm", "grief", "joy"],
        ["calm", "grief", "joy", "fear"],
        ["grief", "joy", "fear", "calm"],
    ]
    assert {tuple(c.option_letter for c in order) for order in orders} == {("A", "B", "C", "D")}
    assert orders[0] == JOYS.classes


def test_more_orders_than_options_are_refused() -> None:
    with pytest.raises(InputError, match=r"rotations must be at most 4, .* of task joys, got 5"):
        rotated_orders(JOYS, 5)
    with pytest.raises(InputError, match="rotations must be at least 1, got 0"):
        MethodConfig(rotations=0)


def test_the_mean_is_of_a_class_wherever_it_stood() -> None:
    mean = mean_probabilities([FALLING, FALLING], JOYS)
    # joy stood first and last, fear second and first, calm third and second, grief last and third.
    assert mean == pytest.approx({"A": 0.25, "B": 0.35, "C": 0.25, "D": 0.15})
    assert likeliest(mean) == "B"


def test_of_equal_means_the_first_option_of_the_list_is_the_answer() -> None:
    assert likeliest(mean_probabilities([dict.fromkeys("ABCD", 0.2)] * 2, JOYS)) == "A"


def test_each_order_is_asked_and_read_by_its_own_letters_and_the_mean_decides() -> None:
    config = MethodConfig(rotations=2)
    asks, outcome = answered(single_query(SAMPLE, JOYS, config), reply("A"), reply("A"))
    assert [ask.query.body.splitlines()[1:5] for ask in asks] == [
        ["A. Joy", "B. Fear", "C. Calm", "D. Grief"],
        ["A. Fear", "B. Calm", "C. Grief", "D. Joy"],
    ]
    assert [ask.key.read("It is grief.") for ask in asks] == ["D", "C"]
    assert outcome.query == asks[0].query
    assert outcome.rotations == (reply("A"), reply("A"))
    assert (outcome.reply.letter, outcome.reply.text, outcome.reply.read) == ("B", "B", "mean")
    assert outcome.emotion(JOYS) == "fear"
    assert outcome.reply.probs == pytest.approx({"A": 0.25, "B": 0.35, "C": 0.25, "D": 0.15})


def test_an_unread_order_counts_with_its_probabilities_and_all_unread_are_unread() -> None:
    config = MethodConfig(rotations=2)
    _, one = answered(single_query(SAMPLE, JOYS, config), reply(None), reply("C"))
    assert one.emotion(JOYS) == "fear"  # by the mean of both, though the second order said grief
    _, none = answered(single_query(SAMPLE, JOYS, config), reply(None), reply(None))
    assert (none.emotion(JOYS), none.reply.text, none.reply.read) == (None, "hm", None)
    assert none.reply.probs == one.reply.probs


def test_one_order_is_the_query_as_it_always_was() -> None:
    (ask,), outcome = answered(single_query(SAMPLE, JOYS, MethodConfig()), reply("D"))
    assert outcome == Outcome(ask.query, reply("D"), ("A", "B", "C", "D"))
    assert outcome.emotion(JOYS) == "grief"


def fine(letters: str, coarse: str, answer: Reply) -> tuple[Ask, Outcome]:
    """The fine ask of CCI after that coarse answer, and its outcome."""
    config = MethodConfig(letters=letters)  # pyright: ignore[reportArgumentType]
    probs = {"A": 0.95, "B": 0.05} if coarse == "A" else {"A": 0.05, "B": 0.95}
    dialogue = coarse_to_fine(SAMPLE, EMOSET, config, phrase=False)
    asks, outcome = answered(dialogue, Reply(coarse, coarse, probs), answer)
    return asks[1], outcome


def test_renumbered_letters_stand_for_the_classes_shown_and_no_others() -> None:
    kept, as_kept = fine("kept", "B", reply("E"))
    anew, as_anew = fine("renumbered", "B", reply("B"))
    shown = [ask.query.body.splitlines()[1:5] for ask in (kept, anew)]
    assert shown == [
        ["B. Anger", "E. Disgust", "G. Fear", "H. Sad"],
        ["A. Anger", "B. Disgust", "C. Fear", "D. Sad"],
    ]
    assert (kept.options, anew.options) == (tuple("BEGH"), tuple("ABCD"))
    assert (kept.key.letters, anew.key.letters) == (tuple("ABCDEFGH"), tuple("ABCD"))
    assert as_kept.emotion(EMOSET) == as_anew.emotion(EMOSET) == "disgust"
    assert as_kept.renumbered is None


@pytest.mark.parametrize(
    ("text", "kept", "anew"),
    [
        ("The answer is G.", "G", None),  # the letter of fear in the list
        ("The answer is C.", "C", "C"),
        ("The answer is fear.", "G", "C"),
        ("The answer is awe.", "C", None),  # not shown in the negative branch
    ],
)
def test_letters_and_words_of_classes_that_were_not_shown_do_not_count_when_renumbered(
    text: str, kept: str | None, anew: str | None
) -> None:
    assert fine("kept", "B", reply("B"))[0].key.read(text) == kept
    assert fine("renumbered", "B", reply("B"))[0].key.read(text) == anew


def test_with_all_classes_offered_renumbered_letters_are_the_lists_own() -> None:
    config = MethodConfig(letters="renumbered")
    dialogue = coarse_to_fine(SAMPLE, EMOSET, config, phrase=False)
    asks, outcome = answered(dialogue, Reply("A", "A", {"A": 0.5, "B": 0.5}), reply("G"))
    assert asks[1].options == tuple("ABCDEFGH")
    assert outcome.emotion(EMOSET) == "fear"


def test_probabilities_by_class_follow_the_letters_shown() -> None:
    outcome = fine("renumbered", "A", reply("D"))[1]
    expected = {"amusement": 0.4, "awe": 0.3, "contentment": 0.2, "excitement": 0.1}
    assert outcome.probs_by_class(EMOSET) == expected
    assert outcome.emotion(EMOSET) == "excitement"
