"""Runs found in folders, grouped, named and paired."""

import json
from pathlib import Path
from typing import Any

import pytest

from sepm.errors import InputError
from sepm.report.page import report_page
from sepm.report.runs import labels, read_run_groups
from sepm.report.sweeps import read_sweeps
from tests.sepm.hand_made import SWEEP


def test_runs_are_found_below_a_folder_and_grouped_by_data_set_and_model(
    tmp_path: Path, write_run: Any
) -> None:
    for method, model in (("sepm", "b"), ("zero-shot", "b"), ("sepm", "a")):
        write_run(tmp_path, method, model=model)
    groups = read_run_groups([tmp_path])
    assert [(g.model, [r.name for r in g.runs]) for g in groups] == [
        ("a", ["sepm"]),
        ("b", ["zero-shot", "sepm"]),
    ]


def test_a_run_of_a_task_of_ones_own_brings_its_classes_along(
    tmp_path: Path, write_run: Any
) -> None:
    path = write_run(tmp_path, "sepm") / "accuracy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dataset": "mine"}))
    (group,) = read_run_groups([tmp_path])
    assert (group.dataset, group.taxonomy.names[0]) == ("mine", "amusement")


def test_a_folder_named_twice_is_read_once(runs: Path) -> None:
    (group,) = read_run_groups([runs, runs / "emoset"])
    assert [run.name for run in group.runs] == ["zero-shot", "sepm"]


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["sepm", "sepm"], ["sepm", "sepm (2)"]),
        (["sepm (2)", "sepm", "sepm"], ["sepm (2)", "sepm", "sepm (3)"]),
    ],
)
def test_runs_of_one_name_are_told_apart_by_a_name_that_no_other_has(
    folders: list[str], names: list[str], tmp_path: Path, write_run: Any
) -> None:
    places = [tmp_path / str(index) for index in range(len(folders))]
    for place, name in zip(places, folders, strict=True):
        write_run(place, "sepm", name=name)
    (group,) = read_run_groups(places)
    assert [run.name for run in group.runs] == names


def test_runs_of_one_name_with_other_classes_are_refused(tmp_path: Path, write_run: Any) -> None:
    first, second = (write_run(tmp_path, method) for method in ("zero-shot", "sepm"))
    path = second / "accuracy.json"
    path.write_text(path.read_text().replace('"option_text": "Content"', '"option_text": "Calm"'))
    with pytest.raises(InputError, match=rf"{second} and {first} are both called emoset and have"):
        read_run_groups([tmp_path])


def test_a_sweep_that_belongs_to_no_run_is_left_out_by_name(
    tmp_path: Path, write_run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, "sepm")
    (tmp_path / "sensitivity.json").write_text(json.dumps(SWEEP))
    assert read_run_groups([tmp_path])[0].sweeps == ()
    assert f"{tmp_path}/sensitivity.json is left out: no run of other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"beta": {"points": [{"value": 0.1, "n": 4, "correct": 5}]}}, "5 correct of n = 4"),
        ({"beta": {"points": [{"value": "0.1", "n": 4, "correct": 2}]}}, "Expected `float`"),
        ({"variance": "total"}, "Invalid enum value 'total'"),
        ({"configuration": {}}, "configuration lacks alpha"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(changed: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "sensitivity.json").write_text(json.dumps(SWEEP | changed))
    with pytest.raises(InputError, match=rf"sensitivity\.json: .*{said}"):
        read_sweeps(tmp_path)


def test_the_order_of_the_lines_does_not_matter(
    tmp_path: Path, write_run: Any, recorded: Any, group: Any
) -> None:
    write_run(tmp_path, "sepm", reversed(recorded("sepm")))
    assert read_run_groups([tmp_path])[0].runs[0].records == group.runs[1].records


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no finished run"):
        read_run_groups([tmp_path])
    with pytest.raises(InputError, match=r"no run: .* is no folder; give a run's folder"):
        read_run_groups([tmp_path / "absent"])


def test_a_damaged_run_is_an_error_that_names_it(tmp_path: Path, write_run: Any) -> None:
    path = write_run(tmp_path, "sepm") / "accuracy.json"
    path.write_text(path.read_text().replace('"dataset"', '"data"'))
    with pytest.raises(InputError, match=r"accuracy\.json: .*missing required field `dataset`"):
        read_run_groups([tmp_path])


def test_labels_tell_runs_apart_by_what_differs(tmp_path: Path, write_run: Any) -> None:
    for drop in ("foe", "random"):
        write_run(tmp_path, "sepm", name=drop, drop=drop)
    (group,) = read_run_groups([tmp_path])
    assert labels(group.runs) == ["sepm, drop foe", "sepm, drop random"]
    assert labels(group.runs, besides="drop") == ["sepm", "sepm"]


def test_a_run_of_errors_alone_is_compared_with_nothing_and_named(
    tmp_path: Path, write_run: Any, recorded: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = [{k: r[k] for k in ("question_id", "image", "label")} for r in recorded("sepm")]
    failed = {"prediction": None, "correct": False, "status": "error", "error": "no such file"}
    write_run(tmp_path, "sepm", [head | failed for head in heads])
    write_run(tmp_path, "zero-shot")
    (group,) = read_run_groups([tmp_path])
    assert group.compared is None
    assert "sepm has errors alone" in capsys.readouterr().err
    assert "no such file" in report_page([group], {}, thumbnails=0)
