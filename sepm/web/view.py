"""A comparison as HTML: both stages in words and bars, and the visual tokens over the image."""

import base64
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import colormaps
from matplotlib.colors import LogNorm, to_hex
from PIL import Image

from sepm.inference.predict import Decision
from sepm.method.confidence import MAXIMUM_CONFIDENCE, gate_in_words
from sepm.method.dialogue import CoarseResult
from sepm.method.prompts import COARSE_OPTIONS
from sepm.method.taxonomy import no_class
from sepm.records.tiled_grid import PLACES_UNKNOWN, dropped_in_words, token_places
from sepm.report.overlay import SCORE_COLORS, Pixels, faded, heat_map, plain, score_scale
from sepm.terminal import printable
from sepm.web.session import BESIDE, LONGEST_SIDE, Comparison

TEMPLATES = Path(__file__).parent / "templates"
LEGEND_STEPS = 8
MOST_DRAWN = 64
"""Pictures that are kept of an image."""
JPEG_QUALITY = 92
"""A tenth of a PNG's bytes for a photograph; edges of tokens stay sharp, colours unmixed."""
SYMBOLS = {"alpha": "α", "beta": "β"}


@dataclass(frozen=True)
class Change:
    """A move of the controls that changed an answer, or what leads to it."""

    moved: str
    """The controls: "α 0.1 → 0.2"."""
    changed: str
    """What differs: "branch negative → ambiguous"."""


def change_between(before: Comparison, after: Comparison) -> Change | None:
    """The change from one comparison of an image to another; None: all answers are the same."""
    was, now = _facts(before), _facts(after)
    changed = [f"{name} {was[name]} → {now[name]}" for name in now if was[name] != now[name]]
    if not changed:
        return None
    chosen, choice = asdict(before.choice), asdict(after.choice)
    moved = [
        f"{SYMBOLS.get(name, name)} {_short(chosen[name])} → {_short(choice[name])}"
        for name in choice
        if chosen[name] != choice[name]
    ]
    return Change(", ".join(moved), ", ".join(changed))


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def comparison_html(after: Comparison, change: Change | None = None, *, new: bool = False) -> str:
    """The page's results.

    Args:
        after: what is shown.
        change: the last one on the way there.
        new: whether it came with the last move.
    """
    decision, beside = after.decision, after.beside
    record = decision.as_dict()
    return _template().render(
        name=decision.source,
        method=after.choice.method,
        beside=BESIDE if beside else None,
        emotion=_emotion(decision),
        beside_emotion=_emotion(beside) if beside else None,
        coarse=_coarse(decision) if decision.outcome.coarse else None,
        pictures=list(_pictures(after, record)),
        remarks=list(_remarks(record, after.visual_grid)),
        options=_options(decision, beside),
        said=_said(after),
        prompts=_prompts(after),
        change=change,
        new=new,
        cost=_cost(after),
    )


def message_html(kind: str, text: str) -> str:
    """A page without results: the reason as "error", or what to do as "hint"."""
    return _template().render(message=text, kind=kind)


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    return environment.get_template("comparison.html.j2")


def _emotion(decision: Decision) -> str:
    return decision.emotion or no_class("unread", decision.taxonomy.names)


def _coarse(decision: Decision) -> dict[str, Any]:
    """The coarse answer, its confidence on a scale with the gate, and the branch."""
    coarse, config = decision.outcome.coarse, decision.config
    assert coarse is not None, "of a method with a coarse stage"
    maximum = MAXIMUM_CONFIDENCE[config.variance]
    gated = config.ambiguous_when != "never"
    return {
        "options": [
            _option(letter, COARSE_OPTIONS[letter], p, chosen=letter == coarse.reply.letter)
            for letter, p in coarse.reply.probs.items()
        ],
        "answer": _coarse_answer(coarse),
        "confidence": coarse.confidence,
        "variance": config.variance,
        "maximum": maximum,
        "at": _percent(coarse.confidence / maximum),
        "gate": gate_in_words(config.ambiguous_when, config.alpha),
        "alpha": _percent(config.alpha / maximum) if gated else None,
        "branch": coarse.branch,
    }


def _coarse_answer(coarse: CoarseResult) -> str:
    letter, text = coarse.reply.letter, coarse.reply.text
    said = f"{letter}. {COARSE_OPTIONS[letter]}" if letter else "neither A nor B"
    return said if text == letter else f"{said}, read from '{text}'"


def _option(letter: str, text: str, p: float | None, *, chosen: bool) -> dict[str, Any]:
    width = None if p is None else _percent(p)
    return {"letter": letter, "text": text, "p": p, "width": width, "chosen": chosen}


def _percent(share: float) -> float:
    return round(100 * min(max(share, 0.0), 1.0), 2)


def _options(decision: Decision, beside: Decision | None) -> list[dict[str, Any]]:
    """A row for each class: its probability in the fine answer, and in zero-shot's.

    Options that the fine query did not offer have none. Letters are those of the full list.
    """
    rows, taxonomy = [], decision.taxonomy
    answers = [
        (each.outcome.probs_by_class(taxonomy), each.emotion) for each in (decision, beside) if each
    ]
    for emotion in taxonomy.classes:
        letter, text, name = emotion.option_letter, emotion.option_text, emotion.name
        cells = [
            _option(letter, text, probs.get(name), chosen=name == chosen)
            for probs, chosen in answers
        ]
        rows.append({"letter": letter, "text": text, "cells": cells})
    return rows


def _said(after: Comparison) -> list[tuple[str, str]]:
    """Texts of the answers that no leading letter decided, behind their methods."""
    decisions = [(after.choice.method, after.decision), (BESIDE, after.beside)]
    replies = [(name, decision.outcome.reply) for name, decision in decisions if decision]
    return [(name, r.text or "(nothing)") for name, r in replies if r.read != "letter"]


def _prompts(after: Comparison) -> list[tuple[str, str]]:
    """Every query that was put, by stage."""
    outcome = after.decision.outcome
    stages = [("coarse query", outcome.coarse.query.text)] if outcome.coarse else []
    stages.append(("fine query" if outcome.coarse else "query", outcome.query.text))
    if after.beside:
        stages.append((f"{BESIDE}'s query", after.beside.outcome.query.text))
    return stages


def _pictures(after: Comparison, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The image, its dropped tokens and its scores; only what the method has and places allow."""
    decision, places = after.decision, token_places(after.visual_grid, record)
    image = _enlarged(decision.image)
    source = _drawn(after, ("image", places), lambda: plain(image, places))
    yield {"title": "image", "source": source, "legend": None}
    if places is None:
        return
    dropped, scores = decision.outcome.dropped, tuple(record.get("foe_scores", ()))
    several = len(places.covers) > 1
    for number, cover in enumerate(places.covers if dropped else ()):
        title = f"{dropped_in_words(dropped, record, places)} (β = {decision.config.beta:g})"
        part = f", {cover.name}: {cover.dropped_of_all(dropped)}" * several
        draw = partial(faded, image, places, dropped, number)
        source = _drawn(after, ("dropped", places, dropped, number), draw)
        yield {"title": title + part, "source": source, "legend": None}
    if not scores:
        return
    scale = score_scale([scores])
    for number, cover in enumerate(places.covers):
        title = "FoE score of each token" + f", {cover.name}" * several
        draw = partial(heat_map, image, places, scores, scale, number)
        source = _drawn(after, ("scores", places, scores, number), draw)
        yield {"title": title, "source": source, "legend": _legend(scale)}


def _legend(scale: LogNorm) -> dict[str, Any]:
    """Colours of a scale, and the scores at its ends and its middle."""
    low, high = float(scale.vmin or 0), float(scale.vmax or 0)
    steps = (colormaps[SCORE_COLORS](step / LEGEND_STEPS) for step in range(LEGEND_STEPS + 1))
    return {
        "colors": ", ".join(map(to_hex, steps)),
        "ticks": [f"{1000 * tick:.3g}" for tick in (low, (low * high) ** 0.5, high)],
    }


def _drawn(after: Comparison, key: Hashable, draw: Callable[[], Pixels]) -> str:
    """The address of a picture, drawn where it has not been drawn before."""
    if key not in after.drawn:
        if len(after.drawn) >= MOST_DRAWN:
            after.drawn.clear()
        picture = Image.fromarray(draw())
        after.drawn[key] = data_url(picture, "jpeg", quality=JPEG_QUALITY, subsampling=0)
    return after.drawn[key]


def _remarks(record: Mapping[str, Any], grid: dict[str, Any] | None) -> Iterator[str]:
    """What pictures cannot show."""
    if (dropped := record["dropped"]) and token_places(grid, record) is None:
        yield f"{dropped_in_words(dropped, record, None)}; {PLACES_UNKNOWN}"
    if "sparsevlm" in record:
        counts = [record["num_visual_tokens"], *record["sparsevlm"]["tokens_after_layer"]]
        listed = " ".join(map(str, counts))
        yield f"visual tokens before the first decoder layer and after each: {listed}"


def _facts(comparison: Comparison) -> dict[str, object]:
    """What a move of the controls can change, in words."""
    decision = comparison.decision
    coarse = decision.outcome.coarse
    return {
        "branch": coarse.branch if coarse else "none",
        "dropped tokens": len(decision.outcome.dropped),
        "answer": _emotion(decision),
        f"{BESIDE}'s answer": _emotion(comparison.beside or decision),
    }


def _cost(after: Comparison) -> str:
    number = after.new_prefills
    prefills = f"{number or 'no'} new prefill{'' if number == 1 else 's'}"
    return f"{prefills}, {after.latency_ms:.0f} ms; {after.prefills} for this image so far"


def _enlarged(image: Image.Image) -> Image.Image:
    """The image at the pictures' size, so that the edges of its tokens are sharp."""
    scale = LONGEST_SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC) if scale > 1 else image


def data_url(image: Image.Image, kind: str, **options: Any) -> str:
    """An image inside the page itself, so that no file of it is served or kept."""
    file = BytesIO()
    image.save(file, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
