"""`sepm votes` on finished runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from sepm.cli import main


def test_runs_stand_beside_the_votes_of_a_question_file(
    finished: Any, scenes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "voted.jsonl"
    rows = [r | {"votes": {"awe": 2, "fear": 1}} for r in scenes.questions()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["votes", str(finished["sepm"].folder), "--question-file", str(path)]
    assert main([*command, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    answers = [row["prediction"] for row in finished["sepm"].records().values()]
    assert found["labels"]["votes, any of ties"]["correct"] == answers.count("awe")
    named = answers.count("awe") + answers.count("fear")
    assert found["agreement"]["any_vote"] == named / len(answers)
    assert found["labels"]["folder"]["accuracy"] == finished["sepm"].accuracy()["accuracy"]
    assert main(command) == 0
    assert "each label rule" in capsys.readouterr().out


def test_a_question_file_without_votes_is_status_2(
    finished: Any, scenes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["votes", str(finished["sepm"].folder), "--question-file", str(scenes.question_file)]
    assert main(command) == 2
    assert "no votes in the question file" in capsys.readouterr().err
