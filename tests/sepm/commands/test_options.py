import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from sepm.cli import main
from sepm.commands.options import add_options, given_options


@dataclass(frozen=True)
class Settings:
    root: Annotated[Path, "where it lies"]
    model_path: Annotated[str, "which model"] = "tiny"
    rate: Annotated[float, "how much"] = 0.25
    most_rows: Annotated[int | None, "how many"] = None
    order: Annotated[Literal["up", "down"], "which way"] = "up"
    loud: Annotated[bool, "say more"] = False


def parser(*, optional: bool = False) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="try")
    add_options(made, Settings, optional=optional)
    return made


def test_defaults_and_types_come_from_the_dataclass() -> None:
    args = parser().parse_args(["--root", "a b"])
    assert Settings(**given_options(args, Settings)) == Settings(Path("a b"))
    assert isinstance(args.root, Path)


def test_given_values_are_read_as_the_fields_types() -> None:
    line = "--root r --rate 0.5 --most-rows 3 --order down --loud --model-path m"
    args = parser().parse_args(line.split())
    assert Settings(**given_options(args, Settings)) == Settings(
        root=Path("r"), model_path="m", rate=0.5, most_rows=3, order="down", loud=True
    )


def test_a_field_without_a_default_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parser().parse_args([])
    assert stop.value.code == 2
    assert "required: --root" in capsys.readouterr().err


def test_the_values_of_a_literal_are_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--root", "r", "--order", "sideways"])
    assert "'sideways' (choose from" in capsys.readouterr().err


def test_optional_fields_that_are_not_given_are_left_out() -> None:
    args = parser(optional=True).parse_args(["--rate", "0.5"])
    assert given_options(args, Settings) == {"rate": 0.5}


def test_the_help_shows_each_default_that_says_something() -> None:
    text = " ".join(parser().format_help().split())
    assert "how much [0.25]" in text
    assert "which way [up]" in text
    assert "say more [" not in text
    assert "how many [" not in text


def test_the_help_of_optional_fields_shows_no_default() -> None:
    assert "[0.25]" not in parser(optional=True).format_help()


def test_a_field_left_out_gets_no_option() -> None:
    made = argparse.ArgumentParser()
    add_options(made, Settings, optional=True, without=("rate",))
    assert "--rate" not in made.format_help()
    assert "--order" in made.format_help()


@dataclass(frozen=True)
class Layers:
    layers: Annotated[tuple[int, ...], "which"] = (2, 6)


def test_several_values_become_a_tuple() -> None:
    made = argparse.ArgumentParser()
    add_options(made, Layers)
    assert given_options(made.parse_args([]), Layers) == {"layers": (2, 6)}
    assert given_options(made.parse_args(["--layers", "3", "4"]), Layers) == {"layers": (3, 4)}


@dataclass(frozen=True)
class Batches:
    batch_size: Annotated[int | Literal["auto"], "how many"] = 8


@pytest.mark.parametrize(("given", "value"), [("3", 3), ("auto", "auto")])
def test_a_number_or_a_word_is_read_as_what_it_is(given: str, value: int | str) -> None:
    made = argparse.ArgumentParser()
    add_options(made, Batches)
    assert given_options(made.parse_args(["--batch-size", given]), Batches) == {"batch_size": value}
    assert "--batch-size N|auto" in made.format_help()


def test_another_word_than_those_accepted_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    made = argparse.ArgumentParser()
    add_options(made, Batches)
    with pytest.raises(SystemExit):
        made.parse_args(["--batch-size", "all"])
    assert "--batch-size: expected int or auto, got 'all'" in capsys.readouterr().err


def test_options_of_wording_are_in_the_long_help_alone(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for option in ("--help", "--help-all"):
        with pytest.raises(SystemExit) as stop:
            main(["eval", option])
        assert stop.value.code == 0
        shown[option] = capsys.readouterr().out
    for name in ("--fine-question", "--foe-tokens", "--phrase"):
        assert name not in shown["--help"]
        assert name in shown["--help-all"]
    assert "--alpha" in shown["--help"]
