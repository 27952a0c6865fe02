"""Parquet files as the hub holds data sets: which of them, their labels, their images."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from sepm.datasets.folder_walk import files_below
from sepm.errors import InputError

COMMIT = re.compile(r"[0-9a-f]{40}")
ROWS_AT_ONCE = 64
"""Images that are held in memory together."""

Label = str | int
NEEDS = "the hub's data needs pyarrow: pip install -e '.[hub]' in the checkout"


@dataclass(frozen=True)
class ImageRow:
    """One row: an image file's bytes and its label as it stands in the column."""

    content: bytes
    name: str
    """Path of the image as the column tells it, or nothing."""
    label: Label | None


def local_files(folder: Path, split: str | None) -> list[Path]:
    """The parquet files below a folder, sorted, of one split or of all.

    Raises:
        InputError: there is none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --parquet takes a folder of parquet files")
    found = sorted(path for path in files_below(folder) if path.suffix == ".parquet")
    names = [path.relative_to(folder).as_posix() for path in found]
    return [folder / name for name in _of_split(names, split, str(folder))]


def hub_files(repo: str, revision: str | None, split: str | None) -> list[Path]:
    """The parquet files of a data set of the hub, downloaded into the hub's cache.

    Raises:
        InputError: no such data set, revision or split, or the hub cannot be reached.
    """
    hub: Any = import_module("huggingface_hub")
    if revision is None or not COMMIT.fullmatch(revision):
        raise InputError(
            f"--revision is {revision or 'not given'}; give the 40 digits of a commit of {repo}, "
            "since a branch changes what it holds"
        )
    try:
        names = hub.HfApi().list_repo_files(repo, revision=revision, repo_type="dataset")
        parquet = sorted(name for name in names if name.endswith(".parquet"))
        wanted = _of_split(parquet, split, f"{repo} at {revision}")
        return [
            Path(hub.hf_hub_download(repo, name, revision=revision, repo_type="dataset"))
            for name in wanted
        ]
    except InputError:
        raise
    except (hub.errors.HfHubHTTPError, OSError, ValueError) as error:
        raise InputError(f"{repo} cannot be had from the hub: {error}") from error


def declared_names(path: Path, column: str) -> list[str] | None:
    """Class names that a file declares for the integers of a column, as `datasets` writes them."""
    metadata: dict[bytes, bytes] = _open(path).schema_arrow.metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError):
        return None


def labels_in(path: Path, column: str) -> list[Label | None]:
    """A column of labels alone; images are not read.

    Raises:
        InputError: the column is not there.
    """
    return _open(path, column).read(columns=[column]).column(column).to_pylist()


def image_rows(path: Path, image_column: str, label_column: str) -> Iterator[ImageRow]:
    """The rows of a file, in its order, some in memory at a time.

    Raises:
        InputError: a column is not there or not of its kind, or a row has no image.
    """
    columns = [image_column, label_column]
    batches = _open(path, *columns).iter_batches(batch_size=ROWS_AT_ONCE, columns=columns)
    rows = (row for batch in batches for row in batch.to_pylist())
    for number, row in enumerate(rows, start=1):
        content, name = _content_and_name(image := row[image_column])
        if not content:
            raise InputError(
                f"{path}, row {number}: {image!r:.60} in column '{image_column}'; expected an "
                "image's bytes"
            )
        yield ImageRow(content, name, row[label_column])


def _content_and_name(image: Any) -> tuple[bytes | None, str]:
    """Bytes and path of an image: a struct of both as `datasets` writes it, or the bytes alone."""
    if isinstance(image, dict):
        fields = cast("dict[str, Any]", image)
        content, name = fields.get("bytes"), fields.get("path")
        return (content if isinstance(content, bytes) else None), str(name or "")
    return (image if isinstance(image, bytes) else None), ""


def _of_split(names: Sequence[str], split: str | None, where: str) -> list[str]:
    """The files in whose path the split stands as a word: `data/test-00000-of-00002.parquet`."""
    if not names:
        raise InputError(f"{where} holds no parquet file")
    if split is None:
        return list(names)
    word = re.compile(rf"(^|[/_.-]){re.escape(split)}([/_.-]|$)")
    found = [name for name in names if word.search(name)]
    if not found:
        raise InputError(f"no parquet file of split '{split}' in {where}: {', '.join(names)}")
    return found


def _open(path: Path, *columns: str) -> Any:
    """A `ParquetFile`; raises InputError where it is none, or a column is not there."""
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise InputError(NEEDS) from error
    try:
        file = parquet.ParquetFile(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are both
        raise InputError(f"{path}: not a parquet file: {error}") from error
    there = list(file.schema_arrow.names)
    for name in columns:
        if name not in there:
            raise InputError(f"{path}: no column '{name}'; its columns: {', '.join(there)}")
    return file
