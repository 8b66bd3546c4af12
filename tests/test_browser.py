"""A learner's session in a real browser: JupyterLab, two notebooks run by the menu, a slider moved, pictures looked at.

Screenshots are left in runs/browser/.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from plremix_core.lessons.lesson import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SHOTS = ROOT / "runs" / "browser"
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
QUIET += "--disable-component-update --disable-sync".split()
NOTEBOOKS = ("00_start_here", "01_networks_memorise_wrong_labels")
MINUTES = 4 * 60_000  # milliseconds that a notebook may take on a busy machine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt install chromium)"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab over copies of the notebooks without outputs, sliders switched on."""
    folder, settings = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("settings")
    for name in NOTEBOOKS:
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                cell.source = re.sub(r"^interactive\b(.*)= False", r"interactive\1= True", cell.source, flags=re.M)
        nbformat.write(notebook, folder / f"{name}.ipynb")
    tracker = settings / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text('{"windowingMode": "none"}')  # cells out of sight are drawn too, so that they can be asked
    log = folder / "server.log"
    command = "--no-browser --allow-root --ServerApp.ip=127.0.0.1 --ServerApp.port=0 --IdentityProvider.token=test"
    news = "--LabApp.news_url="  # no connection to the outside
    environment = os.environ | {"JUPYTERLAB_SETTINGS_DIR": str(settings), "PYTHONPATH": str(ROOT)}
    with open(log, "w") as stream:
        arguments = [*command.split(), news, f"--ServerApp.root_dir={folder}"]
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *arguments],
            stdout=stream, stderr=stream, env=environment, start_new_session=True,
        )  # fmt: skip
    try:
        yield _address(log, server)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def _address(log: Path, server: subprocess.Popen) -> str:
    for _ in range(240):
        found = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())
        if found:
            return found.group(0)
        assert server.poll() is None, log.read_text()[-2000:]
        time.sleep(0.5)
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture
def page(lab):
    SHOTS.mkdir(parents=True, exist_ok=True)
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra test)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def run_all(page, lab, name):
    """Open a notebook, run all its cells by the menu, wait for its footer."""
    page.add_locator_handler(page.locator(".jp-Dialog .jp-mod-accept"), lambda button: button.click())
    page.goto(f"{lab}lab/tree/{name}.ipynb?token=test&reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector("text=/Python 3 .ipykernel. [|] Idle/", timeout=120_000)
    page.screenshot(path=SHOTS / f"{name}_opened.png")
    page.locator(".lm-MenuBar-item", has_text="Run").first.click()
    page.locator(".lm-Menu-item[data-command='runmenu:run-all']").click()
    try:
        page.wait_for_selector("text=/\\d+ of \\d+ claims hold/", timeout=MINUTES)
    finally:
        page.screenshot(path=SHOTS / f"{name}_end.png")


def check_outputs(page, name):
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    held, of = re.search(r"(\d+) of (\d+) claims hold", page.locator(".jp-Notebook").inner_text()).groups()
    assert held == of and int(of) > 0
    pictures = page.locator(".jp-OutputArea-output img")
    assert pictures.count() >= 2
    for number in range(pictures.count()):
        assert pictures.nth(number).evaluate("image => image.naturalWidth") > 200
    pictures.first.scroll_into_view_if_needed()
    page.screenshot(path=SHOTS / f"{name}_first_picture.png")


def test_the_first_notebook_runs_through_the_interface(page, lab):
    run_all(page, lab, NOTEBOOKS[0])
    check_outputs(page, NOTEBOOKS[0])


def test_a_slider_changes_the_picture(page, lab):
    run_all(page, lab, NOTEBOOKS[1])
    check_outputs(page, NOTEBOOKS[1])
    slider = page.locator(".widget-slider .noUi-base").first
    slider.scroll_into_view_if_needed()
    picture = page.locator(".widget-output img, .jupyter-widgets-output-area img").first
    picture.wait_for()
    before = picture.get_attribute("src")
    page.screenshot(path=SHOTS / f"{NOTEBOOKS[1]}_slider_before.png")
    place = slider.bounding_box()
    page.mouse.click(place["x"] + place["width"] - 1, place["y"] + place["height"] / 2)
    for _ in range(120):
        if picture.count() and picture.get_attribute("src") != before:
            break
        page.wait_for_timeout(500)
    assert picture.get_attribute("src") != before
    page.screenshot(path=SHOTS / f"{NOTEBOOKS[1]}_slider_after.png")
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
