"""Data sets of the hub, or other parquet files, as a folder of images and questions about them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from sepm.datasets.files import file_sha256, write_whole
from sepm.datasets.folder import images_below
from sepm.datasets.parquet import (
    ImageRow,
    Label,
    declared_names,
    hub_files,
    image_rows,
    labels_in,
    local_files,
)
from sepm.datasets.question_file import Question
from sepm.datasets.reader_parts import Reading, need
from sepm.errors import InputError
from sepm.method.taxonomy import Taxonomy

SUMS = "SHA256SUMS"
"""Hash and path of every image, as `sha256sum --check` reads them."""
DIGITS = 16
"""Digits of its hash in an image's name."""


def read_hub(
    root: Path,
    taxonomy: Taxonomy,
    *,
    repo: str | None = None,
    revision: str | None = None,
    parquet: str | None = None,
    split: str | None = None,
    image_column: str = "image",
    label_column: str = "label",
    label_names: Sequence[str] = (),
    match_folder: str | None = None,
) -> Reading:
    """The rows of parquet files; their images are written to the root, byte by byte as they were.

    An image is `<label>/<first digits of its SHA-256>.<suffix>`, so that the same command goes on
    from where it was cut off. One that has a copy in `match_folder` is a link to it and has its
    path, so that questions about both have the same ids. `SHA256SUMS` tells the hash of each.

    Args:
        root: folder of the images, made where it is absent.
        repo: data set of the hub.
        revision: its commit.
        parquet: folder of parquet files instead.
        split: word in the files' paths; None: all files.
        label_names: names of the labels 0, 1, …, or `VALUE=CLASS` for values that are no classes.
        match_folder: folder of another copy of the images.

    Raises:
        InputError: there are no such files or columns, a label has no class, or an image cannot be
            written.
    """
    if (repo is None) == (parquet is None):
        raise InputError("give --repo (with --revision) or --parquet, and not both")
    files = hub_files(repo, revision, split) if repo else local_files(Path(str(parquet)), split)
    classes = class_of_labels(files, label_column, label_names, taxonomy)
    images = ImageFolder(root, Copies(Path(match_folder) if match_folder else None))
    for path in files:
        for row in image_rows(path, image_column, label_column):
            images.add(row, classes[row.label] if row.label is not None else "")
    write_whole(root / SUMS, images.sums())
    return Reading(
        sorted(images.questions, key=lambda question: taxonomy.names.index(question.label)),
        root,
        inputs=tuple(files),
        counts=images.counts(),
        notes=images.notes(),
    )


def class_of_labels(
    files: Sequence[Path], column: str, names: Sequence[str], taxonomy: Taxonomy
) -> dict[Label, str]:
    """The class of every label in a column.

    A label is a class's name, or what `names` or else the files themselves call it.

    Raises:
        InputError: some have none; all of them are told, with how often each stands.
    """
    counts = Counter(label for path in files for label in labels_in(path, column))
    told = _named(names) if names else _numbered(declared_names(files[0], column) or ())
    classes = {label: told.get(str(label), str(label)) for label in counts if label is not None}
    unmapped = [label for label in counts if label is None or classes[label] not in taxonomy.names]
    if unmapped:
        found = ", ".join(
            f"{label!r} ({counts[label]} rows{_named_otherwise(label, told)})"
            for label in sorted(unmapped, key=str)
        )
        raise InputError(
            f"column '{column}' holds labels of no class: {found}. Classes: "
            f"{', '.join(taxonomy.names)}. --label-names says what they are: the names of 0, 1, … "
            "in order, or VALUE=CLASS for each; or another --label-column holds the classes"
        )
    return classes


def _named(names: Sequence[str]) -> dict[str, str]:
    """Classes by label, of names in order or of `VALUE=CLASS`, all of one kind."""
    pairs = [name.rpartition("=") for name in names]
    if not any(separator for _, separator, _ in pairs):
        return _numbered(names)
    if not all(separator for _, separator, _ in pairs):
        raise InputError(f"--label-names {' '.join(names)}: names in order, or VALUE=CLASS for all")
    return {value: name for value, _, name in pairs}


def _numbered(names: Iterable[str]) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names)}


def _named_otherwise(label: Label | None, told: Mapping[str, str]) -> str:
    """The name that a label was given, which is no class."""
    return f", named '{told[str(label)]}'" if str(label) in told else ""


class Copies:
    """Images of a folder by their content; a file is hashed when one of its size is looked for."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._by_size: dict[int, list[str]] = defaultdict(list)
        self._hashes: dict[str, str] = {}
        if folder is not None:
            for image in images_below(need(folder, "--match-folder holds other copies"))[0]:
                self._by_size[(folder / image).stat().st_size].append(image)

    def find(self, content: bytes, sha256: str, label: str) -> str | None:
        """Path of a copy below the folder, one in a folder of its class before others."""
        same = [i for i in self._by_size.get(len(content), ()) if self._sha256(i) == sha256]
        of_class = (image for image in same if image.startswith(f"{label}/"))
        return next(of_class, same[0] if same else None)

    def _sha256(self, image: str) -> str:
        if image not in self._hashes:
            self._hashes[image] = file_sha256(Path(self.folder or "", image))
        return self._hashes[image]


class ImageFolder:
    """Images that are written to a folder, or linked into it, and the questions about them."""

    def __init__(self, root: Path, copies: Copies) -> None:
        self.questions: list[Question] = []
        self._root = root
        self._copies = copies
        self._hashes: dict[str, str] = {}
        self._labels: dict[str, set[str]] = defaultdict(set)
        self._counts = Counter[str]()

    def add(self, row: ImageRow, label: str) -> None:
        """Write a row's image and note its question, unless the same stood in an earlier row.

        Raises:
            InputError: it cannot be written, or its place is taken by another file.
        """
        self._counts["rows"] += 1
        sha256 = hashlib.sha256(row.content).hexdigest()
        if label in self._labels[sha256]:
            return
        self._labels[sha256].add(label)
        copy = self._copies.find(row.content, sha256, label)
        if copy is None:
            image = f"{label}/{sha256[:DIGITS]}{_suffix(row)}"
            path = self._root / image
            if not (path.is_file() and path.stat().st_size == len(row.content)):
                write_whole(path, row.content)  # else an earlier run did: its name is its content's
        else:
            image = copy
            self._link(self._root / image, Path(self._copies.folder or "", copy))
            self._counts["copies"] += 1
        self._hashes[image] = sha256
        name = image if image.startswith(f"{label}/") else f"{label}/{image}"
        self.questions.append(Question(question_id=name, image=image, label=label))

    def sums(self) -> str:
        """Lines of `SHA256SUMS`."""
        return "".join(f"{self._hashes[image]}  {image}\n" for image in sorted(self._hashes))

    def counts(self) -> dict[str, int]:
        """Rows, images, and what a score depends on besides n."""
        return {
            "rows": self._counts["rows"],
            "images": len(self._labels),
            "repeated_rows": self._counts["rows"] - len(self.questions),
            "images_of_several_classes": sum(len(labels) > 1 for labels in self._labels.values()),
            "copies": self._counts["copies"],
        }

    def notes(self) -> tuple[str, ...]:
        """Remarks on images without a copy."""
        absent = len(self.questions) - self._counts["copies"]
        if self._copies.folder is None or not absent:
            return ()
        return (f"{absent} questions are of images without a copy in {self._copies.folder}",)

    def _link(self, path: Path, copy: Path) -> None:
        if path.exists() and path.samefile(copy):
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(copy.resolve())
        except OSError as error:
            raise InputError(f"{path}: no link to {copy}: {error.strerror}") from error


def _suffix(row: ImageRow) -> str:
    """Suffix of an image by its content; by its name where PIL does not know it."""
    try:
        with Image.open(BytesIO(row.content)) as image:
            kind = (image.format or "").lower()
    except (OSError, ValueError, Image.DecompressionBombError):
        return Path(row.name).suffix.lower() or ".img"
    return ".jpg" if kind in ("jpeg", "mpo") else f".{kind}"
