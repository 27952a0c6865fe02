"""Text of a comparison of two runs, from what `sepm.analysis.compare` found."""

from collections.abc import Iterator
from typing import Any

from sepm.analysis import plain_text as text
from sepm.analysis.decision_changes import NEAR_TIE, SAME_INPUT
from sepm.analysis.metrics import UNREAD
from sepm.analysis.paired import P_AND_INTERVAL, SIGNIFICANCE
from sepm.documents import Document, Grid
from sepm.method.taxonomy import no_class

FLIPS_SHOWN = 20


def as_document(found: dict[str, Any]) -> Document:
    """Differences first, then accuracy, classes, flips, and how to read them."""
    parts = (_runs, _differences, _accuracy, _classes, _flips, _stages)
    blocks = [block for part in parts if (block := list(part(found)))]
    lines = [line for block in blocks for line in (*block, "")]
    return [*lines, "How to read it:", *(f"  {line}" for line in reading(found))]


def reading(found: dict[str, Any]) -> Iterator[str]:
    """Conclusions: where a difference may come from, and whether chance explains it."""
    accuracy, flips, differing = found["accuracy"], found["flips"], found["differences"]
    named = [name for group in differing.values() for name in group]
    if found["questions"]["other_images"]:
        yield "Image files differ: the runs are about other data, whatever else is the same."
    elif not named:
        yield "Nothing that was written down differs between the runs."
    elif not differing["settings"] and not differing["inputs"]:
        code = "; or from the code, for the commit differs" * any("git_commit" in n for n in named)
        yield f"Only the environment differs, so flips come from arithmetic{code}."
    else:
        yield "Settings or inputs differ; look there first, before the model or the device."
    if not flips["n"]:
        yield "No answer changed."
        return
    p = text.p_value(accuracy["p"])
    if accuracy["p"] < SIGNIFICANCE:
        yield f"The difference is more than chance would change (McNemar p {p})."
    else:
        yield (
            f"{accuracy['gained']} gained and {accuracy['lost']} lost: chance alone changes that "
            f"much (McNemar p {p})."
        )
    silent = flips["causes"][SAME_INPUT]
    if silent:
        yield (
            f"{silent} of {flips['n']} flips saw the same query and tokens; {flips['near_ties']} "
            f"of these are near ties (margin below {NEAR_TIE}), which rounding can turn."
        )
    yield P_AND_INTERVAL


def _runs(found: dict[str, Any]) -> Iterator[str]:
    for name, run in zip("AB", found["runs"], strict=True):
        yield f"{name}  {run['folder']}"
        paper = run["paper"] or {"reported": None, "note": None}
        beside = f"; the paper: {text.percent(paper['reported'])}" if paper["reported"] else ""
        yield f"   {run['method']}, preset {run['preset']}, {run['rows']} rows{beside}"
        if paper["note"]:
            yield f"   the paper's: {paper['note']}"
        if others := run.get("reported_elsewhere"):
            reported = text.percent(others["reported"])
            yield f"   others, {others['source']}: {reported}; {others['note']}"
    common = found["questions"]["common"]
    rows = [run["rows"] for run in found["runs"]]
    if any(n != common for n in rows):
        yield f"Different question sets or errors: compared on the {common} questions both ran."
    if found["questions"]["other_labels"]:
        yield f"{found['questions']['other_labels']} of them are labelled differently."
    if found["questions"]["other_images"]:
        yield f"{found['questions']['other_images']} of them are about other image files."


def _differences(found: dict[str, Any]) -> Iterator[str]:
    for group, names in found["differences"].items():
        if not names:
            yield f"{group}: the same"
        else:
            yield f"{group}:"
            yield from (f"  {name}: A {a!r}, B {b!r}" for name, (a, b) in names.items())


def _accuracy(found: dict[str, Any]) -> Iterator[str]:
    for name, run in zip("AB", found["runs"], strict=True):
        yield (
            f"{name}  {text.percent(run['accuracy'])} %  ({run['correct']} of "
            f"{found['questions']['common']}; 95% interval {text.interval(run['ci95'])}; "
            f"{run['unread']} unread)"
        )
    yield f"B - A  {text.paired_words(found['accuracy'])}"


def _classes(found: dict[str, Any]) -> list[Grid]:
    rows = []
    for name, row in found["per_class"].items():
        *cells, gained, lost, p = text.class_cells(row)
        rows.append([name, *cells, f"{gained} / {lost}", p])
    return [Grid(("class", "n", "A", "B", "B - A", "gained / lost", "p"), rows)]


def _flips(found: dict[str, Any]) -> Iterator[str | Grid]:
    flips = found["flips"]
    directions = ", ".join(f"{n} {name}" for name, n in flips["directions"].items())
    yield f"{flips['n']} flips{f' ({directions})' if directions else ''}"
    for cause, n in flips["causes"].items():
        if n:
            yield f"  {n} with {cause}"
    # The surest changes first: what rounding cannot explain.
    unread = no_class(UNREAD, found["per_class"])
    surest = sorted(flips["samples"], key=_smaller_margin, reverse=True)
    if surest:
        rows = [_flip(flip, unread) for flip in surest[:FLIPS_SHOWN]]
        yield Grid(("sample", "A", "B", "change", "cause", "margin A", "margin B"), rows, words=5)
    if len(surest) > FLIPS_SHOWN:
        yield f"  … and {len(surest) - FLIPS_SHOWN} less sure; --json has all"


def _flip(flip: dict[str, Any], unread: str) -> list[str]:
    predictions = (prediction or unread for prediction in flip["predictions"])
    margins = (text.decimals(margin, ".3f") for margin in flip["margins"])
    return [flip["question_id"], *predictions, flip["direction"], flip["cause"], *margins]


def _smaller_margin(flip: dict[str, Any]) -> float:
    return min((m for m in flip["margins"] if m is not None), default=0.0)


def _stages(found: dict[str, Any]) -> Iterator[str]:
    margins = found["margins"]
    if margins["flipped"] is not None and margins["not_flipped"] is not None:
        yield (
            f"median margin: {margins['flipped']:.3f} of the flipped, "
            f"{margins['not_flipped']:.3f} of the others"
        )
    if branches := found["branches"]:
        changes = ", ".join(f"{n} {name}" for name, n in branches["changes"].items())
        shown = f" ({changes})" if changes else ""
        yield f"same branch: {branches['same']} of {branches['n']}{shown}"
    if dropped := found["dropped"]:
        yield (
            f"dropped tokens: mean Jaccard {dropped['mean_jaccard']:.4f}; the same in "
            f"{dropped['same']} of {dropped['n']}"
        )
    for stage, moved in found["drift"].items():
        if moved:
            yield (
                f"same {stage} query: probabilities moved by {moved['median']:.2g} (median), "
                f"{moved['max']:.2g} (most), in {moved['n']} samples"
            )
