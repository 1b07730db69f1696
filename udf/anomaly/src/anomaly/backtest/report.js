// Sends what was chosen of periods to InfluxDB, as lines of its protocol (anomaly.backtest.judge makes them).
"use strict";
const form = document.querySelector("form.judge");
const choices = [...document.querySelectorAll("select.judge")];
for (const each of [form, ...choices, ...document.querySelectorAll("th.judge")]) each.hidden = false;

function credentials(user, password) {
  if (!user) return {};
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return {Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}`};
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const {address, database, user, password} = Object.fromEntries(new FormData(form));
  const output = form.querySelector("output");
  const chosen = choices.filter((each) => each.value);
  if (!chosen.length) {
    output.value = "Nothing is chosen: say of a period above what it was.";
    return;
  }
  output.value = "Writing…";
  const url = `${address.replace(/\/+$/, "")}/write?db=${encodeURIComponent(database)}&precision=ns`;
  try {
    const answer = await fetch(url, {
      method: "POST",
      body: chosen.map((each) => each.value).join("\n"),
      headers: credentials(user, password),
    });
    output.value = answer.ok
      ? `Written: ${chosen.length}. Running tasks notice once the keeper, or anomaly feedback sync, has handed it on.`
      : `Nothing was written, InfluxDB says ${answer.status}: ${(await answer.text()).trim()}`;
  } catch (error) {
    output.value = `Nothing was written, ${address} does not answer this page (${error.message}): is it the right address, `
      + "and reached from here?";
  }
});
