// Weights in a table: their shares while somebody types, and moving between them by keyboard.
//
// A weight is an <input data-source="…">; its share stands in the <output for="…"> that names it. `data-others` is the
// sum of the weights of the available operators of the same source who are not on the page; a source that does not go
// by weight has none, and its shares stay as the server wrote them. Whoever is not available has a `data-obstacle`,
// with the reason if it shall stand beside the share. A `[data-total="…"]` shows the sum that the shares of a source
// are parts of. What is typed into a `[data-narrows]` hides the rows of the table it names that do not contain it.
"use strict";

(() => {
  const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent", maximumFractionDigits: 1 });
  const whole = new Intl.NumberFormat(document.documentElement.lang);

  const isRemoved = (input) => Boolean(input.closest("tr").querySelector('[name$="-DELETE"]:checked'));

  const weightOf = (input) => (/^\d{1,7}$/.test(input.value.trim()) && !isRemoved(input) ? Number(input.value) : 0);

  const availableWeightOf = (input) => ("obstacle" in input.dataset ? 0 : weightOf(input));

  function told(share) {
    return share > 0 && share < 0.0005 ? `< ${percent.format(0.001)}` : percent.format(share);
  }

  function shareOf(input, total) {
    if (!input.value.trim() || isRemoved(input)) return "";
    const share = told(total ? availableWeightOf(input) / total : 0);
    return input.dataset.obstacle ? `${share} · ${input.dataset.obstacle}` : share;
  }

  function recalculate(source) {
    const inputs = [...document.querySelectorAll(`input[data-source="${source}"][data-others]`)];
    if (!inputs.length) return;
    const total = inputs.reduce((sum, input) => sum + availableWeightOf(input), Number(inputs[0].dataset.others));
    for (const input of inputs) {
      const output = document.querySelector(`output[for="${input.id}"]`);
      if (output) output.textContent = shareOf(input, total);
    }
    for (const element of document.querySelectorAll(`[data-total="${source}"]`)) {
      element.textContent = whole.format(total);
    }
  }

  function steps(input, key) {
    const atStart = input.selectionStart === 0;
    const atEnd = input.selectionEnd === input.value.length;
    return {
      Enter: [1, 0],
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowLeft: atStart ? [0, -1] : undefined,
      ArrowRight: atEnd ? [0, 1] : undefined,
    }[key];
  }

  function neighbour(input, down, right) {
    const cell = input.closest("td");
    if (right) {
      const inRow = [...cell.parentElement.querySelectorAll("input[data-source]")];
      return inRow[inRow.indexOf(input) + right];
    }
    const inColumn = [...input.closest("table").querySelectorAll("tr")]
      .map((row) => row.cells[cell.cellIndex]?.querySelector("input[data-source]"))
      .filter((other) => other && other.offsetParent);
    return inColumn[inColumn.indexOf(input) + down];
  }

  function move(event) {
    const input = event.target;
    if (input.matches("[data-narrows]") && event.key === "Enter") event.preventDefault();
    if (!input.matches("input[data-source]") || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.ctrlKey) {
      if (event.key === "Enter") input.form.requestSubmit();
      return;
    }
    const step = steps(input, event.key);
    if (!step) return;
    event.preventDefault();
    const next = neighbour(input, ...step);
    if (next) {
      next.focus();
      next.select();
    }
  }

  function changed(event) {
    const input = event.target;
    if (input.matches("input[data-source]")) {
      input.classList.toggle("changed", input.value !== input.defaultValue);
      recalculate(input.dataset.source);
    } else if (input.matches('[name$="-DELETE"]')) {
      const weight = input.closest("tr").querySelector("input[data-source]");
      if (weight) recalculate(weight.dataset.source);
    } else if (input.matches("[data-narrows]")) {
      narrow(input);
    }
  }

  function narrow(input) {
    const typed = input.value.trim().toLocaleLowerCase();
    for (const rows of document.querySelectorAll(`${input.dataset.narrows} tbody:not(.empty-form)`)) {
      const name = rows.querySelector("td a.text-link");
      rows.hidden = Boolean(name) && !name.textContent.toLocaleLowerCase().includes(typed);
    }
  }

  document.addEventListener("keydown", move);
  document.addEventListener("input", changed);
  document.addEventListener("change", changed);
})();
