"""Everything can be done by keyboard: each page's controls are reached by Tab and show that they are,
and what people do most is done without a pointer."""

from playwright.sync_api import expect

from common import browsing

HERE = "/app/brightsmile"
OWNER = "owner@freehold.example"
OPERATOR = "operator@freehold.example"
# More than any page has controls.
PRESSES = 400

# Every control that people see. Of radio buttons with one name Tab reaches one, and the arrows the rest.
CONTROLS = """
() => {
  const all = document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"], [contenteditable]');
  const seen = new Set();
  const found = [];
  for (const control of all) {
    if (control.disabled || control.closest('[inert], dialog:not([open])')) continue;
    if (!control.checkVisibility({ visibilityProperty: true })) continue;
    if (control.type === 'radio') {
      if (seen.has(control.name)) continue;
      seen.add(control.name);
    }
    control.dataset.control = found.length;
    found.push(control.outerHTML.slice(0, 120));
  }
  return found;
}
"""

# Which control has the focus, and whether it looks otherwise than without.
FOCUSED = """
() => {
  let control = document.activeElement;
  if (!control || control === document.body) return null;
  const looks = (element) => {
    const style = getComputedStyle(element);
    return [style.outlineStyle, style.outlineWidth, style.boxShadow, style.backgroundColor,
            style.borderColor, style.textDecorationLine, style.clip, style.transform].join('|');
  };
  const number = control.type === 'radio'
    ? document.querySelector(`[type=radio][name="${CSS.escape(control.name)}"][data-control]`)?.dataset.control
    : control.dataset.control;
  const around = control.closest('label') ?? control;
  const focused = looks(control) + looks(around);
  control.blur();
  const blurred = looks(control) + looks(around);
  control.focus({ focusVisible: true });
  return { number, shows: focused !== blurred, html: control.outerHTML.slice(0, 120) };
}
"""

# What looks as if it could be clicked has to be a control, or inside of one.
POINTED_AT = """
() => [...document.querySelectorAll('body *')]
  .filter((element) => getComputedStyle(element).cursor === 'pointer'
    && element.checkVisibility({ visibilityProperty: true })
    && !element.closest('a[href], button, input, select, textarea, summary, label, [tabindex="0"]'))
  .map((element) => element.outerHTML.slice(0, 120))
"""


def reach_everything(window, path):
    window.open(path)
    page = window.page
    page.emulate_media(reduced_motion="reduce")
    controls = page.evaluate(CONTROLS)
    assert controls, f"{path} has no controls"
    page.evaluate("document.activeElement?.blur(); window.getSelection().removeAllRanges()")
    reached, first = set(), None
    for _ in range(PRESSES):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        # Past the last control it is the browser's turn, then the first one's: pages that put the
        # focus into a form begin in the middle.
        if found is None:
            continue
        if found["number"] is None:
            continue
        if not found["shows"]:
            window.faults.append(f"{path}: nobody sees that this has the focus: {found['html']}")
        if found["number"] == first and len(reached) > 1:
            break
        first = first if first is not None else found["number"]
        reached.add(found["number"])
    missed = [html for number, html in enumerate(controls) if str(number) not in reached]
    if missed:
        window.faults.append(f"{path}: Tab does not reach {missed}")
    pointed = page.evaluate(POINTED_AT)
    if pointed:
        window.faults.append(f"{path}: for pointers alone: {pointed}")


def focus(window, goal):
    """Goes to a control by Tab."""
    expect(goal).to_be_visible()
    for _ in range(PRESSES):
        if goal.evaluate("goal => goal === document.activeElement"):
            return
        window.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {goal}")


def link(window, name):
    return window.page.get_by_role("link", name=name, exact=True).first


def button(window, name):
    return window.page.get_by_role("button", name=name, exact=True).first


def sign_in(window, email, password):
    """The address has the focus when the page opens."""
    window.open("/sign-in")
    keys = window.page.keyboard
    expect(window.page.locator('[name="email"]')).to_be_focused()
    keys.type(email)
    keys.press("Tab")
    expect(window.page.locator('[name="password"]')).to_be_focused()
    keys.type(password)
    keys.press("Enter")


def go_by_letters(window):
    keys = window.page.keyboard
    window.open(HERE)
    for letter, path in (("t", "/team"), ("k", "/api-keys"), ("a", "/audit")):
        keys.press("g")
        keys.press(letter)
        window.at(HERE + path)
    keys.press("?")
    expect(window.page.locator("#shortcuts")).to_be_visible()
    keys.press("Escape")
    expect(window.page.locator("#shortcuts")).to_be_hidden()


def go_by_palette(window):
    keys = window.page.keyboard
    keys.press("Control+k")
    expect(window.page.locator("#palette input")).to_be_focused()
    keys.type("brand")
    expect(window.page.locator("#palette-list [role=option]")).to_have_count(1)
    keys.press("Enter")
    window.at(f"{HERE}/branding")


def make_a_key(window):
    """A form from its first field to its button; what is wrong has the focus afterwards."""
    keys = window.page.keyboard
    window.open(f"{HERE}/api-keys/new")
    expect(window.page.locator('[name="name"]')).to_be_focused()
    keys.type("By keyboard")
    keys.press("Enter")
    expect(window.page.locator('[role="alert"]').first).to_be_focused()
    role = window.page.locator('[name="role"]')
    focus(window, role)
    keys.press("ArrowDown")
    expect(role).not_to_have_value("")
    focus(window, button(window, "Create the key"))
    keys.press("Enter")
    window.says("Copy this API key now")


def revoke_it(window):
    keys = window.page.keyboard
    window.open(f"{HERE}/api-keys")
    focus(window, link(window, "By keyboard"))
    keys.press("Enter")
    focus(window, link(window, "Revoke"))
    keys.press("Enter")
    focus(window, button(window, "Revoke the key"))
    keys.press("Enter")
    window.says("The key is revoked")


def menu_and_out(window):
    """The person's menu opens, closes by Escape, and holds the way out."""
    page, keys = window.page, window.page.keyboard
    window.open(HERE)
    menu = page.locator("details.menu").last
    summary = menu.locator("summary")
    focus(window, summary)
    keys.press("Enter")
    expect(menu).to_have_attribute("open", "")
    keys.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(summary).to_be_focused()
    keys.press("Enter")
    focus(window, button(window, "Sign out"))
    keys.press("Enter")
    window.at("/sign-in")


CUSTOMERS = [
    "",
    "/conversations",
    "/credentials",
    "/credentials/import",
    "/credentials/new",
    "/credentials/new/twilio",
    "/integrations",
    "/integrations/telegram?new=1",
    "/connections/slack",
    "/encryption-key",
    "/encryption-key/transit",
    "/api-keys",
    "/api-keys/new",
    "/team",
    "/team/invitations/new",
    "/roles",
    "/roles/new",
    "/sign-in",
    "/sign-in/new",
    "/audit",
    "/settings",
    "/settings/history",
    "/branding",
    "/impersonations",
    "/membership",
]
ACCOUNTS = ["/app", "/account", "/account/security"]
STAFFS = [
    "/admin",
    "/admin/tenants",
    "/admin/tenants/new",
    "/admin/tenants/brightsmile",
    "/admin/tenants/brightsmile/suspend",
    "/admin/tenants/brightsmile/impersonate",
    "/admin/integrations",
    "/admin/users",
    "/admin/jobs",
    "/admin/quarantine",
    "/admin/audit",
]


def run(base, mailbox, accounts):
    with browsing(base) as open_window:
        stranger = open_window()
        for path in ("/sign-in", "/sign-up", "/forgot"):
            reach_everything(stranger, path)
        owner = open_window()
        sign_in(owner, OWNER, accounts[OWNER])
        owner.at(HERE)
        for path in CUSTOMERS:
            reach_everything(owner, HERE + path)
        for path in ACCOUNTS:
            reach_everything(owner, path)
        go_by_letters(owner)
        go_by_palette(owner)
        make_a_key(owner)
        revoke_it(owner)
        menu_and_out(owner)
        operator = open_window()
        sign_in(operator, OPERATOR, accounts[OPERATOR])
        operator.at("/app")
        for path in STAFFS:
            reach_everything(operator, path)
