"use strict";
(() => {
  const STEPS = 6;

  function step(value, [, , good, bad]) {
    const share = (value - good) / (bad - good);
    return Math.max(0, Math.min(STEPS - 1, Math.floor(share * STEPS)));
  }

  function sentence([name, values, note], room, measures) {
    const figures = measures.map(([measure, unit], index) => `${measure} ${report.show(values[index], unit)}`);
    return `${room} ${name}: ${[...figures, note].filter(Boolean).join(", ")}`;
  }

  function grid(container, { measures, rows }) {
    const cells = [];
    const table = report.make("div", { className: "rooms" });
    table.setAttribute("role", "grid");
    table.setAttribute("aria-label", container.dataset.label);
    for (const [room, participants] of rows) {
      const line = report.make("div", { className: "cells" });
      const name = report.make("div", { className: "name", textContent: room });
      name.setAttribute("role", "rowheader");
      line.setAttribute("role", "presentation");
      for (const participant of participants) {
        const cell = report.make("div", { className: "cell", tabIndex: -1 });
        cell.setAttribute("role", "gridcell");
        cell.setAttribute("aria-label", sentence(participant, room, measures));
        cell.participant = participant;
        cells.push(cell);
        line.append(cell);
      }
      const row = report.make("div", { className: "room" }, name, line);
      row.setAttribute("role", "row");
      table.append(row);
    }
    if (cells.length) cells[0].tabIndex = 0;
    return { table, cells };
  }

  function paint(cells, measures, chosen) {
    for (const cell of cells) {
      const [, values, , failed] = cell.participant;
      const value = values[chosen];
      cell.className = failed ? "cell failed"
        : value === null ? "cell" : `cell h${step(value, measures[chosen])}`;
    }
  }

  function move(cells, from, key) {
    const at = cells.indexOf(from);
    const row = from.closest(".room");
    const beside = (sibling) => sibling?.querySelector(`.cell:nth-child(${
      Math.min([...from.parentNode.children].indexOf(from), sibling.querySelectorAll(".cell").length - 1) + 1})`);
    return {
      ArrowRight: () => cells[at + 1], ArrowLeft: () => cells[at - 1],
      ArrowDown: () => beside(row.nextElementSibling), ArrowUp: () => beside(row.previousElementSibling),
      Home: () => cells[0], End: () => cells[cells.length - 1],
    }[key]?.();
  }

  function operate(table, cells, read) {
    table.addEventListener("keydown", (event) => {
      const next = event.target.matches(".cell") && move(cells, event.target, event.key);
      if (!next) return;
      event.preventDefault();
      event.target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
    for (const kind of ["focusin", "pointerover"]) {
      table.addEventListener(kind, (event) => {
        if (event.target.matches(".cell")) read.textContent = event.target.getAttribute("aria-label");
      });
    }
  }

  function scale(element, [, unit, good, bad]) {
    const steps = Array.from({ length: STEPS }, (_, index) => report.make("span", { className: `cell h${index}` }));
    element.replaceChildren(report.show(good, unit), ...steps, `${report.show(bad, unit)} or worse`,
      report.make("span", { className: "cell" }), "unknown",
      report.make("span", { className: "cell failed" }), "did not join");
  }

  function choices(measures, name, choose) {
    const set = report.make("fieldset", { className: "measures" },
      report.make("legend", { textContent: "Colour by" }));
    measures.forEach(([measure], index) => {
      const input = report.make("input", { type: "radio", name, checked: index === 0 });
      input.addEventListener("change", () => choose(index));
      set.append(report.make("label", {}, input, measure));
    });
    return set;
  }

  document.querySelectorAll(".heat").forEach((container, number) => {
    const data = report.data(container);
    const { table, cells } = grid(container, data);
    const read = report.make("p", { className: "read", textContent: "Point at a cell, or move with the arrow keys." });
    const colours = report.make("p", { className: "scale" });
    const choose = (index) => {
      paint(cells, data.measures, index);
      scale(colours, data.measures[index]);
    };
    operate(table, cells, read);
    container.append(choices(data.measures, `measure${number}`, choose), colours, read, table);
    choose(0);
  });
})();
