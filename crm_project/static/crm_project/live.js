/*
 * Refreshes parts of a page while somebody looks at it, without a reload and without a jump.
 *
 *   <section data-live="URL" data-live-seconds="5">what URL answers, as the page was made</section>
 *
 * URL answers a fragment of HTML: the new content. Elements that stay are kept, so the scroll, the focus, what was
 * typed and whether <details> are open stay too; rows that may move or vanish have an `id` each, by which they are
 * found again. `data-live-title` on the first element of the fragment is the title of the page.
 * An element [data-live-status] (admin/live_status.html) says when a refresh last succeeded.
 */
"use strict";

(() => {
  const USUAL_SECONDS = 5;
  const LONGEST_REQUEST_MILLISECONDS = 30_000;
  const RUN_BY_ALPINE = /^(x-|@|:)/;

  let updatedAt = new Date();

  /** Make the children of `current` those of `next`, keeping the elements that are in both. */
  function merge(current, next) {
    const wantedIds = new Set([...next.children].map((child) => child.id));
    for (const child of [...current.children]) {
      if (child.id && !wantedIds.has(child.id)) child.remove();
    }
    let place = current.firstChild;
    for (const wanted of [...next.childNodes]) {
      const kept = counterpart(place, wanted);
      if (kept === null) {
        current.insertBefore(wanted, place);
        continue;
      }
      if (kept === place) place = place.nextSibling;
      else current.insertBefore(kept, place);
      update(kept, wanted);
    }
    while (place !== null) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  }

  /** Return the node, at `place` or after it, that `wanted` is the new state of; null when there is none. */
  function counterpart(place, wanted) {
    if (!wanted.id) return place && place.nodeName === wanted.nodeName && !place.id ? place : null;
    for (let node = place; node !== null; node = node.nextSibling) {
      if (node.id === wanted.id && node.nodeName === wanted.nodeName) return node;
    }
    return null;
  }

  function update(kept, wanted) {
    if (kept.isEqualNode(wanted)) return;
    if (kept.nodeType !== Node.ELEMENT_NODE) {
      kept.nodeValue = wanted.nodeValue;
      return;
    }
    updateAttributes(kept, wanted);
    merge(kept, wanted);
  }

  function updateAttributes(kept, wanted) {
    if ([...kept.attributes].some(({ name }) => RUN_BY_ALPINE.test(name))) return;
    const isUsers = (name) => name === "open" && kept.nodeName === "DETAILS";
    for (const { name } of [...kept.attributes]) {
      if (!wanted.hasAttribute(name) && !isUsers(name)) kept.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) {
      if (kept.getAttribute(name) !== value && !isUsers(name)) kept.setAttribute(name, value);
    }
  }

  function show(section, html) {
    const fragment = document.createElement("template");
    fragment.innerHTML = html.trim();
    const focused = document.activeElement;
    merge(section, fragment.content);
    if (focused.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    showTitle(section);
  }

  function showTitle(section) {
    const title = section.firstElementChild?.dataset.liveTitle;
    if (title) document.title = title;
  }

  /** Say when a refresh last succeeded; a failure is read aloud, a success is not. */
  function tell(hasFailed) {
    const language = document.documentElement.lang || undefined;
    const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    const time = updatedAt.toLocaleTimeString(language, clock);
    for (const status of document.querySelectorAll("[data-live-status]")) {
      const sentence = (hasFailed ? status.dataset.failed : status.dataset.updated) ?? "{time}";
      status.setAttribute("aria-live", hasFailed ? "polite" : "off");
      status.toggleAttribute("data-has-failed", hasFailed);
      status.textContent = sentence.replace("{time}", time);
    }
  }

  /** Refresh the section now and then, one request at a time, only while the page can be seen. */
  function keepFresh(section) {
    const milliseconds = 1000 * (Number(section.dataset.liveSeconds) || USUAL_SECONDS);
    let timer = setTimeout(refresh, milliseconds);
    let isUnderWay = false;
    let shown = null;

    async function refresh() {
      if (isUnderWay || document.hidden) return;
      clearTimeout(timer);
      isUnderWay = true;
      try {
        const html = await answered(section.dataset.live);
        if (html !== shown) show(section, html);
        shown = html;
        updatedAt = new Date();
        tell(false);
      } catch {
        tell(true);
      } finally {
        isUnderWay = false;
        timer = setTimeout(refresh, milliseconds);
      }
    }

    document.addEventListener("visibilitychange", refresh);
  }

  /** Return the fragment at `url`. Whoever is sent elsewhere is no longer logged in: the page itself knows the way. */
  async function answered(url) {
    const signal = AbortSignal.timeout(LONGEST_REQUEST_MILLISECONDS);
    const response = await fetch(url, { cache: "no-store", signal });
    if (response.redirected) location.reload();
    if (response.redirected || !response.ok) throw new Error(`${response.status} ${url}`);
    return response.text();
  }

  document.addEventListener("DOMContentLoaded", () => {
    const sections = document.querySelectorAll("[data-live]");
    if (sections.length) tell(false);
    sections.forEach(showTitle);
    sections.forEach(keepFresh);
  });
})();
