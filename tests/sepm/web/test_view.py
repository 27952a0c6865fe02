"""What the page says of a comparison, and what it leaves out."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sepm.method.dialogue import Reply
from sepm.records.writing import VisualTokens
from sepm.web.choice import Choice
from sepm.web.session import Comparison, LiveImage, Session
from sepm.web.view import change_between, comparison_html, message_html


@pytest.fixture(scope="module")
def image(session: Session, images: list[Path]) -> LiveImage:
    return session.read(images[1], images[1].name)


@pytest.fixture
def compare(session: Session, image: LiveImage) -> Callable[[Choice], Comparison]:
    return lambda choice: session.compare(image, choice)


def captions(html: str) -> list[str]:
    return [caption.strip() for caption in re.findall(r"<figcaption>([^\n<]*)", html)]


def with_reply(comparison: Comparison, reply: Reply) -> Comparison:
    outcome = replace(comparison.decision.outcome, reply=reply)
    return replace(comparison, decision=replace(comparison.decision, outcome=outcome))


def test_sepm_shows_image_dropped_tokens_and_scores(compare: Callable) -> None:
    html = comparison_html(compare(Choice(beta=0.25)))
    assert captions(html) == [
        "image",
        "4 of 16 tokens dropped (β = 0.25)",
        "FoE score of each token",
    ]
    assert html.count('src="data:image/jpeg;base64,') == 3
    assert "http" not in html


def test_a_picture_is_drawn_once(
    compare: Callable, image: LiveImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = comparison_html(compare(Choice(beta=0.5)))
    monkeypatch.setattr("sepm.web.view.data_url", lambda *_, **__: "drawn again")
    assert captions(comparison_html(compare(Choice(beta=0.5, alpha=0.2)))) == captions(first)
    assert "drawn again" not in comparison_html(compare(Choice(beta=0.5, alpha=0.2)))
    assert comparison_html(compare(Choice(beta=0.9))).count('src="drawn again"') == 1
    monkeypatch.setattr("sepm.web.view.MOST_DRAWN", 2)
    comparison_html(compare(Choice(beta=0.7)))
    assert len(image.drawn) <= 2
    image.drawn.clear()


def test_nothing_is_drawn_where_places_are_not_known(compare: Callable) -> None:
    html = comparison_html(replace(compare(Choice(beta=0.25)), visual_grid=None))
    assert captions(html) == ["image"]
    said = "4 of 16 tokens dropped; the places of this model&#39;s visual tokens are not known"
    assert said in html


def test_each_cover_of_a_tiled_image_gets_its_own_pictures(compare: Callable) -> None:
    tiles = [[2, 2, 0.0, 0.0, 0.5, 1.0], [2, 2, 0.5, 0.0, 1.0, 1.0], [2, 4, 0.0, 0.0, 1.0, 1.0]]
    comparison = compare(Choice(beta=0.25))
    tiled = replace(comparison.decision, visual_tokens=VisualTokens(16, tiles))
    shown = captions(comparison_html(replace(comparison, decision=tiled)))
    of_tiles = sum(token < 8 for token in comparison.decision.outcome.dropped)
    assert shown == [
        "image",
        f"4 of 16 tokens dropped (β = 0.25), tiles: {of_tiles} of 8",
        f"4 of 16 tokens dropped (β = 0.25), thumbnail: {4 - of_tiles} of 8",
        "FoE score of each token, tiles",
        "FoE score of each token, thumbnail",
    ]


def test_the_gate_is_told_and_drawn_unless_there_is_none(compare: Callable) -> None:
    html = comparison_html(compare(Choice(alpha=0.1)))
    assert "ambiguous at or below α = 0.1" in html
    assert '<span class="sepm-gate" style="width: 40.0%">' in html  # of 0.25
    ungated = comparison_html(compare(Choice(preset="released-2025-08")))
    assert "no gate" in ungated
    assert "sepm-gate" not in ungated


def test_options_that_a_branch_does_not_offer_have_no_probability(compare: Callable) -> None:
    comparison = compare(Choice(alpha=0.0))
    assert len(comparison.decision.outcome.offered) == 4
    assert comparison_html(comparison).count("not offered") == 4


def test_a_method_without_a_coarse_stage_shows_none(compare: Callable) -> None:
    html = comparison_html(compare(Choice(method="sparsevlm")))
    assert "sepm-coarse" not in html
    assert captions(html) == ["image"]
    assert "visual tokens before the first decoder layer and after each: 16 " in html
    alone = comparison_html(compare(Choice(method="zero-shot")))
    assert alone.count('scope="col"') == 1


def test_an_answer_in_words_is_quoted(compare: Callable) -> None:
    comparison = compare(Choice())
    probs = comparison.decision.outcome.reply.probs
    unread = Reply(None, "I <b>cannot</b> tell", probs)
    html = comparison_html(with_reply(comparison, unread))
    assert '<span class="sepm-answer" data-fact="answer">unread</span>' in html
    assert "sepm wrote: <q>I &lt;b&gt;cannot&lt;/b&gt; tell</q>" in html
    read = Reply("A", "It is amusement.", probs, read="text")
    assert "sepm wrote: <q>It is amusement.</q>" in comparison_html(with_reply(comparison, read))
    alone = with_reply(compare(Choice(method="zero-shot")), read)
    assert "zero-shot wrote: <q>It is amusement.</q>" in comparison_html(alone)


def test_a_change_names_the_move_and_what_it_changed(compare: Callable) -> None:
    before, after = compare(Choice(alpha=0.0)), compare(Choice(alpha=0.25))
    change = change_between(before, after)
    assert change is not None
    assert change.moved == "α 0 → 0.25"
    was = before.decision.outcome.coarse.branch
    assert change.changed.split(", ")[0] == f"branch {was} → ambiguous"
    html = comparison_html(after, change, new=True)
    assert f'<span class="sepm-new">{change.moved}: {change.changed}</span>' in html
    assert change_between(after, compare(Choice(alpha=0.24))) is None


def test_a_message_is_text() -> None:
    html = message_html("error", "image <script>.png: no such file")
    assert "image &lt;script&gt;.png: no such file" in html
    assert 'role="alert"' in html
