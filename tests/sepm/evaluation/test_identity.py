"""What made a row is what is compared: other files under the same names are another run."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import sepm.datasets.check
import sepm.evaluation.evaluate
from sepm.cli import main
from sepm.datasets.image_files import image_hash
from sepm.errors import InputError
from sepm.evaluation.compute import _check_same_model
from sepm.models.opening import open_model
from sepm.models.options import ModelOptions

Shown = Callable[[], str]

FAKE_COMMIT = "4481d270cc22fd08d4d1bb5be129622006ccd923"


@pytest.fixture
def few(make_scenes: Any) -> Any:
    """Four scenes that a test may spoil."""
    return make_scenes(4)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Shown:
    """A function that gives what was said on standard error since it was last called."""
    return lambda: capsys.readouterr().err


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---- the model


def model_of(kind: str, make_llava: Any, make_vila: Any, folder: Path) -> Path:
    if kind == "VILA":
        return make_vila(folder / "model")
    if kind == "tower elsewhere":
        model = make_llava(folder / "model")
        shutil.move(model / "vision_tower", folder / "tower")
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps({**config, "mm_vision_tower": "../tower"}))
        return model
    return make_llava(folder / "model", shards=2, storage=kind)


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("safetensors", "model-00001-of-00002.safetensors"),
        ("safetensors", "model.safetensors.index.json"),
        ("safetensors", "tokenizer.model"),
        ("safetensors", "tokenizer_config.json"),
        ("safetensors", "config.json"),
        ("safetensors", "vision_tower/model.safetensors"),
        ("safetensors", "vision_tower/preprocessor_config.json"),
        ("bin", "pytorch_model-00002-of-00002.bin"),
        ("tower elsewhere", "../tower/model.safetensors"),
        ("VILA", "llm/model.safetensors"),
        ("VILA", "llm/tokenizer.json"),
        ("VILA", "mm_projector/model.safetensors"),
        ("VILA", "vision_tower/model.safetensors"),
    ],
)
def test_a_changed_file_of_the_model_is_refused_by_its_name(
    kind: str,
    file: str,
    make_llava: Any,
    make_vila: Any,
    few: Any,
    command: Any,
    tmp_path: Path,
    said: Shown,
) -> None:
    model = model_of(kind, make_llava, make_vila, tmp_path)
    line = command(few, tmp_path / "out", "--model-path", model, "--limit", 1, method="zero-shot")
    assert main(line) == 0
    with (model / file).open("ab") as changed:
        changed.write(b"\n")
    said()
    assert main(line) == 2
    name = file.replace("../tower", "vision_tower")
    assert f"sha256.model_files.{name} is " in said()


def test_every_file_that_makes_the_model_is_in_run_json_by_content(
    make_llava: Any, few: Any, command: Any, tmp_path: Path
) -> None:
    model = make_llava(tmp_path / "model", shards=2)
    line = command(few, tmp_path, "--model-path", model, "--limit", 1, method="zero-shot")
    assert main(line) == 0
    folder = tmp_path / "emoset" / "model" / "zero-shot"
    hashes = json.loads((folder / "run.json").read_text())["sha256"]
    assert hashes["model_files"] == {
        name: sha256(model / name)
        for name in [
            *("config.json", "special_tokens_map.json", "tokenizer.model", "tokenizer_config.json"),
            *(f"model-0000{i}-of-00002.safetensors" for i in (1, 2)),
            *("model.safetensors.index.json", "vision_tower/config.json"),
            *("vision_tower/model.safetensors", "vision_tower/preprocessor_config.json"),
        ]
    }
    assert hashes["checkpoint"] == sha256(model / "model.safetensors.index.json")
    assert hashes["question_file"] == sha256(few.question_file)
    assert hashes.keys() == {
        *("checkpoint", "conversation", "model_files", "question_file", "taxonomy")
    }
    assert json.loads((folder / "accuracy.json").read_text())["sha256"] == hashes


def test_other_words_of_the_prompt_template_are_refused_though_it_has_the_same_name(
    few: Any, command: Any, tmp_path: Path, said: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from llava.checkpoints import llava

    line = command(few, tmp_path, "--limit", 1, method="zero-shot")
    assert main(line) == 0
    words = replace(llava.VICUNA_V1, before_answer=" ANSWER:")
    monkeypatch.setattr(llava, "VICUNA_V1", words)
    assert main(line) == 2
    assert "sha256.conversation is " in said()


def test_a_snapshot_of_the_hub_is_named_by_its_repository_and_its_commit_is_kept(
    tiny_model: Path, few: Any, command: Any, tmp_path: Path
) -> None:
    repository = tmp_path / "models--owner--llava-v1.5-7b-mine"
    snapshot = repository / "snapshots" / FAKE_COMMIT
    shutil.copytree(tiny_model, snapshot)
    line = command(few, tmp_path, "--model-path", f"{snapshot}/", "--limit", 1)
    assert main(line) == 0
    folder = tmp_path / "emoset" / "llava-v1.5-7b-mine" / "sepm"
    for file in ("run.json", "accuracy.json"):
        facts = json.loads((folder / file).read_text())
        assert (facts["model"], facts["revision"]) == ("llava-v1.5-7b-mine", FAKE_COMMIT)


def test_the_same_files_by_another_commit_are_the_same_run(
    tiny_model: Path, few: Any, command: Any, tmp_path: Path, said: Shown
) -> None:
    snapshots = tmp_path / "models--owner--name" / "snapshots"
    for commit in (FAKE_COMMIT, FAKE_COMMIT[::-1]):
        shutil.copytree(tiny_model, snapshots / commit)
        assert main(command(few, tmp_path, "--model-path", snapshots / commit, "--limit", 1)) == 0
    assert "1 of 1 rows are there already" in said()


def test_a_machine_with_another_model_than_the_first_is_refused_and_the_files_named(
    tiny_model: Path,
) -> None:
    opened = open_model(ModelOptions(model_path=str(tiny_model), device="cpu"))
    files = opened.hashes["model_files"]
    assignment: Any = SimpleNamespace(model_files=files)
    _check_same_model(assignment, opened)
    assignment.model_files = {**files, "config.json": "0" * 64}
    with pytest.raises(InputError, match=r"another one here than .* process: config\.json differ"):
        _check_same_model(assignment, opened)


# ---- the images


def test_a_record_has_the_hash_of_its_image(few: Any, command: Any, run_of: Any, tmp_path: Path):
    assert main(command(few, tmp_path)) == 0
    for row in run_of(tmp_path).records().values():
        assert row["image_sha256"] == sha256(few.image_folder / row["image"])


def replace_image(path: Path) -> None:
    Image.new("RGB", (20, 20), (200, 30, 30)).save(path)


@pytest.mark.parametrize(
    ("spoil", "why"), [(replace_image, "another file now"), (Path.unlink, "no such file")]
)
def test_rows_of_images_that_changed_since_are_refused_and_the_images_named(
    spoil: Callable[[Path], None],
    why: str,
    few: Any,
    command: Any,
    tmp_path: Path,
    said: Shown,
) -> None:
    line = command(few, tmp_path / "out", "--limit", 3)
    assert main(line) == 0
    first, second, *_ = (q["image"] for q in few.questions())
    spoil(few.image_folder / second)
    said()
    assert main([*line, "--on-bad-image", "skip"]) == 2
    told = said()
    assert "holds rows made from other images (1 of 3)" in told
    assert f"  {second}: {why}\n" in told
    assert first not in told
    assert "Start afresh with --overwrite" in told
    if spoil is replace_image:
        assert main([*line, "--overwrite"]) == 0


def test_an_image_that_changed_is_no_matter_for_a_method_that_has_no_row_of_it(
    few: Any, command: Any, tmp_path: Path
) -> None:
    assert main(command(few, tmp_path, "--limit", 1)) == 0
    replace_image(few.image_folder / few.questions()[1]["image"])
    assert main(command(few, tmp_path)) == 0


def test_rows_without_a_hash_of_their_image_are_refused(
    few: Any, command: Any, run_of: Any, tmp_path: Path, said: Shown
) -> None:
    assert main(command(few, tmp_path)) == 0
    run = run_of(tmp_path)
    rows = list(run.records().values())
    del rows[2]["image_sha256"]
    run.predictions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(command(few, tmp_path)) == 2
    told = said()
    assert "rows made by a version that kept no image hash (1 of 4" in told
    assert rows[2]["image"] in told


def test_each_image_is_read_once_before_a_run_decoded_or_not(
    few: Any, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(command(few, tmp_path, "--limit", 3, method="zero-shot sepm")) == 0
    whole, hashed, decoded = sepm.datasets.check.read_image_and_hash, [], []

    def count_hash(path: Path) -> str:
        hashed.append(path.name)
        return image_hash(path)

    def count_decoding(path: Path) -> Any:
        decoded.append(path.name)
        return whole(path)

    monkeypatch.setattr(sepm.datasets.check, "image_hash", count_hash)
    monkeypatch.setattr(sepm.datasets.check, "read_image_and_hash", count_decoding)
    assert main(command(few, tmp_path, "--limit", 2, method="zero-shot sepm cci")) == 0
    names = [Path(q["image"]).name for q in few.questions()]
    assert (sorted(decoded), hashed) == (sorted(names[:2]), names[2:3])


def test_an_image_that_changes_while_a_run_goes_on_ends_it(
    few: Any, command: Any, tmp_path: Path, said: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, image = sepm.evaluation.evaluate.check_images, few.questions()[1]["image"]

    def check(*arguments: Any) -> Any:
        found = whole(*arguments)
        replace_image(few.image_folder / image)
        return found

    monkeypatch.setattr(sepm.evaluation.evaluate, "check_images", check)
    assert main(command(few, tmp_path)) == 1
    assert f"{image}: another file than when the run began" in said()


# ---- the question file


def piped(scenes: Any, line: list[str], *rows: dict[str, Any]) -> int:
    """Exit status of a command whose question file is a pipe that holds the rows."""
    reading, writing = os.pipe()
    os.write(writing, "".join(json.dumps(row) + "\n" for row in rows).encode())
    os.close(writing)
    try:
        return main([*line, "--question-file", f"/dev/fd/{reading}"])
    finally:
        os.close(reading)


def test_a_piped_question_file_is_known_by_what_came_through_it(
    few: Any, command: Any, run_of: Any, tmp_path: Path, said: Shown
) -> None:
    line, rows = command(few, tmp_path), few.questions()[:2]
    assert piped(few, line, *rows) == 0
    assert piped(few, line, *rows) == 0
    assert "2 of 2 rows are there already" in said()
    sent = "".join(json.dumps(row) + "\n" for row in rows).encode()
    hashes = run_of(tmp_path).accuracy()["sha256"]
    assert hashes["question_file"] == hashlib.sha256(sent).hexdigest()
    assert piped(few, line, *({**row, "text": "How is it?"} for row in rows)) == 2
    assert "sha256.question_file is " in said()


@pytest.mark.parametrize("name", ["table", "sensitivity"])
def test_a_pipe_serves_commands_of_several_runs(
    name: str, few: Any, tiny_model: Path, tmp_path: Path
) -> None:
    common = ["--model-path", str(tiny_model), "--image-folder", str(few.image_folder)]
    common += ["--output-dir", str(tmp_path), "--device", "cpu"]
    line = {
        "table": ["table", "3", "--tasks", "emoset", *common],
        "sensitivity": ["sensitivity", "--alphas", "0.1", "--betas", "0.2", *common],
    }[name]
    assert piped(few, line, *few.questions()[:2]) == 0


# ---- what only adds


def test_a_run_with_scores_serves_a_command_without_and_goes_on_to_keep_them(
    few: Any, command: Any, run_of: Any, tmp_path: Path, said: Shown
) -> None:
    assert main(command(few, tmp_path, "--save-scores", "--limit", 2)) == 0
    assert main(command(few, tmp_path)) == 0
    assert "2 of 4 rows are there already" in said()
    assert all("foe_scores" in row for row in run_of(tmp_path).records().values())
    assert run_of(tmp_path).accuracy()["configuration"]["save_scores"] is True


def test_a_run_without_scores_is_refused_where_they_are_asked_for(
    few: Any, command: Any, tmp_path: Path, said: Shown
) -> None:
    assert main(command(few, tmp_path, "--limit", 1)) == 0
    assert main(command(few, tmp_path, "--limit", 1, "--save-scores")) == 2
    assert "configuration.save_scores is False there, True now" in said()
    assert main(command(few, tmp_path, "--limit", 1, "--save-scores", "--overwrite")) == 0


@pytest.mark.parametrize(
    ("method", "options"), [("zero-shot cci+fp", ()), ("sepm", ("--drop", "random"))]
)
def test_a_method_that_has_no_scores_is_the_same_run_with_and_without(
    method: str, options: tuple[str, ...], few: Any, command: Any, tmp_path: Path, said: Shown
) -> None:
    line = command(few, tmp_path, "--limit", 1, *options, method=method)
    assert main(line) == 0
    assert main([*line, "--save-scores"]) == 0
    assert "1 of 1 rows are there already" in said()


# ---- this software


def test_rows_by_another_version_are_told_and_kept_and_both_versions_recorded(
    few: Any,
    command: Any,
    run_of: Any,
    tmp_path: Path,
    said: Shown,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sepm.models.device.git_commit", lambda: "c0ffee")
    monkeypatch.setattr(sepm.evaluation.evaluate, "__version__", "0.0.9")
    assert main(command(few, tmp_path, "--limit", 1)) == 0
    monkeypatch.setattr(sepm.evaluation.evaluate, "__version__", "0.1.0")
    said()
    assert main(command(few, tmp_path, "--limit", 1)) == 0
    told = "rows there were made by sepm 0.0.9 (commit c0ffee), not by this sepm 0.1.0 (commit"
    assert told in said()
    old, new = ({"version": v, "git_commit": "c0ffee"} for v in ("0.0.9", "0.1.0"))
    assert run_of(tmp_path).accuracy()["software"] == [old]
    assert main(command(few, tmp_path)) == 0
    assert run_of(tmp_path).accuracy()["software"] == [old, new]
    stored = json.loads((run_of(tmp_path).folder / "run.json").read_text())
    assert stored["software"] == [old, new]
