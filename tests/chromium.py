"""Headless Chromium for tests of pages, and what it logged."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--window-size=1280,900"),
)

needs_chromium = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="no chromium and chromedriver (Debian: apt-get install chromium chromium-driver)",
)

Driver = Any


@contextmanager
def driven(profile: Path) -> Iterator[Driver]:
    """Chromium with a profile of its own, its console and its requests logged."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        driver.get("about:blank")
        forget(driver)
        yield driver
    finally:
        driver.quit()


def forget(driver: Driver) -> None:
    """Forget what was logged so far."""
    driver.get_log("performance")
    driver.get_log("browser")


def requests(driver: Driver) -> set[str]:
    """Addresses that were asked for since the log was last read."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
