"""What the tables are made of, and what they say of hand-made records."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import pytest

from sepm.analysis.table_text import as_document, as_rows
from sepm.analysis.tables import (
    PAPER_COLUMN,
    TABLES,
    TASKS,
    CellResult,
    Row,
    TableNumber,
    build_table,
)
from sepm.datasets.tasks import load_taxonomy
from sepm.documents import as_markdown
from sepm.method.config import PRESETS, Drop, MethodConfig

EMOSET = load_taxonomy("emoset")
TAXONOMIES = {task: load_taxonomy(task) for task in TASKS}


def as_text(table: dict[str, Any]) -> str:
    return as_markdown(as_document(table))


def cell(right: str, ids: str = "abcdefgh", unread: str = "") -> CellResult:
    """A cell whose samples are one letter each, labelled in turn; A has half of the probability."""
    rows = [
        {"question_id": key, "label": label, "correct": key in right, "prediction": None}
        | {"status": "unread" if key in unread else "ok"}
        | {"fine": {"probs": {"A": 0.4, "B": 0.3, "C": 0.1}}}
        for key, label in zip(ids, EMOSET.names, strict=True)
    ]
    return CellResult(Path("results/x"), rows)


LLAVA_PAPER = "paper (LLaVA-1.5-7B)"


def built(
    number: TableNumber,
    *,
    model: str = "llava-v1.5-7b",
    config: MethodConfig = PRESETS["paper"],
    **results: dict[str, CellResult],
) -> Any:
    for task, cells in results.items():
        names = TAXONOMIES[task].names
        for place, row in (numbered for c in cells.values() for numbered in enumerate(c.records)):
            row["label"] = names[place % len(names)]
    made = build_table(TABLES[number], model, results, {}, TAXONOMIES, config)
    return {"preset": "paper", "limit": None, "configuration": asdict(config), **made}


def parts(line: str) -> list[str]:
    """Cells of a line of a Markdown table."""
    return [part.strip() for part in line.split("|")[1:-1]]


def row_of(table: Any, name: str) -> Any:
    return next(row for row in table["rows"] if row["name"] == name)


@pytest.mark.parametrize(
    ("number", "runs"),
    [
        (1, ["zero-shot", "zero-shot-cot", "sparsevlm", "sepm-beta0.1", "sepm"]),
        (2, ["zero-shot", "sepm-drop-random-beta0.1", "sepm-drop-random",
             "sepm-drop-query-beta0.1", "sepm-drop-query", "sepm-beta0.1", "sepm"]),
        (3, ["zero-shot", "cci", "fp", "cci+fp", "sepm"]),
    ],
)  # fmt: skip
def test_rows_are_the_papers(number: TableNumber, runs: list[str]) -> None:
    rows = TABLES[number].rows
    assert [row.run(MethodConfig(), "paper").folder_name for row in rows] == runs


def test_drop_rates_are_the_rows_own_whatever_the_preset_says() -> None:
    last = TABLES[3].rows[-1].run(PRESETS["released"], "released")
    assert last.config.beta == 0.2
    assert last.folder_name == "sepm-released-beta0.2"


@pytest.mark.parametrize(
    ("number", "row", "task", "percent"),
    [
        (1, "sepm β=0.1", "webemo25", 18.26),
        (1, "sparsevlm", "average", 34.59),
        (2, "query β=0.2", "emoset", 56.10),
        (2, "foe β=0.1", "emotion6", 54.21),
        (3, "sepm (cci+fp+vta)", "emoset", 56.24),
    ],
)
def test_the_papers_cells_stand_in_their_rows(
    number: TableNumber, row: str, task: str, percent: float
) -> None:
    (found,) = [r for r in TABLES[number].rows if r.name == row]
    assert found.paper_cell(number, PAPER_COLUMN, task) == pytest.approx(percent / 100)


def test_every_row_but_table_2s_reference_has_all_of_its_cells_in_the_paper() -> None:
    missing = [
        (number, row.name, task)
        for number, table in TABLES.items()
        if number != "2+"  # which the paper does not have
        for row in table.rows
        for task in table.tasks
        if row.paper_cell(number, PAPER_COLUMN, task) is None
    ]
    assert missing == [(2, "zero-shot", "emotion6"), (2, "zero-shot", "emoset")]


def test_a_row_of_no_paper_table_has_no_paper_cell() -> None:
    assert Row("mine", "fp").paper_cell(1, PAPER_COLUMN, "emoset") is None


def test_the_difference_to_zero_shot_is_over_the_same_images() -> None:
    table = built(3, emoset={"zero-shot": cell("ab"), "cci": cell("bcd", ids="bcdefghi")})
    versus = row_of(table, "cci")["cells"]["emoset"]["versus_zero_shot"]
    # Of b to h, zero-shot is right on b, and cci on b, c and d.
    assert (versus["n"], versus["both"], versus["gained"], versus["lost"]) == (7, 1, 2, 0)
    assert versus["difference"] == pytest.approx(2 / 7)
    assert versus["p"] == 0.5


@pytest.mark.usefixtures("any_n_is_the_papers")
def test_whether_the_papers_value_lies_in_the_interval() -> None:
    table = built(3, emoset={"zero-shot": cell("abcd"), "cci": cell("")})
    cells = [row_of(table, name)["cells"]["emoset"] for name in ("zero-shot", "cci")]
    assert [c["paper_in_ci95"] for c in cells] == [True, False]  # 0.22 to 0.78, 0 to 0.32


@pytest.mark.usefixtures("any_n_is_the_papers")
def test_the_average_needs_all_five_tasks() -> None:
    shots: dict[str, Any] = {
        task: {"zero-shot": cell(right)} for task, right in zip(TASKS, "abcde", strict=True)
    }
    shots["abstract"] = {"zero-shot": cell("abcdef")}
    average = row_of(built(1, **shots), "zero-shot")["average"]
    assert average == {"accuracy": pytest.approx((4 / 8 + 6 / 8) / 5), "paper": 0.3404}
    del shots["webemo7"]
    assert row_of(built(1, **shots), "zero-shot")["average"]["accuracy"] is None


def test_a_result_of_another_n_has_a_note_instead_of_the_papers_number() -> None:
    table = built(1, emoset={"zero-shot": cell("abcd")}, emotion6={"zero-shot": cell("a")})
    row = row_of(table, "zero-shot")
    note = "n is 8; every accuracy in the paper fits n = 17716"
    shown = row["cells"]["emoset"]
    assert (shown["paper"], shown["paper_in_ci95"], shown["paper_note"]) == (None, None, note)
    assert row["cells"]["webemo7"]["paper"] == 0.2556  # not run: nothing stands beside it
    assert row["average"]["paper"] is None
    text = as_text(table)
    assert "52.77" not in text
    assert "48.32" not in text
    assert f"- emoset, the paper's numbers: {note}" in text
    assert list(as_rows(table))[1]["paper_note"] == note


@pytest.mark.usefixtures("any_n_is_the_papers")
def test_another_threshold_than_the_papers_is_compared_in_single_query_rows_alone() -> None:
    done = {"zero-shot": cell("ab"), "cci": cell("ab")}
    table = built(3, config=MethodConfig(alpha=0.2), emoset=done)
    papers = [row_of(table, name)["cells"]["emoset"]["paper"] for name in done]
    assert papers == [pytest.approx(0.5277), None]


@pytest.mark.usefixtures("any_n_is_the_papers")
def test_sparsevlm_is_labelled_with_its_version_and_budget() -> None:
    config = MethodConfig(sparsevlm_version="1", retain=64)
    done = {"sparsevlm": cell("ab"), "sepm β=0.1": cell("a")}
    table = built(1, config=config, emoset=done)
    label = "sparsevlm (version 1, 64 tokens)"
    assert row_of(table, label)["cells"]["emoset"]["paper"] == 0.54
    assert table["contrasts"][0]["against"] == label
    assert f"| {label} " in as_text(table)
    assert "names neither SparseVLM's version nor its budget" in as_text(table)


@pytest.mark.usefixtures("any_n_is_the_papers")
def test_the_details_of_a_task_show_every_number_of_a_cell() -> None:
    text = as_text(built(3, emoset={"zero-shot": cell("a"), "cci": cell("bcd", unread="e")}))
    line = next(x for x in text.split("## emoset")[1].splitlines() if x.startswith("| cci "))
    assert parts(line)[:6] == ["cci", "8", "37.50", "13.68 to 69.43", "53.98", "yes"]
    assert parts(line)[6:] == ["+25.00", "-22.39 to +61.28", "3 / 1", "0.62", "1"]


def test_chance_is_told_as_the_mean_and_spread_of_its_seeds() -> None:
    """Accuracies of 4, 3, 2, 1 and 0 of 8: mean 0.25, standard deviation 0.1976."""
    done = {f"random {seed} β=0.1": cell("abcd"[: 4 - seed]) for seed in range(5)}
    table = built("2+", emoset=done)
    (found,) = table["repeated"]
    assert found["task"] == "emoset"
    assert (found["mean"], found["lowest"], found["highest"]) == (0.25, 0.0, 0.5)
    assert found["sd"] == pytest.approx(0.19764235)
    assert (
        "emoset, random 0 β=0.1 to random 4 β=0.1: mean 25.00, standard deviation 19.76 points, "
        "from 0.00 to 50.00." in as_text(table)
    )
    assert built("2+", emoset={"random 0 β=0.1": cell("a")})["repeated"] == []


def test_seeds_with_errors_alone_have_no_mean() -> None:
    failed = CellResult(Path("results/x"), [r | {"status": "error"} for r in cell("").records])
    seeds = {f"random {seed} β=0.1": cell("ab") for seed in range(5)}
    assert built("2+", emoset=seeds | {"random 3 β=0.1": failed})["repeated"] == []


def test_contrasts_are_drawn_where_both_rows_are_there() -> None:
    done = {"zero-shot": cell(""), "cci": cell("a"), "cci+fp": cell("abc")}
    (contrast,) = built(3, emoset=done)["contrasts"]
    assert (contrast["row"], contrast["against"], contrast["gained"]) == ("cci+fp", "cci", 2)


def test_change_of_every_class_against_zero_shot_is_kept() -> None:
    table = built(3, emoset={"zero-shot": cell("a"), "cci": cell("b")})
    changes = row_of(table, "cci")["cells"]["emoset"]["per_class"]
    assert changes["amusement"]["change"] == -1
    assert changes["anger"]["change"] == 1


def test_rows_that_could_not_be_run_are_said_and_not_in_n() -> None:
    broken = cell("ab")
    broken.records[7]["status"] = "error"
    table = built(3, emoset={"zero-shot": broken})
    assert row_of(table, "zero-shot")["cells"]["emoset"]["n"] == 7
    assert "- emoset, zero-shot: 1 rows could not be run and are not in n" in as_text(table)


def test_another_model_is_told_apart_from_the_papers() -> None:
    done = {"zero-shot": cell("ab")}
    assert "is not the paper's model" not in as_text(built(3, emoset=done))
    text = as_text(built(3, model="llava-demo", emoset=done))
    assert "llava-demo is not the paper's model." in text
    assert text.count(LLAVA_PAPER) == 7  # the note, a line below each row, the detail's column


@pytest.mark.usefixtures("any_n_is_the_papers")
@pytest.mark.parametrize("model", ["Llama-3-VILA1.5-8B", "Llama-3-VILA1.5-8B-Fix"])
def test_vila_stands_beside_the_papers_vila(model: str) -> None:
    text = as_text(built(1, model=model, emoset={"zero-shot": cell("ab")}))
    lines = map(parts, text.splitlines())
    papers = [line for line in lines if line[:1] == ["- paper (VILA-8b)"]]
    assert papers[0] == ["- paper (VILA-8b)", "47.47", "44.45", "41.90", "15.35", "20.00", "33.83"]
    assert [line[2] for line in papers] == ["44.45", "43.20", "53.11", "53.11"]  # no SparseVLM
    assert "is not the paper's model" not in text
    assert "LLaVA" not in text


def test_a_cell_that_is_not_there_is_a_dash_beside_the_papers_number() -> None:
    text = as_text(built(3, emoset={"zero-shot": cell("abcd")}))
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("| cci+fp "))
    ours, papers = map(parts, lines[place : place + 2])
    assert ours == ["cci+fp", "-", "-"]
    assert papers == [f"- {LLAVA_PAPER}", "53.03", "56.10"]
    assert "- emotion6, all rows: not run" in text


def test_settings_are_named_by_the_preset_and_by_what_differs_from_it() -> None:
    table = built(3, emoset={"zero-shot": cell("a")})
    assert "Preset: paper. Accuracy in percent." in as_text(table)
    config = replace(PRESETS["released"], alpha=0.05, variance="population")
    table |= {"preset": "released", "limit": 5, "configuration": asdict(config)}
    assert (
        "Preset: released, but alpha 0.05, variance 'population'. Only the first 5 questions of "
        "each task. Accuracy in percent."
    ) in as_text(table)


def test_csv_names_the_model_of_the_papers_column() -> None:
    for model, paper in (("llava-v1.5-7b", "LLaVA-1.5-7B"), ("Llama-3-VILA1.5-8B", "VILA-8b")):
        row = next(as_rows(built(1, model=model, emoset={"zero-shot": cell("a")})))
        assert row["paper_model"] == paper
    assert row["paper"] == 0.4747  # of Emotion6, which was not run


def test_each_cell_has_the_calibration_of_its_rows() -> None:
    table = built(3, emoset={"zero-shot": cell("ab"), "cci": cell("abcdefgh")})
    final = row_of(table, "zero-shot")["cells"]["emoset"]["final"]
    # Labels A to H once each: 1 + 0.5² + 0.375² + 0.125² - 2 p of the label, whose mean is 1 / 8.
    assert final["brier"] == pytest.approx(1 + 0.40625 - 2 / 8)
    assert (final["ece"], final["auroc"]) == (pytest.approx(0.5 - 2 / 8), 0.5)
    assert final["aurc"] == pytest.approx(6 / 8)  # all equally sure
    lines = [parts(line) for line in as_text(table).splitlines()]
    assert ["zero-shot", "1.1562", "0.2500", "0.5000", "0.7500"] in lines
    row = next(r for r in as_rows(table) if r["row"] == "cci" and r["task"] == "emoset")
    assert (row["auroc"], row["aurc"]) == (None, 0)


def test_csv_has_a_row_for_every_cell() -> None:
    rows = list(as_rows(built(3, emoset={"zero-shot": cell("abcd")})))
    assert [(r["row"], r["task"]) for r in rows[:2]] == [
        ("zero-shot", "emotion6"),
        ("zero-shot", "emoset"),
    ]
    assert (rows[0]["accuracy"], rows[1]["accuracy"]) == (None, 0.5)
    assert len(rows) == 10


QWEN = "Qwen2.5-VL-7B-Instruct"


def test_what_others_report_stands_below_the_papers_and_is_marked_as_theirs() -> None:
    table = built(1, model=QWEN, abstract={"sepm β=0.2": cell("abc")})
    text = as_text(table)
    assert "'others' is Decoding Affective Nuances, 2026, Table 1, Qwen2.5-VL-7B" in text
    rows = [line for line in map(parts, text.splitlines()) if line[:1] == ["- others"]]
    assert [row[1:] for row in rows] == [
        ["58.33", "56.98", "47.70", "22.45", "23.68", "-"],
        ["61.58", "57.94", "49.10", "22.85", "26.32", "-"],  # of β = 0.2, not of 0.1
    ]
    said = "- abstract, sepm β=0.2, others: n is 8; 26.32 fits n = 228, not 280; their settings"
    assert said in text
    found = [row["reported_elsewhere"] for row in as_rows(table) if row["task"] == "emoset"]
    assert found == [0.5698, None, None, None, 0.5794]


def test_sepm_of_others_is_left_out_at_other_settings_than_the_papers() -> None:
    table = built(3, model=QWEN, config=MethodConfig(alpha=0.2), emoset={"zero-shot": cell("a")})
    assert ["reported_elsewhere" in row["cells"]["emoset"] for row in table["rows"]] == [
        *(True, False, False, False, False)
    ]


def test_a_model_that_others_do_not_report_has_no_rows_or_columns_of_theirs() -> None:
    table = built(3, emoset={"zero-shot": cell("a")})
    assert "others" not in as_text(table)
    assert "reported_elsewhere" not in next(as_rows(table))


def test_table_2_with_controls_has_every_kind_of_dropping_at_either_rate() -> None:
    shown = {(row.drop, row.beta) for row in TABLES["2+"].rows if row.method == "sepm"}
    assert shown == {(kind, beta) for kind in get_args(Drop) for beta in (0.1, 0.2)}
