"""The live page in a real browser, on the demo: each control does what it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="gradio is not installed: the extra web")
pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from sepm.method.config import RELEASED
from sepm.models.opening import OpenedModel, start_model
from sepm.models.options import ModelOptions
from sepm.web import demo
from sepm.web.choice import Choice
from sepm.web.options import ServerOptions
from sepm.web.server import serving
from sepm.web.session import LiveImage, Session
from tests.chromium import Driver, driven, forget, needs_chromium, requests

pytestmark = needs_chromium

IMAGE = demo.FOLDER / "image" / "fear" / "fear_00000.png"
SECONDS = 15

FACTS = """
return Object.fromEntries([...document.querySelectorAll('[data-fact]')].map(
  element => [element.dataset.fact, element.textContent]));
"""
ROWS = """
return [...document.querySelectorAll('.sepm-fine tbody tr')].map(row =>
  [...row.children].map(cell => cell.textContent.trim()));
"""
PICTURES = """
return [...document.querySelectorAll('.sepm-pictures figure')].map(figure =>
  [figure.querySelector('figcaption').firstChild.textContent.trim(),
   figure.querySelector('img').naturalWidth]);
"""
STATUS = "return document.querySelector('.sepm-status')?.textContent"

Facts = dict[str, str]


@pytest.fixture(scope="module")
def opened_demo() -> OpenedModel:
    return start_model(ModelOptions(model_path=str(demo.MODEL), device="cpu"))


@pytest.fixture(scope="module")
def address(opened_demo: OpenedModel) -> Iterator[str]:
    with serving(opened_demo, ServerOptions(), Choice()) as address:
        yield address


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with driven(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def opened_page(chromium: Driver, address: str) -> Driver:
    chromium.get(address)
    return chromium


@pytest.fixture
def page(opened_page: Driver) -> Driver:
    """The page with its controls as at first, and an image dropped in."""
    drop(opened_page, IMAGE)
    return opened_page


@pytest.fixture
def controls(page: Driver, address: str) -> Iterator[Driver]:
    """The same, for a test that moves controls: the page is opened anew afterwards."""
    yield page
    page.get(address)


@pytest.fixture(scope="module")
def image(opened_demo: OpenedModel) -> LiveImage:
    return Session(opened_demo).read(IMAGE, IMAGE.name)


def drop(driver: Driver, path: Path) -> None:
    WebDriverWait(driver, SECONDS).until(lambda d: find(d, "#upload input[type=file]"))
    find(driver, "#upload input[type=file]")[0].send_keys(str(path))
    WebDriverWait(driver, SECONDS).until(lambda d: path.name in status(d))


def find(driver: Driver, selector: str) -> list[Any]:
    return driver.find_elements(By.CSS_SELECTOR, selector)


def choose(driver: Driver, control: str, value: str) -> None:
    (box,) = find(driver, f"#{control} input")
    box.click()
    option = f"ul[role=listbox] li[aria-label='{value}']"
    WebDriverWait(driver, SECONDS).until(lambda d: find(d, option))[0].click()


ENTER = """
arguments[0].value = arguments[1];
arguments[0].dispatchEvent(new Event("input", {bubbles: true}));
"""
"""Enter a whole number at once: typed digit by digit, 0.5 is 0 on the way."""


def type_number(driver: Driver, control: str, value: float) -> None:
    (box,) = find(driver, f"#{control} input[type=number]")
    driver.execute_script(ENTER, box, value)
    box.send_keys(Keys.TAB)


def slide(driver: Driver, control: str, key: str) -> None:
    find(driver, f"#{control} input[type=range]")[0].send_keys(key)


def status(driver: Driver) -> str:
    return driver.execute_script(STATUS) or ""


def expected(opened: OpenedModel, image: LiveImage, choice: Choice) -> tuple[Facts, list]:
    """What the page must show: the facts of both decisions, and the rows of the table."""
    comparison = Session(opened, demo.SETTINGS).compare(image, choice)
    decision, beside = comparison.decision.as_dict(), comparison.beside
    facts = {"answer": decision["prediction"] or "unread"}
    if beside:
        facts["beside"] = beside.as_dict()["prediction"] or "unread"
    if coarse := decision.get("coarse"):
        facts |= {"branch": coarse["branch"], "confidence": f"{coarse['confidence']:.4f}"}
    probs = [d["fine"]["probs"] for d in (decision, *([beside.as_dict()] if beside else []))]
    rows = [
        [f"{c.option_letter}. {c.option_text}"]
        + [f"{p[c.option_letter]:.4f}" if c.option_letter in p else "not offered" for p in probs]
        for c in comparison.decision.taxonomy.classes
    ]
    return facts, rows


def shown(driver: Driver) -> tuple[Facts, list]:
    facts = driver.execute_script(FACTS)
    kept = ("answer", "beside", "branch", "confidence")
    return {k: v for k, v in facts.items() if k in kept}, driver.execute_script(ROWS)


def require(driver: Driver, opened: OpenedModel, image: LiveImage, choice: Choice) -> None:
    """See that the page comes to show what a session says."""
    wanted = expected(opened, image, choice)
    try:
        WebDriverWait(driver, SECONDS).until(lambda d: shown(d) == wanted)
    except Exception:
        assert shown(driver) == wanted
        raise


def test_nothing_is_asked_of_another_machine_and_the_console_has_no_error(
    chromium: Driver, address: str
) -> None:
    page = chromium
    forget(page)
    page.get(address)
    drop(page, IMAGE)
    find(page, "#scenes img")[0].click()
    WebDriverWait(page, SECONDS).until(lambda d: "amusement_00000" in status(d))
    asked = requests(page)
    assert address in asked
    assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()
    worst = [e["message"] for e in page.get_log("browser") if e["level"] != "WARNING"]
    assert worst == []


def test_every_control_shows_at_once_what_a_session_says(
    controls: Driver, opened_demo: OpenedModel, image: LiveImage
) -> None:
    require(controls, opened_demo, image, Choice())
    type_number(controls, "alpha", 0.25)
    require(controls, opened_demo, image, Choice(alpha=0.25))
    assert "branch negative → ambiguous" in status(controls)
    type_number(controls, "beta", 0.5)
    require(controls, opened_demo, image, Choice(alpha=0.25, beta=0.5))
    assert "dropped tokens 12 → 32" in status(controls)
    slide(controls, "alpha", Keys.ARROW_LEFT)
    require(controls, opened_demo, image, Choice(alpha=0.245, beta=0.5))
    (phrase,) = find(controls, "#phrase textarea, #phrase input")
    phrase.send_keys(Keys.CONTROL, "a")
    phrase.send_keys("Feel the mood.", Keys.ENTER)
    moved = Choice(alpha=0.245, beta=0.5, phrase="Feel the mood.")
    require(controls, opened_demo, image, moved)
    choose(controls, "preset", "released")
    require(controls, opened_demo, image, Choice(preset="released"))
    assert find(controls, "#alpha input[type=range]")[0].get_attribute("max") == "0.5"
    assert find(controls, "#beta input[type=number]")[0].get_attribute("value") == "0.1"
    assert phrase.get_attribute("value") == RELEASED.phrase
    choose(controls, "task", "emotion6")
    require(controls, opened_demo, image, Choice(preset="released", task="emotion6"))


def test_methods_show_what_they_have_and_open_what_they_read(
    controls: Driver, opened_demo: OpenedModel, image: LiveImage
) -> None:
    titles = {
        "sepm": ["image", "12 of 64 tokens dropped (β = 0.2)", "FoE score of each token"],
        "cci+fp": ["image"],
        "sparsevlm": ["image"],
        "zero-shot": ["image"],
    }
    for method, pictures in titles.items():
        choose(controls, "method", method)
        require(controls, opened_demo, image, Choice(method=method))
        WebDriverWait(controls, SECONDS).until(
            lambda d: all(width > 0 for _, width in d.execute_script(PICTURES))
        )
        assert [title for title, _ in controls.execute_script(PICTURES)] == pictures
        for setting in ("alpha", "beta"):
            (slider,) = find(controls, f"#{setting} input[type=range]")
            reads = method == "sepm" or (method, setting) == ("cci+fp", "alpha")
            assert slider.is_enabled() == reads
    assert len(find(controls, ".sepm-fine th[scope=col]")) == 1


def test_a_scene_is_taken_by_a_click(page: Driver, opened_demo: OpenedModel) -> None:
    scenes = find(page, "#scenes img")
    assert [scene.get_attribute("alt") for scene in scenes] == [p.stem for p in demo.scenes()]
    scenes[-1].click()
    path = demo.scenes()[-1]
    WebDriverWait(page, SECONDS).until(lambda d: path.name in status(d))
    scene = Session(opened_demo).read(path, path.name)
    require(page, opened_demo, scene, Choice())


def test_an_unreadable_image_is_told_and_the_next_one_taken(page: Driver, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    find(page, "#upload input[type=file]")[0].send_keys(str(broken))
    WebDriverWait(page, SECONDS).until(lambda d: find(d, "[role=alert].sepm-error"))
    said = find(page, "[role=alert].sepm-error")[0].text
    assert said == "image broken.png: not an image that PIL can read (8 bytes)"
    drop(page, IMAGE)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_fits_its_window(page: Driver, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
