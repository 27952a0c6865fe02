"""`sepm eval` as its user meets it: what it says and its exit status, right and wrong."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from PIL import Image

from sepm.analysis.plain_text import ways_read
from sepm.cli import main
from sepm.datasets.check import ImageHashes
from sepm.errors import InputError
from sepm.evaluation.preflight import check_images

BOTH_FAMILIES = True


@pytest.fixture
def own_scenes(make_scenes: Any) -> Any:
    """Four scenes that a test may spoil."""
    return make_scenes(4)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model fails the test."""

    def load(*arguments: object, **options: object) -> None:
        pytest.fail("a model was loaded")

    monkeypatch.setattr("sepm.models.opening.load_checkpoint", load)


@pytest.fixture
def refused(
    command: Any, tmp_path: Path, no_model: None, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """A function that runs a command that is to be refused, and gives what it says.

    Exit status 2, one message on standard error, nothing on standard output, no model loaded.
    """

    def run(scenes: Any, *options: object, method: str = "sepm") -> str:
        assert main(command(scenes, tmp_path / "out", *options, method=method)) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "Traceback" not in shown.err
        return shown.err

    return run


def write_rows(scenes: Any, *rows: str) -> None:
    scenes.question_file.write_text("\n".join(rows) + "\n")


# ---- what a run prints


def test_the_table_shows_accuracy_interval_and_where_the_files_lie(
    own_scenes: Any,
    command: Any,
    run_of: Any,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(command(own_scenes, tmp_path, method="zero-shot sepm")) == 0
    shown = capsys.readouterr()
    title, header, *rows, blank, first, second = shown.out.splitlines()
    assert title == f"emoset, {tiny_model.name}, percent (chance 12.50)"
    assert header.split() == [
        *("method", "n", "accuracy", "95%", "interval", "paper", "unread", "errors")
    ]
    for name, row in zip(("zero-shot", "sepm"), rows, strict=True):
        accuracy = run_of(tmp_path, name).accuracy()
        low, high = (f"{100 * end:.2f}" for end in accuracy["ci95"])
        share = f"{100 * accuracy['accuracy']:.2f}"
        unread = str(accuracy["unread"])
        assert row.split() == [name, "4", share, f"{low}-{high}", "-", unread, "0"]
        told = f"note: {name}, answers by how they were read, {ways_read(accuracy)}" in shown.err
        assert told is (ways_read(accuracy) is not None)
    assert blank == ""
    assert [first, second] == [
        str(run_of(tmp_path, name).folder / "accuracy.json") for name in ("zero-shot", "sepm")
    ]


def test_json_prints_the_accuracy_files_and_nothing_else_on_standard_output(
    make_scenes: Any, command: Any, run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = make_scenes(2, text="What is it?")
    assert main(command(scenes, tmp_path, "--json", method="zero-shot sepm")) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == [
        run_of(tmp_path, name).accuracy() for name in ("zero-shot", "sepm")
    ]
    assert "note: the question file's text is not used" in shown.err


def test_progress_with_images_a_second_and_time_left_goes_to_standard_error(
    own_scenes: Any, command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(own_scenes, tmp_path)) == 0
    shown = capsys.readouterr()
    assert "evaluating: 100%" in shown.err
    assert "4/4" in shown.err
    assert "image/s" in shown.err
    assert "evaluating" not in shown.out


@pytest.mark.parametrize("of_the_papers_n", [True, False])
def test_the_papers_number_or_a_note_stands_beside_a_run_that_it_has(
    of_the_papers_n: bool,
    request: pytest.FixtureRequest,
    own_scenes: Any,
    command: Any,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "llava-v1.5-7b"
    model.symlink_to(tiny_model)
    line = command(own_scenes, tmp_path / "out", "--model-path", model)
    if of_the_papers_n:
        request.getfixturevalue("any_n_is_the_papers")
    assert main(line) == 0
    shown = capsys.readouterr().out
    file = tmp_path / "out" / "emoset" / "llava-v1.5-7b" / "sepm" / "accuracy.json"
    accuracy = json.loads(file.read_text())
    if of_the_papers_n:
        assert "  56.24  " in shown
        difference = pytest.approx(accuracy["accuracy"] - 0.5624)
        assert accuracy["paper"] == {"reported": 0.5624, "difference": difference, "note": None}
    else:
        note = "n is 4; every accuracy in the paper fits n = 17716"
        assert "56.24" not in shown
        assert f"\npaper: {note}\n" in shown
        assert accuracy["paper"] == {"reported": None, "difference": None, "note": note}


# ---- the same command again


def test_a_finished_run_repeated_computes_nothing_and_keeps_every_file(
    finished: dict,
    scenes: Any,
    command: Any,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(finished["sepm"].folder.parents[2], tmp_path / "out")
    before = contents(tmp_path / "out")
    request.getfixturevalue("no_model")
    options = ("--batch-size", 2, "--save-scores")
    assert main(command(scenes, tmp_path / "out", *options, method="zero-shot sepm")) == 0
    assert contents(tmp_path / "out") == before
    assert "24 of 24 rows are there already" in capsys.readouterr().err


def contents(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_a_limit_takes_the_first_questions_and_the_rest_can_follow(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    assert main(command(own_scenes, tmp_path, "--limit", 3)) == 0
    first = run_of(tmp_path).records()
    assert first.keys() == {q["question_id"] for q in own_scenes.questions()[:3]}
    assert (run_of(tmp_path).accuracy()["n"], run_of(tmp_path).accuracy()["limit"]) == (3, 3)
    assert main(command(own_scenes, tmp_path)) == 0
    assert run_of(tmp_path).accuracy()["timing"]["images"] == 1
    assert (run_of(tmp_path).accuracy()["n"], run_of(tmp_path).accuracy()["limit"]) == (4, None)


def test_a_smaller_limit_leaves_a_larger_result_as_it_is(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    assert main(command(own_scenes, tmp_path, "--limit", 3)) == 0
    assert main(command(own_scenes, tmp_path, "--limit", 1)) == 0
    assert (run_of(tmp_path).accuracy()["n"], run_of(tmp_path).accuracy()["limit"]) == (3, 3)


def test_a_method_that_is_done_is_not_run_again_for_the_sake_of_another(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(command(own_scenes, tmp_path, method="zero-shot")) == 0
    timing = run_of(tmp_path, "zero-shot").accuracy()["timing"]
    monkeypatch.setattr("sepm.evaluation.compute.run_questions", only_one_job())
    assert main(command(own_scenes, tmp_path, method="zero-shot sepm")) == 0
    assert run_of(tmp_path, "zero-shot").accuracy()["timing"] == timing
    assert run_of(tmp_path, "sepm").accuracy()["n"] == 4


def only_one_job() -> Callable[..., Any]:
    from sepm.evaluation.compute import run_questions as whole

    def run(model: Any, questions: Any, jobs: Any, *others: Any) -> Any:
        assert len(jobs) == 1
        return whole(model, questions, jobs, *others)

    return run


def test_another_configuration_is_refused_with_the_difference_named(
    own_scenes: Any, refused: Any, finished: dict, tmp_path: Path
) -> None:
    shutil.copytree(finished["sepm"].folder.parents[2], tmp_path / "out")
    said = refused(own_scenes, "--variance", "sample")
    assert "holds a run with another configuration" in said
    assert "configuration.variance is 'population' there, 'sample' now" in said
    assert "sha256.question_file is " in said
    assert "Start afresh with --overwrite" in said
    assert "configuration.alpha" not in said


def test_overwrite_starts_afresh(
    own_scenes: Any, command: Any, run_of: Any, finished: dict, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(finished["sepm"].folder.parents[2], output)
    assert main(command(own_scenes, output, "--variance", "sample", "--overwrite")) == 0
    assert len(run_of(output).records()) == 4
    assert run_of(output).accuracy()["configuration"]["variance"] == "sample"


def test_bad_input_leaves_what_overwrite_would_have_replaced(
    own_scenes: Any, refused: Any, finished: dict, tmp_path: Path
) -> None:
    shutil.copytree(finished["sepm"].folder.parents[2], tmp_path / "out")
    before = contents(tmp_path / "out")
    (own_scenes.image_folder / own_scenes.questions()[0]["image"]).unlink()
    refused(own_scenes, "--overwrite")
    assert contents(tmp_path / "out") == before


# ---- images


def spoil(scenes: Any) -> tuple[Path, Path]:
    """Truncate the first image and remove the third; their paths."""
    first, _, third, _ = (scenes.image_folder / q["image"] for q in scenes.questions())
    first.write_bytes(first.read_bytes()[:-200])
    third.unlink()
    return first, third


def test_all_images_that_cannot_be_read_are_listed_before_a_model_is_loaded(
    own_scenes: Any, refused: Any
) -> None:
    spoil(own_scenes)
    said = refused(own_scenes)
    file, questions = own_scenes.question_file, own_scenes.questions()
    assert "2 of 4 images cannot be read:" in said
    assert f"{file}:1: {questions[0]['image']}: cannot be decoded" in said
    assert f"{file}:3: {questions[2]['image']}: no such file" in said
    assert "--on-bad-image skip" in said


def test_skipped_images_become_error_rows_that_are_counted_and_printed(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(own_scenes)
    assert main(command(own_scenes, tmp_path, "--on-bad-image", "skip")) == 0
    shown = capsys.readouterr()
    assert "2 of 4 images cannot be read and are recorded as errors:" in shown.err
    assert f"{own_scenes.questions()[2]['image']}: no such file" in shown.err
    assert "errors: rows that could not be run; they are not in n" in shown.out
    accuracy = run_of(tmp_path).accuracy()
    assert (accuracy["n"], accuracy["errors"]) == (2, 2)
    errors = [row for row in run_of(tmp_path).records().values() if row["status"] == "error"]
    assert [row["error"][:12] for row in errors] == ["cannot be de", "no such file"]
    assert all(row["prediction"] is None and row["correct"] is False for row in errors)
    assert len(run_of(tmp_path).lines("stage_2_answers.jsonl")) == 2


def test_error_rows_are_tried_again_once_the_image_is_mended(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    first, third = spoil(own_scenes)
    assert main(command(own_scenes, tmp_path, "--on-bad-image", "skip")) == 0
    before = run_of(tmp_path).records()
    for path in (first, third):
        Image.new("RGB", (20, 20), (9, 90, 200)).save(path)
    assert main(command(own_scenes, tmp_path)) == 0
    after = run_of(tmp_path).records()
    assert {row["status"] for row in after.values()} <= {"ok", "unread"}
    assert (run_of(tmp_path).accuracy()["n"], run_of(tmp_path).accuracy()["errors"]) == (4, 0)
    assert run_of(tmp_path).accuracy()["timing"]["images"] == 2
    assert {k: r for k, r in before.items() if r["status"] != "error"}.items() <= after.items()


def test_images_that_are_still_bad_need_no_model(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    spoil(own_scenes)
    assert main(command(own_scenes, tmp_path, "--on-bad-image", "skip")) == 0
    before = contents(tmp_path)
    request.getfixturevalue("no_model")
    assert main(command(own_scenes, tmp_path, "--on-bad-image", "skip")) == 0
    after = contents(tmp_path)
    assert after.keys() == before.keys()
    assert run_of(tmp_path).accuracy()["errors"] == 2
    assert run_of(tmp_path).accuracy()["timing"]["images"] == 2


@pytest.mark.parametrize(("skip", "status"), [("stop", 1), ("skip", 0)])
def test_an_image_that_goes_bad_during_the_run_is_no_guess(
    skip: str,
    status: int,
    own_scenes: Any,
    command: Any,
    run_of: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def spoil_after_the_check(*arguments: Any) -> ImageHashes:
        hashes = check_images(*arguments)
        spoil(own_scenes)
        return hashes

    monkeypatch.setattr("sepm.evaluation.evaluate.check_images", spoil_after_the_check)
    assert main(command(own_scenes, tmp_path, "--on-bad-image", skip)) == status
    if skip == "stop":
        assert "though it could be read before the run began" in capsys.readouterr().err
    else:
        assert run_of(tmp_path).accuracy()["errors"] == 2


# ---- the question file


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"question_id": "awe/1.png", "image": "../../etc/passwd"}', "outside the image folder"),
        ('{"question_id": "awe/1.png"', "not JSON"),
        ('{"question_id": "awe/1.png"}', "field 'image' is missing"),
        ('{"question_id": "aw/1.png", "image": "1.png"}', "did you mean 'awe'?"),
    ],
)
def test_a_wrong_row_is_told_with_file_and_line(
    row: str, said: str, own_scenes: Any, refused: Any
) -> None:
    good = own_scenes.question_file.read_text().splitlines()[0]
    write_rows(own_scenes, good, row)
    message = refused(own_scenes)
    assert f"{own_scenes.question_file}:2: " in message
    assert said in message


def test_a_question_id_that_stands_twice_is_told(own_scenes: Any, refused: Any) -> None:
    good = own_scenes.question_file.read_text().splitlines()[0]
    write_rows(own_scenes, good, good)
    said = refused(own_scenes)
    assert f"{own_scenes.question_file}:2: " in said
    assert "already stands on line 1" in said


def test_an_empty_question_file_is_told(own_scenes: Any, refused: Any) -> None:
    own_scenes.question_file.write_text("\n")
    assert "no questions in it; `sepm questions` writes such a file" in refused(own_scenes)


def test_question_ids_and_paths_may_hold_any_character(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    images = [question["image"] for question in own_scenes.questions()]
    folder = tmp_path / "my images, é"
    (folder / "fröh lich").mkdir(parents=True)
    shutil.copy(own_scenes.image_folder / images[0], folder / "fröh lich" / "a b\u2028.png")
    odd = 'awe/"ö"\\ \u2028\n\t😀.png'
    row = {"question_id": odd, "image": "fröh lich/a b\u2028.png"}
    file = tmp_path / "my questions.jsonl"
    file.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    scenes = type(own_scenes)(file, folder)
    assert main(command(scenes, tmp_path / "my results")) == 0
    lines = run_of(tmp_path / "my results").predictions.read_bytes().split(b"\n")
    assert json.loads(lines[0])["question_id"] == odd
    assert lines[1:] == [b""]
    assert main(command(scenes, tmp_path / "my results")) == 0


# ---- values and names


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--alpha 0.3", "alpha (α) must be in [0, 0.25] for the population variance, got 0.3"),
        ("--alpha 0.6 --variance sample", "must be in [0, 0.5] for the sample variance, got 0.6"),
        ("--alpha nan", "got nan"),
        ("--beta 1", "drop ratio beta (β) must be in [0, 1), got 1.0"),
        ("--beta=-0.1", "got -0.1"),
        ("--preset papre", "unknown preset 'papre'; did you mean 'paper'? available: paper, re"),
        ("--dataset emosett", "unknown dataset 'emosett'; did you mean 'emoset'? available: abstr"),
        ("--device cdua", "got 'cdua'; did you mean 'cuda'?"),
        ("--batch-size 0", "batch size must be from 1 to 512, got 0"),
        ("--batch-size 100000000", "batch size must be from 1 to 512, got 100000000"),
        ("--limit 0", "limit must be at least 1, got 0"),
    ],
)
def test_values_out_of_range_and_unknown_names_are_told(
    options: str, said: str, own_scenes: Any, refused: Any
) -> None:
    assert said in refused(own_scenes, *options.split())


def test_an_unknown_method_is_told_with_the_nearest(own_scenes: Any, refused: Any) -> None:
    said = refused(own_scenes, method="zero-shot spem")
    assert "unknown method 'spem'; did you mean 'sepm'? available: zero-shot" in said


@pytest.mark.parametrize("option", ["--drop foo", "--dtype float8", "--limit many"])
def test_values_that_an_option_does_not_take_are_status_2(
    option: str, own_scenes: Any, command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(command(own_scenes, tmp_path, *option.split()))
    assert stop.value.code == 2
    assert f"argument {option.split()[0]}: invalid" in capsys.readouterr().err


def test_method_may_be_given_twice(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    line = command(own_scenes, tmp_path, "--method", "fp", "cci", "--method", "fp", "--limit", 1)
    assert main(line) == 0
    for name in ("sepm", "fp", "cci"):
        assert run_of(tmp_path, name).accuracy()["n"] == 1


# ---- the checkpoint


def test_an_incomplete_checkpoint_is_told(
    own_scenes: Any, refused: Any, tiny_model: Path, language_folder: Path, tmp_path: Path
) -> None:
    model = tmp_path / "part"
    shutil.copytree(tiny_model, model)
    folder = model / language_folder
    (folder / "model.safetensors").unlink()
    said = refused(own_scenes, "--model-path", model)
    assert f"checkpoint incomplete: no weights in {folder}, expected one of " in said
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "one.safetensors"}}')
    said = refused(own_scenes, "--model-path", model)
    assert "names one.safetensors, not there; download the folder again" in said


def test_rows_of_a_model_with_other_settings_are_not_mixed(
    own_scenes: Any,
    command: Any,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "changed"
    shutil.copytree(tiny_model, model)
    options = ("--model-path", model)
    assert main(command(own_scenes, tmp_path, *options)) == 0
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "mm_projector_lr": 1}))
    assert main(command(own_scenes, tmp_path, *options)) == 2
    said = capsys.readouterr().err
    assert "holds a run with another configuration: sha256.model_files.config.json is " in said


def test_a_torn_weight_file_is_told_and_changes_nothing(
    own_scenes: Any,
    command: Any,
    tiny_model: Path,
    language_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tmp_path / "torn"
    shutil.copytree(tiny_model, model)
    weights = model / language_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert main(command(own_scenes, tmp_path / "out", "--model-path", model)) == 2
    assert f"{weights}: cannot be read as weights" in capsys.readouterr().err
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"model_type": "qwen2_vl"},
            "model_type must be one of llava, llava_llama, got 'qwen2_vl'",
        ),
        ({"model_type": "llava", "vision_config": {}}, "in transformers' own LLaVA format"),
    ],
)
def test_a_checkpoint_of_another_family_is_told(
    config: dict, said: str, own_scenes: Any, refused: Any, tiny_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "other"
    shutil.copytree(tiny_model, model)
    (model / "config.json").write_text(json.dumps(config))
    assert said in refused(own_scenes, "--model-path", model)


def test_a_checkpoint_that_is_nowhere_is_told_with_what_to_run(
    own_scenes: Any, refused: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*arguments: object, **options: object) -> None:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr("llava.checkpoints.files.snapshot_download", unreachable)
    said = refused(own_scenes, "--model-path", "liuhaotian/llava-v1.5-7b")
    assert "no folder at liuhaotian/llava-v1.5-7b, and the hub could not be read" in said
    assert "hf download liuhaotian/llava-v1.5-7b --local-dir checkpoints/llava-v1.5-7b" in said
    said = refused(own_scenes, "--model-path", tmp_path / "absent")
    assert f"no folder at {tmp_path / 'absent'}, and it is no hub id (owner/name)" in said


def test_option_letters_that_the_tokenizer_cannot_write_are_told(
    own_scenes: Any,
    command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def option_id(model: object, letter: str) -> int:
        raise ValueError(f"option letter '{letter}' is 2 tokens in this tokenizer ([5, 6])")

    monkeypatch.setattr("llava.Llava.option_id", option_id)
    assert main(command(own_scenes, tmp_path)) == 2
    said = capsys.readouterr().err
    assert "option letter 'A' is 2 tokens" in said
    assert "task emoset needs a tokenizer in which A B C D E F G H are single tokens" in said


def test_a_model_that_does_not_fit_in_memory_is_told(
    own_scenes: Any,
    command: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import torch

    def load(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 90.00 MiB.")

    monkeypatch.setattr("sepm.models.opening.load_checkpoint", load)
    assert main(command(own_scenes, tmp_path)) == 2
    said = capsys.readouterr().err
    assert "does not fit in the memory of cpu: CUDA out of memory." in said
    assert "Try --dtype float16" in said


@pytest.mark.parametrize("path", [".", "./", "../{name}", "../{name}/"])
def test_a_model_path_may_be_relative_to_the_working_directory(
    path: str,
    own_scenes: Any,
    command: Any,
    run_of: Any,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tiny_model)
    path = path.format(name=tiny_model.name)
    assert main(command(own_scenes, tmp_path, "--model-path", path, "--limit", 1)) == 0
    assert run_of(tmp_path).accuracy()["model"] == tiny_model.name


def test_every_path_may_be_relative_to_the_working_directory(
    own_scenes: Any,
    tiny_model: Path,
    run_of: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "here").symlink_to(own_scenes.question_file.parent)
    (tmp_path / tiny_model.name).symlink_to(tiny_model)
    monkeypatch.chdir(tmp_path)
    name = tiny_model.name
    line = f"eval --method zero-shot --model-path {name} --question-file here/questions.jsonl"
    assert main([*line.split(), "--image-folder", "here/image", "--device", "cpu"]) == 0
    assert f"results/emoset/{name}/zero-shot/accuracy.json" in capsys.readouterr().out
    assert run_of(tmp_path / "results", "zero-shot").accuracy()["n"] == 4


# ---- the output folder


def test_an_output_folder_that_cannot_be_made_is_told(
    own_scenes: Any, command: Any, no_model: None, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "taken").write_text("a file")
    assert main(command(own_scenes, tmp_path / "taken")) == 2
    assert "cannot be written: Not a directory; choose another --output-dir" in (
        capsys.readouterr().err
    )


def test_an_output_folder_that_another_process_writes_is_refused(
    own_scenes: Any, refused: Any, run_of: Any, tmp_path: Path
) -> None:
    folder = run_of(tmp_path / "out").folder
    holder = (
        "import sys\nfrom pathlib import Path\nfrom sepm.evaluation.run_folder import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        said = refused(own_scenes)
        process.communicate("")
    assert f"{folder} is being written by another run; wait for it" in said


def test_a_broken_line_of_an_earlier_run_is_told(
    scenes: Any, refused: Any, run_of: Any, finished: dict, tmp_path: Path
) -> None:
    shutil.copytree(finished["sepm"].folder.parents[2], tmp_path / "out")
    path = run_of(tmp_path / "out").predictions
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], "oops\n", *lines[2:]]))
    said = refused(scenes, "--save-scores")
    assert f"{path}:3: not a prediction record" in said
    assert "Repair the rows or start afresh with --overwrite" in said


def test_results_that_cannot_be_written_after_the_run_are_status_1_and_keep_the_rows(
    own_scenes: Any,
    command: Any,
    run_of: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(path: Path, text: str) -> None:
        raise InputError(f"{path}: cannot be written: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sepm.evaluation.results.write_whole", full)
        assert main(command(own_scenes, tmp_path, "--limit", 1)) == 1
    said = capsys.readouterr().err
    assert "accuracy.json: cannot be written: No space left on device" in said
    assert "The rows are kept; the same command sums them up" in said
    assert len(run_of(tmp_path).records()) == 1
    assert main(command(own_scenes, tmp_path, "--limit", 1)) == 0
    assert run_of(tmp_path).accuracy()["n"] == 1


def test_a_result_that_cannot_be_replaced_is_told(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_of(tmp_path).folder / "accuracy.json" / "in the way").mkdir(parents=True)
    assert main(command(own_scenes, tmp_path, "--limit", 1)) == 2
    assert "accuracy.json: cannot be read: Is a directory" in capsys.readouterr().err


# ---- the question file's own text

LAST_LINE = "Answer directly with the letter of the chosen option."
TEXT = "Is it good?\nA. Positive\nB. Negative\nAnswer with one letter."


def coarse_prompts(run: Any) -> set[str]:
    return {row["coarse"]["prompt"] for row in run.records().values()}


def test_text_that_is_not_used_is_mentioned_once(
    make_scenes: Any, command: Any, run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(make_scenes(3, text=TEXT), tmp_path, method="cci sepm zero-shot")) == 0
    assert capsys.readouterr().err.count("the question file's text is not used") == 1
    (prompt,) = coarse_prompts(run_of(tmp_path))
    assert "Is it good?" not in prompt
    assert prompt.splitlines()[-1] == LAST_LINE


def test_a_method_without_a_coarse_stage_says_nothing_of_the_text(
    make_scenes: Any, command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(make_scenes(1, text=TEXT), tmp_path, method="zero-shot fp")) == 0
    assert "question file's text" not in capsys.readouterr().err


def test_text_without_the_phrase_gets_it_in_front_and_that_is_said_once(
    make_scenes: Any, command: Any, run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = command(
        make_scenes(3, text=TEXT), tmp_path, "--coarse-query", "file", method="cci+fp sepm"
    )
    assert main(line) == 0
    said = capsys.readouterr().err
    assert said.count("note: the question file's text") == 1
    assert "lacks the phrase 'Please focus on emotion.', which is put in front of it" in said
    assert coarse_prompts(run_of(tmp_path)) == {f"Please focus on emotion.\n{TEXT}"}


def test_text_that_has_the_phrase_is_taken_as_it_is(
    make_scenes: Any, command: Any, run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"Please focus on emotion.\n{TEXT}"
    assert main(command(make_scenes(1, text=text), tmp_path, "--coarse-query", "file")) == 0
    assert "question file's text" not in capsys.readouterr().err
    assert coarse_prompts(run_of(tmp_path)) == {text}


def test_a_released_preset_without_text_asks_from_the_taxonomy(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(own_scenes, tmp_path, "--preset", "released", "--limit", 1)) == 0
    assert "question file's text" not in capsys.readouterr().err
    (prompt,) = coarse_prompts(run_of(tmp_path, "sepm-released"))
    assert prompt.splitlines()[0] == "Please focus on emotion."
    assert prompt.splitlines()[-1] == LAST_LINE


def test_a_released_preset_with_text_asks_it(
    make_scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    assert main(command(make_scenes(1, text=TEXT), tmp_path, "--preset", "released")) == 0
    assert coarse_prompts(run_of(tmp_path, "sepm-released")) == {
        f"Please focus on emotion.\n{TEXT}"
    }


def test_an_image_that_failed_under_a_larger_limit_leaves_the_rows_of_a_smaller_one(
    make_scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    scenes = make_scenes(4)
    (scenes.image_folder / scenes.questions()[3]["image"]).write_bytes(b"no image")
    skip = ("--on-bad-image", "skip", "--limit")
    assert main(command(scenes, tmp_path, *skip, 4, method="zero-shot")) == 0
    assert run_of(tmp_path, "zero-shot").accuracy()["errors"] == 1
    assert main(command(scenes, tmp_path, *skip, 2, method="zero-shot")) == 0
    run = run_of(tmp_path, "zero-shot")
    assert (run.accuracy()["n"], run.accuracy()["errors"], len(run.records())) == (3, 0, 3)
