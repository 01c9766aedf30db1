// What every page has: themes, dialogs, copying, toasts, keys. Everything works without it, less well.

const root = document.documentElement;
const byId = (id) => document.getElementById(id);

// Themes. Storage may be forbidden; then the choice holds for this page alone.
const stored = () => {
  try { return localStorage.getItem("theme") ?? "system"; } catch { return "system"; }
};
const showTheme = (theme) => {
  for (const button of document.querySelectorAll("[data-theme-choice]"))
    button.setAttribute("aria-pressed", button.dataset.themeChoice === theme);
};
const chooseTheme = (theme) => {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch {}
  showTheme(theme);
};
showTheme(stored());

// Toasts. The region is watched by screen readers for what is added to it, so flashes that came with
// the page are taken out and put back.
const toasts = document.querySelector("[data-toasts]");
// Good news goes by itself, unless somebody points at it; bad news stays until it is dismissed.
const leave = (toast) => {
  if (!toast.classList.contains("success")) return;
  const timer = setInterval(() => {
    if (toast.matches(":hover, :focus-within")) return;
    clearInterval(timer);
    toast.remove();
  }, 6000);
};
const announce = (text, tone = "success") => {
  const toast = document.createElement("div");
  toast.className = `toast ${tone}`;
  const words = document.createElement("p");
  words.textContent = text;
  toast.append(words);
  toasts?.append(toast);
  leave(toast);
};
if (toasts?.childElementCount) {
  const flashes = [...toasts.children];
  toasts.replaceChildren();
  requestAnimationFrame(() => toasts.append(...flashes));
  flashes.forEach(leave);
}

const copy = async (button) => {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    announce(button.dataset.copied);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  } catch {
    announce("Copying was refused. Select the text and copy it by hand.", "warning");
  }
};

const reveal = (button) => {
  const input = byId(button.dataset.reveal);
  const isShown = input.type === "password";
  input.type = isShown ? "text" : "password";
  button.setAttribute("aria-pressed", isShown);
  input.focus();
};

// Dialogs. Browsers open them by `command` themselves; for those that don't yet, this does.
const knowsCommands = "commandForElement" in HTMLButtonElement.prototype;
const open = (dialog) => {
  if (dialog && !dialog.open) dialog.showModal();
};

document.addEventListener("click", (event) => {
  const target = event.target.closest("a, button");
  for (const menu of document.querySelectorAll("details.menu[open]"))
    if (!menu.contains(event.target)) menu.open = false;
  if (!target) return followRow(event);
  const { dialog, copy: text, reveal: field, dismiss, themeChoice } = target.dataset;
  if (dialog && byId(dialog) && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    open(byId(dialog));
  } else if (text !== undefined) copy(target);
  else if (field) reveal(target);
  else if (dismiss !== undefined) target.closest(".toast").remove();
  else if (themeChoice) chooseTheme(themeChoice);
  else if (!knowsCommands && target.hasAttribute("commandfor")) {
    const opened = byId(target.getAttribute("commandfor"));
    if (target.getAttribute("command") === "close") opened.close();
    else open(opened);
  }
});

// A row leads where its first cell leads, unless somebody is selecting text in it.
const followRow = (event) => {
  const row = event.target.closest("tr.linked");
  if (row && !event.target.closest("input, label, summary") && getSelection().isCollapsed)
    row.querySelector("a.row-link").click();
};

// A form is sent once. A page that comes back from the browser's memory can be sent again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  else {
    form.dataset.sent = "true";
    event.submitter?.setAttribute("aria-busy", "true");
  }
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const busy of document.querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
});

// What few pages or few people use is loaded when it is.
const palette = byId("palette");
palette?.addEventListener("toggle", async (event) => {
  if (event.newState === "open") (await import("./palette.js")).fill(palette);
  else palette.querySelector("input").value = "";
});
if (document.querySelector("[data-chart]")) import("./chart.js");
if (document.querySelector("[data-live]")) import("./live.js");

// Keys. Never while somebody types, nor together with keys that belong to the browser.
if (/Mac|iP/.test(navigator.platform))
  for (const key of document.querySelectorAll("kbd"))
    key.textContent = key.textContent.replace("Ctrl", "⌘");

let isGoing = 0;
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && palette) {
    event.preventDefault();
    return open(palette);
  }
  const menu = document.querySelector("details.menu[open]");
  if (event.key === "Escape" && menu) {
    menu.open = false;
    return menu.querySelector("summary").focus();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const wasGoing = Date.now() - isGoing < 1500;
  isGoing = 0;
  const key = event.key.toLowerCase();
  const goal = wasGoing && document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  if (goal) goal.click();
  else if (key === "g") isGoing = Date.now();
  else if (key === "?") open(byId("shortcuts"));
  else if (key === "/") {
    const filter = document.querySelector("[data-filter]");
    if (!filter) return;
    event.preventDefault();
    filter.focus();
    filter.select();
  }
});
