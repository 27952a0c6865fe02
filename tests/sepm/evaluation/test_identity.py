"""What made a row is what is compared: other files under the same names are another run."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

import sepm.datasets.check
import sepm.evaluation.evaluate
from llava.checkpoints import llava
from sepm.datasets.image_files import image_hash
from sepm.errors import InputError
from sepm.evaluation.assignment import _check_same_model
from sepm.evaluation.plan import PlannedRun
from sepm.models.opening import open_model
from sepm.models.options import ModelOptions

FAKE_COMMIT = "4481d270cc22fd08d4d1bb5be129622006ccd923"


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
    kind: str, file: str, make_llava: Any, make_vila: Any, evaluate: Any, tmp_path: Path
) -> None:
    model = model_of(kind, make_llava, make_vila, tmp_path)
    options = ("--model-path", model, "--limit", 1)
    evaluate(*options, method="zero-shot")
    with (model / file).open("ab") as changed:
        changed.write(b"\n")
    name = file.replace("../tower", "vision_tower")
    said = evaluate(*options, method="zero-shot", status=2).err
    assert f"sha256.model_files.{name} is " in said


def test_every_file_that_makes_the_model_is_in_run_json_by_content(
    make_llava: Any, evaluate: Any, tmp_path: Path
) -> None:
    model = make_llava(tmp_path / "model", shards=2)
    evaluate("--model-path", model, "--limit", 1, method="zero-shot")
    folder = evaluate.output / "emoset" / "model" / "zero-shot"
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
    assert hashes["question_file"] == sha256(evaluate.scenes.question_file)
    assert hashes.keys() == {
        *("checkpoint", "conversation", "model_files", "question_file", "taxonomy")
    }
    assert json.loads((folder / "accuracy.json").read_text())["sha256"] == hashes


def test_other_words_of_the_prompt_template_are_refused_though_it_has_the_same_name(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate("--limit", 1, method="zero-shot")
    words = replace(llava.VICUNA_V1, before_answer=" ANSWER:")
    monkeypatch.setattr(llava, "VICUNA_V1", words)
    assert "sha256.conversation is " in evaluate("--limit", 1, method="zero-shot", status=2).err


def test_a_snapshot_of_the_hub_is_named_by_its_repository_and_its_commit_is_kept(
    tiny_model: Path, evaluate: Any, tmp_path: Path
) -> None:
    repository = tmp_path / "models--owner--llava-v1.5-7b-mine"
    snapshot = repository / "snapshots" / FAKE_COMMIT
    shutil.copytree(tiny_model, snapshot)
    evaluate("--model-path", f"{snapshot}/", "--limit", 1)
    folder = evaluate.output / "emoset" / "llava-v1.5-7b-mine" / "sepm"
    for file in ("run.json", "accuracy.json"):
        facts = json.loads((folder / file).read_text())
        assert (facts["model"], facts["revision"]) == ("llava-v1.5-7b-mine", FAKE_COMMIT)


def test_the_same_files_by_another_commit_are_the_same_run(
    tiny_model: Path, evaluate: Any, tmp_path: Path
) -> None:
    for commit in (FAKE_COMMIT, FAKE_COMMIT[::-1]):
        snapshot = tmp_path / "models--owner--name" / "snapshots" / commit
        shutil.copytree(tiny_model, snapshot)
        shown = evaluate("--model-path", snapshot, "--limit", 1)
    assert "1 of 1 rows are there already" in shown.err


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


def test_a_record_has_the_hash_of_its_image(finished: dict, scenes: Any) -> None:
    for row in finished["sepm"].records().values():
        assert row["image_sha256"] == sha256(scenes.image_folder / row["image"])


def image_of(scenes: Any, index: int) -> Path:
    return scenes.image_folder / scenes.questions()[index]["image"]


def replace_image(path: Path) -> None:
    Image.new("RGB", (20, 20), (200, 30, 30)).save(path)


@pytest.mark.parametrize(
    ("spoil", "why"), [(replace_image, "another file now"), (Path.unlink, "no such file")]
)
def test_rows_of_images_that_changed_since_are_refused_and_the_images_named(
    spoil: Callable[[Path], None], why: str, evaluate: Any
) -> None:
    evaluate("--limit", 3)
    first, second, *_ = (q["image"] for q in evaluate.scenes.questions())
    spoil(evaluate.scenes.image_folder / second)
    told = evaluate("--limit", 3, "--on-bad-image", "skip", status=2).err
    assert "holds rows made from other images (1 of 3)" in told
    assert f"  {second}: {why}\n" in told
    assert first not in told
    assert "mend --image-folder. Else choose another --output-dir, or start afresh with" in told
    if spoil is replace_image:
        evaluate("--limit", 3, "--overwrite")


def test_an_image_that_changed_is_no_matter_for_a_method_that_has_no_row_of_it(
    evaluate: Any,
) -> None:
    evaluate("--limit", 1)
    replace_image(image_of(evaluate.scenes, 1))
    evaluate()


def test_rows_without_a_hash_of_their_image_are_refused(evaluate: Any) -> None:
    evaluate()
    rows = list(evaluate.run().records().values())
    del rows[2]["image_sha256"]
    evaluate.run().predictions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = evaluate(status=2).err
    assert "rows made by a version that kept no image hash (1 of 4" in told
    assert rows[2]["image"] in told


def test_each_image_is_read_once_before_a_run_decoded_or_not(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate("--limit", 3, method="zero-shot sepm")
    whole, hashed, decoded = sepm.datasets.check.read_image_and_hash, [], []

    def count_hash(path: Path) -> str:
        hashed.append(path.name)
        return image_hash(path)

    def count_decoding(path: Path) -> Any:
        decoded.append(path.name)
        return whole(path)

    monkeypatch.setattr(sepm.datasets.check, "image_hash", count_hash)
    monkeypatch.setattr(sepm.datasets.check, "read_image_and_hash", count_decoding)
    evaluate("--limit", 2, method="zero-shot sepm cci")
    names = [image_of(evaluate.scenes, index).name for index in range(3)]
    assert (sorted(decoded), hashed) == (sorted(names[:2]), names[2:])


def test_an_image_that_changes_while_a_run_goes_on_ends_it(
    evaluate: Any, after_the_check: Any
) -> None:
    image = image_of(evaluate.scenes, 1)
    after_the_check(lambda: replace_image(image))
    said = evaluate(status=1).err
    assert f"{image.parent.name}/{image.name}: another file than when the run began" in said


# ---- the question file


@contextmanager
def piped(*rows: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The option of a question file that is a pipe and holds the rows."""
    reading, writing = os.pipe()
    os.write(writing, "".join(json.dumps(row) + "\n" for row in rows).encode())
    os.close(writing)
    yield ("--question-file", f"/dev/fd/{reading}")
    os.close(reading)


def test_a_piped_question_file_is_known_by_what_came_through_it(evaluate: Any) -> None:
    rows = evaluate.scenes.questions()[:2]
    with piped(*rows) as option:
        evaluate(*option)
    with piped(*rows) as option:
        assert "2 of 2 rows are there already" in evaluate(*option).err
    sent = "".join(json.dumps(row) + "\n" for row in rows).encode()
    hashes = evaluate.run().accuracy()["sha256"]
    assert hashes["question_file"] == hashlib.sha256(sent).hexdigest()
    with piped(*({**row, "text": "How is it?"} for row in rows)) as option:
        assert "sha256.question_file is " in evaluate(*option, status=2).err


@pytest.mark.parametrize("line", ["table 3 --tasks emoset", "sensitivity --alphas 0.1 --betas 0.2"])
def test_a_pipe_serves_commands_of_several_runs(line: str, evaluate: Any) -> None:
    options = evaluate.command(evaluate.scenes, evaluate.output)[3:]
    with piped(*evaluate.scenes.questions()[:2]) as option:
        evaluate.run_sepm([*line.split(), *options, *option])


# ---- what only adds


def test_a_run_with_scores_serves_a_command_without_and_goes_on_to_keep_them(
    evaluate: Any,
) -> None:
    evaluate("--save-scores", "--limit", 2)
    assert "2 of 4 rows are there already" in evaluate().err
    assert all("foe_scores" in row for row in evaluate.run().records().values())
    assert evaluate.run().accuracy()["configuration"]["save_scores"] is True


def test_a_run_without_scores_is_refused_where_they_are_asked_for(evaluate: Any) -> None:
    evaluate("--limit", 1)
    assert all("foe_scores" not in row for row in evaluate.run().records().values())
    said = evaluate("--limit", 1, "--save-scores", status=2).err
    assert "configuration.save_scores is False there, True now" in said
    evaluate("--limit", 1, "--save-scores", "--overwrite")


@pytest.mark.parametrize(
    ("method", "options"), [("zero-shot cci+fp", ()), ("sepm", ("--drop", "random"))]
)
def test_a_method_that_has_no_scores_is_the_same_run_with_and_without(
    method: str, options: tuple[str, ...], evaluate: Any
) -> None:
    evaluate("--limit", 1, *options, method=method)
    shown = evaluate("--limit", 1, *options, "--save-scores", method=method)
    assert f"--save-scores makes no difference to {method.replace(' ', ', ')}" in shown.err
    assert "1 of 1 rows are there already" in shown.err


# ---- this software and this machine


def test_rows_computed_on_another_device_are_told_and_both_devices_recorded(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sepm.models.device._device_name", lambda device: "A100")
    assert "computed on" not in evaluate("--limit", 1).err
    monkeypatch.setattr("sepm.models.device._device_name", lambda device: "H100")
    assert "computed on" not in evaluate("--limit", 1).err  # nothing more is
    assert [m["device_name"] for m in evaluate.run().accuracy()["machines"]] == ["A100"]
    said = evaluate().err
    assert f"rows there were computed on A100 (torch {torch.__version__}, transformers" in said
    assert "others will be on H100" in said
    stored = json.loads((evaluate.run().folder / "run.json").read_text())
    assert stored["machines"] == evaluate.run().accuracy()["machines"]
    assert [m["device_name"] for m in stored["machines"]] == ["A100", "H100"]


def test_a_run_that_lacks_an_unreadable_image_alone_is_computed_on_no_other_device(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--on-bad-image", "skip")
    next(evaluate.scenes.image_folder.rglob("*.png")).write_bytes(b"")
    monkeypatch.setattr("sepm.models.device._device_name", lambda device: "A100")
    evaluate(*options, method="zero-shot")
    monkeypatch.setattr("sepm.models.device._device_name", lambda device: "H100")
    assert "computed on" not in evaluate(*options, method="zero-shot sepm").err
    names = {
        method: [m["device_name"] for m in evaluate.run(method).accuracy()["machines"]]
        for method in ("zero-shot", "sepm")
    }
    assert names == {"zero-shot": ["A100"], "sepm": ["H100"]}


def test_machines_that_share_a_run_are_each_recorded_once() -> None:
    a, b = ({"device_name": name, "torch": "2", "transformers": "5"} for name in "AB")
    run: Any = None
    plan = PlannedRun(run, Path(), {"machines": []}, {}, frozenset(), [], None, summed_up=False)
    plan.record_machines([a, b, a])
    assert plan.identity["machines"] == [a, b]


def test_rows_of_a_version_that_kept_no_machine_are_not_said_to_be_of_this_one(
    evaluate: Any,
) -> None:
    evaluate("--limit", 1)
    path = evaluate.run().folder / "run.json"
    stored = json.loads(path.read_text())
    del stored["machines"]
    path.write_text(json.dumps(stored))
    assert "rows there were computed on an unknown device" in evaluate().err
    unknown, here = evaluate.run().accuracy()["machines"]
    assert unknown == {}
    assert here["torch"] == torch.__version__


def test_rows_by_another_version_are_told_and_kept_and_both_versions_recorded(
    evaluate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sepm.models.device.git_commit", lambda: "c0ffee")
    monkeypatch.setattr(sepm.evaluation.evaluate, "__version__", "0.0.9")
    evaluate("--limit", 1)
    monkeypatch.setattr(sepm.evaluation.evaluate, "__version__", "0.1.0")
    told = "rows there were made by sepm 0.0.9 (commit c0ffee), not by this sepm 0.1.0 (commit"
    assert told in evaluate("--limit", 1).err
    old, new = ({"version": v, "git_commit": "c0ffee"} for v in ("0.0.9", "0.1.0"))
    assert evaluate.run().accuracy()["software"] == [old]
    evaluate()
    assert evaluate.run().accuracy()["software"] == [old, new]
    stored = json.loads((evaluate.run().folder / "run.json").read_text())
    assert stored["software"] == [old, new]
