"""SEPM without its repository, as `pip install` puts it elsewhere."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sepm
from sepm.datasets.locations import SOURCES
from sepm.repository import pointer

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OF_THE_REPOSITORY = re.compile(r"\b(?:docs|scripts|question|data)/[\w/.*-]*\.(?:md|sh|py)\b")


def run_elsewhere(folder: Path, path: list[Path], *words: str) -> subprocess.CompletedProcess[str]:
    """Result of a command in an empty folder, with packages from the folders of a path."""
    work = folder / "work"
    work.mkdir()
    return subprocess.run(
        [sys.executable, "-m", "sepm", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that holds the two packages and nothing else."""
    for name in ("llava", "sepm"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / "site" / name, ignore=ignored)
    return tmp_path / "site"


def test_the_wheel_has_every_file_that_the_packages_read() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["sepm"]
    packed = {path for pattern in patterns for path in (ROOT / "sepm").glob(pattern)}
    others = [
        p for p in (ROOT / "sepm").rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")
    ]
    assert packed == set(others)


def test_absent_data_names_where_it_comes_from_and_no_file_that_is_not_there(
    site: Path, tmp_path: Path
) -> None:
    done = run_elsewhere(
        tmp_path, [site], "questions", "abstract", "--root", "absent", "--output", "q.jsonl"
    )
    assert done.returncode == 2
    assert f"Get it from {SOURCES['abstract']}, or name the folder where it lies" in done.stderr
    assert "README" not in done.stderr


@pytest.mark.parametrize("task", SOURCES)
def test_the_source_of_a_data_set_is_the_one_that_the_readme_has(task: str) -> None:
    assert f"<{SOURCES[task]}>" in (ROOT / "data/README.md").read_text(encoding="utf-8")


def test_a_pointer_leads_to_the_file_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert pointer("See {}.", "docs/statistics.md") == "See docs/statistics.md."
    monkeypatch.chdir(tmp_path)
    assert pointer("See {}.", "docs/statistics.md") == f"See {ROOT}/docs/statistics.md."
    assert pointer("See {}.", "docs/absent.md") == ""


def literals(path: Path) -> list[str]:
    """Texts of a module that are not docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [
        node.value for node in constants if isinstance(node.value, str) and id(node) not in alone
    ]


def test_no_text_names_a_file_of_the_repository_but_through_a_pointer() -> None:
    named = [text for path in sorted((ROOT / "sepm").rglob("*.py")) for text in literals(path)]
    named = [text for text in named if OF_THE_REPOSITORY.search(text)]
    assert set(named) == {"docs/statistics.md", "docs/presets.md", "data/README.md"}


@pytest.mark.parametrize(
    ("init", "rest"),
    [
        ("from .model import LlavaLlamaForCausalLM\n", "model/language_model.py"),
        ((ROOT / "llava/__init__.py").read_text(encoding="utf-8"), "model/__init__.py"),
    ],
    ids=["first-on-the-path", "in-one-folder"],
)
def test_the_original_llava_in_the_place_of_ours_is_named(
    init: str, rest: str, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "llava"
    (other / rest).parent.mkdir(parents=True)
    (other / "__init__.py").write_text(init)
    (other / rest).touch()
    done = run_elsewhere(tmp_path, [other.parent, ROOT], "predict", "--model-path", "m", "i.png")
    assert done.returncode == 2
    assert f"another package named llava at {other} hides SEPM's" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_files_for_citing_name_the_same_paper_version_and_licence() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"family-names: (\w+)", citation):
        assert f"{name}, " in readme.split("@inproceedings")[1]
    for text in PROJECT["project"]["urls"].values():
        assert text in citation
        assert text in readme
    assert f"\nversion: {sepm.__version__}\n" in citation
    assert f"\nlicense: {PROJECT['project']['license']}\n" in citation
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
