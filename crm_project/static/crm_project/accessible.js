// Gives what the theme and its widgets leave out to whoever uses no mouse, or hears the page instead of seeing it.
"use strict";

(() => {
  const CLICKED_ONLY = "[x-on\\:click]:not(a[href], button, input, label, summary, td, :has(a, button, input))";
  const REACHED_BY_KEY = "a, button, input, select, textarea, summary, [tabindex]";

  /** Let Tab reach what can only be clicked. */
  function makeButtons() {
    for (const element of document.querySelectorAll(CLICKED_ONLY)) {
      if (!element.textContent.trim()) continue; // the ground behind a panel
      element.tabIndex = 0;
      element.role = "button";
    }
  }

  /** Press it by Enter or Space, as one presses a button. */
  function press(event) {
    if (!event.target.matches(CLICKED_ONLY) || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    event.target.click();
  }

  /** Let words be heard, and no names of icons: a control that shows nothing else is named by what it does. */
  function nameIcons() {
    for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
      const shown = icon.textContent.trim();
      const control = icon.closest("a, button, [role=button]");
      if (control?.textContent.trim() === shown) control.ariaLabel ||= control.title || wordFor(shown);
      if (control !== icon) icon.ariaHidden = "true";
    }
  }

  function wordFor(icon) {
    const words = document.getElementById("words-for-icons");
    return words?.content.querySelector(`[data-icons~="${icon}"]`)?.textContent ?? icon;
  }

  /** Name what Select2 puts in the place of a choice like that choice. */
  function nameChoices() {
    for (const choice of document.querySelectorAll("select.select2-hidden-accessible")) {
      const fields = ".select2-selection, .select2-selection__rendered[role], .select2-search__field";
      for (const field of choice.nextElementSibling.querySelectorAll(fields)) {
        field.removeAttribute("aria-labelledby");
        field.ariaLabel = nameOf(choice);
      }
    }
  }

  /** Let the hint that Django puts into a label, as an icon, be part of it. */
  function nameHints() {
    for (const hint of document.querySelectorAll(".help-tooltip[aria-label]")) hint.role = "img";
  }

  /** Return the label of a choice, or what stands above it in a table. */
  function nameOf(choice) {
    const cell = choice.closest("td");
    const head = cell?.closest("table").tHead?.rows[0].cells[cell.cellIndex];
    return (choice.labels[0] ?? head)?.textContent.trim();
  }

  function nameSearch(event) {
    const search = document.querySelector(".select2-container--open .select2-search__field");
    if (search) search.ariaLabel = nameOf(event.target);
  }

  /** Let the arrows scroll a box that has nothing in it to stop at. */
  function reachBoxes() {
    for (const box of document.querySelectorAll(".overflow-auto, .overflow-x-auto")) {
      if (box.scrollWidth > box.clientWidth && !box.querySelector(REACHED_BY_KEY)) box.tabIndex = 0;
    }
  }

  document.addEventListener("keydown", press);
  window.addEventListener("resize", reachBoxes);
  document.addEventListener("formset:added", () => setTimeout(nameChoices)); // when Select2 has seen the row too
  window.addEventListener("load", () => {
    document.getElementById("main")?.setAttribute("role", "main");
    for (const give of [makeButtons, nameIcons, reachBoxes]) give();
    const jQuery = window.django?.jQuery;
    jQuery?.(nameChoices); // behind Select2, which waits in the same line
    jQuery?.(nameHints);
    jQuery?.(document).on("select2:open", nameSearch);
  });
})();
