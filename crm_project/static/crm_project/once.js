// Sends a form once, however often its button is pressed while the answer is under way.
//
// The second press is dropped. Buttons are not disabled: the name of a disabled one would not be sent. A page that the
// browser shows again from its memory sends anew; so does a form that brings a file, for it leaves its page as it is.
"use strict";

(() => {
  let sent = new WeakSet();

  const addressOf = (form) => new URL(form.getAttribute("action") || "", window.location);

  const isSentOnce = (form) => form.getAttribute("method")?.toLowerCase() === "post" && !bringsFile(form);

  const bringsFile = (form) => addressOf(form).pathname.endsWith("/export/");

  function sendOnce(event) {
    const form = event.target;
    if (event.defaultPrevented || !isSentOnce(form)) return;
    if (sent.has(form)) event.preventDefault();
    sent.add(form);
  }

  // At the window, behind every script of the page that sends a form in a way of its own.
  window.addEventListener("submit", sendOnce);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) sent = new WeakSet();
  });
})();
