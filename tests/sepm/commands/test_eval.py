"""`sepm eval` as its user meets it: one test for each way out, right and wrong."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.analysis.plain_text import ways_read
from sepm.cli import main
from sepm.datasets.check import ImageHashes
from sepm.errors import InputError
from sepm.evaluation.preflight import check_images
from sepm.evaluation.run_folder import locked

BOTH_FAMILIES = True


@dataclass(frozen=True)
class Evaluation:
    """`sepm eval` commands that write to one folder."""

    output: Path
    command: Callable[..., list[str]]
    run_of: Callable[..., Any]
    capsys: pytest.CaptureFixture[str]

    def __call__(self, scenes: Any, *options: object, method: str = "sepm", status: int = 0) -> Any:
        """Output of a command, which must end with that exit status."""
        assert main(self.command(scenes, self.output, *options, method=method)) == status
        return self.capsys.readouterr()

    def run(self, name: str = "sepm") -> Any:
        return self.run_of(self.output, name)

    def counts(self, name: str = "sepm") -> tuple[int, int, int | None]:
        """n, errors and limit of a run."""
        accuracy = self.run(name).accuracy()
        return accuracy["n"], accuracy["errors"], accuracy["limit"]

    def files(self) -> dict[Path, bytes]:
        paths = [path for path in self.output.rglob("*") if path.is_file() and path.name != ".lock"]
        return {path: path.read_bytes() for path in paths}


@pytest.fixture
def evaluate(
    command: Any, run_of: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Evaluation:
    return Evaluation(tmp_path / "out", command, run_of, capsys)


@pytest.fixture
def refused(evaluate: Evaluation, no_model: None) -> Callable[..., str]:
    """A function that runs a command that is to be refused, and gives what it says.

    Exit status 2, one message on standard error, nothing on standard output, no model loaded.
    """

    def run(scenes: Any, *options: object, method: str = "sepm") -> str:
        shown = evaluate(scenes, *options, method=method, status=2)
        assert shown.out == ""
        assert "Traceback" not in shown.err
        return shown.err

    return run


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model fails the test."""

    def load(*arguments: object, **options: object) -> None:
        pytest.fail("a model was loaded")

    monkeypatch.setattr("llava.Checkpoint.load", load)


@pytest.fixture
def own_scenes(make_scenes: Any) -> Any:
    """Four scenes that a test may spoil."""
    return make_scenes(4)


@pytest.fixture
def earlier(finished: dict, evaluate: Evaluation) -> dict[Path, bytes]:
    """Files of an earlier run over 24 scenes, which are in the output folder."""
    shutil.copytree(finished["sepm"].folder.parents[2], evaluate.output)
    return evaluate.files()


# ---- what a run prints


def test_the_table_shows_accuracy_interval_and_where_the_files_lie(
    own_scenes: Any, evaluate: Evaluation, tiny_model: Path
) -> None:
    shown = evaluate(own_scenes, method="zero-shot sepm")
    title, header, *rows, blank, first, second = shown.out.splitlines()
    assert title == f"emoset, {tiny_model.name}, percent (chance 12.50)"
    assert header.split() == [
        *("method", "n", "accuracy", "95%", "interval", "paper", "unread", "errors")
    ]
    for name, row in zip(("zero-shot", "sepm"), rows, strict=True):
        accuracy = evaluate.run(name).accuracy()
        low, high = (f"{100 * end:.2f}" for end in accuracy["ci95"])
        share = f"{100 * accuracy['accuracy']:.2f}"
        unread = str(accuracy["unread"])
        assert row.split() == [name, "4", share, f"{low}-{high}", "-", unread, "0"]
        told = f"note: {name}, answers by how they were read, {ways_read(accuracy)}" in shown.err
        assert told is (ways_read(accuracy) is not None)
    assert blank == ""
    assert [first, second] == [
        str(evaluate.run(name).folder / "accuracy.json") for name in ("zero-shot", "sepm")
    ]


def test_json_prints_the_accuracy_files_and_nothing_else_on_standard_output(
    make_scenes: Any, evaluate: Evaluation
) -> None:
    shown = evaluate(make_scenes(2, text="What is it?"), "--json", method="zero-shot sepm")
    files = [evaluate.run(name).accuracy() for name in ("zero-shot", "sepm")]
    assert json.loads(shown.out) == files
    assert "note: the question file's text is not used" in shown.err


def test_progress_with_images_a_second_and_time_left_goes_to_standard_error(
    own_scenes: Any, evaluate: Evaluation
) -> None:
    shown = evaluate(own_scenes)
    for part in ("evaluating: 100%", "4/4", "image/s"):
        assert part in shown.err
    assert "evaluating" not in shown.out


@pytest.mark.parametrize("of_the_papers_n", [True, False])
def test_the_papers_number_or_a_note_stands_beside_a_run_that_it_has(
    of_the_papers_n: bool,
    request: pytest.FixtureRequest,
    own_scenes: Any,
    evaluate: Evaluation,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    model = tmp_path / "llava-v1.5-7b"
    model.symlink_to(tiny_model)
    if of_the_papers_n:
        request.getfixturevalue("any_n_is_the_papers")
    shown = evaluate(own_scenes, "--model-path", model).out
    file = evaluate.output / "emoset" / "llava-v1.5-7b" / "sepm" / "accuracy.json"
    accuracy = json.loads(file.read_text())
    note = "n is 4; every accuracy in the paper fits n = 17716"
    assert ("  56.24  " in shown) is of_the_papers_n
    assert (f"\npaper: {note}\n" in shown) is not of_the_papers_n
    if of_the_papers_n:
        difference = pytest.approx(accuracy["accuracy"] - 0.5624)
        assert accuracy["paper"] == {"reported": 0.5624, "difference": difference, "note": None}
    else:
        assert accuracy["paper"] == {"reported": None, "difference": None, "note": note}


def test_what_others_report_stands_in_a_column_and_a_field_of_its_own(
    own_scenes: Any, evaluate: Evaluation, tiny_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "Qwen2.5-VL-7B-Instruct"
    model.symlink_to(tiny_model)
    lines = evaluate(own_scenes, "--model-path", model, method="zero-shot sepm fp").out.splitlines()
    assert lines[1].split()[5:] == ["paper", "others", "unread", "errors"]
    assert [line.split()[4:6] for line in lines[2:5]] == [["-", "56.98"], ["-", "57.94"], ["-"] * 2]
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
    scenes: Any, evaluate: Evaluation, earlier: dict[Path, bytes], no_model: None
) -> None:
    shown = evaluate(scenes, "--batch-size", 2, "--save-scores", method="zero-shot sepm")
    assert evaluate.files() == earlier
    assert "24 of 24 rows are there already" in shown.err


def test_a_limit_takes_the_first_questions_a_smaller_one_changes_nothing_and_the_rest_can_follow(
    own_scenes: Any, evaluate: Evaluation
) -> None:
    evaluate(own_scenes, "--limit", 3)
    first = [question["question_id"] for question in own_scenes.questions()[:3]]
    assert evaluate.run().records().keys() == set(first)
    assert evaluate.counts() == (3, 0, 3)
    evaluate(own_scenes, "--limit", 1)
    assert evaluate.counts() == (3, 0, 3)
    evaluate(own_scenes)
    assert evaluate.counts() == (4, 0, None)
    assert evaluate.run().accuracy()["timing"]["images"] == 1


def test_a_method_that_is_done_is_not_run_again_for_the_sake_of_another(
    own_scenes: Any, evaluate: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sepm.evaluation.compute import run_questions

    def only_one_job(model: Any, questions: Any, jobs: Any, *others: Any) -> Any:
        assert len(jobs) == 1
        return run_questions(model, questions, jobs, *others)

    evaluate(own_scenes, method="zero-shot")
    timing = evaluate.run("zero-shot").accuracy()["timing"]
    monkeypatch.setattr("sepm.evaluation.compute.run_questions", only_one_job)
    evaluate(own_scenes, method="zero-shot sepm")
    assert evaluate.run("zero-shot").accuracy()["timing"] == timing
    assert evaluate.counts() == (4, 0, None)


def test_another_configuration_is_refused_and_overwrite_starts_afresh(
    own_scenes: Any, evaluate: Evaluation, earlier: dict[Path, bytes]
) -> None:
    said = evaluate(own_scenes, "--variance", "sample", status=2).err
    assert "configuration.variance is 'population' there, 'sample' now" in said
    assert evaluate.files() == earlier
    evaluate(own_scenes, "--variance", "sample", "--overwrite")
    assert evaluate.counts() == (4, 0, None)
    assert evaluate.run().accuracy()["configuration"]["variance"] == "sample"


def test_bad_input_leaves_what_overwrite_would_have_replaced(
    own_scenes: Any, refused: Any, evaluate: Evaluation, earlier: dict[Path, bytes]
) -> None:
    (own_scenes.image_folder / own_scenes.questions()[0]["image"]).unlink()
    refused(own_scenes, "--overwrite")
    assert evaluate.files() == earlier


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


def test_skipped_images_are_errors_until_they_are_mended_and_need_no_model(
    own_scenes: Any, evaluate: Evaluation
) -> None:
    spoilt = spoil(own_scenes)
    shown = evaluate(own_scenes, "--on-bad-image", "skip")
    assert "2 of 4 images cannot be read and are recorded as errors:" in shown.err
    assert f"{own_scenes.questions()[2]['image']}: no such file" in shown.err
    assert "errors: rows that could not be run; they are not in n" in shown.out
    assert evaluate.counts() == (2, 2, None)
    before, files = evaluate.run().records(), evaluate.files()
    errors = [row for row in before.values() if row["status"] == "error"]
    assert [row["error"][:12] for row in errors] == ["cannot be de", "no such file"]
    assert all(row["prediction"] is None and row["correct"] is False for row in errors)
    assert len(evaluate.run().lines("stage_2_answers.jsonl")) == 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llava.Checkpoint.load", pytest.fail)
        evaluate(own_scenes, "--on-bad-image", "skip")
    assert evaluate.files().keys() == files.keys()
    assert evaluate.counts() == (2, 2, None)
    assert evaluate.run().accuracy()["timing"]["images"] == 2

    for path in spoilt:
        Image.new("RGB", (20, 20), (9, 90, 200)).save(path)
    evaluate(own_scenes)
    after = evaluate.run().records()
    assert {row["status"] for row in after.values()} <= {"ok", "unread"}
    assert evaluate.counts() == (4, 0, None)
    assert evaluate.run().accuracy()["timing"]["images"] == 2
    assert {k: r for k, r in before.items() if r["status"] != "error"}.items() <= after.items()


@pytest.mark.parametrize(("skip", "status"), [("stop", 1), ("skip", 0)])
def test_an_image_that_goes_bad_during_the_run_is_no_guess(
    skip: str,
    status: int,
    own_scenes: Any,
    evaluate: Evaluation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def spoil_after_the_check(*arguments: Any) -> ImageHashes:
        hashes = check_images(*arguments)
        spoil(own_scenes)
        return hashes

    monkeypatch.setattr("sepm.evaluation.evaluate.check_images", spoil_after_the_check)
    shown = evaluate(own_scenes, "--on-bad-image", skip, status=status)
    if skip == "stop":
        assert "though it could be read before the run began" in shown.err
    else:
        assert evaluate.counts() == (2, 2, None)


def test_an_image_that_failed_under_a_larger_limit_leaves_the_rows_of_a_smaller_one(
    own_scenes: Any, evaluate: Evaluation
) -> None:
    (own_scenes.image_folder / own_scenes.questions()[3]["image"]).write_bytes(b"no image")
    evaluate(own_scenes, "--on-bad-image", "skip", "--limit", 4)
    assert evaluate.counts()[:2] == (3, 1)
    evaluate(own_scenes, "--on-bad-image", "skip", "--limit", 2)
    assert evaluate.counts()[:2] == (3, 0)
    assert len(evaluate.run().records()) == 3


# ---- question file and options


def test_a_wrong_row_is_told_with_file_and_line(own_scenes: Any, refused: Any) -> None:
    with own_scenes.question_file.open("a") as file:
        file.write('{"question_id": "aw/1.png", "image": "1.png"}\n')
    said = refused(own_scenes)
    assert f"{own_scenes.question_file}:5: unknown class 'aw'; did you mean 'awe'?" in said


def test_question_ids_and_paths_may_hold_any_character(
    own_scenes: Any, command: Any, run_of: Any, tmp_path: Path
) -> None:
    image = own_scenes.questions()[0]["image"]
    folder = tmp_path / "my images, é"
    (folder / "fröh lich").mkdir(parents=True)
    shutil.copy(own_scenes.image_folder / image, folder / "fröh lich" / "a b\u2028.png")
    odd = 'awe/"ö"\\ \u2028\n\t😀.png'
    row = {"question_id": odd, "image": "fröh lich/a b\u2028.png"}
    file = tmp_path / "my questions.jsonl"
    file.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    line = command(type(own_scenes)(file, folder), tmp_path / "my results")
    assert main(line) == 0
    lines = run_of(tmp_path / "my results").predictions.read_bytes().split(b"\n")
    assert json.loads(lines[0])["question_id"] == odd
    assert lines[1:] == [b""]
    assert main(line) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--alpha nan", "got nan"),
        ("--beta=-0.1", "drop ratio beta (β) must be in [0, 1), got -0.1"),
        ("--preset papre", "unknown preset 'papre'; did you mean 'paper'? available: paper, re"),
        ("--dataset emosett", "unknown dataset 'emosett'; did you mean 'emoset'? available: abstr"),
        ("--device cdua", "got 'cdua'; did you mean 'cuda'?"),
        ("--batch-size 100000000", "batch size must be from 1 to 512, got 100000000"),
    ],
)
def test_values_out_of_range_and_unknown_names_are_told(
    options: str, said: str, own_scenes: Any, refused: Any
) -> None:
    assert said in refused(own_scenes, *options.split())


def test_a_value_that_an_option_does_not_take_is_status_2(
    own_scenes: Any, evaluate: Evaluation
) -> None:
    with pytest.raises(SystemExit) as stop:
        evaluate(own_scenes, "--drop", "foo")
    assert stop.value.code == 2
    assert "argument --drop: invalid" in evaluate.capsys.readouterr().err


def test_method_may_be_given_twice(own_scenes: Any, evaluate: Evaluation) -> None:
    evaluate(own_scenes, "--method", "fp", "cci", "--method", "fp", "--limit", 1)
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


def test_an_incomplete_checkpoint_is_told_before_it_is_loaded(
    own_scenes: Any, refused: Any, tiny_model: Path, language_folder: Path, tmp_path: Path
) -> None:
    model = tmp_path / "part"
    shutil.copytree(tiny_model, model)
    (model / language_folder / "model.safetensors").unlink()
    said = refused(own_scenes, "--model-path", model)
    assert f"checkpoint incomplete: no weights in {model / language_folder}" in said


def test_a_torn_weight_file_is_told_and_changes_nothing(
    own_scenes: Any, evaluate: Evaluation, tiny_model: Path, language_folder: Path, tmp_path: Path
) -> None:
    model = tmp_path / "torn"
    shutil.copytree(tiny_model, model)
    weights = model / language_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    said = evaluate(own_scenes, "--model-path", model, status=2).err
    assert f"{weights}: cannot be read as weights" in said
    assert evaluate.files() == {}


def test_option_letters_that_the_tokenizer_cannot_write_are_told(
    own_scenes: Any, evaluate: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def option_id(model: object, letter: str) -> int:
        raise ValueError(f"option letter '{letter}' is 2 tokens in this tokenizer ([5, 6])")

    monkeypatch.setattr("llava.Llava.option_id", option_id)
    said = evaluate(own_scenes, status=2).err
    assert "option letter 'A' is 2 tokens" in said
    assert "task emoset needs a tokenizer in which A B C D E F G H are single tokens" in said


def test_a_model_that_does_not_fit_in_memory_is_told(
    own_scenes: Any, evaluate: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def load(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 90.00 MiB.")

    monkeypatch.setattr("llava.Checkpoint.load", load)
    said = evaluate(own_scenes, status=2).err
    assert "does not fit in the memory of cpu: CUDA out of memory." in said
    assert "Try --dtype float16" in said


# ---- the output folder


def test_an_output_folder_that_another_run_writes_is_refused(
    own_scenes: Any, refused: Any, evaluate: Evaluation
) -> None:
    folder = evaluate.run().folder
    with locked(folder):
        said = refused(own_scenes)
    assert f"{folder} is being written by another run; wait for it" in said


def test_a_broken_line_of_an_earlier_run_is_told(
    scenes: Any, refused: Any, evaluate: Evaluation, earlier: dict[Path, bytes]
) -> None:
    path = evaluate.run().predictions
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], "oops\n", *lines[2:]]))
    said = refused(scenes, "--save-scores")
    assert f"{path}:3: not a prediction record" in said
    assert "Repair the rows or start afresh with --overwrite" in said


def test_results_that_cannot_be_written_after_the_run_are_status_1_and_keep_the_rows(
    own_scenes: Any, evaluate: Evaluation
) -> None:
    def full(path: Path, text: str) -> None:
        raise InputError(f"{path}: cannot be written: No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sepm.evaluation.results.write_whole", full)
        said = evaluate(own_scenes, "--limit", 1, status=1).err
    assert "accuracy.json: cannot be written: No space left on device" in said
    assert "The rows are kept; the same command sums them up" in said
    assert len(evaluate.run().records()) == 1
    evaluate(own_scenes, "--limit", 1)
    assert evaluate.counts() == (1, 0, 1)


def test_a_result_that_cannot_be_replaced_is_told(own_scenes: Any, evaluate: Evaluation) -> None:
    (evaluate.run().folder / "accuracy.json" / "in the way").mkdir(parents=True)
    said = evaluate(own_scenes, "--limit", 1, status=2).err
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
    options: tuple[str, ...],
    method: str,
    note: str | None,
    asked: str | None,
    make_scenes: Any,
    evaluate: Evaluation,
) -> None:
    said = evaluate(make_scenes(2, **({"text": text} if text else {})), *options, method=method).err
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
    make_scenes: Any, evaluate: Evaluation
) -> None:
    said = evaluate(make_scenes(1, text=TEXT), method="zero-shot fp").err
    assert "question file's text" not in said
