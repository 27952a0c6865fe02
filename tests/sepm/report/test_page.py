"""The report page as a file: its numbers, its bytes, what it asks for, what it escapes."""

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm import __version__
from sepm.analysis.accuracy import wilson_interval
from sepm.analysis.paired import P_AND_INTERVAL
from sepm.datasets.tasks import load_taxonomy
from sepm.records.tiled_grid import PLACES_UNKNOWN
from sepm.report import payload
from sepm.report.glossary import GLOSSARY
from sepm.report.page import report_page
from sepm.report.payload import browsable, group_payload
from sepm.report.runs import RunGroup, read_run_groups
from sepm.report.samples import spread_ids
from sepm.report.tables import Table, paired_tests, per_class, result_cells, results
from tests.sepm.hand_made import INTERNVL, ROWS, tiled

Json = dict[str, Any]

COMMAND = "sepm report 'my <results>'"
HOSTILE = "awe/</script><script>document.title='hacked'</script>\u2028.png"


class Page(HTMLParser):
    """The page's table cells by row, its addresses, and the data of its browser."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.addresses: list[str] = []
        self.titles: list[str] = []
        self.policy = ""
        self.inline: dict[str, str] = {}
        self._tag = ""
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._tag = "data" if given.get("id") == "data" else tag
        self.titles += [str(given["title"])] if "title" in given else []
        self.addresses += [str(given[k]) for k in ("src", "href") if k in given]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(given["content"])
        if tag == "tr":
            self.rows.append([])
        self._in_cell |= tag in ("th", "td")

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""
        self._in_cell &= tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1].append(data)
        if self._tag in ("style", "script", "data"):
            self.inline[self._tag] = data

    @property
    def data(self) -> Json:
        return json.loads(self.inline["data"])


@pytest.fixture(scope="module")
def html(group: RunGroup, image_folder: Path) -> str:
    return report_page([group], {"emoset": image_folder}, 10, COMMAND)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def percent(share: float) -> str:
    return f"{100 * share:.2f}"


def test_what_others_report_has_columns_of_its_own(tmp_path: Path, write_run: Any) -> None:
    for method in ("zero-shot", "sepm"):
        write_run(tmp_path, method, model="Qwen3-VL-4B-Instruct")
    (group,) = read_run_groups([tmp_path])
    table = results(group)
    at = table.header.index("others")
    assert table.header[at - 1 : at + 2] == ("95% interval", "others", "macro F1")
    assert {row[0]: row[at] for row in table.rows} == {"zero-shot": "57.06", "sepm": "63.28"}
    source = "Decoding Affective Nuances, 2026, Table 1, Qwen3-VL-4B"
    assert f"Others, {source}: n is 40; 57.06 fits n = 17716" in table.note


@pytest.mark.usefixtures("any_n_is_the_papers")
def test_results_of_the_paper_s_n_stand_beside_its_numbers(group: RunGroup) -> None:
    for run, reported in zip(group.runs, (0.5277, 0.5624), strict=True):
        line = next(row for row in results(group).rows if row[0] == run.name)
        difference = 100 * (run.summary["accuracy"] - reported)
        assert line[4:6] == [f"{100 * reported:.2f}", f"{difference:+.2f}"]


@pytest.mark.parametrize("method", ["zero-shot", "sepm"])
def test_results_have_intervals_and_of_another_n_a_note(
    page: Page, html: str, recorded: Any, method: str
) -> None:
    rows = recorded(method)
    right = sum(row["prediction"] == row["label"] for row in rows)
    low, high = map(percent, wilson_interval(right, 40) or ())
    header = next(row for row in page.rows if row[0] == "run")
    line = next(row for row in page.rows if row[0] == method)
    cells = dict(zip(header, line, strict=True))
    assert cells["n"] == "40"
    assert cells["accuracy"] == percent(right / 40)
    assert cells["95% interval"] == f"{low} to {high}"
    assert "The paper&#39;s: n is 40; every accuracy in the paper fits n = 17716." in html
    assert cells["unread"] == str(sum(row["prediction"] is None for row in rows))
    if method == "sepm":
        ambiguous = sum(row["coarse"]["confidence"] <= 0.1 for row in rows)
        assert cells["ambiguous"] == percent(ambiguous / 40)


def test_columns_that_say_nothing_are_left_out_and_what_never_happened_is_told(
    group: RunGroup,
) -> None:
    table = results(group)
    absent = {"paper", "minus paper", "others", "minus others", "errors"}
    assert result_cells(group.runs[0]).keys() - set(table.header) == absent
    assert "No run has any of these: errors." in table.note


def test_every_word_at_the_head_of_a_column_is_explained(group: RunGroup, page: Page) -> None:
    named = {"run", "class", *(run.name for run in group.runs)}
    for table in (paired_tests(group), per_class(group)):
        assert table is not None
        assert set(table.header) - named <= GLOSSARY.keys()
    assert result_cells(group.runs[0]).keys() - named <= GLOSSARY.keys()
    assert GLOSSARY["macro F1"] in page.titles


def test_a_table_can_be_had_as_csv(page: Page, recorded: Any) -> None:
    address = next(a for a in page.addresses if a.startswith("data:text/csv"))
    text = base64.b64decode(address.partition(",")[2]).decode()
    lines = {line["run"]: line for line in csv.DictReader(io.StringIO(text))}
    right = sum(row["correct"] for row in recorded("sepm"))
    low, high = map(percent, wilson_interval(right, 40) or ())
    assert lines["sepm"]["accuracy"] == percent(right / 40)
    assert lines["sepm"]["95% interval, from"] == low
    assert lines["sepm"]["95% interval, to"] == high
    assert lines["zero-shot"]["coarse"] == ""
    names = ("run", "95% interval", "setting")
    table = Table("t", names, (("a", "-0.50 to +1.25", "=SUM(A1)"), ("b", "-", "-2")))
    header, *rows = csv.reader(io.StringIO(table.csv))
    assert header == ["run", "95% interval, from", "95% interval, to", "setting"]
    assert rows == [["a", "-0.50", "1.25", "'=SUM(A1)"], ["b", "", "", "-2"]]


def test_figures_have_their_numbers_and_colours_for_the_dark(html: str) -> None:
    found = re.findall(
        r'<figure class="(\S+)"><img alt="(.*?)" src="data:\S+?base64,(\S+?)">', html
    )
    numbered = [(width, text[:6]) for width, text, _ in found if text.startswith("Fig.")]
    halves = [("half", "Fig. 4"), ("half", "Fig. 4")]  # rows of one figure beside each other
    assert numbered == [("half", "Fig. 6"), ("third", "Fig. 5"), *halves]
    assert [width for width, text, _ in found if "Difference" in text or "Conf" in text] == 3 * [
        "third"
    ]
    svg = base64.b64decode(found[0][2]).decode()
    assert "@media (prefers-color-scheme: dark)" in svg
    assert '[style*="fill: #222222"] { fill: #ECECEC !important }' in svg
    assert 'style="fill: #222222' in svg


def test_the_page_ends_with_the_version_and_the_command(html: str) -> None:
    assert f"Made by sepm {__version__}" in html
    assert "<code>sepm report &#39;my &lt;results&gt;&#39;</code>" in html


def test_how_answers_were_read_stands_below_where_not_all_were_letters(html: str) -> None:
    assert "sepm, fine: 39 bare letters, 0 read from text, 1 unread." in html
    assert "zero-shot, fine:" not in html


def test_the_paired_test_counts_gains_and_losses_and_says_how_to_read_it(
    page: Page, html: str, recorded: Any
) -> None:
    pairs = list(zip(recorded("zero-shot"), recorded("sepm"), strict=True))
    gained = sum(b["correct"] > a["correct"] for a, b in pairs)
    lost = sum(b["correct"] < a["correct"] for a, b in pairs)
    line = next(row for row in page.rows if row[0] == "sepm" and len(row) == 7)
    assert line[1:5] == ["40", str(gained), str(lost), f"{100 * (gained - lost) / 40:+.2f}"]
    assert P_AND_INTERVAL in html


def test_the_page_tells_configuration_environment_and_hashes(page: Page) -> None:
    assert ["configuration.alpha", "0.1"] in page.rows
    assert ["environment.git_commit", "abc"] in page.rows
    assert ["sha256.checkpoint", "4567"] in page.rows


def test_the_browser_s_numbers_are_those_of_the_records(page: Page, recorded: Any) -> None:
    (group,) = page.data["groups"]
    names = [name for name, *_ in group["classes"]]
    for run in group["runs"]:
        rows = {row["question_id"]: row for row in recorded(run["name"])}
        assert sorted(rows) == group["ids"]
        for index, key in enumerate(group["ids"]):
            row = rows[key]
            assert group["labels"][index] == names.index(row["label"])
            said = names.index(row["prediction"]) if row["prediction"] else -1
            assert (run["prediction"][index], run["correct"][index]) == (said, row["correct"])
            letters = [text[0] for text, _ in run["menus"][run["offered"][index]]]
            shown = dict(zip(letters, run["probs"][index], strict=True))
            assert shown == {k: round(10_000 * p) for k, p in row["fine"]["probs"].items()}
            if "coarse" in row:
                values = [row["coarse"][k] for k in ("p_a", "p_b", "confidence")]
                assert run["coarse"][index] == [round(10_000 * value) for value in values]
                branches = ["positive", "negative", "ambiguous"]
                assert branches[run["branch"][index]] == row["coarse"]["branch"]
    assert group["runs"][1]["texts"]["3"] == ["A", "a lovely day"]


def test_options_that_a_query_numbered_anew_stand_under_the_letters_that_it_shows() -> None:
    fine = {"probs": {"A": 0.2, "B": 0.6}, "classes": ["anger", "fear"]}
    menu = payload.menu({"fine": fine}, load_taxonomy("emoset"))
    assert menu == (("A. Anger", 1), ("B. Fear", 6))


def test_pictures_hold_the_image_the_dropped_tokens_and_where_the_input_lies(page: Page) -> None:
    (group,) = page.data["groups"]
    assert len(group["pictures"]) == 10
    picture = next(iter(group["pictures"].values()))
    content = base64.b64decode(picture["src"].removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(content)).size == (60, 40)
    assert picture["frame"] == [0, -0.25, 1, 1.5]  # 60 × 40, padded by 10 above and below
    assert picture["dropped"] == [[], [1, 6, 11]]  # zero-shot, SEPM
    assert group["boxes"][6] == [0.5, 0.25, 0.75, 0.5]


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("tiles", [INTERNVL, None])
def test_pictures_hold_the_tiles_of_their_own_image_or_say_that_none_are_known(
    tmp_path: Path, write_run: Any, image_folder: Path, tiles: Any
) -> None:
    for method, rows in ROWS.items():
        write_run(tmp_path, method, tiled(rows(), tiles), visual_tokens=None)
    html = report_page(read_run_groups([tmp_path]), {"emoset": image_folder}, thumbnails=3)
    (group,) = Page(html).data["groups"]
    picture = next(iter(group["pictures"].values()))
    assert picture["dropped"] == [[], [1, 6, 14]]
    assert (picture["frame"], group["boxes"]) == (None, [])
    if tiles:
        numbered = [[cover, 4 * i, *tiles[i]] for i, cover in enumerate((0, 0, 0, 1))]
        assert picture["tiles"] == [numbered, numbered]
        said = "3 of 16 tokens dropped; tiles: 2 of 12; thumbnail: 1 of 4"
    else:
        assert picture["tiles"] == [None, None]
        said = f"3 of 16 tokens dropped; {PLACES_UNKNOWN}"
    assert picture["said"] == ["", said]
    note = f"sepm: {PLACES_UNKNOWN.replace(chr(39), '&#39;')}, and no picture shows"
    assert (note in html) == (tiles is None)


def test_pictures_are_spread_over_classes_and_outcomes(group: RunGroup) -> None:
    chosen = spread_ids(group, 16)
    assert len(set(chosen)) == 16
    assert {key.split("/")[0] for key in chosen} == set(group.taxonomy.names)
    right = {key: group.runs[1].by_id[key]["correct"] for key in chosen}
    assert 0 < sum(right.values()) < 16


def test_the_same_records_give_the_same_page(html: str, runs: Path, image_folder: Path) -> None:
    again = report_page(read_run_groups([runs]), {"emoset": image_folder}, 10, COMMAND)
    assert again == html


def test_nothing_on_the_page_leads_outside_of_it(html: str, page: Page) -> None:
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert page.policy.startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"https?://(?!www\.w3\.org)", html)


def test_the_policy_allows_the_page_s_own_script_and_style_and_no_other(page: Page) -> None:
    for name in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.inline[name].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in page.policy
    assert "unsafe" not in page.policy


def test_a_hostile_question_id_stays_a_text(tmp_path: Path, write_run: Any, recorded: Any) -> None:
    rows = recorded("sepm")
    rows[0] |= {"question_id": HOSTILE}
    write_run(tmp_path, "sepm", rows, name="<b>sepm</b>")
    html = report_page(read_run_groups([tmp_path]), {}, thumbnails=0)
    assert "<script>document" not in html
    assert "\u2028" not in html
    assert "<b>sepm" not in html
    assert HOSTILE in Page(html).data["groups"][0]["ids"]


def test_rows_with_errors_and_samples_of_one_run_alone_are_told_apart(
    tmp_path: Path, write_run: Any, recorded: Any
) -> None:
    failed = recorded("sepm")
    for name in ("coarse", "fine", "dropped", "foe_scores"):
        failed[0].pop(name)
    failed[0] |= {"prediction": None, "correct": False, "status": "error", "error": "no such file"}
    write_run(tmp_path, "zero-shot", recorded("zero-shot")[:-1])
    write_run(tmp_path, "sepm", failed)
    (group,) = read_run_groups([tmp_path])
    zero_shot, sepm = group_payload(group, None, 0)["runs"]
    assert (sepm["prediction"][0], sepm["texts"][0]) == (-2, ["no such file"])
    assert zero_shot["prediction"][-1] == -3


def test_the_browser_holds_as_many_runs_as_there_is_room_for(
    group: RunGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = [replace(run, name=f"{run.name}-{i}") for i in range(3) for run in group.runs]
    group = RunGroup("emoset", "m", tuple(long))
    assert len(browsable(group)) == 6
    monkeypatch.setattr(payload, "MOST_ROWS", 100)  # two and a half runs
    assert [run.name for run in browsable(group)] == ["zero-shot-0", "sepm-0"]
