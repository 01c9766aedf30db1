"""Everything that people do on their own account, as they do it: signing up by the link of a mail, an
authenticator, recovery codes, passkeys, a new password, sessions."""

import time

import pyotp
from playwright.sync_api import expect

from common import Mailbox, browsing

EMAIL = "grace@example.com"
PASSWORD = "correct horse battery"
OTHER = "another battery staple"
SECURITY = "/account/security"


def sign_up(window, mailbox):
    window.open("/sign-in")
    window.look()
    window.page.get_by_role("link", name="Sign up").click()
    window.at("/sign-up")
    window.look()
    window.fill(email=EMAIL)
    window.press("Continue")
    window.says("Look into your mailbox")
    window.look()
    link = mailbox.link(EMAIL, "Finish your sign-up")
    window.page.goto(link)
    window.look()
    # What is refused is drawn again, without the password.
    window.fill(name="Grace Hopper", password="password123", company="Cobol & Co", slug="cobol")
    window.press("Create the account")
    window.says("among the first that anybody tries")
    expect(window.page.locator('[name="company"]')).to_have_value("Cobol & Co")
    expect(window.page.locator('[name="password"]')).to_have_value("")
    window.look()
    window.fill(password=PASSWORD)
    window.press("Create the account")
    window.at("/app/cobol")
    # The link has done its work.
    window.page.goto(link)
    window.says("This link is not valid any more")
    window.look()


def profile(window):
    window.open("/account")
    window.look()
    window.fill(name="Rear Admiral Grace Hopper")
    window.press("Save")
    window.says("Saved.")
    expect(window.page.locator('[name="name"]')).to_have_value("Rear Admiral Grace Hopper")


def shown_again(window):
    """What changes the factors asks for the password where it was shown long ago."""
    window.open("/account/confirm?next=/account/security")
    window.look()
    window.fill(password=OTHER)
    window.press("Continue")
    expect(window.page.locator('[role="alert"]')).to_be_visible()
    window.fill(password=PASSWORD)
    window.press("Continue")
    window.at(SECURITY)


def enrol(window):
    """Gives the authenticator and the recovery codes."""
    window.open(SECURITY)
    window.look()
    window.press("Set up an app")
    window.at(SECURITY + "/authenticator")
    window.look()
    secret = window.page.locator("[data-copy]").first.get_attribute("data-copy")
    authenticator = pyotp.TOTP(secret)
    window.fill(code="000000" if authenticator.now() != "000000" else "111111")
    window.press("Turn it on")
    window.says("Is not what the authenticator shows now")
    code = authenticator.now()
    window.fill(code=code)
    window.press("Turn it on")
    window.says("Keep these codes now")
    window.look()
    codes = window.page.locator("pre code").inner_text().split()
    assert len(codes) == 10, codes
    window.open(SECURITY)
    window.says("10 left")
    window.look()
    return authenticator, code, codes


def with_codes(window, authenticator, used, recovery):
    window.sign_out()
    window.sign_in(EMAIL, PASSWORD)
    window.at("/sign-in/second-factor")
    window.look()
    # The sign-in that waits opens nothing else.
    window.open("/account")
    window.at("/sign-in")
    window.sign_in(EMAIL, PASSWORD)
    window.fill(code=used)
    window.press("Continue")
    window.says("Is not right, or was used already")
    # The next step's code is taken as well, and was not used.
    window.fill(code=authenticator.at(time.time() + 30))
    window.press("Continue")
    window.at("/app/cobol")

    window.sign_out()
    window.sign_in(EMAIL, PASSWORD)
    window.page.get_by_role("link", name="Use a recovery code").click()
    window.look()
    window.fill(code=recovery.upper())
    window.press("Continue")
    window.at("/app/cobol")
    window.sign_out()
    window.sign_in(EMAIL, PASSWORD)
    window.page.get_by_role("link", name="Use a recovery code").click()
    window.fill(code=recovery)
    window.press("Continue")
    window.says("Is not right, or was used already")


def passkey(window, recovery):
    window.fill(code=recovery)
    window.press("Continue")
    window.at("/app/cobol")
    session = window.context.new_cdp_session(window.page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    window.open(SECURITY + "/passkeys/new")
    window.look()
    window.fill(name="Laptop")
    window.press("Add a passkey")
    window.at(SECURITY)
    window.says("Laptop")
    window.look()
    window.page.get_by_role("link", name="Laptop").click()
    window.look()
    window.fill(name="Old laptop")
    window.press("Save")
    window.says("Old laptop")

    # Without a password or a name.
    window.sign_out()
    window.press("Sign in with a passkey")
    window.at("/app/cobol")
    # After the password.
    window.sign_out()
    window.sign_in(EMAIL, PASSWORD)
    window.press("Use a passkey")
    window.at("/app/cobol")


def new_password(window, mailbox):
    window.sign_out()
    window.page.get_by_role("link", name="Forgot the password?").click()
    window.look()
    window.fill(email=EMAIL)
    window.press("Send the link")
    window.says("Look into your mailbox")
    window.page.goto(mailbox.link(EMAIL, "Set a new password"))
    window.look()
    window.fill(password=OTHER)
    window.press("Set the password")
    window.at("/sign-in")
    window.says("The password is set")
    window.sign_in(EMAIL, PASSWORD)
    window.says("There is no account with this address and password")
    window.look()
    window.sign_in(EMAIL, OTHER)
    window.at("/sign-in/second-factor")
    window.press("Use a passkey")
    window.at("/app/cobol")


def sessions(window, elsewhere, recovery):
    elsewhere.sign_in(EMAIL, OTHER)
    elsewhere.page.get_by_role("link", name="Use a recovery code").click()
    elsewhere.fill(code=recovery)
    elsewhere.press("Continue")
    elsewhere.at("/app/cobol")
    window.open(SECURITY)
    window.press("End all others")
    window.says("One other session has ended.")
    elsewhere.open("/account")
    elsewhere.at("/sign-in")


def change_address(window, mailbox):
    window.open("/account")
    window.fill(email="grace.hopper@example.com", password=OTHER)
    window.press("Send a link there")
    window.says("a link is on its way there")
    window.page.goto(mailbox.link("grace.hopper@example.com", "Confirm your new address"))
    window.look()
    window.press("Confirm the address")
    window.at("/account")
    window.says("grace.hopper@example.com")


def remove(window):
    window.open(SECURITY + "/authenticator/remove")
    window.look()
    window.press("Remove the app")
    window.says("The authenticator app is removed.")
    window.page.get_by_role("link", name="Old laptop").click()
    window.page.get_by_role("link", name="Remove the passkey").click()
    window.look()
    window.press("Remove the passkey")
    window.says("No passkeys")
    window.says("Off")


def staff(window, accounts):
    """Several tenants, or none: the list."""
    email = "operator@freehold.example"
    window.sign_in(email, accounts[email])
    window.at("/app")
    window.look()
    window.open("/account/new-tenant")
    window.look()


def run(base, mailbox, accounts):
    mailbox = Mailbox(mailbox)
    with browsing(base) as open_window:
        window = open_window()
        sign_up(window, mailbox)
        profile(window)
        shown_again(window)
        authenticator, used, codes = enrol(window)
        with_codes(window, authenticator, used, codes[0])
        passkey(window, codes[1])
        new_password(window, mailbox)
        sessions(window, open_window(), codes[2])
        change_address(window, mailbox)
        remove(window)
        staff(open_window(), accounts)
