"""Every number in a figure, recomputed from the lines of `predictions.jsonl` by other code."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from sepm.analysis.accuracy import wilson_interval
from sepm.analysis.stored_run import StoredRun
from sepm.method.config import PRESETS
from sepm.records.geometry import VisualGrid
from sepm.records.tiled_grid import PLACES_UNKNOWN, token_places
from sepm.report.confidence_figure import draw_confidence
from sepm.report.confusion_figure import differences, draw_confusion, draw_difference
from sepm.report.decision import draw_decisions, pages_of
from sepm.report.dropped_tokens_figure import Scene, draw_dropped_tokens
from sepm.report.figures import FIGURES, Choice, Drawn, NotDrawn, draw_figures
from sepm.report.flips_figure import draw_flips, flip_table
from sepm.report.overlay import faded
from sepm.report.per_class_figure import draw_per_class
from sepm.report.risk_coverage_figure import draw_risk_coverage
from sepm.report.runs import RunGroup, read_run_groups
from sepm.report.style import FORMATS, picture_files, rendered, styled
from sepm.report.sweep_figure import curves, draw_sensitivity, swept_curves
from sepm.report.sweeps import read_sweeps
from tests.sepm.hand_made import INTERNVL, ROWS, SWEEP, tiled

Json = dict[str, Any]
Recorded = Callable[[str], list[Json]]

POSITIVE = ["amusement", "awe", "contentment", "excitement"]
NEGATIVE = ["anger", "disgust", "fear", "sadness"]


def pair(group: RunGroup) -> tuple[StoredRun, StoredRun]:
    assert group.compared is not None
    return group.compared


def accuracy(rows: list[Json]) -> float:
    return sum(row["prediction"] == row["label"] for row in rows) / len(rows)


def axes_of(figure: Figure | None) -> list[Any]:
    """What was drawn on; matplotlib does not tell the types of what lies on it."""
    assert figure is not None
    return list(figure.axes)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_figure_6_has_accuracy_and_interval_of_each_class_positive_classes_first(
    group: RunGroup, recorded: Recorded
) -> None:
    ax: Any = draw_per_class(*pair(group)).axes[0]
    for bars, method in zip(ax.containers[1::2], ("zero-shot", "sepm"), strict=True):
        for bar, name in zip(bars, POSITIVE + NEGATIVE, strict=True):
            rows = [row for row in recorded(method) if row["label"] == name]
            assert bar.get_height() == pytest.approx(100 * accuracy(rows))
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == [f"{name}\nn = 5" for name in POSITIVE + NEGATIVE]
    levels = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    overall = [100 * accuracy(recorded(method)) for method in ("zero-shot", "sepm")]
    assert levels == pytest.approx(overall)
    segments = ax.containers[2].lines[2][0].get_segments()
    right = sum(row["correct"] for row in recorded("sepm") if row["label"] == "amusement")
    interval = wilson_interval(right, 5) or ()
    assert segments[0][:, 1] == pytest.approx([100 * end for end in interval])


def test_figure_5_counts_coarse_answers_in_bins_of_the_variance(
    group: RunGroup, recorded: Recorded
) -> None:
    upper, lower = axes_of(draw_confidence(pair(group)[1]))
    rows: dict[int, list[bool]] = {place: [] for place in range(10)}
    for row in recorded("sepm"):
        coarse = row["coarse"]
        toward = "positive" if coarse["text"] == "A" else "negative"
        truth = "positive" if row["label"] in POSITIVE else "negative"
        rows[min(int(coarse["confidence"] / 0.025), 9)].append(toward == truth)
    assert [bar.get_height() for bar in lower.patches[:10]] == [len(r) for r in rows.values()]
    shares = [100 * sum(r) / len(r) for r in rows.values() if r]
    assert list(upper.containers[0].lines[0].get_ydata()) == pytest.approx(shares)


def test_figure_5_draws_the_run_s_own_threshold(tmp_path: Path, write_run: Any) -> None:
    write_run(tmp_path, "sepm", alpha=0.3, variance="sample", ambiguous_when="below")
    run = read_run_groups([tmp_path])[0].runs[0]
    upper, lower = axes_of(draw_confidence(run))
    assert upper.get_title(loc="left") == "ambiguous below α = 0.3"
    assert [0.3, 0.3] in [list(line.get_xdata()) for line in lower.lines]
    assert upper.get_xlim() == (0, 0.5)
    assert "sample variance" in lower.get_xlabel()


def test_a_confusion_matrix_has_the_counts_and_unread_answers(
    group: RunGroup, recorded: Recorded
) -> None:
    figure = draw_confusion(pair(group)[1])
    found = list(map(int, texts(figure)))
    cells = [(row["label"], row["prediction"]) for row in recorded("sepm")]
    classes = POSITIVE + NEGATIVE
    expected = [cells.count((label, said)) for label in classes for said in [*classes, None]]
    assert found == expected
    assert sum(expected) == 40


def test_the_difference_of_two_confusion_matrices_is_counted_cell_by_cell(
    group: RunGroup, recorded: Recorded
) -> None:
    reference, other = pair(group)
    cells = {
        method: [(row["label"], row["prediction"] or "unread") for row in recorded(method)]
        for method in ("zero-shot", "sepm")
    }
    rows, columns = POSITIVE + NEGATIVE, [*POSITIVE, *NEGATIVE, "unread"]
    expected = {
        (row, column): cells["sepm"].count((row, column)) - cells["zero-shot"].count((row, column))
        for row in rows
        for column in columns
    }
    assert differences(reference, other) == {cell: n for cell, n in expected.items() if n}
    figure = draw_difference(reference, other)
    assert figure is not None
    shown = [f"{n:+d}".replace("-", "−") if n else "" for n in expected.values()]
    assert texts(figure) == shown


def test_the_difference_is_over_the_samples_that_both_ran(group: RunGroup) -> None:
    reference, other = pair(group)
    first = replace(reference, records=reference.records[:1])
    assert sum(map(abs, differences(first, other).values())) in (0, 2)
    assert draw_difference(replace(reference, records=[]), other) is None


def test_flips_are_counted_by_class_and_listed_one_by_one(
    group: RunGroup, recorded: Recorded
) -> None:
    both = list(zip(recorded("zero-shot"), recorded("sepm"), strict=True))
    (ax,) = axes_of(draw_flips(*pair(group)))
    widths = [int(bar.get_width()) for bar in ax.patches]
    turned = [(a["label"], b["correct"]) for a, b in both if a["correct"] != b["correct"]]
    gained, lost = (
        [turned.count((name, right)) for name in POSITIVE + NEGATIVE] for right in (True, False)
    )
    assert widths == [*gained, *(-count for count in lost)]
    table = list(csv.DictReader(io.StringIO(flip_table(*pair(group)))))
    changed = {a["question_id"] for a, b in both if a["prediction"] != b["prediction"]}
    assert {line["question_id"] for line in table} == changed
    assert sum(line["direction"] == "gained" for line in table) == sum(gained)


@pytest.fixture
def swept(tmp_path: Path, write_run: Any, recorded: Recorded) -> RunGroup:
    """SEPM at three α and two other β; the n-th has n wrong answers more."""
    settings = [{}, {"alpha": 0.05}, {"alpha": 0.2}, {"beta": 0.4}, {"beta": 0.6, "alpha": 0.25}]
    for number, changed in enumerate(settings):
        rows = [dict(row) for row in recorded("sepm")]
        for row in [r for r in rows if r["correct"]][:number]:
            fine = row["fine"] | {"text": "G"}
            row |= {"prediction": "fear", "correct": False, "fine": fine}
        write_run(tmp_path, "sepm", rows, name=f"sepm-{number}", **changed)
    return read_run_groups([tmp_path])[0]


def test_figure_3_joins_runs_that_differ_in_one_setting_alone(swept: RunGroup) -> None:
    right = pair(swept)[0].summary["correct"]
    (alpha,), (beta,) = curves(swept.runs, "alpha"), curves(swept.runs, "beta")
    assert [(p.value, p.accuracy.correct) for p in alpha.points] == [
        (0.05, right - 1),
        (0.1, right),
        (0.2, right - 2),
    ]
    assert [p.value for p in beta.points] == [0.2, 0.4]
    assert (alpha.default, beta.default) == (0.1, 0.2)
    assert beta.points[0].accuracy.ci95 == wilson_interval(right, 40)


@pytest.mark.usefixtures("any_n_is_the_papers")
def test_figure_3_has_the_paper_s_value_where_the_paper_has_one(swept: RunGroup) -> None:
    (alpha,) = curves(swept.runs, "alpha")
    assert [p.reported for p in alpha.points] == [None, pytest.approx(0.5624), None]
    stars = [line for line in axes_of(draw_sensitivity(swept))[0].lines if line.get_marker() == "*"]
    assert stars[0].get_ydata() == pytest.approx([56.24])


def test_figure_3_draws_the_counts_that_sepm_sensitivity_wrote(tmp_path: Path) -> None:
    points = [
        {"value": value, "n": 40, "correct": correct, "accuracy": 0.99}
        for value, correct in ((0.3, 12), (0.5, 20))
    ]
    sweep = SWEEP | {
        "variance": "sample",
        "alpha": {"sample": {"points": points}, "population": {"points": []}},
        "beta": {"points": points[:1]},
    }
    (tmp_path / "sensitivity.json").write_text(json.dumps(sweep))
    sweeps = read_sweeps(tmp_path)
    (curve,) = swept_curves(sweeps, "alpha")
    assert [(p.value, p.accuracy.fraction, p.accuracy.ci95) for p in curve.points] == [
        (0.3, 0.3, pytest.approx((0.1807, 0.4543), abs=1e-4)),
        (0.5, 0.5, pytest.approx((0.3520, 0.6480), abs=1e-4)),
    ]
    assert swept_curves(sweeps, "beta") == []


def test_figure_4_fades_the_lowest_scored_tokens_at_both_ratios() -> None:
    grid = VisualGrid(4, 4, 56, 14, "resize", "row-major")
    image = Image.new("RGB", (40, 40), (10, 120, 40))
    scores = [(1 + i) / 100 for i in range(16)]  # 3 and 6 of 16 tokens go: the first ones
    record = {"label": "awe", "prediction": "fear", "correct": False, "foe_scores": scores}
    axes = axes_of(draw_dropped_tokens([Scene(record, image, grid)]))
    shown = [ax.images[0].get_array() for ax in axes[:4]]
    assert (shown[0] == np.asarray(image)).all()
    assert (shown[1] == faded(image, grid, [0, 1, 2])).all()
    assert (shown[2] == faded(image, grid, [0, 1, 2, 3, 4, 5])).all()
    assert shown[3][0, 0].tolist() != shown[3][-1, -1].tolist()
    assert "6 of 16 tokens dropped" in axes[2].get_title()
    scale = axes[4].get_ylim()
    assert scale == pytest.approx((0.01, 0.16))
    assert axes[0].get_ylabel() == "awe\nanswered fear"
    right = record | {"prediction": "awe", "correct": True, "foe_scores": [9.0] * 16}
    both = axes_of(draw_dropped_tokens([Scene(r, image, grid) for r in (record, right)]))
    assert both[4].get_ylabel() == "awe\nanswered right"
    assert both[-1].get_ylim() == pytest.approx((0.01, 9))  # one scale for both rows
    assert (both[3].images[0].get_array() != shown[3]).any()


def tiled_scene(tiles: list[list[float]], n: int) -> Scene:
    """A scene with n tokens, the first scored lowest."""
    scores = [(1 + i) / 100 for i in range(n)]
    record = {"label": "awe", "prediction": "awe", "correct": True, "foe_scores": scores}
    image = Image.new("RGB", (40, 40), (10, 120, 40))
    return Scene(record, image, token_places(None, record | {"tiles": tiles}))


def test_figure_4_draws_the_thumbnail_s_tokens_on_a_picture_of_their_own() -> None:
    turned = INTERNVL[::-1]  # so that the thumbnail's tokens are the lowest ones
    scene = tiled_scene(turned, 16)
    assert scene.places is not None
    axes = axes_of(draw_dropped_tokens([scene]))
    assert axes[2].get_title() == "β = 0.4\n6 of 16 tokens dropped"
    for ax, dropped in zip(axes[1:3], ([0, 1, 2], [0, 1, 2, 3, 4, 5]), strict=True):
        (small,) = ax.child_axes
        pixels = [a.images[0].get_array() for a in (ax, small)]
        for cover, shown in enumerate(pixels):
            assert (shown == faded(scene.image, scene.places, dropped, cover)).all()
        assert small.get_ylabel() == f"thumbnail\n{min(len(dropped), 4)} of 4"
    assert axes[0].child_axes == []
    assert len(axes[3].child_axes) == 1


def test_figure_4_counts_tokens_image_by_image_where_their_numbers_differ() -> None:
    def titles(*scenes: Scene) -> list[str]:
        return [ax.get_title() for ax in axes_of(draw_dropped_tokens(scenes)) if ax.images]

    five, two = tiled_scene([[5, 1, 0, 0, 1, 1]], 5), tiled_scene([[2, 1, 0, 0, 1, 1]], 2)
    head = ["image", "β = 0.2\n1 of 5 tokens dropped", "β = 0.4\n2 of 5 tokens dropped"]
    assert [t for t in titles(five, five)[:8] if t][:3] == head
    assert "1 of 5 tokens dropped" not in titles(five, five)
    assert {"0 of 2 tokens dropped", head[1]} <= set(titles(five, two))


def test_a_picture_says_where_places_are_not_known_and_goes_on(
    tmp_path: Path, write_run: Any, image_folder: Path
) -> None:
    write_run(tmp_path, "sepm", tiled(ROWS["sepm"](), None), visual_tokens=None)
    (unknown,) = read_run_groups([tmp_path])
    drawn, not_drawn = list(draw_figures(unknown, Choice(image_folder), ["confusion", "4"]))
    assert isinstance(drawn, Drawn)
    assert isinstance(not_drawn, NotDrawn)
    assert not_drawn.reason == f"sepm: {PLACES_UNKNOWN}"
    image = Image.new("RGB", (60, 40))
    scenes = [Scene(r, image, None) for r in unknown.runs[0].records[:2]]
    config = PRESETS["paper"]
    (page,) = draw_decisions(scenes, unknown.taxonomy, config)
    axes = axes_of(page)
    assert len(axes) == 2 * 3  # image, coarse, fine
    assert " ".join(axes[0].get_xlabel().split()) == f"3 of 16 tokens dropped; {PLACES_UNKNOWN}"
    mixed = axes_of(draw_dropped_tokens([tiled_scene([[5, 1, 0, 0, 1, 1]], 5), scenes[0]]))
    notes = [text.get_text().replace("\n", " ") for ax in mixed for text in ax.texts]
    assert notes == 3 * [PLACES_UNKNOWN]


@pytest.fixture(scope="module")
def decisions(group: RunGroup) -> list[Figure]:
    """Two pages: SEPM's first seven samples, the second of them ambiguous."""
    run, grid = pair(group)[1], VisualGrid(4, 4, 56, 14, "pad", "row-major")
    scenes = [Scene(record, Image.new("RGB", (60, 40)), grid) for record in run.records[:7]]
    return list(draw_decisions(scenes, group.taxonomy, PRESETS["paper"]))


def test_decisions_of_many_images_are_pages_of_one_scale_of_colours(
    decisions: list[Figure], recorded: Recorded
) -> None:
    rows = recorded("sepm")[:7]
    scores = [score for row in rows for score in row["foe_scores"]]
    scale = (max(scores) / 10_000, max(scores))  # the lowest score, 0, is off the logarithmic scale
    bars = [page.axes[-1] for page in decisions]
    assert [bar.get_xlim() for bar in bars] == [pytest.approx(scale)] * 2
    assert [len(page.axes) for page in decisions] == [6 * 5 + 1, 1 * 5 + 1]
    assert len(decisions) == pages_of(7) == 2


def test_several_pages_are_numbered_files_and_one_pdf(tmp_path: Path) -> None:
    path, pages = tmp_path / "decision.png", [Figure((1, 1)), Figure((1, 1))]
    names = [tmp_path / "decision-01.png", tmp_path / "decision-02.png"]
    assert [name for name, _ in picture_files(path, pages, 2, "png")] == names
    assert [name for name, _ in picture_files(path, pages[:1], 1, "png")] == [path]
    ((_, pdf),) = picture_files(path, pages, 2, "pdf")
    assert b"/Count 2" in pdf
    assert b"CreationDate" not in pdf


def test_a_decision_has_a_headline_and_probabilities_from_0_to_1(
    decisions: list[Figure], recorded: Recorded
) -> None:
    axes = decisions[0].axes
    confidence = [row["coarse"]["confidence"] for row in recorded("sepm")]
    heads = [axes[5 * place].texts[0].get_text() for place in (0, 3, 4)]
    gate, gone = "(ambiguous at or below α = 0.1)", "3 of 16 tokens dropped (β = 0.2)"
    assert heads == [
        f"amusement  ·  ambiguous: confidence {confidence[0]:.4f} {gate}  ·  {gone}",
        f"unread  ·  trusted as positive: confidence {confidence[3]:.4f} {gate}  ·  {gone}",
        f"fear  ·  trusted as positive: confidence {confidence[4]:.4f} {gate}  ·  {gone}",
    ]
    coarse, fine = axes[3], axes[4]
    assert coarse.get_xlim() == fine.get_xlim() == (0, 1)
    first = recorded("sepm")[0]["coarse"]
    assert [t.get_text() for t in coarse.texts] == [f"{first[k]:.3f}" for k in ("p_a", "p_b")]


def test_every_figure_is_the_same_bytes_each_time(group: RunGroup, image_folder: Path) -> None:
    def files() -> list[bytes]:
        with styled():
            choice = Choice(image_folder, samples=("fear/fear_00000.png",))
            results = draw_figures(group, choice, ["4", "5", "6", "flips"])
            drawn = [result.figure for result in results if isinstance(result, Drawn)]
            return [rendered(figure, kind, dpi=50) for figure in drawn for kind in FORMATS]

    first = files()
    assert len(first) == 8
    assert first == files()
    assert not any(b"<dc:date>" in file or b"Matplotlib" in file for file in first)


def test_risk_coverage_is_drawn_of_every_run_as_its_rows_say(
    group: RunGroup, recorded: Recorded
) -> None:
    (ax,) = axes_of(draw_risk_coverage(group.runs))
    assert [line.get_label().split(",")[0] for line in ax.lines] == ["zero-shot", "sepm"]
    for line, run in zip(ax.lines, group.runs, strict=True):
        rows = recorded(run.method)
        largest = [max(p := r["fine"]["probs"].values()) / fsum(p) for r in rows]
        risks = []
        for i in range(1, len(rows) + 1):
            least = sorted(largest)[-i]
            surer = [not r["correct"] for r, p in zip(rows, largest, strict=True) if p > least]
            level = [not r["correct"] for r, p in zip(rows, largest, strict=True) if p == least]
            tied = (i - len(surer)) * sum(level) / len(level)
            risks.append(100 * (sum(surer) + tied) / i)
        assert list(line.get_ydata()) == pytest.approx(risks)
        assert list(line.get_xdata())[-1] == 100
        assert f"AURC {np.mean(risks) / 100:.4f}, n = 40" in line.get_label()


def test_figures_that_runs_do_not_give_say_what_is_needed(tmp_path: Path, write_run: Any) -> None:
    write_run(tmp_path, "zero-shot")
    group = read_run_groups([tmp_path])[0]
    results = list(draw_figures(group, Choice(), list(FIGURES)))
    reasons = {r.name: r.reason for r in results if isinstance(r, NotDrawn)}
    assert list(reasons) == ["figure-3", "figure-4", "figure-5", "figure-6", "flips"]
    assert "--save-scores" in reasons["figure-4"]
    drawn = [r.name for r in results if isinstance(r, Drawn)]
    assert drawn == ["confusion-zero-shot", "risk-coverage"]


def test_names_like_mark_up_are_drawn_as_they_are(group: RunGroup) -> None:
    runs = [replace(r, name=n) for r, n in zip(pair(group), ("_a$\\bad$", "b$_{"), strict=True)]
    named = replace(group, runs=tuple(runs))
    with styled():
        drawn = [r for r in draw_figures(named, Choice(), [*FIGURES]) if isinstance(r, Drawn)]
        legend: Any = draw_per_class(*runs).axes[0].get_legend()
        for result in drawn:
            assert rendered(result.figure, "svg")
    assert len(drawn) == 7
    assert {text.get_text().strip().split(",")[0] for text in legend.get_texts()} == {
        "_a$\\bad$",
        "b$_{",
    }
