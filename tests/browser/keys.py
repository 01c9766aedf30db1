"""API keys from their creation over rotation to revocation, each step tried on the API; and what the audit
log keeps of it, exported and verified by the program itself."""

import os
import subprocess
import tempfile

import requests
from playwright.sync_api import expect

from common import DEADLINE, browsing, poll

HERE = "/app/brightsmile"
OWNER = "owner@freehold.example"
AGENT = "agent@freehold.example"


def enter(window, email, accounts):
    answer = window.context.request.post(
        f"{window.base}/v1/auth/sign-in", data={"email": email, "password": accounts[email]}
    )
    assert answer.ok, answer.status


def tried(window, key):
    """What the API answers to a key."""
    headers = {"Authorization": f"Bearer {key}"}
    return requests.get(f"{window.base}/v1/conversations", headers=headers, timeout=DEADLINE).status_code


def shown_key(window):
    window.says("Copy this API key now")
    return window.page.locator(".secret-value").inner_text()


def prefix(window):
    window.open(f"{HERE}/api-keys/prefix")
    window.look()
    window.page.locator('[name="prefix"]').evaluate("field => field.removeAttribute('pattern')")
    window.fill(prefix="No")
    window.press("Save the prefix")
    expect(window.page.locator(".error").first).to_be_visible()
    window.fill(prefix="smile")
    window.press("Save the prefix")
    window.at(f"{HERE}/api-keys")
    window.says("New keys begin with smile_ from now on.")


def create(window):
    window.open(f"{HERE}/api-keys")
    window.look()
    window.page.get_by_role("link", name="New API key").first.click()
    window.at(f"{HERE}/api-keys/new")
    window.look()
    # Without permissions there is no key; what was typed stays.
    window.fill(name="Booking site")
    window.press("Create the key")
    expect(window.page.locator(".error").first).to_be_visible()
    expect(window.page.locator('[name="name"]')).to_have_value("Booking site")
    window.page.locator('[name="role"]').select_option("developer")
    window.page.locator('[name="mode"][value="live"]').check()
    window.press("Create the key")
    key = shown_key(window)
    window.look()
    assert key.startswith("smile_live_"), "the tenant's prefix"
    assert tried(window, key) == 200
    window.page.get_by_role("link", name="Done").click()
    window.says("Requests per day")
    window.look()
    assert key not in window.page.content(), "shown once"
    return key


def rotate(window, old):
    window.page.get_by_role("link", name="Rotate").first.click()
    window.says("The old secret")
    window.look()
    window.press("Rotate the key")
    key = shown_key(window)
    assert key != old
    assert (tried(window, old), tried(window, key)) == (200, 200), "the grace period"
    window.page.get_by_role("link", name="Done").click()
    window.page.get_by_role("link", name="Rotate").first.click()
    window.page.locator('[name="grace_seconds"][value="0"]').check()
    window.press("Rotate the key")
    last = shown_key(window)
    assert [tried(window, each) for each in (old, key, last)] == [401, 401, 200]
    window.page.get_by_role("link", name="Done").click()
    return last


def revoke(window, key):
    window.page.get_by_role("link", name="Revoke").first.click()
    window.says("Revoke the key Booking site?")
    window.look()
    window.press("Revoke the key")
    window.at(f"{HERE}/api-keys")
    window.says("Revoked")
    assert tried(window, key) == 401


def audit(window):
    window.open(f"{HERE}/audit")
    window.look()
    window.fill(q="api_key.rotated")
    window.page.keyboard.press("Enter")
    expect(window.page.locator("tbody tr")).to_have_count(2)
    window.page.locator("tbody a").first.click()
    window.says("In the chain")
    window.look()
    window.open(f"{HERE}/audit?q=nothing.like_this")
    window.says("Nothing matches")
    window.look()


def verify(window):
    answer = window.context.request.get(f"{window.base}{HERE}/audit/export")
    assert answer.ok and b"api_key.revoked" in answer.body()
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "audit.jsonl")

        def verdict(lines):
            with open(log, "wb") as file:
                file.writelines(lines)
            command = [os.environ["FREEHOLD"], "audit", "verify", log]
            return subprocess.run(command, capture_output=True, timeout=DEADLINE, check=False)

        lines = answer.body().splitlines(keepends=True)
        good = verdict(lines)
        assert good.returncode == 0, good.stderr.decode()
        assert verdict(lines[:1] + lines[2:]).returncode == 1, "an entry is missing"

    def checkpoint():
        window.open(f"{HERE}/audit/checkpoints")
        return window.page.get_by_text("Signed note").count()

    poll("a checkpoint", checkpoint)
    window.look()


def agent(window):
    """Whose role sees neither."""
    for page in ("api-keys", "audit"):
        window.open(f"{HERE}/{page}")
        window.says("Your role does not allow this")
    window.look()


def run(base, mailbox, accounts):
    with browsing(base) as browser:
        window = browser()
        enter(window, OWNER, accounts)
        prefix(window)
        key = rotate(window, create(window))
        revoke(window, key)
        audit(window)
        verify(window)
        window = browser()
        enter(window, AGENT, accounts)
        agent(window)
