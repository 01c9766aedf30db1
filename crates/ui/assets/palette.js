// The command palette: finds among the links that are marked as commands, and follows one.

// How well the letters of `wanted` are found in `text` in their order: -1 when they aren't; more for
// letters that follow each other and for those that begin a word.
const score = (wanted, text) => {
  let total = 0, at = -1, run = 0;
  for (const letter of wanted) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return -1;
    run = next === at + 1 ? run + 1 : 0;
    total += 1 + run * 2 + (next === 0 || text[next - 1] === " " ? 4 : 0) - Math.min(next - at - 1, 6) / 10;
    at = next;
  }
  return total - text.length / 100;
};

const find = (commands, words) => {
  const wanted = words.toLowerCase().replaceAll(" ", "");
  if (!wanted) return commands;
  return commands
    .map((command) => ({ ...command, rank: score(wanted, command.label.toLowerCase()) }))
    .filter(({ rank }) => rank >= 0)
    .sort((one, two) => two.rank - one.rank);
};

const ORDER = ["This page", "Go to", "Switch to", "Account"];

const collect = () =>
  [...document.querySelectorAll("[data-command]")]
    .map((link) => ({
      link,
      label: link.dataset.command || (link.querySelector("span") ?? link).textContent.trim(),
      group: link.dataset.group,
    }))
    .sort((one, two) => ORDER.indexOf(one.group) - ORDER.indexOf(two.group));

let commands, found, chosen;

export const fill = (palette) => {
  const input = palette.querySelector("input");
  const list = palette.querySelector("[role=listbox]");
  const none = palette.querySelector("[role=status]");

  const choose = (index) => {
    chosen = found.length ? (index + found.length) % found.length : 0;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", at === chosen));
    const option = list.children[chosen];
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  };

  const show = () => {
    found = find(commands, input.value);
    list.replaceChildren(...found.map((command, index) => {
      const option = document.createElement("li");
      option.id = `command-${index}`;
      option.role = "option";
      const [label, group] = [command.label, command.group].map((text) => {
        const part = document.createElement("span");
        part.textContent = text;
        return part;
      });
      group.className = "muted";
      option.append(label, group);
      return option;
    }));
    none.textContent = found.length ? "" : "Nothing is called that.";
    choose(0);
  };

  const run = (index) => {
    palette.close();
    found[index]?.link.click();
  };

  if (!commands) {
    input.addEventListener("input", show);
    input.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) choose(chosen + step);
      else if (event.key === "Enter") run(chosen);
      else return;
      event.preventDefault();
    });
    list.addEventListener("click", (event) => run([...list.children].indexOf(event.target.closest("li"))));
    list.addEventListener("pointermove", (event) => {
      const index = [...list.children].indexOf(event.target.closest("li"));
      if (index >= 0 && index !== chosen) choose(index);
    });
  }
  // What somebody typed while this script was on its way counts.
  commands = collect();
  show();
};
