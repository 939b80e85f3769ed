// The page of a bulk action: asks for one step after another, and shows how far it is.
// Without it the button «Continue» does one step at a time.
(() => {
  const MILLISECONDS_BESIDE_ANOTHER_PAGE = 2000;
  let running = false;

  const section = () => document.getElementById("bulk-run");

  async function step(form) {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("bulk-run");
    if (!next) {
      window.location.assign(form.action); // the session is over, say
      return;
    }
    const stuck = next.dataset.done === section().dataset.done;
    section().replaceWith(next);
    listen();
    if ("trouble" in next.dataset) running = false;
    if (stuck) await new Promise((resolve) => setTimeout(resolve, MILLISECONDS_BESIDE_ANOTHER_PAGE));
  }

  async function run() {
    running = true;
    listen();
    try {
      for (let form = goOn(); running && form; form = goOn()) await step(form);
    } finally {
      running = false;
      listen();
    }
  }

  const goOn = () => section().querySelector("[data-go-on]");

  function listen() {
    const [form, pause] = [goOn(), section().querySelector("[data-pause]")];
    if (!form) return;
    form.hidden = running;
    pause.hidden = !running;
    form.onsubmit = (event) => {
      event.preventDefault();
      if (!running) run();
    };
    pause.onclick = () => {
      running = false;
    };
  }

  listen();
  const goesOn = "goesOn" in section().dataset;
  history.replaceState(null, "", window.location.pathname); // a page that is loaded again waits for its button
  if (goesOn && goOn()) run();
})();
