"""The page of two runs over as many samples as EmoSet has: its size, and how soon it opens."""

import time
from pathlib import Path
from typing import Any

import pytest

from sepm.report.page import report_page
from sepm.report.runs import read_run_groups
from tests.chromium import driven, needs_chromium

N = 17_716
LAST_ROW = "return [...document.querySelectorAll('.row')].at(-1).getAttribute('aria-posinset')"


@pytest.fixture(scope="module")
def page_file(
    tmp_path_factory: pytest.TempPathFactory, write_run: Any, recorded: Any, image_folder: Path
) -> Path:
    folder = tmp_path_factory.mktemp("emoset")
    for method in ("zero-shot", "sepm"):
        rows = recorded(method)
        many = [rows[i % 40] for i in range(N)]
        many = [{**r, "question_id": f"{i}-{r['question_id']}"} for i, r in enumerate(many)]
        write_run(folder, method, many)
    groups = read_run_groups([folder])
    assert [len(run.records) for run in groups[0].runs] == [N, N]
    path = folder / "report.html"
    page = report_page(groups, {"emoset": image_folder}, thumbnails=160)
    path.write_text(page, encoding="utf-8")
    return path


def test_it_stays_under_25_megabytes(page_file: Path) -> None:
    assert page_file.stat().st_size < 25_000_000


@needs_chromium
def test_it_opens_in_three_seconds_and_is_sorted_and_scrolled(
    page_file: Path, tmp_path: Path
) -> None:
    pytest.importorskip("selenium", reason="selenium is not installed")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select, WebDriverWait

    with driven(tmp_path / "profile") as chromium:
        started = time.perf_counter()
        chromium.get(page_file.as_uri())
        assert chromium.find_element(By.ID, "count").text.startswith(f"{N} of {N} samples")
        assert time.perf_counter() - started < 3
        order = Select(chromium.find_element(By.ID, "sort"))
        order.select_by_visible_text("confidence, highest first")
        chromium.find_element(By.ID, "list").send_keys(Keys.END)
        # In one script, since the rows in sight are made anew while the list scrolls.
        last = str(N)
        WebDriverWait(chromium, 5).until(lambda page: page.execute_script(LAST_ROW) == last)
