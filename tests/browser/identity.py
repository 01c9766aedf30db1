"""Signing in by identity providers: the operator's, whom everybody may come by, and one that a tenant
sets up in its console for its own people."""

from urllib.parse import urlsplit

from playwright.sync_api import expect

from common import browsing

HERE = "/app/brightsmile"
OWNER = "owner@freehold.example"
NEWCOMER = "ada@example.com"
STAFF = "joan@brightsmile.example"
CLIENT = "brightsmile"
CLIENT_SECRET = "simulated-client-secret"


def at_provider(window, email, decision):
    """On the provider's own page, which is none of this host's."""
    window.page.wait_for_url(lambda url: "/oidc/authorize" in url)
    window.fill(email=email, name=email.split("@")[0].title())
    window.press(decision)


def newcomer(open_window):
    window = open_window()
    window.open("/sign-in")
    window.page.get_by_role("link", name="Simulated identity provider").click()
    at_provider(window, NEWCOMER, "Cancel")
    window.says("The sign-in was cancelled")
    window.look()
    window.page.get_by_role("link", name="To the sign-in page").click()
    window.at("/sign-in")
    window.page.get_by_role("link", name="Simulated identity provider").click()
    at_provider(window, NEWCOMER, "Continue")
    window.at("/app")
    window.open("/account")
    window.says(NEWCOMER)
    # The provider's answer is good once, and in this browser alone.
    seen = []
    window.page.on("request", lambda request: seen.append(request.url))
    window.open("/sign-in/oidc/simulated")
    at_provider(window, NEWCOMER, "Continue")
    window.at("/app")
    (back,) = [url for url in seen if "/sign-in/oidc/callback" in url]
    window.page.goto(back)
    window.says("This sign-in is over")
    other = open_window()
    other.page.goto(back)
    other.says("This sign-in is over")


def set_up(open_window, issuer, accounts):
    window = open_window()
    window.sign_in(OWNER, accounts[OWNER])
    window.open(f"{HERE}/sign-in")
    window.says("No identity provider yet")
    window.look()
    window.page.get_by_role("link", name="New identity provider").click()
    window.at(f"{HERE}/sign-in/new")
    window.look()
    window.fill(
        name="staff",
        label="BrightSmile staff",
        issuer="http://login.example.com",
        client_id=CLIENT,
        client_secret=CLIENT_SECRET,
        domains="brightsmile.example",
    )
    window.page.locator('[name="role"]').select_option("agent")
    window.press("Connect")
    window.says("Must be an https:// address")
    expect(window.page.locator('[name="client_secret"]')).to_have_value("")
    window.look()
    window.fill(issuer=issuer, client_secret=CLIENT_SECRET)
    window.press("Connect")
    window.says("BrightSmile staff is connected.")
    window.look()
    window.open(f"{HERE}/sign-in")
    window.says("brightsmile.example as agent")
    window.look()
    return window


def colleague(open_window):
    """Gives the window of somebody who came by the tenant's own provider."""
    window = open_window()
    window.open(f"{HERE}/conversations")
    window.at("/sign-in")
    window.look()
    window.page.get_by_role("link", name="BrightSmile staff").click()
    at_provider(window, STAFF, "Continue")
    window.at(f"{HERE}/conversations")
    window.look()
    # What is the account's own is not this session's.
    window.open("/account/security")
    window.says("You are signed in to one account alone")
    window.look()
    window.open(HERE)
    expect(window.page.locator('a[href="/account/security"]')).to_have_count(0)
    return window


def remove(owner, colleague):
    owner.open(f"{HERE}/sign-in")
    owner.page.get_by_role("link", name="BrightSmile staff").click()
    owner.page.get_by_role("link", name="Remove it").click()
    owner.look()
    owner.press("Remove the provider")
    owner.says("The identity provider was removed.")
    colleague.open(HERE)
    colleague.at("/sign-in")
    expect(colleague.page.get_by_role("link", name="BrightSmile staff")).to_have_count(0)


def run(base, mailbox, accounts):
    address = urlsplit(mailbox)
    issuer = f"{address.scheme}://{address.netloc}/oidc"
    with browsing(base) as open_window:
        newcomer(open_window)
        owner = set_up(open_window, issuer, accounts)
        remove(owner, colleague(open_window))
