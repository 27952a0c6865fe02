"""Runs found in folders, grouped, named and paired."""

import json
from pathlib import Path
from typing import Any

import pytest

from sepm.errors import InputError
from sepm.report.report import report_page
from sepm.report.runs import labels, read_run_groups


def test_runs_are_found_below_a_folder_and_grouped_by_data_set_and_model(
    tmp_path: Path, write_run: Any, recorded: Any
) -> None:
    write_run(tmp_path, "sepm", recorded("sepm"), model="b")
    write_run(tmp_path, "zero-shot", recorded("zero-shot"), model="b")
    write_run(tmp_path, "sepm", recorded("sepm"), model="a")
    groups = read_run_groups([tmp_path])
    assert [(g.model, [r.name for r in g.runs]) for g in groups] == [
        ("a", ["sepm"]),
        ("b", ["zero-shot", "sepm"]),
    ]


def test_a_run_of_a_task_of_ones_own_brings_its_classes_along(
    tmp_path: Path, write_run: Any, recorded: Any
) -> None:
    path = write_run(tmp_path, "sepm", recorded("sepm")) / "accuracy.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "dataset": "mine"}))
    (group,) = read_run_groups([tmp_path])
    assert (group.dataset, group.taxonomy.names[0]) == ("mine", "amusement")


def test_a_folder_named_twice_is_read_once(runs: Path) -> None:
    (group,) = read_run_groups([runs, runs / "emoset"])
    assert [run.name for run in group.runs] == ["zero-shot", "sepm"]


def test_runs_of_one_name_are_told_apart(tmp_path: Path, write_run: Any, recorded: Any) -> None:
    for place in ("one", "two"):
        write_run(tmp_path / place, "sepm", recorded("sepm"))
    (group,) = read_run_groups([tmp_path / "one", tmp_path / "two"])
    assert [run.name for run in group.runs] == ["sepm", "sepm (2)"]


def test_the_order_of_the_lines_does_not_matter(
    tmp_path: Path, write_run: Any, recorded: Any, group: Any
) -> None:
    write_run(tmp_path, "sepm", reversed(recorded("sepm")))
    assert read_run_groups([tmp_path])[0].runs[0].records == group.runs[1].records


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no finished run"):
        read_run_groups([tmp_path])
    with pytest.raises(InputError, match="no such folder"):
        read_run_groups([tmp_path / "absent"])


def test_a_damaged_run_is_an_error_that_names_it(
    tmp_path: Path, write_run: Any, recorded: Any
) -> None:
    folder = write_run(tmp_path, "sepm", recorded("sepm"))
    stored = json.loads((folder / "accuracy.json").read_text())
    del stored["dataset"]
    (folder / "accuracy.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"sepm: not a run of this version \(KeyError"):
        read_run_groups([tmp_path])


def test_labels_tell_runs_apart_by_what_differs(
    tmp_path: Path, write_run: Any, recorded: Any
) -> None:
    for drop in ("foe", "random"):
        write_run(tmp_path, "sepm", recorded("sepm"), name=drop, drop=drop)
    (group,) = read_run_groups([tmp_path])
    assert labels(group.runs) == ["sepm, drop foe", "sepm, drop random"]
    assert labels(group.runs, besides="drop") == ["sepm", "sepm"]


def test_a_run_of_errors_alone_is_compared_with_nothing(
    tmp_path: Path, write_run: Any, recorded: Any
) -> None:
    heads = [{k: r[k] for k in ("question_id", "image", "label")} for r in recorded("sepm")]
    failed = {"prediction": None, "correct": False, "status": "error", "error": "no such file"}
    write_run(tmp_path, "sepm", [head | failed for head in heads])
    write_run(tmp_path, "zero-shot", recorded("zero-shot"))
    (group,) = read_run_groups([tmp_path])
    assert group.compared is None
    assert "no such file" in report_page([group], {}, thumbnails=0)
