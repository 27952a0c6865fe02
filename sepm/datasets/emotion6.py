"""Emotion6 (Peng et al., CVPR 2015): a folder for each class, a table of votes, outside splits."""

from collections.abc import Hashable
from pathlib import Path, PurePosixPath

from sepm.datasets.files import Problem, numbered_lines, raise_problems, read_rows, require_new
from sepm.datasets.folder import read_folder
from sepm.datasets.question_file import Question
from sepm.datasets.reader_parts import Reading, need, require_image, split_path
from sepm.datasets.votes import VoteRow, parse_votes, questions_by_votes
from sepm.errors import InputError, require_known, unknown_name
from sepm.method.taxonomy import Taxonomy

TABLE = "ground_truth.txt"
TREE = f"unpack Emotion6.zip so that the root holds images/<class>/<N>.jpg and {TABLE}"
LIST = "no split was published: give a list with <class>/<N>.jpg on each line"
IMAGE_COLUMN = "image_filename"
NEUTRAL = "neutral"
LABEL_RULES = ("folder", "votes")

Listed = list[tuple[int, str]]
"""Images as `<folder>/<file>`, each with its line of the list (0 where there is no list)."""


def read_emotion6(
    root: Path,
    taxonomy: Taxonomy,
    *,
    split: str | None = None,
    label: str = "folder",
    ties: str | None = None,
) -> Reading:
    """The images of a list, or all 1,980, labelled by their folder or by the votes.

    The paper scores 594 images; which ones is unpublished, so none are chosen here: a split is a
    list of `<class>/<N>.jpg`, one a line; or one of EmotionROI's by its name, where that is the
    root. `question_id` begins with the label.

    Raises:
        InputError: a file is absent or wrong, or the options do not fit together.
    """
    require_known("label rule", label, LABEL_RULES)
    image_folder = need(root / "images", TREE)
    list_file = split_path(split, _own_lists(root), LIST) if split is not None else None
    if list_file is None:
        listed = [(0, question.image) for question in read_folder(image_folder, taxonomy).questions]
    else:
        listed = _listed_images(list_file, image_folder, taxonomy)
    inputs = () if list_file is None else (list_file,)
    if label == "votes":
        table = need(root / TABLE, TREE)
        votes = {row.image: row for row in read_vote_table(table, taxonomy)}
        raise_problems(_disagreements(listed, list_file, votes, table))
        ties = ties or "first"
        questions, counts = _by_votes(listed, votes, ties)
        return Reading(questions, image_folder, (*inputs, table), counts, options={"ties": ties})
    if ties is not None:
        raise InputError("--ties belongs to --label votes: a folder cannot be tied")
    questions = [
        Question(question_id=image, image=image, label=image.partition("/")[0], line=line)
        for line, image in listed
    ]
    return Reading(questions, image_folder, inputs)


def read_vote_table(path: Path, taxonomy: Taxonomy) -> list[VoteRow]:
    """The rows of `ground_truth.txt`, neutral included, valence and arousal left out.

    Cells are separated by tabs; header cells stand in brackets and hold blanks: `[prob. anger]`.

    Raises:
        InputError: the header or a row is wrong.
    """
    lines = numbered_lines(path)
    if not lines:
        raise InputError(f"{path}: empty; expected a header and a row for each image")
    header = [cell.strip(" []") for cell in lines[0][1].split("\t")]
    names = [*taxonomy.names, NEUTRAL]
    absent = [c for c in (IMAGE_COLUMN, *(f"prob. {n}" for n in names)) if c not in header]
    if absent:
        raise InputError(
            f"{path}:{lines[0][0]}: no column [{absent[0]}] among {len(header)}; expected a "
            "header in brackets, separated by tabs"
        )
    seen: dict[Hashable, int] = {}

    def vote_row(line: int, text: str) -> VoteRow:
        cells = [cell.strip() for cell in text.split("\t")]
        if len(cells) != len(header):
            raise ValueError(f"{len(cells)} cells; expected {len(header)}, separated by tabs")
        row = dict(zip(header, cells, strict=True))
        image = row[IMAGE_COLUMN]
        require_new(seen, image, line, f"image '{image}'")
        votes = parse_votes([row[f"prob. {name}"] for name in names])
        return VoteRow(line, image, dict(zip(names, votes, strict=True)))

    return read_rows(path, lines[1:], vote_row)


def _own_lists(root: Path) -> dict[str, Path]:
    """Lists by name where the root is EmotionROI's, which has the same images."""
    return {path.stem: path for path in sorted((root / "training_testing_split").glob("*.txt"))}


def _listed_images(path: Path, image_folder: Path, taxonomy: Taxonomy) -> Listed:
    seen: dict[Hashable, int] = {}

    def listed(line: int, text: str) -> tuple[int, str]:
        parts = PurePosixPath(text.strip()).parts
        image = "/".join(parts)
        if len(parts) != 2 or ".." in parts:
            raise ValueError(f"'{image}'; expected <class>/<N>.jpg alone")
        if parts[0] not in taxonomy.names:
            raise ValueError(unknown_name("class", parts[0], taxonomy.names))
        require_new(seen, image, line, f"'{image}'")
        require_image(image_folder / image)
        return line, image

    return read_rows(path, numbered_lines(path), listed)


def _disagreements(
    listed: Listed, list_file: Path | None, votes: dict[str, VoteRow], table: Path
) -> list[Problem]:
    """Images without votes and, where there is no list, votes without an image."""
    without_votes = [
        Problem(list_file or table, line, f"image '{image}' has no row in {table}")
        for line, image in listed
        if image not in votes
    ]
    if list_file is not None:
        return without_votes
    images = {image for _, image in listed}
    return without_votes + [
        Problem(table, row.line, f"no such image below images/: '{row.image}'")
        for row in votes.values()
        if row.image not in images
    ]


def _by_votes(
    listed: Listed, votes: dict[str, VoteRow], ties: str
) -> tuple[list[Question], dict[str, int]]:
    """The arg-max over the classes; neutral is no option, so an image all neutral is left out."""
    rows: list[VoteRow] = []
    for line, image in listed:
        emotions = {name: vote for name, vote in votes[image].votes.items() if name != NEUTRAL}
        if any(emotions.values()):
            rows.append(VoteRow(line, image, emotions))
    neutral = [votes[row.image].votes[NEUTRAL] > max(row.votes.values()) for row in rows]
    questions, tied = questions_by_votes(rows, ties)
    return questions, {
        "images": len(listed),
        "ties": tied,
        "neutral_highest": sum(neutral),
        "only_neutral": len(listed) - len(rows),
    }
