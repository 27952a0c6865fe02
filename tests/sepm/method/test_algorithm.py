"""Algorithm 1 followed with a finger: what is asked, and what follows from each answer."""

from dataclasses import replace

import pytest

from sepm.datasets.tasks import load_taxonomy
from sepm.method.algorithm import coarse_to_fine
from sepm.method.config import PRESETS, MethodConfig
from sepm.method.dialogue import Ask, Dialogue, Outcome, Reply, Sample
from sepm.registry import METHODS
from sepm.token_dropping.selectors import dropped_tokens

EMOSET = load_taxonomy("emoset")
SAMPLE = Sample("awe/awe_00002.jpg", num_visual_tokens=10)
SCORES = tuple(float(x) for x in (5, 1, 4, 2, 9, 8, 7, 6, 3, 10))


def coarse_reply(letter: str | None, p_a: float, p_b: float) -> Reply:
    return Reply(letter, letter or "hm", {"A": p_a, "B": p_b}, SCORES)


def finish(dialogue: Dialogue, reply: Reply) -> Outcome:
    with pytest.raises(StopIteration) as stop:
        dialogue.send(reply)
    return stop.value.value


def sepm(config: MethodConfig, coarse: Reply, sample: Sample = SAMPLE) -> tuple[Ask, Ask, Outcome]:
    dialogue = coarse_to_fine(sample, EMOSET, config, phrase=True, select=dropped_tokens)
    first = next(dialogue)
    second = dialogue.send(coarse)
    return first, second, finish(dialogue, Reply("C", "C", {"C": 0.7}))


def test_a_confident_positive_answer_asks_among_the_positive_classes_without_the_dropped() -> None:
    first, second, outcome = sepm(MethodConfig(), coarse_reply("A", 0.9, 0.05))
    assert first.query.text.startswith("Please focus on emotion.\nWhich of the following")
    assert first.options == ("A", "B")
    assert first.dropped == ()
    assert first.scored_by == (0, len("Please focus on emotion"), 0)
    assert second.options == ("A", "C", "D", "F")
    assert second.dropped == (1, 3)  # floor(0.2 * 10) lowest of SCORES
    assert second.scored_by is None
    assert outcome.dropped == (1, 3)
    assert outcome.reply.letter == "C"
    assert outcome.coarse is not None
    assert outcome.coarse.branch == "positive"
    assert outcome.coarse.confidence == pytest.approx(0.85**2 / 4)


def test_a_confident_negative_answer_asks_among_the_negative_classes() -> None:
    _, second, _ = sepm(MethodConfig(), coarse_reply("B", 0.05, 0.9))
    assert second.options == ("B", "E", "G", "H")


def test_an_unsure_answer_asks_among_all_and_says_that_it_is_ambiguous() -> None:
    _, second, outcome = sepm(MethodConfig(), coarse_reply("A", 0.6, 0.4))
    assert second.options == tuple("ABCDEFGH")
    assert second.query.text.startswith(
        "Please focus on emotion.\nThis is an ambiguous emotion.\nWhich of the following"
    )
    assert outcome.coarse is not None
    assert outcome.coarse.branch == "ambiguous"
    assert second.dropped == (1, 3)


def test_an_answer_off_the_menu_is_decided_by_the_larger_probability_and_marked() -> None:
    _, second, outcome = sepm(MethodConfig(), coarse_reply(None, 0.0, 0.7))
    assert second.options == ("B", "E", "G", "H")
    assert outcome.coarse is not None
    assert outcome.coarse.off_menu


def test_the_same_probabilities_gate_differently_under_the_two_variances() -> None:
    reply = coarse_reply("A", 0.75, 0.25)  # population 0.0625, sample 0.125
    assert sepm(PRESETS["paper"], reply)[2].coarse.branch == "ambiguous"  # type: ignore[union-attr]
    assert sepm(PRESETS["released"], reply)[2].coarse.branch == "positive"  # type: ignore[union-attr]


def test_the_first_released_state_never_gates_and_changes_the_phrase_in_the_fine_stage() -> None:
    first, second, _ = sepm(PRESETS["released-2025-07"], coarse_reply("A", 0.5, 0.5))
    assert first.query.phrase == "Please focus on emotion."
    assert second.query.phrase == "Identify the predominant emotion conveyed."
    assert second.options == ("A", "C", "D", "F")


def test_the_released_coarse_query_is_the_files_text_with_the_phrase_once() -> None:
    text = "Please focus on emotion.\nIs it good?"
    for file_text in (text, "Is it good?"):
        first, _, _ = sepm(
            PRESETS["released"], coarse_reply("A", 1, 0), Sample("x/y", 10, file_text)
        )
        assert first.query.text == text


def test_the_released_coarse_query_comes_from_the_taxonomy_where_the_file_has_none() -> None:
    first, _, _ = sepm(PRESETS["released"], coarse_reply("A", 1, 0))
    assert "Positive emotions include amusement, awe" in first.query.body


def test_zero_beta_drops_nothing_yet_asks_the_same() -> None:
    _, second, _ = sepm(replace(MethodConfig(), beta=0.0), coarse_reply("A", 1, 0))
    assert second.dropped == ()


def test_query_related_dropping_scores_by_the_whole_coarse_query() -> None:
    first, _, _ = sepm(replace(MethodConfig(), drop="query"), coarse_reply("A", 1, 0))
    assert first.scored_by == (0, len(first.query.text), 0)


def test_random_dropping_needs_no_scores() -> None:
    first, second, _ = sepm(replace(MethodConfig(), drop="random"), coarse_reply("A", 1, 0))
    assert first.scored_by is None
    assert len(second.dropped) == 2


@pytest.mark.parametrize(
    ("name", "phrase", "asks"),
    [("zero-shot", False, 1), ("fp", True, 1), ("cci", False, 2), ("cci+fp", True, 2)],
)
def test_every_row_of_table_3_is_a_choice_of_parts(name: str, phrase: bool, asks: int) -> None:
    dialogue = METHODS[name].recipe(SAMPLE, EMOSET, MethodConfig())
    ask, asked = next(dialogue), 1
    assert (ask.query.phrase is not None) == phrase
    if asks == 2:
        ask, asked = dialogue.send(coarse_reply("A", 1, 0)), 2
        assert (ask.query.phrase is not None) == phrase
    outcome = finish(dialogue, Reply("C", "C", {}))
    assert asked == asks
    assert ask.dropped == outcome.dropped == ()


def test_chain_of_thought_replaces_the_last_line() -> None:
    ask = next(METHODS["zero-shot-cot"].recipe(SAMPLE, EMOSET, MethodConfig()))
    assert ask.query.text.splitlines()[-1] == (
        "Let's think step by step, then answer with the option's letter from the given choices "
        "directly."
    )


@pytest.mark.parametrize(("p_a", "offered"), [(0.95, "A"), (0.05, "B"), (0.6, "AB")])
def test_of_two_classes_the_fine_query_offers_the_coarse_answers_or_both(
    p_a: float, offered: str
) -> None:
    taxonomy = load_taxonomy("polarity")
    dialogue = coarse_to_fine(SAMPLE, taxonomy, MethodConfig(), phrase=True, select=dropped_tokens)
    next(dialogue)
    fine = dialogue.send(coarse_reply("A" if p_a > 0.5 else "B", p_a, 1 - p_a))
    assert "".join(fine.options) == offered
    outcome = finish(dialogue, Reply(offered[-1], offered[-1], {offered[-1]: 0.7}))
    assert outcome.reply.letter == offered[-1]
