// Tells the server in which time zone the browser is, so that its pages show times by the clock on the wall.
(() => {
  const SECONDS_OF_A_YEAR = 31536000;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const secure = window.location.protocol === "https:" ? "; Secure" : "";
  if (zone) document.cookie = `time_zone=${zone}; Path=/; Max-Age=${SECONDS_OF_A_YEAR}; SameSite=Lax${secure}`;
})();
