// Fetches the parts of a page that take longer, and puts them where they belong.
"use strict";
for (const place of document.querySelectorAll("[data-fragment]")) {
  fetch(place.dataset.fragment, { credentials: "same-origin" }).then(async (answer) => {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = page.getElementById("fragment") || page.querySelector("main .wrap");
    place.replaceChildren(part || "This could not be read.");
  }).catch(() => { place.textContent = "The console does not answer."; });
}
