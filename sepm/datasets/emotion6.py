"""Emotion6 (Peng et al., CVPR 2015): a folder for each class, a table of votes, outside splits."""

from pathlib import Path, PurePosixPath

from sepm.datasets.files import Problem, numbered_lines, raise_problems
from sepm.datasets.folder import images_below
from sepm.datasets.question_file import Question
from sepm.datasets.reading import Reading, need, split_path, unknown_class
from sepm.datasets.tree import folders_in
from sepm.datasets.votes import (
    Ties,
    VoteRow,
    labels_of,
    parse_votes,
    tie_rule,
    top_classes,
    voted_question,
)
from sepm.errors import InputError, unknown_name
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
    root: Path, taxonomy: Taxonomy, *, split: str | None, label: str, ties: str | None
) -> Reading:
    """The images of a list, or all 1,980, labelled by their folder or by the votes.

    The paper scores 594 images; which ones is unpublished, so none are chosen here: a split is a
    list of `<class>/<N>.jpg`, one a line, as EmotionROI's. `question_id` begins with the label.

    Raises:
        InputError: a file is absent or wrong, or the options do not fit together.
    """
    if label not in LABEL_RULES:
        raise InputError(unknown_name("label rule", label, LABEL_RULES))
    image_folder = need(root / "images", TREE)
    list_file = split_path(split, {}, LIST) if split is not None else None
    if list_file is None:
        listed = _all_images(image_folder, taxonomy)
    else:
        listed = _listed_images(list_file, image_folder, taxonomy)
    inputs = () if list_file is None else (list_file,)
    if label == "folder":
        if ties is not None:
            raise InputError("--ties belongs to --label votes: a folder cannot be tied")
        questions = [
            Question(question_id=image, image=image, label=image.partition("/")[0], line=line)
            for line, image in listed
        ]
        return Reading(questions, image_folder, inputs)
    table = need(root / TABLE, TREE)
    votes = {row.image: row for row in read_vote_table(table, taxonomy)}
    raise_problems(_disagreements(listed, list_file, votes, table))
    rule = tie_rule(ties or "first")
    questions, counts = _by_votes(listed, votes, rule)
    return Reading(questions, image_folder, (*inputs, table), counts, options={"ties": rule})


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
    rows: list[VoteRow] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for line, text in lines[1:]:
        cells = [cell.strip() for cell in text.split("\t")]
        try:
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} cells; expected {len(header)}, separated by tabs")
            row = dict(zip(header, cells, strict=True))
            if row[IMAGE_COLUMN] in seen:
                raise ValueError(f"image '{row[IMAGE_COLUMN]}' stands twice")
            seen.add(row[IMAGE_COLUMN])
            votes = parse_votes([row[f"prob. {name}"] for name in names])
            rows.append(VoteRow(line, row[IMAGE_COLUMN], dict(zip(names, votes, strict=True))))
        except ValueError as error:
            problems.append(Problem(path, line, str(error)))
    raise_problems(problems)
    return rows


def _all_images(image_folder: Path, taxonomy: Taxonomy) -> Listed:
    listed: Listed = []
    for folder in folders_in(image_folder):
        if folder.name not in taxonomy.names:
            raise InputError(f"{folder}: {unknown_class(folder.name, taxonomy.names)}")
        listed += [(0, f"{folder.name}/{image}") for image in images_below(folder)[0]]
    return listed


def _listed_images(path: Path, image_folder: Path, taxonomy: Taxonomy) -> Listed:
    listed: Listed = []
    problems: list[Problem] = []
    first_lines: dict[str, int] = {}
    for line, text in numbered_lines(path):
        parts = PurePosixPath(text.strip()).parts
        image = "/".join(parts)
        first_line = first_lines.setdefault(image, line)
        if len(parts) != 2 or ".." in parts:
            problems.append(Problem(path, line, f"'{image}'; expected <class>/<N>.jpg alone"))
        elif parts[0] not in taxonomy.names:
            problems.append(Problem(path, line, unknown_class(parts[0], taxonomy.names)))
        elif first_line != line:
            problems.append(Problem(path, line, f"'{image}' is on line {first_line} already"))
        elif not (image_folder / image).is_file():
            problems.append(Problem(path, line, f"no such image: {image_folder / image}"))
        listed.append((line, image))
    raise_problems(problems)
    return listed


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
    listed: Listed, votes: dict[str, VoteRow], rule: Ties
) -> tuple[list[Question], dict[str, int]]:
    """The arg-max over the classes; neutral is no option, so an image all neutral is left out."""
    questions: list[Question] = []
    counts = {"images": len(listed), "ties": 0, "neutral_highest": 0, "only_neutral": 0}
    for line, image in listed:
        emotions = {name: vote for name, vote in votes[image].votes.items() if name != NEUTRAL}
        if not any(emotions.values()):
            counts["only_neutral"] += 1
            continue
        top = top_classes(emotions)
        counts["ties"] += len(top) > 1
        counts["neutral_highest"] += votes[image].votes[NEUTRAL] > max(emotions.values())
        if labels := labels_of(top, rule):
            questions.append(voted_question(image, labels, line))
    return questions, counts
