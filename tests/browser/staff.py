"""What staff do in the operator console: finding their way, a tenant's life from creation over suspension
to closing, notes, accounts, and looking at a tenant from within."""

from playwright.sync_api import expect

from common import Mailbox, browsing

STAFF = "operator@freehold.example"
AGENT = "agent@freehold.example"
OWNER = "newowner@example.com"
PAGES = ["", "/tenants", "/users", "/jobs", "/jobs?state=dead", "/quarantine", "/audit", "/audit?show=all"]


def sign_in(window, accounts):
    """By the API, so that this script stands on its own: the cookie is the browser's either way."""
    answer = window.context.request.post(
        f"{window.base}/v1/auth/sign-in",
        data={"email": STAFF, "password": accounts[STAFF]},
        headers={"Origin": window.base},
    )
    assert answer.ok, answer.text()


def look_around(window):
    for page in PAGES:
        window.open("/admin" + page)
        expect(window.page.locator("h1")).to_be_visible()
        window.look()


def create(window, mailbox):
    window.open("/admin/tenants")
    window.page.get_by_role("link", name="New tenant").first.click()
    window.at("/admin/tenants/new")
    window.look()
    # What is refused is drawn again with what was typed.
    window.fill(name="Initech", slug="admin", owner=OWNER)
    window.press("Create tenant")
    expect(window.page.locator(".error").first).to_be_visible()
    expect(window.page.locator('[name="owner"]')).to_have_value(OWNER)
    window.look()
    window.fill(slug="initech")
    window.press("Create tenant")
    window.at("/admin/tenants/initech")
    window.says("An invitation is on its way")
    window.look()
    assert mailbox.letters(OWNER) or mailbox.link(OWNER, "You are invited to Initech")


def find(window):
    window.open("/admin/tenants")
    window.fill(q="INITE")
    window.press("Filter")
    window.at("/admin/tenants")
    expect(window.page.locator("tbody tr")).to_have_count(1)
    window.page.get_by_role("link", name="Initech").click()
    window.at("/admin/tenants/initech")


def notes(window):
    window.open("/admin/tenants/initech")
    window.fill(body="They pay by invoice.\nAsk for Bill.")
    window.press("Add note")
    window.says("The note was added.")
    window.says("They pay by invoice.")
    window.page.get_by_role("link", name="Edit", exact=True).last.click()
    window.look()
    window.fill(body="They pay by card.")
    window.press("Save")
    window.says("They pay by card.")
    window.page.get_by_role("link", name="Delete", exact=True).click()
    window.look()
    window.press("Delete the note")
    window.says("The note was deleted.")


def suspend(window):
    window.open("/admin/tenants/initech/suspend")
    window.look()
    window.page.get_by_label("Unpaid").check()
    window.fill(note="Invoice 7 is open", confirmation="initech")
    window.press("Suspend tenant")
    window.at("/admin/tenants/initech")
    window.says("Suspended: unpaid")
    window.says("Suspended (unpaid): Invoice 7 is open")
    window.look()
    window.press("Reactivate")
    window.says("is active again")


def impersonate(window):
    window.open("/admin/tenants/initech/impersonate")
    window.look()
    window.fill(reason="Ticket 4711")
    window.press("Look from within")
    window.open("/app/initech/impersonations")
    window.says("You see Initech from within as staff, read-only.")
    window.says("Ticket 4711")
    window.look()
    # What changes people stays closed, and the banner stands on every page.
    answer = window.context.request.post(
        f"{window.base}/v1/api-keys", data={"name": "n"}, headers={"Origin": window.base}
    )
    assert answer.status == 401, answer.status
    window.open("/admin")
    window.says("minutes remain")
    window.press("End")
    window.at("/admin/tenants/initech")
    window.says("You are yourself again.")
    window.open("/app/initech/impersonations")
    window.says("There is nothing here")


def accounts_of_people(window):
    window.open("/admin/users")
    window.fill(q=AGENT)
    window.press("Filter")
    window.page.locator("tbody a.row-link").first.click()
    window.look()
    window.page.get_by_role("link", name="Disable").click()
    window.look()
    window.press("Disable account")
    window.says("The account is disabled.")
    window.press("Enable")
    window.says("The account is enabled.")
    window.page.get_by_role("link", name="Require a new password").click()
    window.look()


def close(window):
    window.open("/admin/tenants/initech/close")
    window.look()
    window.fill(confirmation="initech")
    window.press("Close tenant")
    window.at("/admin/tenants/initech")
    window.says("Initech is closed.")


def run(base, mailbox, accounts):
    with browsing(base) as open_window:
        window = open_window()
        sign_in(window, accounts)
        look_around(window)
        create(window, Mailbox(mailbox))
        find(window)
        notes(window)
        suspend(window)
        impersonate(window)
        accounts_of_people(window)
        close(window)
        look_around(window)
