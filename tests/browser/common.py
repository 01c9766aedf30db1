"""What the browser scripts share: a watched browser, mail, signing in, and what every page is held to."""

import contextlib
import os
import re
import time

import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

DEADLINE = 20  # seconds for anything that is waited for
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}


def poll(what, look):
    """Looks until there is something, or the deadline has passed."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} does not come")


class Mailbox:
    """The letters that the server has sent, by the sandbox's mail server."""

    def __init__(self, url):
        self.url = url

    def letters(self, to):
        answer = requests.get(self.url, timeout=DEADLINE)
        answer.raise_for_status()
        return [letter for letter in answer.json()["data"] if to in letter["to"]]

    def link(self, to, subject, number=1):
        """The link in the letter to somebody with this subject: the first, or a later one."""

        def look():
            found = [letter for letter in self.letters(to) if letter["subject"] == subject]
            return found[number - 1 :][:1]

        (letter,) = poll(f"the letter “{subject}” to {to}", look)
        return re.search(r"https?://\S+", letter["text"]).group(0)


class Watch:
    """A browser window of its own whose faults are collected."""

    def __init__(self, browser, base):
        self.base = base
        self.faults = []
        self.context = browser.new_context(viewport=WIDE, color_scheme="light")
        self.context.set_default_timeout(DEADLINE * 1000)
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("response", self._response)

    def _console(self, message):
        # Of answers, `_response` judges: a refused form is drawn again under a 4xx.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"console: {message.text}")

    def _response(self, response):
        kind, status = response.request.resource_type, response.status
        is_page = kind in ("document", "fetch")
        if status >= 500 or (status >= 400 and not is_page):
            self.faults.append(f"{status}: {response.request.method} {response.url}")

    def open(self, path):
        self.page.goto(self.base + path)

    def at(self, path):
        """Waits until the page at a path is shown."""
        self.page.wait_for_url(lambda url: url.removeprefix(self.base).split("?")[0] == path)

    def look(self):
        """Holds the page that is shown to what every page is held to: no serious finding of axe's in
        light and dark, and nothing wider than a telephone."""
        page = self.page
        path = page.url.removeprefix(self.base).split("?")[0]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for found in Axe().run(page).response["violations"]:
                if found["impact"] in ("serious", "critical"):
                    where = [node["html"][:200] for node in found["nodes"]]
                    self.faults.append(f"axe on {path} in {scheme}: {found['id']}: {where}")
        page.set_viewport_size(NARROW)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > NARROW["width"]:
            self.faults.append(f"{path} is {wide} px wide on a window of {NARROW['width']} px")
        folder = os.environ.get("BROWSER_SHOTS")
        name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "root"
        if folder:
            page.screenshot(path=f"{folder}/{name}-390-dark.png", full_page=True)
        page.set_viewport_size(WIDE)
        page.emulate_media(color_scheme="light")
        if folder:
            page.screenshot(path=f"{folder}/{name}-1440-light.png", full_page=True)

    def fill(self, **fields):
        for name, value in fields.items():
            self.page.locator(f'[name="{name}"]:visible').first.fill(value)

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def says(self, text):
        expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible()

    def sign_in(self, email, password):
        """As far as the password goes."""
        self.open("/sign-in")
        self.fill(email=email, password=password)
        self.press("Sign in")

    def sign_out(self):
        self.open("/account")
        self.page.locator('form[action="/sign-out"]').first.evaluate("form => form.requestSubmit()")
        self.at("/sign-in")


@contextlib.contextmanager
def browsing(base):
    """Gives a function that opens watched windows; in the end no window may have a fault."""
    windows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"],
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )

        def window():
            windows.append(Watch(browser, base))
            return windows[-1]

        try:
            yield window
        finally:
            browser.close()
    faults = [fault for watch in windows for fault in watch.faults]
    assert not faults, "\n".join(faults)
