"""`sepm eval` as its user meets it: one test for each way out, right and wrong."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sepm.analysis.plain_text import ways_read
from sepm.cli import main
from sepm.errors import InputError
from sepm.evaluation.assignment import run_questions
from sepm.evaluation.run_folder import locked

BOTH_FAMILIES = True


def without_model(evaluate: Any, *options: object, **how: Any) -> Any:
    """What a command prints that must load no model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llava.Checkpoint.load", lambda *_, **__: pytest.fail("a model was loaded"))
        return evaluate(*options, **how)


def refused(evaluate: Any, *options: object, **how: Any) -> str:
    """What a command says that is to be refused.

    Exit status 2, one message on standard error, nothing on standard output, no model loaded.
    """
    shown = without_model(evaluate, *options, status=2, **how)
    assert shown.out == ""
    assert "Traceback" not in shown.err
    return shown.err


@pytest.fixture
def earlier(finished: dict, evaluate: Any) -> dict[Path, bytes]:
    """Files of an earlier run over 24 scenes, which are in the output folder."""
    shutil.copytree(finished["sepm"].folder.parents[2], evaluate.output)
    return evaluate.files()


# ---- what a run prints


def test_the_table_shows_accuracy_interval_and_where_the_files_lie(
    evaluate: Any, tiny_model: Path
) -> None:
    shown = evaluate(method="zero-shot sepm")
    title, header, *rows, blank, first, second = shown.out.splitlines()
    assert title == f"emoset, {tiny_model.name}, percent (chance 12.50)"
    assert header.split() == [*("method", "n", "accuracy", "95%", "interval", "unread", "errors")]
    for name, row in zip(("zero-shot", "sepm"), rows, strict=True):
        accuracy = evaluate.run(name).accuracy()
        low, high = (f"{100 * end:.2f}" for end in accuracy["ci95"])
        share = f"{100 * accuracy['accuracy']:.2f}"
        unread = str(accuracy["unread"])
        assert row.split() == [name, "4", share, f"{low}-{high}", unread, "0"]
        told = f"note: {name}, answers by how they were read, {ways_read(accuracy)}" in shown.err
        assert told is (ways_read(accuracy) is not None)
    assert blank == ""
    assert [first, second] == [
        str(evaluate.run(name).folder / "accuracy.json") for name in ("zero-shot", "sepm")
    ]
    for part in ("evaluating: 100%", "4/4", "image/s"):
        assert part in shown.err
    assert "evaluating" not in shown.out


def test_json_prints_the_accuracy_files_and_nothing_else_on_standard_output(evaluate: Any) -> None:
    shown = evaluate("--json", method="zero-shot sepm")
    assert json.loads(shown.out) == [
        evaluate.run(name).accuracy() for name in ("zero-shot", "sepm")
    ]


def test_the_papers_number_or_a_note_stands_beside_a_run_that_it_has(
    evaluate: Any, tiny_model: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = tmp_path / "llava-v1.5-7b"
    model.symlink_to(tiny_model)
    file = evaluate.output / "emoset" / model.name / "sepm" / "accuracy.json"
    shown = evaluate("--model-path", model).out
    note = "n is 4; every accuracy in the paper fits n = 17716"
    assert f"\npaper: {note}\n" in shown
    assert "  56.24  " not in shown
    paper = json.loads(file.read_text())["paper"]
    assert paper == {"reported": None, "difference": None, "note": note}

    request.getfixturevalue("any_n_is_the_papers")
    shown = evaluate("--model-path", model, "--overwrite").out
    assert "  56.24  " in shown
    assert "\npaper: " not in shown
    accuracy = json.loads(file.read_text())
    difference = pytest.approx(accuracy["accuracy"] - 0.5624)
    assert accuracy["paper"] == {"reported": 0.5624, "difference": difference, "note": None}


def test_what_others_report_stands_in_a_column_and_a_field_of_its_own(
    evaluate: Any, tiny_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "Qwen2.5-VL-7B-Instruct"
    model.symlink_to(tiny_model)
    lines = evaluate("--model-path", model, method="zero-shot sepm fp").out.splitlines()
    assert lines[1].split()[5:] == ["others", "unread", "errors"]
    assert [line.split()[4] for line in lines[2:5]] == ["56.98", "57.94", "-"]
    source = "Decoding Affective Nuances, 2026, Table 1, Qwen2.5-VL-7B"
    assert f"others: {source}, not SEPM's paper" in lines
    files = [
        json.loads((evaluate.output / "emoset" / model.name / name / "accuracy.json").read_text())
        for name in ("zero-shot", "sepm", "fp")
    ]
    note = (
        "n is 4; 57.94 fits n = 17716, as every percentage does; their settings are unknown, their "
        "code is unseen"
    )
    assert f"others: {note}" in lines
    assert files[1]["reported_elsewhere"] == {
        **{"reported": pytest.approx(0.5794), "difference": None, "source": source, "note": note}
    }
    assert "reported_elsewhere" not in files[2]
    assert not any("paper" in file for file in files)


# ---- the same command again


def test_a_finished_run_repeated_computes_nothing_and_keeps_every_file(
    scenes: Any, evaluate: Any, earlier: dict[Path, bytes]
) -> None:
    options = ("--batch-size", 2, "--save-scores")
    shown = without_model(evaluate, *options, scenes=scenes, method="zero-shot sepm")
    assert evaluate.files() == earlier
    assert "24 of 24 rows are there already" in shown.err


def test_a_limit_takes_the_first_questions_a_smaller_one_changes_nothing_and_the_rest_can_follow(
    evaluate: Any,
) -> None:
    evaluate("--limit", 3)
    first = [question["question_id"] for question in evaluate.scenes.questions()[:3]]
    assert evaluate.run().records().keys() == set(first)
    assert evaluate.counts() == (3, 0, 3)
    evaluate("--limit", 1)
    assert evaluate.counts() == (3, 0, 3)
    evaluate()
    assert evaluate.counts() == (4, 0, None)
    assert evaluate.run().accuracy()["timing"]["images"] == 1


def test_a_method_that_is_done_is_not_run_again_for_the_sake_of_another(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_one_job(model: Any, questions: Any, jobs: Any, *others: Any) -> Any:
        assert len(jobs) == 1
        return run_questions(model, questions, jobs, *others)

    evaluate(method="zero-shot")
    timing = evaluate.run("zero-shot").accuracy()["timing"]
    monkeypatch.setattr("sepm.evaluation.assignment.run_questions", only_one_job)
    evaluate(method="zero-shot sepm")
    assert evaluate.run("zero-shot").accuracy()["timing"] == timing
    assert evaluate.counts() == (4, 0, None)


def test_another_configuration_is_refused_and_overwrite_starts_afresh(
    evaluate: Any, earlier: dict[Path, bytes]
) -> None:
    said = evaluate("--variance", "sample", status=2).err
    assert "configuration.variance is 'population' there, 'sample' now" in said
    assert evaluate.files() == earlier
    evaluate("--variance", "sample", "--overwrite")
    assert evaluate.counts() == (4, 0, None)
    assert evaluate.run().accuracy()["configuration"]["variance"] == "sample"


def test_bad_input_leaves_what_overwrite_would_have_replaced(
    evaluate: Any, earlier: dict[Path, bytes]
) -> None:
    spoil(evaluate.scenes)
    refused(evaluate, "--overwrite")
    assert evaluate.files() == earlier


# ---- images


def spoil(scenes: Any) -> tuple[Path, Path]:
    """Truncate the first image and remove the third; their paths."""
    first, _, third, _ = (scenes.image_folder / q["image"] for q in scenes.questions())
    first.write_bytes(first.read_bytes()[:-200])
    third.unlink()
    return first, third


def test_all_images_that_cannot_be_read_are_listed_before_a_model_is_loaded(evaluate: Any) -> None:
    spoil(evaluate.scenes)
    said = refused(evaluate)
    file, questions = evaluate.scenes.question_file, evaluate.scenes.questions()
    assert "2 of 4 images cannot be read:" in said
    assert f"{file}:1: {questions[0]['image']}: cannot be decoded" in said
    assert f"{file}:3: {questions[2]['image']}: no such file" in said
    assert "--on-bad-image skip" in said
    assert "the right one?" not in said


def test_where_no_image_can_be_read_the_folder_is_asked_for(evaluate: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = refused(evaluate, "--image-folder", tmp_path / "empty")
    assert f"Is --image-folder {tmp_path / 'empty'} the right one? Mend them" in said


def test_skipped_images_are_errors_until_they_are_mended_and_need_no_model(evaluate: Any) -> None:
    spoilt = spoil(evaluate.scenes)
    shown = evaluate("--on-bad-image", "skip")
    assert "2 of 4 images cannot be read and are recorded as errors:" in shown.err
    assert f"{evaluate.scenes.questions()[2]['image']}: no such file" in shown.err
    assert "errors: rows that could not be run; they are not in n" in shown.out
    assert evaluate.counts() == (2, 2, None)
    before, files = evaluate.run().records(), evaluate.files()
    errors = [row for row in before.values() if row["status"] == "error"]
    assert [row["error"][:12] for row in errors] == ["cannot be de", "no such file"]
    assert all(row["prediction"] is None and row["correct"] is False for row in errors)
    assert len(evaluate.run().lines("stage_2_answers.jsonl")) == 2

    without_model(evaluate, "--on-bad-image", "skip")
    assert evaluate.files().keys() == files.keys()
    assert evaluate.counts() == (2, 2, None)
    assert evaluate.run().accuracy()["timing"]["images"] == 2

    for path in spoilt:
        Image.new("RGB", (20, 20), (9, 90, 200)).save(path)
    evaluate()
    after = evaluate.run().records()
    assert {row["status"] for row in after.values()} <= {"ok", "unread"}
    assert evaluate.counts() == (4, 0, None)
    assert evaluate.run().accuracy()["timing"]["images"] == 2
    assert {k: r for k, r in before.items() if r["status"] != "error"}.items() <= after.items()


def test_an_image_that_goes_bad_during_the_run_is_no_guess(
    evaluate: Any, after_the_check: Any
) -> None:
    after_the_check(lambda: spoil(evaluate.scenes))
    said = evaluate(status=1).err
    assert "though it could be read before the run began" in said


def test_an_image_that_goes_bad_during_the_run_is_an_error_where_they_are_skipped(
    evaluate: Any, after_the_check: Any
) -> None:
    after_the_check(lambda: spoil(evaluate.scenes))
    evaluate("--on-bad-image", "skip")
    assert evaluate.counts() == (2, 2, None)


def test_an_image_that_failed_under_a_larger_limit_leaves_the_rows_of_a_smaller_one(
    evaluate: Any,
) -> None:
    scenes = evaluate.scenes
    (scenes.image_folder / scenes.questions()[3]["image"]).write_bytes(b"no image")
    evaluate("--on-bad-image", "skip", "--limit", 4)
    assert evaluate.counts()[:2] == (3, 1)
    evaluate("--on-bad-image", "skip", "--limit", 2)
    assert evaluate.counts()[:2] == (3, 0)
    assert len(evaluate.run().records()) == 3


# ---- question file and options


def test_question_ids_and_paths_may_hold_any_character(evaluate: Any, tmp_path: Path) -> None:
    image = next(evaluate.scenes.image_folder.rglob("*.png"))
    folder = tmp_path / "my images, é"
    (folder / "fröh lich").mkdir(parents=True)
    shutil.copy(image, folder / "fröh lich" / "a b\u2028.png")
    odd = 'awe/"ö"\\ \u2028\n\t😀.png'
    row = {"question_id": odd, "image": "fröh lich/a b\u2028.png"}
    file = tmp_path / "my questions.jsonl"
    file.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    mine = replace(evaluate.scenes, question_file=file, image_folder=folder)
    evaluate = replace(evaluate, scenes=mine, output=tmp_path / "my results")
    evaluate()
    lines = evaluate.run().predictions.read_bytes().split(b"\n")
    assert json.loads(lines[0])["question_id"] == odd
    assert lines[1:] == [b""]
    evaluate()


def test_method_may_be_given_twice(evaluate: Any) -> None:
    evaluate("--method", "fp", "cci", "--method", "fp", "--limit", 1)
    assert [evaluate.counts(name) for name in ("sepm", "fp", "cci")] == [(1, 0, 1)] * 3


def test_every_path_may_be_relative_to_the_working_directory(
    own_scenes: Any, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_of: Any
) -> None:
    (tmp_path / "data").symlink_to(own_scenes.question_file.parent)
    shutil.copytree(tiny_model, tmp_path / tiny_model.name)
    monkeypatch.chdir(tmp_path / tiny_model.name)
    line = "eval --method zero-shot --device cpu --question-file ../data/questions.jsonl"
    line += " --image-folder ../data/image --output-dir ../results"
    for path in (".", f"../{tiny_model.name}/"):
        assert main([*line.split(), "--overwrite", "--model-path", path]) == 0
        assert run_of(tmp_path / "results", "zero-shot").accuracy()["model"] == tiny_model.name


# ---- the checkpoint


def test_a_torn_or_absent_weight_file_is_told_the_latter_without_loading_and_changes_nothing(
    evaluate: Any, tiny_model: Path, language_folder: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    weights = model / language_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    said = evaluate("--model-path", model, status=2).err
    assert f"{weights}: cannot be read as weights" in said
    weights.unlink()
    said = refused(evaluate, "--model-path", model)
    assert f"checkpoint incomplete: no weights in {weights.parent}" in said
    assert evaluate.files() == {}


def test_option_letters_that_the_tokenizer_cannot_write_are_told(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def option_id(model: object, letter: str) -> int:
        raise ValueError(f"option letter '{letter}' is 2 tokens in this tokenizer ([5, 6])")

    monkeypatch.setattr("llava.Llava.option_id", option_id)
    said = evaluate(status=2).err
    assert "option letter 'A' is 2 tokens" in said
    assert "task emoset needs a tokenizer in which A B C D E F G H are single tokens" in said


def test_a_model_that_does_not_fit_in_memory_is_told(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 90.00 MiB.")

    monkeypatch.setattr("llava.Checkpoint.load", load)
    said = evaluate(status=2).err
    assert "does not fit in the memory of cpu: CUDA out of memory." in said
    assert "Try --dtype float16" in said


# ---- the output folder


def test_an_output_folder_that_another_run_writes_is_refused(evaluate: Any) -> None:
    folder = evaluate.run().folder
    with locked(folder):
        said = refused(evaluate)
    assert f"{folder} is being written by another run; wait for it" in said


def test_results_that_cannot_be_written_after_the_run_are_status_1_and_keep_the_rows(
    evaluate: Any,
) -> None:
    def full(path: Path, text: str) -> None:
        raise InputError(f"{path}: cannot be written: No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sepm.evaluation.accuracy_file.write_whole", full)
        said = evaluate("--limit", 1, status=1).err
    assert "accuracy.json: cannot be written: No space left on device" in said
    assert "The rows are kept; the same command sums them up" in said
    assert len(evaluate.run().records()) == 1
    evaluate("--limit", 1)
    assert evaluate.counts() == (1, 0, 1)


def test_a_result_that_cannot_be_replaced_is_told(evaluate: Any) -> None:
    (evaluate.run().folder / "accuracy.json" / "in the way").mkdir(parents=True)
    said = evaluate("--limit", 1, status=2).err
    assert "accuracy.json: cannot be read: Is a directory" in said


# ---- the question file's own text

TEXT = "Is it good?\nA. Positive\nB. Negative\nAnswer with one letter."
WITH_PHRASE = f"Please focus on emotion.\n{TEXT}"
FILE = ("--coarse-query", "file")
NOT_USED = "note: the question file's text is not used"
PUT_IN_FRONT = (
    "note: the question file's text lacks the phrase 'Please focus on emotion.', which is put in "
    "front of it"
)


@pytest.mark.parametrize(
    ("text", "options", "method", "note", "asked"),
    [
        (TEXT, (), "cci sepm zero-shot", NOT_USED, None),
        (TEXT, FILE, "cci+fp sepm", PUT_IN_FRONT, WITH_PHRASE),
        (WITH_PHRASE, FILE, "sepm", None, WITH_PHRASE),
        (None, ("--preset", "released"), "sepm", None, None),
        (TEXT, ("--preset", "released"), "sepm", PUT_IN_FRONT, WITH_PHRASE),
    ],
)
def test_what_becomes_of_the_question_files_text_is_said_once_and_done(
    text: str | None,
    options: Any,
    method: str,
    note: str | None,
    asked: str | None,
    make_scenes: Any,
    evaluate: Any,
) -> None:
    scenes = make_scenes(2, **({"text": text} if text else {}))
    said = evaluate(*options, scenes=scenes, method=method).err
    assert said.count("question file's text") == (note is not None)
    assert note is None or note in said
    run = evaluate.run("sepm-released" if "released" in options else "sepm")
    (prompt,) = {row["coarse"]["prompt"] for row in run.records().values()}
    if asked is not None:
        assert prompt == asked
    else:  # made from the taxonomy
        assert prompt.splitlines()[0] == "Please focus on emotion."
        assert prompt.splitlines()[-1] == "Answer directly with the letter of the chosen option."
        assert "Is it good?" not in prompt


def test_a_method_without_a_coarse_stage_says_nothing_of_the_text(
    make_scenes: Any, evaluate: Any
) -> None:
    said = evaluate(scenes=make_scenes(1, text=TEXT), method="zero-shot fp").err
    assert "question file's text" not in said
