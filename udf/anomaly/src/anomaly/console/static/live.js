// Refreshes a page by itself: fetches it anew, and replaces the part #live. Without scripts the page works, too.
"use strict";
(() => {
  const every = Number(document.getElementById("live").dataset.every) * 1000;
  let timer, typing, request;

  function prepare() {
    for (const each of document.querySelectorAll("[data-live-only]")) each.hidden = false;
    const form = document.querySelector("[data-live-form]");
    const field = form.querySelector("input[type=search]");
    form.addEventListener("submit", (event) => { event.preventDefault(); go(form); });
    field.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => go(form), 250); });
  }

  function go(form) {
    clearTimeout(typing);
    const query = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
    refresh();
  }

  async function refresh() {
    clearTimeout(timer);
    if (request) request.abort();
    const mine = request = new AbortController();
    try {
      const answer = await fetch(location.href, { signal: mine.signal, credentials: "same-origin" });
      if (answer.redirected) { location.reload(); return; }
      if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      stale(!answer.ok);
    } catch (error) {
      if (mine.signal.aborted) return;
      stale(true);
    }
    timer = setTimeout(refresh, every);
  }

  // Keeps what somebody types, selects or has the focus on.
  function replace(page) {
    const old = document.getElementById("live"), next = page.getElementById("live");
    if (!next || String(getSelection()) && !document.activeElement.matches("input")) return;
    const active = document.activeElement, id = active.id, href = active.getAttribute("href");
    const typed = id === "search" ? [active.value, active.selectionStart, active.selectionEnd] : null;
    const scrolled = [...old.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
    old.replaceWith(next);
    document.title = page.title;
    next.querySelectorAll(".scroll").forEach((each, number) => { each.scrollLeft = scrolled[number] || 0; });
    prepare();
    if (typed) {
      const field = document.getElementById("search");
      field.value = typed[0];
      field.focus({ preventScroll: true });
      field.setSelectionRange(typed[1], typed[2]);
    } else if (href) {
      [...next.querySelectorAll("a")].find((each) => each.getAttribute("href") === href)?.focus({ preventScroll: true });
    }
  }

  function stale(is) { document.getElementById("live").classList.toggle("stale", is); }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) refresh();
  });
  prepare();
  timer = setTimeout(refresh, every);
})();
