"""The report page in a real browser: headless Chromium, opened from a file."""

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sepm.report.page import report_page
from sepm.report.runs import read_run_groups

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.chromium import Driver, driven, forget, needs_chromium, requests
from tests.sepm.hand_made import INTERNVL, ROWS, tiled

pytestmark = needs_chromium

HOSTILE = "awe/<script>document.title='hacked'</script><img src=x onerror=document.title='x'>.png"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with driven(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def page_file(
    tmp_path_factory: pytest.TempPathFactory, write_run: Any, recorded: Any, image_folder: Path
) -> Path:
    """Zero-shot and SEPM over 40 samples, one of a hostile id, 30 of them with a picture."""
    folder = tmp_path_factory.mktemp("page")
    for method in ("zero-shot", "sepm"):
        write_run(folder, method, with_hostile_id(recorded(method)))
    path = folder / "report.html"
    groups = read_run_groups([folder])
    path.write_text(report_page(groups, {"emoset": image_folder}, 30), encoding="utf-8")
    return path


@pytest.fixture
def opened(chromium: Driver, page_file: Path) -> Driver:
    forget(chromium)
    chromium.get(page_file.as_uri())
    return chromium


@pytest.fixture
def after(recorded: Any) -> list[Json]:
    return with_hostile_id(recorded("sepm"))


@pytest.fixture
def before(recorded: Any) -> dict[str, Json]:
    return {row["question_id"]: row for row in with_hostile_id(recorded("zero-shot"))}


def with_hostile_id(rows: list[Json]) -> list[Json]:
    rows[10]["question_id"] = HOSTILE
    return rows


def choose(driver: Driver, control: str, text: str) -> None:
    Select(driver.find_element(By.ID, control)).select_by_visible_text(text)


def total(driver: Driver) -> int:
    return int(driver.find_element(By.ID, "count").text.split()[0])


ID = "const id = document.querySelector('.row .id'); return [id.textContent, id.title]"
TITLE = "return document.querySelector('#sample h3').textContent"


LISTED = """
const list = document.getElementById('list'), found = [];
const press = (key) => list.dispatchEvent(new KeyboardEvent('keydown', { key }));
press('Home');
for (let row = 0; row < arguments[0]; row++) {
  found.push(document.querySelector('#sample h3').textContent);
  press('ArrowDown');
}
return found;
"""


def listed(driver: Driver) -> list[str]:
    """The ids of all rows that pass the filters, in order, by way of their keys."""
    return driver.execute_script(LISTED, total(driver))


def test_the_page_opens_without_errors_and_asks_for_nothing(
    opened: Driver, page_file: Path
) -> None:
    opened.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    time.sleep(0.3)
    assert opened.get_log("browser") == []
    asked = requests(opened)
    assert page_file.as_uri() in asked
    assert all(url.startswith("data:") for url in asked - {page_file.as_uri()})


def test_a_hostile_id_is_shown_and_not_run(opened: Driver) -> None:
    opened.find_element(By.ID, "search").send_keys("script")
    assert total(opened) == 1
    assert opened.find_element(By.CSS_SELECTOR, "#sample h3").text == HOSTILE
    assert opened.execute_script(ID) == [HOSTILE, HOSTILE]
    assert opened.title == "SEPM report"


def test_a_script_that_gets_in_is_refused_by_the_page_s_policy(opened: Driver) -> None:
    opened.execute_script(
        "const made = document.createElement('div');"
        "made.innerHTML = '<img src=x onerror=\"document.title=1\">';"
        "document.body.append(made);"
    )
    time.sleep(0.2)
    assert opened.title == "SEPM report"
    assert any("Content Security Policy" in entry["message"] for entry in opened.get_log("browser"))


KEEP: dict[tuple[str, str], Callable[[Json, Json], bool]] = {
    ("label", "fear"): lambda now, was: now["label"] == "fear",
    ("prediction", "awe"): lambda now, was: now["prediction"] == "awe",
    ("prediction", "unread"): lambda now, was: now["prediction"] is None,
    ("branch", "ambiguous"): lambda now, was: now["coarse"]["branch"] == "ambiguous",
    ("branch", "positive"): lambda now, was: now["coarse"]["branch"] == "positive",
    ("outcome", "right"): lambda now, was: now["correct"],
    ("outcome", "wrong"): lambda now, was: not now["correct"],
    ("changed", "changed"): lambda now, was: now["prediction"] != was["prediction"],
    ("changed", "unchanged"): lambda now, was: now["prediction"] == was["prediction"],
    ("changed", "gained: now right"): lambda now, was: now["correct"] and not was["correct"],
    ("changed", "lost: now wrong"): lambda now, was: was["correct"] and not now["correct"],
}


@pytest.mark.parametrize(("control", "text"), list(KEEP))
def test_a_filter_leaves_the_rows_that_it_names(
    opened: Driver, after: list[Json], before: dict[str, Json], control: str, text: str
) -> None:
    keep = KEEP[control, text]
    expected = [r["question_id"] for r in after if keep(r, before[r["question_id"]])]
    assert expected
    assert len(expected) < 40
    choose(opened, control, text)
    assert listed(opened) == sorted(expected)


def test_filters_add_up_and_reset(opened: Driver, after: list[Json]) -> None:
    choose(opened, "label", "fear")
    choose(opened, "outcome", "wrong")
    assert total(opened) == sum(r["label"] == "fear" and not r["correct"] for r in after)
    opened.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    time.sleep(0.1)
    assert total(opened) == 40


def margin(row: Json) -> float:
    *_, second, best = sorted(row["fine"]["probs"].values())
    return best - second


@pytest.mark.parametrize(
    ("order", "value", "descending"),
    [
        ("confidence, highest first", lambda row: row["coarse"]["confidence"], True),
        ("margin, lowest first", margin, False),
    ],
)
def test_rows_are_sorted(
    opened: Driver, after: list[Json], order: str, value: Any, descending: bool
) -> None:
    choose(opened, "sort", order)
    by_id = {row["question_id"]: round(value(row), 4) for row in after}
    values = [by_id[key] for key in listed(opened)]
    assert values == sorted(values, reverse=descending)
    assert values[0] != values[-1]


def test_the_other_run_can_be_the_one_that_is_shown(opened: Driver, before: Any) -> None:
    choose(opened, "run", "zero-shot")
    choose(opened, "other", "no other run")
    choose(opened, "outcome", "right")
    assert total(opened) == sum(row["correct"] for row in before.values())


def test_only_rows_in_sight_are_on_the_page(opened: Driver) -> None:
    opened.execute_script("document.getElementById('list').scrollTop = 1e6")
    time.sleep(0.2)
    rows = opened.find_elements(By.CSS_SELECTOR, ".row")
    assert len(rows) < 40
    assert rows[-1].get_attribute("aria-posinset") == "40"


def test_the_sample_shows_the_record_s_numbers(opened: Driver, after: list[Json]) -> None:
    opened.find_element(By.ID, "search").send_keys("fear_00001")
    row = next(r for r in after if r["question_id"] == "fear/fear_00001.png")
    text = opened.find_element(By.ID, "sample").text
    assert "label: fear" in text
    assert f"{row['coarse']['branch']}, C {row['coarse']['confidence']:.4f}" in text
    for p in (row["coarse"]["p_a"], row["coarse"]["p_b"], *row["fine"]["probs"].values()):
        assert f"{p:.4f}" in text


PIXEL = """
const [x, y] = arguments;
const canvas = document.querySelector('#sample canvas');
return Array.from(canvas.getContext('2d').getImageData(
  Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data);
"""


def test_the_picture_fades_the_dropped_tokens_and_stripes_the_padding(opened: Driver) -> None:
    opened.find_element(By.ID, "search").send_keys("amusement_00000")
    time.sleep(0.3)
    # 4 × 4 tokens over the padded square; 1, 6 and 11 are dropped. The image is (0, 80, 120).
    middle = {token: ((token % 4 + 0.5) / 4, (token // 4 + 0.5) / 4) for token in range(16)}
    faded = opened.execute_script(PIXEL, *middle[6])
    kept = opened.execute_script(PIXEL, *middle[5])
    padding = opened.execute_script(PIXEL, 0.9, 0.05)
    assert kept[0] < 20
    assert abs(kept[2] - 120) < 20
    assert min(faded[:3]) > 200
    assert padding[0] == padding[1] == padding[2] > 190
    opened.find_element(By.ID, "overlay").click()
    time.sleep(0.3)
    assert opened.execute_script(PIXEL, *middle[6])[0] < 20


@pytest.mark.usefixtures("without_figures")
def test_the_picture_fades_tokens_of_tiles_and_below_it_those_of_the_thumbnail(
    chromium: Driver, tmp_path: Path, write_run: Any, image_folder: Path
) -> None:
    write_run(tmp_path, "sepm", tiled(ROWS["sepm"](), INTERNVL), visual_tokens=None)
    path = tmp_path / "report.html"
    page = report_page(read_run_groups([tmp_path]), {"emoset": image_folder}, 40)
    path.write_text(page, encoding="utf-8")
    chromium.get_log("browser")  # what came before is forgotten
    chromium.get(path.as_uri())
    chromium.find_element(By.ID, "search").send_keys("amusement_00000")
    time.sleep(0.3)
    said = "3 of 16 tokens dropped; tiles: 2 of 12; thumbnail: 1 of 4"
    assert said in chromium.find_element(By.ID, "sample").text
    assert chromium.get_log("browser") == []
    # The picture is 288 × 192, in three tiles of 2 × 2 tokens; below it 36% of it, 8 pixels away.
    # 1, 6 and 14 are dropped: above, right in the first tile; below, left in the second and fourth.
    places = {1: (72, 48), 0: (24, 48), 6: (120, 144), 7: (168, 144), 14: (26, 252), 15: (78, 252)}
    reds = {
        token: chromium.execute_script(PIXEL, x / 288, y / 269)[0]
        for token, (x, y) in places.items()
    }
    assert {token for token, red in reds.items() if red > 200} == {1, 6, 14}
    assert {token for token, red in reds.items() if red < 20} == {0, 7, 15}


CELLS = """
return [...document.querySelectorAll('#figures-1 table tbody tr')]
  .map((row) => [row.cells[0].textContent, parseFloat(row.cells[arguments[0]].textContent)]);
"""


def test_a_click_on_a_column_s_head_sorts_the_table_by_its_numbers(opened: Driver) -> None:
    before = opened.execute_script(CELLS, 4)  # the accuracy of each class in the second run
    head = opened.find_elements(By.CSS_SELECTOR, "#figures-1 thead th")[4]
    for order in ("ascending", "descending"):
        head.find_element(By.TAG_NAME, "button").click()
        assert head.get_attribute("aria-sort") == order
        values = [value for _, value in opened.execute_script(CELLS, 4)]
        assert values == sorted(values, reverse=order == "descending")
    assert values[0] > values[-1]
    head.find_element(By.TAG_NAME, "button").click()
    assert opened.execute_script(CELLS, 4) == before


def test_a_click_enlarges_a_figure_and_a_key_closes_it(opened: Driver) -> None:
    figure = opened.find_element(By.CSS_SELECTOR, "figure.third")
    width, caption = figure.size["width"], figure.find_element(By.TAG_NAME, "figcaption").text
    figure.find_element(By.TAG_NAME, "button").click()
    dialog = opened.find_element(By.ID, "enlarged")
    assert dialog.find_element(By.TAG_NAME, "img").size["width"] > 1.5 * width
    assert dialog.find_element(By.TAG_NAME, "p").text == caption
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()


def test_a_table_is_saved_as_csv(opened: Driver, tmp_path: Path) -> None:
    folder = {"behavior": "allow", "downloadPath": str(tmp_path)}
    opened.execute_cdp_cmd("Browser.setDownloadBehavior", folder)
    opened.find_element(By.CSS_SELECTOR, "#figures-1 a.csv").click()
    path = tmp_path / "classes.csv"
    WebDriverWait(opened, 5).until(lambda _: path.exists() and path.stat().st_size)
    header, first = path.read_text().splitlines()[:2]
    assert header == "class,polarity,n,zero-shot,sepm,points,gained,lost,p"
    assert first.startswith("amusement,positive,5,40.00,")


def test_the_address_keeps_the_filter_and_the_sample(opened: Driver, page_file: Path) -> None:
    choose(opened, "label", "fear")
    choose(opened, "sort", "confidence, highest first")
    shown = listed(opened)
    opened.find_element(By.ID, "list").send_keys(Keys.HOME, Keys.ARROW_DOWN)
    address = opened.find_element(By.CSS_SELECTOR, "#sample a").get_attribute("href")
    assert address.startswith(f"{page_file.as_uri()}#label=fear&sort=confidence-down&sample=")
    WebDriverWait(opened, 5).until(lambda driver: driver.current_url == address)
    opened.get("about:blank")
    opened.get(address)
    assert opened.execute_script(TITLE) == shown[1]
    assert opened.find_element(By.ID, "list").is_displayed()
    assert opened.execute_script("return scrollY") > 500  # the page opens at the samples
    assert listed(opened) == shown
    opened.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    WebDriverWait(opened, 5).until(lambda driver: driver.current_url.endswith("#samples"))
    assert total(opened) == 40


def test_an_address_of_a_single_sample_in_another_run_opens_it(
    opened: Driver, page_file: Path
) -> None:
    sample = "fear/fear_00003.png"
    opened.execute_script(
        "location.hash = arguments[0]", f"run=zero-shot&other=none&sample={sample}"
    )
    WebDriverWait(opened, 5).until(lambda driver: driver.execute_script(TITLE) == sample)
    assert opened.find_element(By.ID, "count").text == "40 of 40 samples of zero-shot"
    assert len(opened.find_elements(By.CSS_SELECTOR, "#sample .decisions section")) == 1


def test_the_samples_are_one_click_away_wherever_one_reads(opened: Driver) -> None:
    opened.execute_script("scrollTo(0, 1500)")
    opened.find_element(By.LINK_TEXT, "Samples").click()
    top = "return document.getElementById('samples').getBoundingClientRect().top"
    assert 0 <= opened.execute_script(top) < 200


DARK = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}


def test_figures_are_dark_where_the_page_is(opened: Driver) -> None:
    def lightness() -> Any:
        opened.execute_script("document.querySelector('figure').scrollIntoView()")
        figure = opened.find_element(By.CSS_SELECTOR, "figure img")
        with Image.open(io.BytesIO(figure.screenshot_as_png)) as picture:
            return picture.convert("L").getpixel((3, 3))

    assert lightness() > 240
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", DARK)
    try:
        assert lightness() < 60
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_on_a_narrow_screen_tables_scroll_and_say_so_the_page_does_not_and_ids_keep_their_end(
    opened: Driver,
) -> None:
    hint = "return getComputedStyle(document.querySelector('.scroll'), '::before').content"
    assert opened.execute_script(hint) == "none"
    opened.set_window_size(500, 900)
    try:
        WebDriverWait(opened, 5).until(lambda d: "scrolls sideways" in d.execute_script(hint))
        widths = "return [document.documentElement.scrollWidth, window.innerWidth]"
        width, inner = opened.execute_script(widths)
        assert width <= inner
        parts = opened.find_elements(By.CSS_SELECTOR, ".row .id b")[:2]
        assert [part.text for part in parts] == ["amusement/amusement", "_00000.png"]
        assert parts[1].size["width"] == pytest.approx(
            opened.execute_script("return arguments[0].scrollWidth", parts[1]), abs=1
        )
    finally:
        opened.set_window_size(1280, 900)
