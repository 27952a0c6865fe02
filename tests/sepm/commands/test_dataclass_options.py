import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from sepm.cli import main
from sepm.commands.dataclass_options import add_options, given_options


@dataclass(frozen=True)
class Settings:
    root: Annotated[Path, "where it lies"]
    model_path: Annotated[str, "which model"] = "tiny"
    rate: Annotated[float, "how much"] = 0.25
    most_rows: Annotated[int | None, "how many"] = None
    order: Annotated[Literal["up", "down"], "which way"] = "up"
    loud: Annotated[bool, "say more"] = False


@dataclass(frozen=True)
class Layers:
    layers: Annotated[tuple[int, ...], "which"] = (2, 6)


@dataclass(frozen=True)
class Batches:
    batch_size: Annotated[int | Literal["auto"], "how many"] = 8


def parser(
    config: type = Settings, *, optional: bool = False, without: tuple[str, ...] = ()
) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="try")
    add_options(made, config, optional=optional, without=without)
    return made


def given(line: str, config: type = Settings, *, optional: bool = False) -> dict[str, Any]:
    return given_options(parser(config, optional=optional).parse_args(line.split()), config)


def test_defaults_and_types_come_from_the_dataclass() -> None:
    assert Settings(**given("--root r")) == Settings(Path("r"))
    assert isinstance(given("--root r")["root"], Path)


def test_given_values_are_read_as_the_fields_types() -> None:
    line = "--root r --rate 0.5 --most-rows 3 --order down --loud --model-path m"
    assert Settings(**given(line)) == Settings(
        root=Path("r"), model_path="m", rate=0.5, most_rows=3, order="down", loud=True
    )


@pytest.mark.parametrize(
    ("config", "line", "said"),
    [
        (Settings, "", "required: --root"),
        (Settings, "--root r --order sideways", "'sideways' (choose from"),
        (Settings, "--root r --most-rows many", "invalid int value: 'many'"),
        (Batches, "--batch-size all", "--batch-size: expected int or auto, got 'all'"),
    ],
)
def test_a_value_that_is_wrong_or_lacks_is_status_2(
    config: type, line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        given(line, config)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_optional_fields_that_are_not_given_are_left_out() -> None:
    assert given("--rate 0.5", optional=True) == {"rate": 0.5}


def test_the_help_shows_each_default_that_says_something() -> None:
    text = " ".join(parser().format_help().split())
    assert "how much [0.25]" in text
    assert "which way [up]" in text
    assert "say more [" not in text
    assert "how many [" not in text
    assert "[0.25]" not in parser(optional=True).format_help()


def test_a_field_left_out_gets_no_option() -> None:
    text = parser(optional=True, without=("rate",)).format_help()
    assert "--rate" not in text
    assert "--order" in text


def test_several_values_become_a_tuple() -> None:
    assert given("", Layers) == {"layers": (2, 6)}
    assert given("--layers 3 4", Layers) == {"layers": (3, 4)}


@pytest.mark.parametrize("value", [3, "auto"])
def test_a_number_or_a_word_is_read_as_what_it_is(value: int | str) -> None:
    assert given(f"--batch-size {value}", Batches) == {"batch_size": value}
    assert "--batch-size N|auto" in parser(Batches).format_help()


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
