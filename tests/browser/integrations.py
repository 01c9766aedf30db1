"""A customer finds a provider among the integrations, follows its guided set-up until the first webhook
has arrived, sees what is wrong when the provider refuses, and what staff see of it."""

import requests
from playwright.sync_api import expect

from common import DEADLINE, browsing

HERE = "/app/brightsmile/integrations"
OWNER = "owner@freehold.example"
AGENT = "agent@freehold.example"
STAFF = "operator@freehold.example"
# As the demo tells people who try it.
BOT = "4200000042:simulated-bot-for-the-guided-set-up"


def enter(window, email, accounts):
    answer = window.context.request.post(
        f"{window.base}/v1/auth/sign-in",
        data={"email": email, "password": accounts[email]},
        headers={"Origin": window.base},
    )
    assert answer.ok, answer.text()


def overview(window):
    window.open(HERE)
    for words in ("Need attention", "Can be connected", "WhatsApp Cloud API"):
        window.says(words)
    window.look()
    window.fill(q="no such provider")
    window.press("Filter")
    window.says("Nothing that is connected fits")
    window.look()
    window.page.get_by_role("link", name="Clear").click()
    window.page.locator('[name="category"]').select_option("models")
    window.press("Filter")
    window.says("Anthropic")
    expect(window.page.get_by_role("link", name="Twilio", exact=True)).to_have_count(0)


def every_guide(window):
    """Each provider's page holds steps and a form, and is in order."""
    window.open(f"{HERE}?state=available")
    rows = window.page.locator("tbody a.row-link")
    paths = [rows.nth(place).get_attribute("href") for place in range(rows.count())]
    assert len(paths) > 15, paths
    for path in paths:
        window.open(path)
        window.says("What to do")
        expect(window.page.locator("ol.steps > li").first).to_be_visible()
        window.look()


def connect(window):
    """By the steps of the page; gives back the secret that both sides know."""
    window.open(HERE)
    window.page.get_by_role("link", name="Telegram Bot API", exact=True).click()
    window.at(f"{HERE}/telegram")
    window.says("the value that you entered here")
    window.look()
    window.page.get_by_role("link", name="Connect another account").click()
    proposed = window.page.locator('[name="values.secret_token"]').input_value()
    assert len(proposed) == 32, "a secret is proposed"
    window.look()
    # What is refused is drawn again, without what was secret.
    window.fill(**{"values.bot_token": "no token"})
    window.press("Connect")
    expect(window.page.locator('[role="alert"]')).to_be_visible()
    expect(window.page.locator('[name="values.bot_token"]')).to_have_value("")
    window.look()
    token = window.page.locator('[name="values.secret_token"]').input_value()
    window.fill(name="spare", **{"values.bot_token": BOT})
    window.press("Connect")
    window.says("Copy this webhook secret token now")
    window.says(token)
    window.look()
    return token


def check(window, token):
    """The page says by itself that the test was good and that a webhook came."""
    part = window.page.locator("#check")
    expect(part).to_contain_text("Waiting for the first webhook")
    expect(part).to_contain_text("Works", timeout=DEADLINE * 1000)
    update = {
        "update_id": 42,
        "message": {
            "message_id": 1,
            "date": 1,
            "chat": {"id": 42, "type": "private"},
            "from": {"id": 42, "is_bot": False, "first_name": "Ann"},
            "text": "Hello",
        },
    }
    url = f"{window.base}/hooks/brightsmile/telegram"
    for secret, status in (("wrong", 401), (token, 200)):
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        answer = requests.post(url, json=update, headers=headers, timeout=DEADLINE)
        assert answer.status_code == status, answer.text
    expect(part).to_contain_text("Arrived", timeout=DEADLINE * 1000)
    window.open(f"{HERE}/telegram")
    expect(window.page.get_by_text(token)).to_have_count(0)


def refuse_once(sandbox):
    """The simulated Telegram answers the bot's next call as if its token had been revoked."""
    fault = {
        "provider": "telegram",
        "fault": {"kind": "unauthorized"},
        "times": 1,
        "scope": {"account": BOT.split(":")[0]},
    }
    answer = requests.post(f"{sandbox}/faults", json=fault, timeout=DEADLINE)
    assert answer.ok, answer.text


def test(window):
    window.open(f"{HERE}/telegram")
    row = window.page.get_by_role("row").filter(has_text="spare")
    row.get_by_role("button", name="Test").click()
    window.page.wait_for_url("**/credentials/**")


def trouble(window, staff, sandbox):
    refuse_once(sandbox)
    test(window)
    window.open(HERE)
    window.says("Ask @BotFather for the token")
    window.look()
    window.open(f"{HERE}?state=attention")
    expect(window.page.locator("tbody tr")).to_have_count(1)
    window.page.get_by_role("link", name="Telegram Bot API").click()
    window.says("It worked before")
    window.look()

    staff.open("/admin/integrations")
    staff.says("Bright Smile Dental")
    staff.says("Invalid credential")
    expect(staff.page.get_by_text("spare")).to_have_count(0)
    staff.look()
    staff.page.get_by_role("link", name="OpenAI", exact=True).click()
    staff.says("No tenant has trouble")
    staff.look()

    test(window)
    window.open(f"{HERE}?state=attention")
    window.says("Nothing that is connected fits")


def without_scripts(window):
    """Steps, form and check are there, and a link looks again."""
    cookies = window.context.cookies()
    context = window.context.browser.new_context(java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"{window.base}{HERE}/standard_webhooks")
    expect(page.locator("ol.steps > li").first).to_be_visible()
    page.locator('[name="values.webhook_secret"]').fill("whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_role("link", name="Look now").click()
    expect(page.get_by_text("Waiting for the first webhook")).to_be_visible()
    context.close()


def run(base, mailbox, accounts):
    sandbox = mailbox.removesuffix("/mail")
    with browsing(base) as window:
        owner, agent, staff = window(), window(), window()
        enter(owner, OWNER, accounts)
        overview(owner)
        every_guide(owner)
        token = connect(owner)
        check(owner, token)
        enter(staff, STAFF, accounts)
        trouble(owner, staff, sandbox)
        without_scripts(owner)
        enter(agent, AGENT, accounts)
        agent.open(HERE)
        agent.says("Your role does not allow this")
