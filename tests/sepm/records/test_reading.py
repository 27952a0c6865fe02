"""Rows read back: what a line says is checked, and what is wrong is told with its place."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sepm.datasets.question_file import Question
from sepm.datasets.tasks import load_taxonomy
from sepm.errors import InputError
from sepm.method.config import MethodConfig
from sepm.records.reading import read_records
from sepm.records.writing import error_record

Json = dict[str, Any]
EMOSET = load_taxonomy("emoset")
AWE = Question("awe/1.jpg", "awe/1.jpg", "awe")
GRID: Json = {"grid": [2, 2]}
USAGE = {"tokens_after_layer": [4, 2], "mean_tokens": 3.0, "mean_tokens_processed": 4.0}
FAILED = error_record(AWE, "no such file")


def row(**changes: Any) -> Json:
    """A right answer of both stages; `coarse__p_a=2` changes a field of a stage, ... removes."""
    made: Json = {
        **{"question_id": "awe/1.jpg", "image": "awe/1.jpg", "label": "awe"},
        **{"prediction": "awe", "correct": True, "status": "ok"},
        "coarse": {
            **{"prompt": "Q", "text": "A", "read": "letter", "p_a": 0.9, "p_b": 0.1},
            **{"confidence": 0.16, "branch": "positive", "off_menu": False},
        },
        "dropped": [0, 2],
        "fine": {"prompt": "Which?", "text": "C", "read": "letter", "probs": {"A": 0.25, "C": 0.5}},
        "foe_scores": [0.1, 0.4, 0.2, 0.3],
    }
    for name, value in changes.items():
        *stage, field = name.split("__")
        place = made[stage[0]] if stage else made
        place.pop(field, None) if value is ... else place.update({field: value})
    return made


def tiled(tile: list[float]) -> Json:
    """That answer about an image of four tokens in one tile."""
    return row(num_visual_tokens=4, tiles=[tile])


def ordered(
    *texts: str, probs: float = 0.1, first: Json | None = None, count: int = 2, **changes: Any
) -> Json:
    """A zero-shot row of `count` orders, all options as likely but that one of the first order."""
    texts = texts or ("C",) + ("A",) * (count - 1)
    rotations = [
        {"text": text, "read": "letter", "probs": dict.fromkeys("ABCDEFGH", 0.1)} for text in texts
    ]
    rotations[0]["probs"] |= {"C": 0.3}
    rotations[0] |= first or {}
    mean = dict.fromkeys("ABCDEFGH", probs) | {"C": 0.1 + 0.2 / len(texts)}
    fine = {"prompt": "Which?", "text": "C", "read": "mean", "probs": mean}
    return (
        row(coarse=..., foe_scores=..., dropped=[], fine=fine) | {"rotations": rotations} | changes
    )


def written(path: Path, *rows: Json) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def read(path: Path, *questions: Question) -> list[Json]:
    return list(read_records([path], EMOSET, questions or None).values())


def read_as(
    path: Path, method: str, settings: Json, visual_tokens: Json | None = GRID
) -> list[Json]:
    """The rows of a run of that method, β being 0.5 unless set."""
    configuration = asdict(MethodConfig(**{"beta": 0.5, **settings}))
    run = {"method": method, "configuration": configuration, "visual_tokens": visual_tokens}
    return list(read_records([path], EMOSET, run=run).values())


OFFERED = {"fine__probs": dict.fromkeys("ACDF", 0.2)}
ALL = {"fine__probs": dict.fromkeys("ABCDEFGH", 0.1)}
OF_SEPM = OFFERED | {"dropped": [0, 2]}
ONE_STAGE = ALL | {"coarse": ..., "foe_scores": ..., "dropped": []}
ANEW: Json = {
    "fine": {
        **{"prompt": "?", "text": "B", "read": "letter", "probs": dict.fromkeys("ABCD", 0.2)},
        "classes": ["amusement", "awe", "contentment", "excitement"],
    }
}
MEAN = ordered()["fine"]
RENUMBERED = {"letters": "renumbered"}


@pytest.mark.parametrize(
    "good",
    [
        row(),
        row(coarse=..., foe_scores=..., dropped=[]),
        row(prediction=None, correct=False, status="unread", fine__text="lovely", fine__read=None),
        row(prediction="fear", correct=False, fine__text="G"),
        row(labels=["awe", "fear"], prediction="fear", fine__text="G"),
        row(coarse__confidence=0.32),  # the sample variance
        row(image_sha256="0a", fine__text="It is awe.", fine__read="text"),
        row(image_sha256=None),
        tiled([2, 2, -0.25, 0, 1.25, 1]),
        row(sparsevlm=USAGE),
        FAILED,
    ],
)
def test_a_row_as_it_was_written_is_read_as_it_is(good: Json, tmp_path: Path) -> None:
    assert read(written(tmp_path / "p.jsonl", good)) == [good]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([], "Expected `object`, got `array`"),
        (row(label=...), "missing required field `label`"),
        (row(prediction=...), "missing required field `prediction`"),
        (row(coarse__branch=...), r"missing required field `branch` - at `\$\.coarse`"),
        (row(fine=...), "status ok without field `fine`"),
        (row(dropped=...), "status ok without field `dropped`"),
        (row(mood="good"), "unknown field `mood`"),
        (row(fine__logits=[]), "unknown field `logits`"),
        (row(question_id=7), r"Expected `str`, got `int` - at `\$\.question_id`"),
        (row(question_id=""), "length >= 1"),
        (row(correct=1), r"Expected `bool`, got `int` - at `\$\.correct`"),
        (row(correct=None), "Expected `bool`, got `null`"),
        (row(dropped=[0, 1.5]), "Expected `int`, got `float`"),
        (row(dropped={}), "Expected `array`, got `object`"),
        (row(coarse=None), "Expected `object`, got `null`"),
        (row(coarse__p_a="0.9"), r"Expected `float`, got `str` - at `\$\.coarse\.p_a`"),
        (row(coarse__p_a=float("nan")), "invalid character"),
        (row(coarse__p_a=1.5), "<= 1"),
        (row(fine__probs={"A": -0.1}), ">= 0"),
        (row(fine__probs={}), "length >= 1"),
        (row(foe_scores=[0.1, float("inf"), 0.2, 0.3]), "invalid character"),
        (row(status="done"), "Invalid enum value 'done'"),
        (row(coarse__branch="both"), "Invalid enum value 'both'"),
        (row(correct=False), "correct is false, but the prediction is 'awe' and the label 'awe'"),
        (row(prediction="fear", fine__text="x"), "correct is true, but .*'fear' .* 'awe'"),
        (row(prediction=None), "status ok contradicts prediction None"),
        (row(status="unread"), "status unread contradicts prediction 'awe'"),
        (row(error="late"), "status ok with field `error`"),
        (FAILED | {"error": 404}, "Expected `str`, got `int`"),
        (row(status="error", prediction=None, correct=False), "status error without field `error`"),
        (FAILED | {"dropped": []}, "status error with field `dropped`"),
        (row(labels=[]), "length >= 1"),
        (row(foe_scores=[]), "length >= 1"),
        (row(labels=["fear", "awe"]), "the first 'awe'"),
        (row(labels=["awe", "awe"]), "must be different"),
        (row(dropped=[2, 0]), "dropped is not ascending"),
        (row(dropped=[1, 1]), "dropped is not ascending"),
        (tiled([2, 1, 0, 0, 1, 1]), "the tiles do not hold num_visual_tokens 4"),
        (tiled([2, 2, 0.5, 0, 0.5, 1]), "a tile from 0.5, 0 to 0.5, 1 is no rectangle"),
        (row(dropped=[-1]), ">= 0"),
        (row(dropped=[4]), "visual token 4 is dropped of 4"),
        (row(coarse__confidence=0.9), "no variance of p_a and p_b"),
        (row(coarse__branch="negative"), "text 'A' contradicts branch negative"),
        (row(coarse__off_menu=True), "off_menu is true, but read is 'letter'"),
        (row(coarse__read=None), "off_menu is false, but read is None"),
        (row(fine__read=None), "status ok contradicts read None"),
        (row(fine__read=...), "missing required field `read`"),
        (row(fine__read="guess"), "Invalid enum value 'guess'"),
        (row(sparsevlm=USAGE | {"mean_tokens": 2}), "mean_tokens 2 is not the mean"),
        (row(label="joy", correct=False), "unknown class 'joy'"),
        (row(prediction="aw", correct=False), "unknown class 'aw'; did you mean 'awe'"),
        (row(fine__probs={"Z": 0.1}), "unknown option letter 'Z'"),
        (row(fine__text="G"), "prediction is 'awe', but the answer is 'G'"),
        (
            row(**{"fine__text": "It is awe."}),
            "read is 'letter', but no option is given so in 'It is awe",
        ),
        (
            row(**{"fine__read": "text", "fine__text": "Lovely."}),
            "read is 'text', but no option is given",
        ),
        (row(**{"fine__read": "text", "fine__text": "It is fear."}), "but the answer is 'G'"),
        (row(**{"coarse__text": "Positive"}), "read is 'letter', but neither A nor B is given so"),
        (
            row(**{"coarse__read": "text", "coarse__text": "So so"}),
            "neither A nor B is given so in 'So",
        ),
        (
            row(**{"coarse__read": "text", "coarse__text": "Negative"}),
            "contradicts branch positive",
        ),
        (ordered(count=9), "9 orders of 8 options"),
        (ordered("C"), "Expected `array` of length >= 2"),
        (ordered("C", "Q"), "read is 'letter', but no option is given in 'Q'"),
        (ordered(first={"probs": {"A": 0.1}}), "rotations must have probs of A B C D E F G H"),
        (ordered(probs=0.05), "probs are not the mean of the rotations'"),
        (ordered(first={"probs": dict.fromkeys("ABCDEFGH", 0.1)}), "probs are not the mean"),
        (ordered(first={"read": "mean"}), "Invalid enum value 'mean'"),
        (
            ordered(fine=MEAN | {"text": "D"}, prediction="contentment", correct=False),
            "the answer is 'D', but 'C' is the likeliest",
        ),
        (ordered(fine=MEAN | {"read": "letter"}), "read 'letter' contradicts 2 rotations"),
        (row(fine__read="mean"), "read 'mean' contradicts 0 rotations"),
        (
            ordered(fine=MEAN | {"read": None}, status="unread", prediction=None, correct=False),
            "read None does not follow from how the rotations were read",
        ),
        (row(**ANEW | {"prediction": "anger", "correct": False}), "prediction is 'anger', but"),
        (row(fine__classes=["amusement", "awe"]), "probs are of A C, but there are 2 classes"),
        (row(fine__classes=["awe", "awe"]), "must be different ones"),
        (
            row(fine=ANEW["fine"] | {"classes": ["awe", "calm", "fear", "joy"]}),
            "unknown class 'calm'",
        ),
    ],
)
def test_a_row_that_cannot_be_right_is_refused_with_its_line(
    bad: Any, said: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "p.jsonl", row(question_id="awe/0.jpg"), bad)
    with pytest.raises(InputError, match=rf"p\.jsonl:2: .*{said}"):
        read(path)


@pytest.mark.parametrize("line", [b"{", b"\xff", b"7", b"", b"{}", b"[" * 10_000])
def test_a_line_that_is_no_record_is_refused(line: bytes, tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", row())
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(InputError, match=r"p\.jsonl:2: not a prediction record"):
        read(path)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", row(correct=False), row(), row(status="?"))
    with pytest.raises(InputError, match=r"(?s)p\.jsonl:1: .*p\.jsonl:3: "):
        read(path)


@pytest.mark.parametrize("torn", [b'{"question_id": "b', b'{"question_id": "\xc3', b"\0\0\0"])
def test_a_torn_last_line_is_left_out_and_told(
    torn: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "p.jsonl", row())
    path.write_bytes(path.read_bytes() + torn)
    assert read(path) == [row()]
    assert f"{path}: the last line is torn" in capsys.readouterr().err


def test_a_whole_last_line_counts_without_its_line_feed(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", row())
    path.write_bytes(path.read_bytes().rstrip())
    assert read(path) == [row()]


# ---- rows and their run

AMBIGUOUS = OF_SEPM | ALL | {"coarse__branch": "ambiguous"}
TWO, EIGHT = {"rotations": 2}, {"rotations": 8}


@pytest.mark.parametrize(
    ("method", "good", "settings"),
    [
        ("sepm", row(**OF_SEPM), {}),
        ("sepm", row(**OF_SEPM, foe_scores=...), {}),
        ("sepm", row(**AMBIGUOUS), {"alpha": 0.16}),
        ("sepm", row(**OF_SEPM), {"alpha": 0.16, "ambiguous_when": "below"}),
        ("sepm", row(**OF_SEPM, coarse__confidence=0.32), {"variance": "sample"}),
        ("cci", row(**OFFERED, dropped=[], foe_scores=...), {}),
        ("zero-shot", row(**ONE_STAGE), {}),
        ("sparsevlm", row(**ONE_STAGE, sparsevlm=USAGE), {}),
        ("a later method", row(), {}),
        ("zero-shot", ordered(), TWO),
        ("fp", ordered(count=8), EIGHT),
        ("zero-shot", ordered(first={"text": "It is fear.", "read": "text"}), TWO),
        ("zero-shot", ordered(first={"text": "hm", "read": None}), TWO),
        ("sepm", row(**OF_SEPM | ANEW), RENUMBERED),
    ],
)
def test_rows_of_the_run_are_accepted(
    method: str, good: Json, settings: Json, tmp_path: Path
) -> None:
    path = written(tmp_path / "p.jsonl", good, FAILED | {"question_id": "awe/3.jpg"})
    assert read_as(path, method, settings)[0] == read(path)[0] == good


@pytest.mark.parametrize(
    ("method", "bad", "settings", "said"),
    [
        ("sepm", row(**ONE_STAGE), {}, "a row without `coarse` is not of sepm"),
        ("cci", row(**ONE_STAGE), {}, "a row without `coarse` is not of cci"),
        ("zero-shot", row(**OF_SEPM), {}, "a row with `coarse` is not of zero-shot"),
        ("sparsevlm", row(**ONE_STAGE), {}, "a row without `sparsevlm` is not of sparsevlm"),
        ("fp", row(**ONE_STAGE, sparsevlm=USAGE), {}, "a row with `sparsevlm` is not of fp"),
        ("cci+fp", row(**OF_SEPM), {}, "2 of 4 visual tokens are dropped, not 0"),
        ("sepm", row(**OF_SEPM), {"beta": 0.25}, "2 of 4 visual tokens are dropped, not 1"),
        ("sepm", row(**OF_SEPM, foe_scores=...), {"beta": 0.25}, "2 of 4 .* dropped, not 1"),
        ("sepm", row(**OF_SEPM, foe_scores=...), {"beta": 0.75}, "2 of 4 .* dropped, not 3"),
        ("sepm", row(**OF_SEPM), {"alpha": 0.2}, "positive does not follow from confidence 0.16"),
        ("sepm", row(**OF_SEPM), {"alpha": 0.16}, r"0\.16 with this run's α = 0\.16"),
        (
            "sepm",
            row(**OF_SEPM, coarse__branch="ambiguous"),
            {},
            "branch ambiguous does not follow",
        ),
        ("sepm", row(**OF_SEPM), {"variance": "sample"}, "0.16 is not this run's sample variance"),
        ("sepm", row(**OF_SEPM | ALL), {}, "of A B C D E F G H, but the query offers A C D F"),
        ("zero-shot", row(**ONE_STAGE | OFFERED), {}, "A C D F, but the query offers A B C D E F"),
        ("zero-shot", ordered(), {}, "answers to 2 orders of the options, not 1"),
        ("zero-shot", ordered(), EIGHT, "answers to 2 orders of the options, not 8"),
        ("zero-shot", row(**ONE_STAGE), TWO, "to 1 orders of the options, not 2"),
        ("sepm", row(**OF_SEPM), RENUMBERED, "without `classes` is not of letters renumbered"),
        ("sepm", row(**OF_SEPM | ANEW), {}, "a row with `classes` is not of letters kept"),
        (
            *("sepm", row(**OF_SEPM | ANEW, coarse__branch="negative", coarse__text="B")),
            *(RENUMBERED, "not those of the negative branch in order"),
        ),
    ],
)
def test_rows_of_another_run_are_refused_with_their_line(
    method: str, bad: Json, settings: Json, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"p\.jsonl:1: .*{said}"):
        read_as(written(tmp_path / "p.jsonl", bad), method, settings)


def test_fewer_dropped_tokens_than_the_last_one_implies_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", row(**OFFERED, foe_scores=..., dropped=[3]))
    with pytest.raises(InputError, match="1 of at least 4 visual tokens are dropped, not 3"):
        read_as(path, "sepm", {"beta": 0.999}, visual_tokens=None)


# ---- rows of one question


def test_the_same_row_in_two_files_counts_once(tmp_path: Path) -> None:
    paths = [written(tmp_path / name, row()) for name in ("a.jsonl", "b.jsonl")]
    assert read_records(paths, EMOSET) == {"awe/1.jpg": row()}


@pytest.mark.parametrize("other", [row(foe_scores=[0.2, 0.4, 0.2, 0.3]), FAILED])
def test_two_rows_of_one_question_that_differ_are_refused_with_both_places(
    other: Json, tmp_path: Path
) -> None:
    first, second = (written(tmp_path / n, r) for n, r in (("a.jsonl", row()), ("b.jsonl", other)))
    with pytest.raises(InputError, match=rf"b\.jsonl:1: .*'awe/1\.jpg'.* {first}:1"):
        read_records([first, second], EMOSET)


# ---- rows and their question file


def test_rows_about_the_questions_are_accepted(tmp_path: Path) -> None:
    tied = Question("fear/2.jpg", "fear/2.jpg", "fear", other_labels=("awe",))
    path = written(tmp_path / "p.jsonl", row(), error_record(tied, "gone"))
    assert len(read(path, AWE, tied)) == 2


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (Question("awe/2.jpg", "awe/2.jpg", "awe"), "'awe/1.jpg' is not in the question file"),
        (Question("awe/1.jpg", "2.jpg", "awe"), "image is 'awe/1.jpg', in the question file '2.jp"),
        (Question("awe/1.jpg", "awe/1.jpg", "fear"), "label is 'awe', in the question file 'fear'"),
        (
            Question("awe/1.jpg", "awe/1.jpg", "awe", other_labels=("fear",)),
            r"labels is None, in the question file \['awe', 'fear'\]",
        ),
    ],
)
def test_a_row_that_contradicts_the_question_file_is_refused(
    question: Question, said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"p\.jsonl:1: .*{said}"):
        read(written(tmp_path / "p.jsonl", row()), question)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read"):
        read(tmp_path)
