"""A picture of a report page's sample browser: screenshot.py REPORT.html OUTPUT.png.

Needs Chromium and its driver (Debian: chromium, chromium-driver) and the extra "dev".
"""

import io
import shutil
import sys
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

SIZE = (1280, 1120)
COLORS = 128
"""Few enough for a small file."""


def screenshot(page: Path) -> Image.Image:
    """The sample browser, showing the samples whose answer changed."""
    options = webdriver.ChromeOptions()
    for flag in ("headless", "no-sandbox", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--window-size={SIZE[0]},{SIZE[1]}")
    options.binary_location = shutil.which("chromium") or ""
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.get(page.resolve().as_uri())
        Select(driver.find_element(By.ID, "changed")).select_by_visible_text("changed")
        driver.find_element(By.ID, "samples").location_once_scrolled_into_view  # noqa: B018
        time.sleep(1)
        return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")


if __name__ == "__main__":
    if len(sys.argv) != len(("script", "REPORT.html", "OUTPUT.png")):
        sys.exit(__doc__)
    source, target = map(Path, sys.argv[1:])
    screenshot(source).quantize(COLORS).save(target, optimize=True)
