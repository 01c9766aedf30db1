"""Accounts of Slack, Linear, GitHub and Google connected by consent in the console: allowed and declined,
replayed, too late, in two tabs, twice, again, by a link, and disconnected."""

import requests
from playwright.sync_api import expect

from common import DEADLINE, browsing

HERE = "/app/brightsmile"
OWNER = "owner@freehold.example"
PROVIDERS = {
    "slack": ("Slack", "Bright Smile", "Ironworks"),
    "linear": ("Linear", "Bright Smile", "Ironworks"),
    "github": ("GitHub", "brightsmile", "ironworks"),
    "google_calendar": ("Google Calendar", "desk@brightsmile.example", "front@ironworks.example"),
}


def enter(window, accounts):
    answer = window.context.request.post(
        f"{window.base}/v1/auth/sign-in", data={"email": OWNER, "password": accounts[OWNER]}
    )
    assert answer.ok, answer.status


def to_provider(window, provider, page=None):
    """From the page of what is asked for to the provider's."""
    page = page or window.page
    name = PROVIDERS[provider][0]
    page.goto(f"{window.base}{HERE}/connections/{provider}")
    page.get_by_role("button", name=f"Continue to {name}").click()
    expect(page.get_by_role("heading", name=f"Simulated {provider}")).to_be_visible()
    return page


def decide(page, account, decision):
    if account:
        page.get_by_label(account, exact=True).check()
    page.get_by_role("button", name=decision, exact=True).click()


def connected(window, page, name):
    expect(page.get_by_text(f"{name} is connected.").locator("visible=true").first).to_be_visible()
    return page.url


def each(window, sandbox):
    for provider, (name, first, second) in PROVIDERS.items():
        window.open(f"{HERE}/credentials/new/{provider}")
        window.page.get_by_role("link", name=f"Connect with {name}").click()
        window.at(f"{HERE}/connections/{provider}")
        window.look()
        # Declined, nothing is changed and there is a way back.
        page = to_provider(window, provider)
        decide(page, None, "Cancel")
        window.says("The account was not connected")
        window.look()
        page.get_by_role("link", name="Try again").click()
        window.at(f"{HERE}/connections/{provider}")
        # Two tabs, both of which finish, with a workspace each.
        other = window.context.new_page()
        to_provider(window, provider)
        to_provider(window, provider, other)
        decide(other, second, "Allow")
        there = connected(window, other, name)
        with window.page.expect_response(lambda answer: "/oauth/callback" in answer.url) as back:
            decide(window.page, first, "Allow")
        here = connected(window, window.page, name)
        assert here != there, provider
        window.look()
        window.says(first)
        # The address in the history opens nothing any more.
        window.page.goto(back.value.url)
        window.says("This way back is over")
        # Too late: the code has expired by the provider's clock.
        page = to_provider(window, provider)
        form = page.evaluate("Object.fromEntries(new FormData(document.querySelector('form')))")
        there = page.url.split("?")[0]
        sent = window.context.request.post(there, form={**form, "decision": "allow"}, max_redirects=0)
        late(sandbox)
        refused = page.goto(sent.headers["location"])
        assert refused.status == 409, refused.status
        expect(page.get_by_role("link", name="Try again")).to_be_visible()
        other.close()
        # Connected again by its own button.
        window.page.goto(here)
        window.press("Connect again")
        decide(window.page, first, "Allow")
        assert connected(window, window.page, name) == here
        # Another account is not put into its place.
        window.press("Connect again")
        decide(window.page, second, "Allow")
        window.says("The account could not be connected")
        # Disconnected, it is taken back at the provider.
        window.page.goto(here)
        window.page.get_by_role("link", name="Disconnect").click()
        window.look()
        window.press("Disconnect")
        window.says("The account was disconnected.")


def late(sandbox):
    requests.post(f"{sandbox}/oauth/clock", json={"seconds": 660}, timeout=DEADLINE).raise_for_status()


def install(window):
    window.open(f"{HERE}/connections/github")
    window.press("Install the app instead")
    expect(window.page.get_by_role("heading", name="Simulated github")).to_be_visible()
    decide(window.page, "ironworks", "Allow")
    connected(window, window.page, "GitHub")
    window.says("an installation of the app")


def by_link(owner, customer):
    owner.open(f"{HERE}/api-keys/new")
    owner.fill(name="links")
    owner.page.locator('[name="role"]').select_option("developer")
    owner.press("Create the key")
    owner.says("Copy this API key now")
    key = owner.page.locator(".secret-value").inner_text()
    made = requests.post(
        f"{owner.base}/v1/connect-sessions",
        json={"providers": ["linear", "openai"], "name": "by link"},
        headers={"Authorization": f"Bearer {key}"},
        timeout=DEADLINE,
    )
    assert made.status_code == 201, made.text
    customer.page.goto(made.json()["url"])
    customer.look()
    customer.page.get_by_role("link", name="Connect OpenAI").click()
    customer.look()
    customer.page.go_back()
    customer.press("Connect Linear")
    decide(customer.page, "Ironworks", "Allow")
    customer.says("The account is connected")
    customer.look()


def run(base, mailbox, accounts):
    sandbox = mailbox.removesuffix("/mail")
    with browsing(base) as window:
        owner = window()
        enter(owner, accounts)
        each(owner, sandbox)
        install(owner)
        by_link(owner, window())
