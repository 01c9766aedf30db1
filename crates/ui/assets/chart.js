// Reads out a chart under the pointer or by arrow keys. The figures are those of the table behind it.

for (const chart of document.querySelectorAll("[data-chart]")) {
  const plot = chart.querySelector(".chart-plot");
  const rule = chart.querySelector(".chart-rule");
  const readout = chart.querySelector(".chart-readout");
  const frame = readout.parentElement;
  const names = [...chart.querySelectorAll("thead th")].map((name) => name.textContent);
  const keys = [...chart.querySelectorAll(".legend .key")];
  const rows = [...chart.querySelectorAll("tbody tr")];
  let at = -1;
  // Its label says the same; as a tooltip it would cover the readout.
  plot.querySelector("title")?.remove();

  const line = (...parts) => {
    const words = document.createElement("p");
    words.append(...parts);
    return words;
  };

  const show = (index) => {
    if (!rows.length) return;
    at = Math.max(0, Math.min(rows.length - 1, index));
    const share = (at + 0.5) / rows.length;
    for (const end of ["x1", "x2"]) rule.setAttribute(end, `${share * 100}%`);
    rule.setAttribute("visibility", "visible");
    const title = document.createElement("strong");
    title.textContent = rows[at].querySelector("th").textContent;
    const values = [...rows[at].querySelectorAll("td")].map((value, series) => {
      const figure = document.createElement("b");
      figure.textContent = value.textContent;
      const key = keys[series]?.cloneNode();
      return line(...(key ? [key] : []), `${names[series]} `, figure);
    });
    readout.replaceChildren(line(title), ...values);
    readout.hidden = false;
    const [box, outer] = [plot.getBoundingClientRect(), frame.getBoundingClientRect()];
    const point = box.left - outer.left + share * box.width;
    const beside = point + 12 + readout.offsetWidth > outer.width ? point - 12 - readout.offsetWidth : point + 12;
    readout.style.left = `${Math.max(0, beside)}px`;
  };

  const hide = () => {
    readout.hidden = true;
    rule.setAttribute("visibility", "hidden");
    at = -1;
  };

  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    show(Math.floor(((event.clientX - box.left) / box.width) * rows.length));
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") hide();
    else if (step) {
      event.preventDefault();
      show(at < 0 && step < 0 ? rows.length - 1 : at + step);
    }
  });
}
