"""Results changed at random: refused with their place, or read whole; nothing is dropped."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from sepm.analysis.stored_run import read_run
from sepm.errors import InputError

ODD = (None, True, 0, -1, 1e308, "", "../up", "\x00", "awe", [], [None], {}, {"A": "B"}, "[broken")
"""What takes a value's place; the last is written as it is, which is no JSON."""


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value, with every key or index in it."""
    keys = value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def mutated(line: str, draw: random.Random) -> str:
    """A line of JSON in which one value is another, one field is gone, or a few bytes differ."""
    if draw.random() < 0.2:
        start = draw.randrange(len(line))
        return line[:start] + draw.choice(("", '"', "}", "\\", "é")) + line[start + 1 :]
    content = json.loads(line)
    container, key = draw.choice(places(content))
    if draw.random() < 0.2:
        del container[key]
    else:
        container[key] = draw.choice(ODD)
    return json.dumps(content).replace('"[broken"', "[broken")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["predictions.jsonl", "accuracy.json", "run.json"])
def test_changed_results_are_refused_by_their_file_or_read_whole(
    name: str, seed: int, finished: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, folder = random.Random(f"{name}{seed}"), tmp_path / "sepm"
    shutil.copytree(finished["sepm"].folder, folder)
    whole = (folder / name).read_text(encoding="utf-8")
    rows = len(finished["sepm"].records())
    refusals: list[str] = []
    for _ in range(15):
        lines = whole.splitlines() if name.endswith(".jsonl") else [json.dumps(json.loads(whole))]
        number = draw.randrange(len(lines))
        lines[number] = mutated(lines[number], draw)
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        place = f"{name}:{number + 1}:" if name.endswith(".jsonl") else name
        try:
            assert len(read_run(folder).records) == rows
        except InputError as error:
            refusals.append(f"{place} {error}" if place not in str(error) else "")
        assert "Traceback" not in capsys.readouterr().err
    assert not any(refusals), "each names its place"
    assert refusals or name != "predictions.jsonl"
