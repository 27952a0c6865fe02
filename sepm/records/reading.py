"""Prediction records read back: nothing that a line says is believed unchecked."""

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from sepm.baselines.rotations import likeliest, mean_probabilities
from sepm.datasets.files import Problem, raise_problems
from sepm.datasets.question_file import Question
from sepm.errors import InputError, unknown_name
from sepm.method.answers import fine_key
from sepm.method.confidence import Branch, confidence, is_ambiguous
from sepm.method.dropping import num_dropped
from sepm.method.taxonomy import Taxonomy, renumbered
from sepm.progress import tell
from sepm.records.fields import ROUNDING, RecordFields, answer_given
from sepm.records.labels import answers_by_order, classes_by_letter
from sepm.records.writing import Record
from sepm.registry import METHODS

_DECODER = msgspec.json.Decoder(RecordFields)


def read_records(
    paths: Iterable[Path],
    taxonomy: Taxonomy | None,
    questions: Iterable[Question] | None = None,
    run: Mapping[str, Any] | None = None,
) -> dict[str, Record]:
    """The records of a run's files by question id, every field of every row checked.

    A torn last line (power cut, full disk) is left out with a note. A row that a crash left in two
    files counts once.

    Args:
        paths: files of one run, in JSON Lines.
        taxonomy: the task's classes; None where they are not known.
        questions: the question file's, where it is at hand; rows must be about them.
        run: `method` and `configuration` of the run, where they are at hand; rows must be its own.

    Raises:
        InputError: a file cannot be read, a line is no record or not of the run, or two rows of one
            question say different things; each is told with its file and line.
    """
    asked = None if questions is None else {q.question_id: q for q in questions}
    records: dict[str, Record] = {}
    places: dict[str, str] = {}
    problems: list[Problem] = []
    for path in paths:
        for number, line in enumerate(_whole_lines(path), start=1):
            try:
                record = _record(line, taxonomy, asked, run)
            except ValueError as error:
                problems.append(Problem(path, number, str(error)))
                continue
            key: str = record["question_id"]
            if records.setdefault(key, record) != record:
                contradiction = f"question_id '{key}' has another record at {places[key]}"
                problems.append(Problem(path, number, contradiction))
            places.setdefault(key, f"{path}:{number}")
    raise_problems(problems)
    return records


def _whole_lines(path: Path) -> list[bytes]:
    try:
        *lines, last = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if not last:
        return lines
    try:
        msgspec.json.decode(last)  # a beginning of a JSON object is none
    except ValueError:
        tell(f"{path}: the last line is torn, and left out")
        return lines
    return [*lines, last]


def _record(
    line: bytes,
    taxonomy: Taxonomy | None,
    asked: Mapping[str, Question] | None,
    run: Mapping[str, Any] | None,
) -> Record:
    """The record of a line; raises ValueError where it is none, or contradicts what is known."""
    try:
        _DECODER.decode(line)
    except ValueError as error:
        raise ValueError(f"not a prediction record: {error}") from error
    record: Record = msgspec.json.decode(line)
    faults = [] if taxonomy is None else list(_class_faults(record, taxonomy))
    if asked is not None:
        faults += _question_faults(record, asked.get(record["question_id"]))
    if run is not None and not faults:
        faults += run_faults(record, run, taxonomy)
    if faults:
        raise ValueError("; ".join(faults))
    return record


def _class_faults(record: Record, taxonomy: Taxonomy) -> Iterator[str]:
    names = [record["label"], *record.get("labels", ()), record["prediction"]]
    for name in dict.fromkeys(names):
        if name is not None and name not in taxonomy.names:
            yield unknown_name("class", name, taxonomy.names)
    if "fine" not in record:
        return
    fine = record["fine"]
    if unknown := {*fine.get("classes", ())} - {*taxonomy.names}:
        yield unknown_name("class", min(unknown), taxonomy.names)
        return
    classes = classes_by_letter(record, taxonomy)
    for letter in fine["probs"]:
        if letter not in classes:
            yield unknown_name("option letter", letter, classes)
    if "rotations" in record:
        yield from _rotation_faults(record, taxonomy)
    if fine["read"] is None:
        return
    given = answer_given(fine["text"], fine["read"], fine_key(classes.values()))
    if given is None:
        yield f"read is '{fine['read']}', but no option is given so in {fine['text']!r}"
    elif classes[given].name != record["prediction"]:
        yield f"prediction is {record['prediction']!r}, but the answer is '{given}'"


def _rotation_faults(record: Record, taxonomy: Taxonomy) -> Iterator[str]:
    """Answers to the orders of the options that the row's own answer does not follow from."""
    rotations, fine, letters = record["rotations"], record["fine"], taxonomy.option_letters
    if len(rotations) > len(letters):
        yield f"{len(rotations)} orders of {len(letters)} options"
        return
    if any(tuple(rotation["probs"]) != letters for rotation in rotations):
        yield f"rotations must have probs of {' '.join(letters)}"
        return
    given = answers_by_order(record, taxonomy)
    for rotation, answer in zip(rotations, given, strict=True):
        if rotation["read"] is not None and answer is None:
            yield f"read is '{rotation['read']}', but no option is given in {rotation['text']!r}"
    probs = mean_probabilities([rotation["probs"] for rotation in rotations], taxonomy)
    there = [fine["probs"].get(letter, -1) for letter in probs]
    if not all(map(partial(math.isclose, abs_tol=ROUNDING), probs.values(), there)):
        yield "probs are not the mean of the rotations'"
    elif fine["read"] and fine["text"] != likeliest(fine["probs"]):
        yield f"the answer is '{fine['text']}', but '{likeliest(fine['probs'])}' is the likeliest"
    if (fine["read"] is None) != all(rotation["read"] is None for rotation in rotations):
        yield f"read {fine['read']!r} does not follow from how the rotations were read"


def _question_faults(record: Record, question: Question | None) -> Iterator[str]:
    if question is None:
        yield f"question_id '{record['question_id']}' is not in the question file"
        return
    labels = list(question.labels) if question.other_labels else None
    asked = {"image": question.image, "label": question.label, "labels": labels}
    for name, value in asked.items():
        if record.get(name) != value:
            yield f"{name} is {record.get(name)!r}, in the question file {value!r}"


def run_faults(
    record: Record, run: Mapping[str, Any], taxonomy: Taxonomy | None = None
) -> Iterator[str]:
    """Each reason why a row is not of a run.

    Args:
        record: a row whose fields agree with each other.
        run: `method`, `configuration` and, where it is known, `visual_tokens`, as results hold
            them. Of an unknown method all rows are.
        taxonomy: the task's classes; None where they are not known.
    """
    method, settings = run.get("method"), run.get("configuration", {})
    if method not in METHODS or record["status"] == "error":
        return
    reads = METHODS[method].reads
    for field, setting in (("coarse", "alpha"), ("sparsevlm", "retain")):
        if (field in record) != (setting in reads):
            yield f"a row {'with' if field in record else 'without'} `{field}` is not of {method}"
    beta = settings["beta"] if "beta" in reads else 0.0
    yield from _dropping_faults(record, beta, _num_tokens(record, run))
    orders = settings.get("rotations", 1) if "rotations" in reads else 1
    if (there := len(record.get("rotations", (None,)))) != orders:
        yield f"answers to {there} orders of the options, not {orders} as with this run's rotations"
    if "coarse" in record and "alpha" in reads:
        yield from _gate_faults(record["coarse"], settings)
    anew = "letters" in reads and settings["letters"] == "renumbered"
    if ("classes" in record["fine"]) != anew:
        letters = "renumbered" if anew else "kept"
        yield f"a row {'without' if anew else 'with'} `classes` is not of letters {letters}"
    if taxonomy is not None:
        yield from _option_faults(record, taxonomy)


def _num_tokens(record: Record, run: Mapping[str, Any]) -> int | None:
    """N, where the row, its scores or the run's grid tell it."""
    if "num_visual_tokens" in record:
        return record["num_visual_tokens"]
    if "foe_scores" in record:
        return len(record["foe_scores"])
    match run.get("visual_tokens"):
        case {"grid": [int(rows), int(columns)]}:
            return rows * columns
        case _:
            return None


def _dropping_faults(record: Record, beta: float, num_tokens: int | None) -> Iterator[str]:
    """Another number of dropped tokens than floor(β × N); fewer, where N is not known (Eq. 9)."""
    dropped = record["dropped"]
    at_least = num_tokens or (dropped[-1] + 1 if dropped else 0)
    due, there = num_dropped(beta, at_least), len(dropped)
    if there < due or (there > due and (num_tokens or not beta)):
        of = f"{'' if num_tokens else 'at least '}{at_least}"
        yield f"{there} of {of} visual tokens are dropped, not {due} as with this run's β = {beta}"


def _gate_faults(coarse: Record, settings: Mapping[str, Any]) -> Iterator[str]:
    """Another variance or branch than the run's gate gives (Eq. 4)."""
    value, variance = coarse["confidence"], settings["variance"]
    expected = confidence(coarse["p_a"], coarse["p_b"], variance)
    if not math.isclose(value, expected, abs_tol=ROUNDING):
        yield f"confidence {value:g} is not this run's {variance} variance of p_a and p_b"
    alpha, when = settings["alpha"], settings["ambiguous_when"]
    if is_ambiguous(value, alpha, when) != (coarse["branch"] == "ambiguous"):
        yield (
            f"branch {coarse['branch']} does not follow from confidence {value:g} with this run's "
            f"α = {alpha} and ambiguous_when {when}"
        )


def _option_faults(record: Record, taxonomy: Taxonomy) -> Iterator[str]:
    """Other options than those that the query of the row's branch offers."""
    branch: Branch = record["coarse"]["branch"] if "coarse" in record else "ambiguous"
    classes = taxonomy.classes if branch == "ambiguous" else taxonomy.of_polarity(branch)
    names: list[str] | None = record["fine"].get("classes")
    if names is not None and names != [c.name for c in classes]:
        yield f"classes are {', '.join(names)}, not those of the {branch} branch in order"
        return
    letters = (c.option_letter for c in (renumbered(classes) if names else classes))
    offered, there = sorted(letters), sorted(record["fine"]["probs"])
    if there != offered:
        yield f"probs are of {' '.join(there)}, but the query offers {' '.join(offered)}"
