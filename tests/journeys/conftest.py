"""A served library of twenty pieces, and a browser, once for all tests of the page."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.journeys.pages import CHROMIUM, FLAGS, served, write_music, wrongs


@pytest.fixture(scope="session")
def music_library(tmp_path_factory, tiny_weights):
    """(folder of 21 files, library built from it)."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is not installed; under CI=true a skipped browser test is a failure")
        pytest.skip("chromium is not installed")
    from mmbert_indexer.build import build_library

    from mmbert.embed import Embedder

    here = tmp_path_factory.mktemp("page")
    write_music(here / "music")
    build_library(here / "library", [here / "music"], Embedder.from_pretrained(tiny_weights))
    os.environ["GRADIO_TEMP_DIR"] = str(here / "uploads")
    return here / "music", here / "library"


@pytest.fixture(scope="session")
def url(music_library, tiny_weights) -> Iterator[str]:
    """A served library of 20 pieces and one refused file."""
    with served(music_library[1], tiny_weights) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser):
    """One browser profile: Gradio's scripts are fetched once and come from its cache from then on."""
    return browser.new_context(viewport={"width": 1280, "height": 1000})


@pytest.fixture
def page(context, url) -> Iterator:
    """An open page; the test fails on any outside request, dialog, page error or console error."""
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong = wrongs(page, url)
    page.goto(url)
    page.wait_for_selector(".mm-example-words")
    yield page
    page.close()
    assert wrong == []
