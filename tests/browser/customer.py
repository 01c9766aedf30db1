"""What a customer does in the console of their account: team, roles, credentials, conversations,
settings and branding, as the owner and as somebody whose role sees less."""

import base64

from playwright.sync_api import expect

from common import Mailbox, browsing

HERE = "/app/brightsmile"
OWNER = "owner@freehold.example"
AGENT = "agent@freehold.example"
INVITED = "margaret@example.com"
JOINING = "katherine@example.com"
# One red pixel.
LOGO = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)


def enter(window, email, accounts):
    answer = window.context.request.post(
        f"{window.base}/v1/auth/sign-in", data={"email": email, "password": accounts[email]}
    )
    assert answer.ok, answer.status
    window.open(HERE)


def link(window, name):
    window.page.get_by_role("link", name=name, exact=True).first.click()


def overview(window):
    window.open(HERE)
    for words in ("Messages received", "Messages per day", "Latest conversations"):
        window.says(words)
    window.look()


def team(window, mailbox):
    window.open(f"{HERE}/team")
    window.look()
    link(window, "Owen Owner")
    window.says("The account's only owner")
    expect(window.page.get_by_role("button", name="Change role")).to_have_count(0)
    window.look()
    window.open(f"{HERE}/team/invitations")
    window.says("Nobody is waiting to join")
    window.look()
    link(window, "Invite somebody")
    window.at(f"{HERE}/team/invitations/new")
    window.look()
    # A member already: the form is drawn again with what was entered.
    window.fill(email=AGENT)
    window.press("Send the invitation")
    window.says("The person belongs to the tenant already")
    expect(window.page.locator('[name="email"]')).to_have_value(AGENT)
    window.look()
    window.fill(email=INVITED)
    window.page.locator('[name="role"]').select_option("viewer")
    window.press("Send the invitation")
    window.at(f"{HERE}/team/invitations")
    window.says(f"The invitation to {INVITED} is on its way.")
    window.look()
    first = len(mailbox.letters(INVITED))
    window.press("Send again")
    window.says("gets a new link")
    assert first <= len(mailbox.letters(INVITED))
    link(window, "Revoke")
    window.page.locator("dialog[open]").get_by_role("button", name="Revoke the invitation").click()
    window.says("The invitation was revoked.")
    window.says("Nobody is waiting to join")


def join(window, newcomer, mailbox):
    """The invited person follows the link, becomes a member, and has the role that they are given."""
    window.open(f"{HERE}/team/invitations/new")
    window.fill(email=JOINING)
    window.page.locator('[name="role"]').select_option("viewer")
    window.press("Send the invitation")
    window.says(f"The invitation to {JOINING} is on its way.")
    invitation = mailbox.link(JOINING, "You are invited to Bright Smile Dental")
    newcomer.page.goto(invitation)
    newcomer.says("You are invited to join")
    newcomer.look()
    newcomer.fill(name="Katherine Johnson", password="short")
    newcomer.press("Create the account and join")
    expect(newcomer.page.locator('[role="alert"]')).to_be_visible()
    newcomer.look()
    newcomer.fill(password="orbits by hand")
    newcomer.press("Create the account and join")
    newcomer.at(HERE)
    newcomer.says("You have joined.")
    newcomer.open(f"{HERE}/settings")
    newcomer.says("Your role does not allow this")
    set_role(window, "Katherine Johnson", "admin")
    newcomer.open(f"{HERE}/settings")
    newcomer.says("What this account has chosen for itself.")
    # The link has done its work.
    newcomer.page.goto(invitation)
    newcomer.says("This link is not valid any more")
    window.open(f"{HERE}/team")
    link(window, "Katherine Johnson")
    link(window, "Remove from the team")
    window.look()
    window.press("Remove from the team")
    newcomer.open(HERE)
    newcomer.says("There is nothing here")


def roles(window):
    window.open(f"{HERE}/roles")
    window.look()
    link(window, "New role")
    window.look()
    window.fill(name="Night Shift")
    window.press("Create the role")
    window.says("lower-case letters")
    window.look()
    window.fill(name="night-shift", description="Answers <b>after hours</b>")
    for permission in ("Read conversations", "Send messages"):
        window.page.get_by_label(permission).check()
    window.press("Create the role")
    window.says("The role night-shift exists now.")
    window.look()
    # The agent gets it, so that it cannot be deleted; then gets back what they had.
    set_role(window, "Agnes Agent", "night-shift")
    window.open(f"{HERE}/roles/night-shift")
    window.look()
    window.page.get_by_label("See agents").check()
    window.press("Save changes")
    window.says("was changed for all who have it")
    delete_role(window)
    window.says("open invitations or identity providers have the role")
    window.look()
    set_role(window, "Agnes Agent", "agent")
    delete_role(window)
    window.says("The role night-shift is gone.")


def set_role(window, name, role):
    window.open(f"{HERE}/team")
    link(window, name)
    window.page.locator('[name="role"]').select_option(role)
    window.press("Change role")
    window.says(f"The role is {role} now.")


def delete_role(window):
    window.open(f"{HERE}/roles/night-shift/delete")
    window.press("Delete the role")


def imports(window):
    link(window, "Import")
    window.look()
    window.press("Preview")
    window.says("Paste a text, or choose a file")
    window.fill(text="ANTHROPIC_API_KEY=sk-ant-planted-by-the-browser\nPATH=/bin\nnothing")
    window.press("Preview")
    window.says("Nothing has been saved so far.")
    assert "planted" not in window.page.content()
    window.look()
    window.press("Import 1 credential")
    window.says("1 connected, 0 changed, 0 as they were, 0 refused.")
    window.look()


def credentials(window):
    window.open(f"{HERE}/credentials")
    window.says("WhatsApp Cloud API")
    window.look()
    link(window, "Connect an account")
    window.look()
    link(window, "WhatsApp Cloud API")
    expect(window.page.locator('[name="values.verify_token"]')).not_to_have_value("")
    window.look()
    window.open(f"{HERE}/credentials/new/openai")
    window.fill(**{"name": "default", "values.api_key": "sk-proj-planted-by-the-browser"})
    window.press("Connect")
    window.says("There is a credential named")
    assert "planted-by-the-browser" not in window.page.content()
    window.look()
    window.fill(**{"name": "second", "values.api_key": "sk-proj-planted-by-the-browser"})
    window.press("Connect")
    window.says("OpenAI is connected.")
    window.look()
    link(window, "Replace values")
    window.look()
    window.press("Replace")
    window.says("Name at least one field to replace")
    window.fill(**{"values.api_key": "sk-proj-planted-again-by-the-browser"})
    window.press("Replace")
    window.says("The values were replaced.")
    assert "planted" not in window.page.content()
    window.look()
    link(window, "Restore")
    window.look()
    window.press("Restore this version")
    window.says("Version 3 has the values of version 1.")
    link(window, "End the grace now")
    window.look()
    window.press("Refuse them")
    window.says("Replaced secrets are accepted no more.")
    window.press("Make default")
    window.says("It is the default one for live use now.")
    link(window, "Edit details")
    window.look()
    window.fill(expires_at="2090-01-31")
    window.press("Save")
    window.says("The details were saved.")
    link(window, "Disconnect")
    window.look()
    window.press("Disconnect")
    window.says("The account was disconnected.")
    imports(window)
    card = window.page.locator("section.card").filter(has_text="WhatsApp Cloud API")
    card.get_by_role("link").first.click()
    window.says(f"/hooks/{HERE.split('/')[-1]}/whatsapp")
    window.look()
    window.press("Let no webhooks in")
    window.says("Webhooks are let in no more")
    window.press("Let webhooks in")
    window.says("Webhooks are let in.")


def encryption_key(window):
    window.open(f"{HERE}/encryption-key")
    window.says("The installation's key protects your secrets")
    window.look()
    link(window, "Use a Transit key")
    window.look()
    window.fill(address="https://bao.example.com/ui", role_id="role", secret="planted-login")
    window.press("Try it out and use it")
    window.says("Must be an address")
    assert "planted" not in window.page.content()
    window.look()


def conversations(window):
    window.open(f"{HERE}/conversations")
    window.look()
    window.fill(contact="nobody of this name")
    window.press("Filter")
    window.says("No conversation fits")
    window.fill(contact="sousa")
    window.page.locator('[name="channel"]').select_option("whatsapp")
    window.press("Filter")
    link(window, "Ana Sousa")
    window.says("Can I come in for a check-up on Friday?")
    window.look()
    window.fill(text="x" * 4097)
    window.press("Send")
    window.says("takes at most 4096 in one message")
    window.fill(text="Friday at ten suits us, <b>Ana</b>.")
    window.press("Send")
    window.says("Your message is on its way.")
    window.says("Friday at ten suits us, <b>Ana</b>.")
    window.says("Your team")
    window.look()


def settings(window, other):
    window.open(f"{HERE}/settings")
    window.look()
    other.open(f"{HERE}/settings")
    window.fill(**{"limits.messages_per_minute": "0", "integrations.linear_team": "eng"})
    window.page.locator("form.form").first.evaluate("form => form.noValidate = true")
    window.press("Save settings")
    window.says("2 things need your attention")
    window.look()
    window.fill(**{"limits.messages_per_minute": "700", "integrations.linear_team": "ENG"})
    window.press("Save settings")
    window.says("The settings were saved as version")
    # Somebody else still has the form of before.
    other.fill(**{"retention.messages_days": "30"})
    other.press("Save settings")
    other.says("changed the settings while you did")
    other.says("700 messages")
    expect(other.page.locator('[name="retention.messages_days"]')).to_have_value("30")
    other.look()
    other.fill(**{"limits.messages_per_minute": "700"})
    other.press("Save settings")
    other.says("The settings were saved as version")
    window.open(f"{HERE}/settings/history")
    window.says("Holds now")
    window.look()
    link(window, "Restore the defaults")
    window.says("This changes:")
    window.look()
    window.press("Restore")
    window.says("holds now.")


def branding(window):
    window.open(f"{HERE}/branding")
    window.look()
    window.page.locator('[name="logo"]').set_input_files(
        {"name": "logo.png", "mimeType": "image/png", "buffer": b"<svg onload='alert(1)'/>"}
    )
    window.press("Save branding")
    window.says("Must be a PNG, JPEG or WebP picture")
    window.look()
    window.fill(**{"branding.company": "Bright <Smile>"})
    window.page.get_by_label("Use a colour of our own").check()
    window.page.locator('[name="branding.colour"]').fill("#b3005e")
    window.page.locator('[name="logo"]').set_input_files(
        {"name": "logo.png", "mimeType": "image/png", "buffer": LOGO}
    )
    window.press("Save branding")
    window.says("The branding was saved.")
    expect(window.page.locator(".sidebar .mark-name")).to_have_text("Bright <Smile>")
    shown = window.page.locator(".sidebar .mark img")
    assert shown.evaluate("image => image.complete && image.naturalWidth") == 1
    fill = window.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--fill')")
    assert fill.strip() == "#b3005e", fill
    window.look()
    window.page.get_by_label("Remove the logo").check()
    window.page.get_by_label("Use a colour of our own").uncheck()
    window.fill(**{"branding.company": ""})
    window.press("Save branding")
    window.says("The branding was saved.")
    expect(window.page.locator(".sidebar .mark img")).to_have_count(0)


def as_agent(window):
    """An agent reads and answers, and is offered and given nothing else."""
    expect(window.page.get_by_role("link", name="Settings", exact=True)).to_have_count(0)
    window.look()
    for page in ("team", "roles", "credentials", "settings", "branding"):
        window.open(f"{HERE}/{page}")
        window.says("Your role does not allow this")
    window.open(f"{HERE}/conversations")
    window.says("Ana Sousa")
    window.open(f"{HERE}/membership")
    window.says("Read conversations")
    window.look()
    link(window, "Leave this account")
    window.says("Somebody of the team has to invite you to come back.")
    window.look()
    link(window, "Cancel")
    window.at(f"{HERE}/membership")


def run(base, mailbox, accounts):
    mailbox = Mailbox(mailbox)
    with browsing(base) as open_window:
        window = open_window()
        enter(window, OWNER, accounts)
        overview(window)
        team(window, mailbox)
        join(window, open_window(), mailbox)
        roles(window)
        credentials(window)
        encryption_key(window)
        conversations(window)
        other = open_window()
        enter(other, OWNER, accounts)
        settings(window, other)
        branding(window)
        agent = open_window()
        enter(agent, AGENT, accounts)
        as_agent(agent)
