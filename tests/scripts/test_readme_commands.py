"""The commands that the READMEs and docs show, as CI runs them after the quickstart."""

from importlib import import_module
from pathlib import Path
from shlex import split

import pytest

from sepm.cli import command_line

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "data/README.md", *ROOT.glob("data/demo/*.md")])
PAGES += sorted(ROOT.glob("docs/*.md"))

readme_commands = import_module("scripts.readme_commands")


def test_a_command_is_an_indented_line_with_its_continuations() -> None:
    text = "Do:\n\n    sepm eval \\\n        --limit 8\n    sepm check\n\nnot this `sepm table`\n"
    text += "```python\ncall(\n    sepm.predict\n)\n```\n"
    assert readme_commands.commands(text) == ["sepm eval --limit 8", "sepm check"]


def test_what_names_the_demo_is_run_unless_it_says_what_it_needs_or_takes() -> None:
    text = (
        "    sepm predict --model-path data/demo/llava-demo a.png   # one image\n"
        "    python scripts/demo/train.py   # takes half an hour\n"
        "    sepm figures data/demo/x       # needs Chromium\n"
        "    bash scripts/v1_5/eval/emoset.sh\n"
    )
    assert readme_commands.demo_commands(text) == [
        "sepm predict --model-path data/demo/llava-demo a.png   # one image"
    ]


@pytest.mark.parametrize(("first", "status"), [("true", 0), ("exit 3", 3)])
def test_a_command_that_fails_ends_it_with_its_status(
    first: str, status: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"    {first}; : data/demo/\n    echo data/demo/second\n")
    assert readme_commands.main([str(page)]) == status
    assert ("data/demo/second\n" in capfd.readouterr().out.splitlines(keepends=True)) == (
        status == 0
    )


def test_a_command_that_several_pages_show_is_run_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pages = [tmp_path / "first.md", tmp_path / "second.md"]
    pages[0].write_text("    echo 1 data/demo/\n")
    pages[1].write_text("    echo  1 data/demo/   # again\n    echo 2 data/demo/\n")
    assert readme_commands.main(list(map(str, pages))) == 0
    printed = capfd.readouterr().out.splitlines()
    assert [line for line in printed if line[0].isdigit()] == ["1 data/demo/", "2 data/demo/"]
    assert readme_commands.words_of("python -m sepm tasks") == ("sepm", "tasks")


def test_the_pages_have_a_demo_command_for_every_command_of_theirs() -> None:
    run = " ".join(c for p in PAGES for c in readme_commands.demo_commands(p.read_text("utf-8")))
    for name in ("eval", "predict", "table", "sensitivity", "figures", "report", "evidence"):
        assert f"sepm {name} " in run
    assert "train.py" not in run  # which takes long, and says so


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_sepm_command_that_is_shown_whole_is_one(
    page: Path,
) -> None:
    """Its options are known, have values of their kinds, and none that is required is missing."""
    for command in readme_commands.commands(page.read_text("utf-8")):
        words = split(command.replace("$beta", "0.1").replace("$pass", "once"), comments=True)
        if "sepm" in words[:3] and "…" not in command:
            line = words[words.index("sepm") + 1 :]
            command_line().parse_args(line, print_error=False, exit_on_error=False)
