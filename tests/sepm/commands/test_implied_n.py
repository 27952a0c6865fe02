"""`sepm implied-n`."""

import json

import pytest

from sepm.cli import main


def test_the_sizes_of_a_column_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["implied-n", "66.67", "26.66", "--n", "15", "--at-most", "20"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["column"] == {"rounded": [], "cut_off": [], "either": [15]}
    assert found["asked"] == [{"n": 15, "rounded": [True, False], "cut_off": [False, True]}]
    assert main(command) == 0
    assert "all cells, each rounded or cut off: 15" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["32,89"], "'32,89' is no printed percentage"),
        (["32.89", "--n", "0"], "--n must be from 1 to 1,000,000, got 0"),
        (["32.89", "--at-most", "1000001"], "--at-most must be from 1 to 1,000,000, got 1000001"),
        ([], "PERCENTAGES is required"),
    ],
)
def test_what_is_no_percentage_or_size_is_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["implied-n", *arguments]) == 2
    assert said in capsys.readouterr().err
