"""The built book in a browser, over HTTP and from the file system, with the network blocked: `pytest -m pages`."""

import re
from pathlib import Path

import pytest
from helpers import serving

from thesis_lib import pretrained
from thesis_lib.reporting.book import find_chromium, print_pdf

HTML = Path(__file__).parents[2] / "_build" / "html"
ASSETS = HTML.parents[1] / "assets"
CHROMIUM = find_chromium()
MAX_PAGE_BYTES = 1_500_000  # without its audio
PHONE_WIDTH = 390  # pixels
FIGURE_TEXT = 15  # pixels, height of a figure's text at the figure's own width (reporting.look: 10 pt at 110 dpi)
DIAGRAM_TEXT = 11  # pixels, of the smallest text in assets/pipeline.svg at its own width
MIN_TEXT = 9  # pixels, of a figure's text on a phone
NAMES = [
    f"{folder.name}/{path.stem}.html"
    for folder in (HTML / "book", HTML / "paper", HTML / "notebooks")
    for path in sorted(folder.glob("*.html"))
]

pytestmark = [
    pytest.mark.pages,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.skipif(not NAMES, reason=f"no book in {HTML}: `make book` first"),
    pytest.mark.weights("axe-core"),
]


@pytest.fixture(scope="module")
def site():
    with serving(HTML) as address:
        yield address


@pytest.fixture
def opened(browser):
    """A function that opens an address; returns the page, its errors and its requests to the network."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = {"errors": [], "outside": []}

    def guard(route):
        address = route.request.url
        if address.startswith(("http://127.0.0.1", "file://", "data:", "blob:")):
            route.continue_()
        else:
            found["outside"].append(address)
            route.abort()

    def open_(address, width=1280):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.route("**/*", guard)
        page.on("console", lambda m: found["errors"].append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: found["errors"].append(str(e)))
        page.goto(address, wait_until="load")
        page.wait_for_function("() => !window.MathJax || !MathJax.startup || MathJax.startup.promise.then(() => true)")
        return page, found

    yield open_
    context.close()


def test_every_page_of_the_contents_is_there():
    assert len([name for name in NAMES if name.startswith("notebooks")]) == 8
    assert {"book/index.html", "book/introduction.html", "book/limitations.html", "book/api.html"} <= set(NAMES)
    assert {f"book/{name}.html" for name in ("evaluation", "results", "tutorials", "deployment")} <= set(NAMES)
    assert "paper/paper.html" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_without_a_network(opened, site, name):
    for root in (site, HTML.as_uri()):
        page, found = opened(f"{root}/{name}")
        assert found == {"errors": [], "outside": []}, root
        formulas = page.locator(".math").count()
        assert page.locator(".math mjx-container svg").count() >= formulas
        page.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_audio_player_plays(opened, site, name):
    page, _ = opened(f"{site}/{name}")
    silent = page.evaluate(
        """async () => {
            const failed = [];
            for (const audio of document.querySelectorAll("audio")) {
                audio.muted = true;
                try {
                    await audio.play();
                    await new Promise(done => { audio.ontimeupdate = () => audio.currentTime > 0 && done();
                                                setTimeout(done, 5000); });
                } catch (error) { failed.push(audio.currentSrc + ": " + error); continue; }
                if (!(audio.currentTime > 0)) failed.push(audio.currentSrc + ": does not advance");
                audio.pause();
            }
            return failed;
        }"""
    )
    assert silent == []


def test_sounds_are_compared_by_keyboard(opened):
    # From the file system: Python's web server has no range requests, which seeking needs.
    page, _ = opened(f"{HTML.as_uri()}/notebooks/07_voice_cloning.html")
    page.evaluate("() => document.querySelectorAll('audio').forEach(audio => { audio.muted = true })")
    row = page.locator("table.players tbody tr").filter(has=page.locator("audio")).first
    playing = "audio => !audio.paused && audio.currentTime"
    first, second = row.locator("audio").nth(0), row.locator("audio").nth(1)
    row.focus()
    page.keyboard.press("1")
    page.wait_for_function("audio => audio.currentTime > 0.5", arg=first.element_handle())
    page.keyboard.press("2")
    page.wait_for_function(playing, arg=second.element_handle())
    assert second.evaluate("audio => audio.currentTime") >= 0.5  # from where the other one was
    assert first.evaluate("audio => audio.paused")
    page.keyboard.press("Space")
    assert second.evaluate("audio => audio.paused")
    page.keyboard.press("Space")
    page.wait_for_function(playing, arg=second.element_handle())
    page.keyboard.press("ArrowDown")
    assert page.evaluate("() => document.activeElement.rowIndex") == row.evaluate("row => row.rowIndex") + 1


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_accessible(opened, site, name):
    """No serious violation in axe-core; one first heading; alternative text for every image; fits a phone."""
    page, _ = opened(f"{site}/{name}")
    page.add_script_tag(path=pretrained.fetch("axe-core") / "axe.min.js")
    found = page.evaluate("() => axe.run('main', {resultTypes: ['violations']}).then(result => result.violations)")
    serious = [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.locator("main h1:visible").count() == 1
    assert page.locator("main img:not([alt]), main img[alt='']").count() == 0
    phone, _ = opened(f"{site}/{name}", width=PHONE_WIDTH)
    assert phone.evaluate("() => document.documentElement.scrollWidth") <= PHONE_WIDTH


# Width, own width, box and caption of each image, after its box was scrolled to the end.
FIGURES = """() => [...document.querySelectorAll("main img")].map((image) => {
    const box = image.parentElement, caption = box.querySelector("figcaption") || box;
    const before = caption.getBoundingClientRect().left;
    box.scrollLeft = box.scrollWidth;
    return {name: image.src.split("/").pop(), shown: image.getBoundingClientRect().width, own: image.naturalWidth,
            right: image.getBoundingClientRect().right - box.getBoundingClientRect().right,
            moved: caption.getBoundingClientRect().left - before};
})"""

# Formulas that are wider than the block they stand in.
WIDE_FORMULAS = """() => [...document.querySelectorAll("main mjx-container")].filter((formula) => {
    let around = formula.parentElement;
    while (getComputedStyle(around).display.startsWith("inline")) around = around.parentElement;
    return formula.querySelector("svg").getBoundingClientRect().width > around.clientWidth + 1;
}).map((formula) => formula.innerText.replace(/\\s+/g, " "))"""


@pytest.mark.parametrize("name", NAMES)
def test_figures_and_formulas_can_be_read_on_a_phone(opened, site, name):
    """Wide figures scroll in their own box, above a caption that stays; formulas fit."""
    page, _ = opened(f"{site}/{name}", width=PHONE_WIDTH)
    for figure in page.evaluate(FIGURES):
        text = FIGURE_TEXT / figure["own"]
        if figure["name"].endswith(".svg"):  # its own width is not known to the browser
            text = DIAGRAM_TEXT / float(re.search(r'viewBox="\S+ \S+ (\S+)', (ASSETS / figure["name"]).read_text())[1])
        assert figure["shown"] * text >= MIN_TEXT, figure
        assert figure["right"] <= 1, figure
        assert abs(figure["moved"]) <= 1, figure
    assert page.evaluate(WIDE_FORMULAS) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_readable_in_the_dark_theme(opened, site, name):
    page, _ = opened(f"{site}/{name}")
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    page.add_script_tag(path=pretrained.fetch("axe-core") / "axe.min.js")
    found = page.evaluate("() => axe.run('main', {runOnly: ['color-contrast']}).then(result => result.violations)")
    assert [node["html"][:200] for violation in found for node in violation["nodes"]] == []


def test_the_first_page_has_all_sounds_and_chapters_have_numbers(opened):
    page, _ = opened((HTML / "book" / "index.html").as_uri())
    assert page.locator("main table.players audio").count() == len(list(ASSETS.glob("*.mp3")))
    first = ("book/introduction", "book/background", "book/method", "book/data_card", "book/evaluation")
    for number, name in enumerate(first, 1):
        chapter, _ = opened((HTML / f"{name}.html").as_uri())
        assert chapter.locator("main h1 .section-number").inner_text().strip() == f"{number}."


# Tables that are wider than what they scroll in, and in which a first cell leaves it, or none scrolls.
MOVED = """(least) => [...document.querySelectorAll("main table")].map((table) => {
    if (least) for (const row of table.rows) row.cells[row.cells.length - 1].style.minWidth = least;
    let around = table.parentElement;
    while (around && !["auto", "scroll"].includes(getComputedStyle(around).overflowX)) around = around.parentElement;
    if (!around || table.getBoundingClientRect().width <= around.clientWidth + 2) return null;
    around.scrollLeft = around.scrollWidth;
    const left = around.getBoundingClientRect().left;
    const first = [...table.rows].map((row) => row.cells[0])
        .filter((cell) => !cell.matches(".row_heading:not(.level0)") && cell.checkVisibility());
    const moved = first.filter((cell) => Math.abs(cell.getBoundingClientRect().left - left) > 8);
    return {scrolls: around.scrollLeft > 0, moved: moved.map((cell) => cell.innerText.slice(0, 30))};
}).filter((found) => found)"""


# The beginnings of the tables that are wider than what they scroll in.
CUT = """() => [...document.querySelectorAll("table")].filter((table) => {
    let around = table.parentElement;
    while (around && !["auto", "scroll"].includes(getComputedStyle(around).overflowX)) around = around.parentElement;
    return around && around.scrollWidth > around.clientWidth + 2;
}).map((table) => table.innerText.slice(0, 40))"""


@pytest.mark.parametrize("least", ["", "3000px"], ids=["as it is", "widened"])
@pytest.mark.parametrize("name", NAMES)
def test_the_first_column_of_a_wide_table_stays_in_view(opened, site, name, least):
    page, _ = opened(f"{site}/{name}")
    tables = page.locator("main table:visible").count()
    found = page.evaluate(MOVED, least)
    assert not least or len(found) >= tables
    assert [table for table in found if table["moved"] or not table["scrolls"]] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_table_is_cut_on_a_screen_of_1280_pixels(opened, site, name):
    page, _ = opened(f"{site}/{name}")
    assert page.evaluate(CUT) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_below_the_size_limit(name):
    assert (HTML / name).stat().st_size <= MAX_PAGE_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_no_table_is_cut_on_paper(opened, name):
    page, _ = opened((HTML / name).as_uri(), width=640)  # what is left of an A4 page between its margins
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []


def test_the_book_can_be_printed(monkeypatch):
    monkeypatch.chdir(HTML.parents[1])
    printed = print_pdf().read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) > len(NAMES)
    assert b"/Outlines" in printed
