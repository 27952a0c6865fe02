from pathlib import Path
from textwrap import dedent

import pytest

from sepm.datasets.tasks import class_table, grades, load_taxonomy, task_names
from sepm.errors import InputError

MY_TASK = """
title = "Two moods"
source = "my own choice"
grade = "confirmed"

[words]
source = "not asked of anybody"
grade = "guess"

[[classes]]
name = "calm"
option_text = "Calm"
option_letter = "A"
polarity = "positive"

[[classes]]
name = "tense"
option_text = "Tense"
option_letter = "B"
polarity = "negative"
"""


def load_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "my_task.toml"
    path.write_text(text)
    load_taxonomy(str(path))


def test_the_papers_five_tasks_others_and_the_demo_are_bundled():
    papers = ["abstract", "emoset", "emotion6", "webemo25", "webemo7"]
    others = ["artphoto", "demo", "fi", "polarity", "webemo2"]
    assert task_names() == sorted([*papers, *others])


def test_the_demo_has_emoset_s_classes_under_a_name_of_its_own():
    demo, emoset = load_taxonomy("demo"), load_taxonomy("emoset")
    assert demo.classes == emoset.classes
    assert (demo.name, demo.title) == ("demo", "bundled demo scenes, EmoSet's 8 classes")


@pytest.mark.parametrize(
    ("task", "positive", "letters"),
    [
        ("emoset", "amusement awe contentment excitement", "ABCDEFGH"),
        ("abstract", "amusement awe contentment excitement", "ABCDEFGH"),
        ("artphoto", "amusement awe contentment excitement", "ABCDEFGH"),
        ("fi", "amusement awe contentment excitement", "ABCDEFGH"),
        ("polarity", "positive", "AB"),
        ("webemo2", "positive", "AB"),
        ("emotion6", "joy surprise", "ABCDEF"),
        ("webemo7", "joy love surprise", "ABCDEFG"),
        (
            "webemo25",
            "affection cheerfullness contentment enthrallment gratitude lust optimism pride relief "
            "surprise zest",
            "ABCDEFGHIJKLMNOPQRSTUVWXY",
        ),
    ],
)
def test_a_task_has_these_positive_classes_and_letters(task: str, positive: str, letters: str):
    taxonomy = load_taxonomy(task)
    assert [c.name for c in taxonomy.of_polarity("positive")] == positive.split()
    assert "".join(taxonomy.option_letters) == letters


@pytest.mark.parametrize("task", ["emoset", "abstract", "artphoto", "fi"])
def test_contentment_and_sadness_are_offered_as_content_and_sad(task: str):
    words = {c.name: c.option_text for c in load_taxonomy(task).classes}
    assert (words["contentment"], words["sadness"]) == ("Content", "Sad")


@pytest.mark.parametrize("task", task_names())
def test_classes_are_in_alphabetical_order_and_polarities_as_the_coarse_query_has_them(task: str):
    names = load_taxonomy(task).names
    two = names == ("positive", "negative")
    assert two or list(names) == sorted(names)
    assert two == (task in ("polarity", "webemo2"))


def test_fine_classes_of_webemo_lie_under_classes_of_the_same_polarity():
    middle = {c.name: c.polarity for c in load_taxonomy("webemo7").classes}
    rows = class_table("webemo25")
    assert [middle[row["parent"]] for row in rows] == [row["polarity"] for row in rows]
    assert {row["parent"] for row in rows} == set(middle)


def test_grades_are_told_for_each_choice():
    assert grades("emoset") == dict.fromkeys(("order", "words", "polarity"), "confirmed")
    assert grades("emotion6") == {"order": "inferred", "words": "guess", "polarity": "guess"}


def test_surprise_as_positive_is_marked_as_a_guess():
    surprise = next(row for row in class_table("emotion6") if row["name"] == "surprise")
    assert (surprise["polarity"], surprise["grade"]) == ("positive", "guess")


def test_a_users_own_task_is_a_file(tmp_path: Path):
    path = tmp_path / "my_task.toml"
    path.write_text(MY_TASK)
    assert load_taxonomy(str(path)).name == "my_task"
    assert load_taxonomy(str(path)).names == ("calm", "tense")
    assert grades(str(path)) == {"order": "confirmed", "words": "guess", "polarity": "confirmed"}


def test_a_single_class_of_a_polarity_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_text(tmp_path, MY_TASK)
    load_text(tmp_path, MY_TASK)
    said = capsys.readouterr().err
    assert said.count("my_task.toml: 'calm' is the only positive class") == 1
    assert said.count("my_task.toml: 'tense' is the only negative class") == 1


def test_the_task_that_the_data_readme_shows_has_two_classes_of_each_polarity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[3] / "data/README.md").read_text(encoding="utf-8")
    start = page.index('    title = "Four moods"')
    shown = page[start : page.index("\nand give it everywhere", start)]
    load_text(tmp_path, dedent(shown))
    assert capsys.readouterr().err == ""


def test_an_unknown_task_is_told_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown dataset 'emoste'; did you mean 'emoset'\?"):
        load_taxonomy("emoste")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Two moods"', "", "a taxonomy needs 'title'"),
        ('source = "my own choice"', "", "a taxonomy needs 'source'"),
        ('grade = "confirmed"', "", "a taxonomy needs 'grade'"),
        ('"confirmed"', '"sure"', "grade 'sure'; expected one of confirmed, inferred, guess"),
        ('source = "not asked of anybody"\n', "", r"\[words\] needs 'source'"),
        ('option_text = "Calm"\n', "", r"\[\[classes\]\] number 1 needs 'option_text'"),
        ('"calm"', "3", r"\[\[classes\]\] number 1 needs 'name', a string"),
        ('"calm"', '"calm/quiet"', "holds '/'"),
        ('"positive"', '"neutral"', "polarity 'neutral'; expected positive or negative"),
        ('"positive"', '"negative"', "no positive class"),
        ('letter = "B"', 'letter = "C"', "option letters must be A B"),
        ('"tense"', '"calm"', "name 'calm' stands twice"),
        ("[[classes]]", "[classes]", "a .*table|twice|overwrite"),
        ('grade = "confirmed"', "grade =", "Invalid value"),
        ('"Tense"', '"Tense"\ngrade = "guess"', r"\[\[classes\]\] number 2 needs 'source'"),
    ],
)
def test_a_wrong_taxonomy_file_is_told(tmp_path: Path, old: str, new: str, message: str):
    assert old in MY_TASK
    with pytest.raises(InputError, match=rf"my_task\.toml: .*({message})"):
        load_text(tmp_path, MY_TASK.replace(old, new))


def test_more_classes_than_letters_are_told(tmp_path: Path):
    row = '[[classes]]\nname="{0}"\noption_text="{0}"\noption_letter="A"\npolarity="positive"\n'
    head = 'title="t"\nsource="s"\ngrade="guess"\n'
    with pytest.raises(InputError, match="27 classes; there are letters for 26"):
        load_text(tmp_path, head + "".join(row.format(n) for n in range(27)))
