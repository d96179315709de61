// The certification: begins a run of a till, shows how it stands, ends it, and gives its report.

import { $, make, say, word } from "./board-dom.js";

const MARKS = { passed: "✓", failed: "✗", running: "▸", waiting: "·", "not run": "–" };

/** Show a run of the certification, or that there is none. */
export function takeCertification(told, done) {
  const body = $("certification-body");
  const text = JSON.stringify(told ?? null);
  if (body.told === text) return;
  body.told = text;
  offer(told);
  if (!told?.cases?.length) {
    body.replaceChildren(
      make("p", { class: "muted" }, "No certification runs. Begin one here, or in a terminal:"),
      make("pre", {}, "loyalty certify till --profile my-till.yaml"));
    return;
  }
  const count = (verdict) => told.cases.filter((one) => one.verdict === verdict).length;
  const judged = told.cases.length - count("waiting") - count("running");
  const sums = `${judged} of ${told.cases.length} cases: ${count("passed")} passed, ${count("failed")} failed, ${count("not run")} not run`;
  const open = body.querySelector("details")?.open;
  const focused = body.contains(document.activeElement) ? document.activeElement.textContent : "";
  body.replaceChildren(
    make("p", {}, make("span", { class: `pill ${told.state ?? "running"}` }, word(told.state ?? "running").toUpperCase()), " ",
      [told.side, told.profile, told.revision].filter(Boolean).join(" · ")),
    make("label", { class: "block" }, sums, make("progress", { max: told.cases.length, value: judged })),
    told.now?.do ? todo(told, done) : "",
    told.files?.length ? report(told.files) : "",
    told.report ? make("p", { class: "small" }, `Report: ${told.report}`) : "",
    make("details", open || count("failed") ? { open: true } : {}, make("summary", {}, "Cases"),
      make("ul", { class: "plain scroll", tabindex: "0", "aria-label": "Cases" }, ...told.cases.map(caseItem))));
  // Spoken is what to do, and how it ended; not each call that comes.
  say($("certification-spoken"), told.now?.do ? `${told.now.id}: ${told.now.do}` : running(told) ? "" : sums);
  // Whoever stood on a button stands on it again.
  if (focused) [...body.querySelectorAll("button, summary, a")].find((one) => one.textContent === focused)?.focus();
}

const running = (told) => told?.state === "running";

/** Offer what can be done: a run can be begun while there is none, and ended while there is one. */
function offer(told) {
  const stop = running(told) && told.side === "till";
  const lost = stop ? $("certification-new") : $("certification-stop");
  // What has the focus may be about to go.
  if (lost.contains(document.activeElement)) $("certification").focus();
  $("certification-stop").hidden = !stop;
  if (!stop) $("stop-dialog").close();
  $("certification-new").hidden = stop;
  if (stop) $("certification-new").open = false;
  say($("certification-begin"), told?.cases?.length ? "Begin another run" : "Begin a run");
}

function todo({ side, now }, done) {
  const buttons = side === "till" ? [["Done", false], ["Leave out", true]].map(([text, skipped]) => {
    const button = make("button", { type: "button", class: skipped ? null : "main" }, text);
    button.addEventListener("click", () => done(now.id, skipped));
    return button;
  }) : [];
  return make("p", { class: "todo" }, make("span", { class: "muted small block" }, `Now ${now.id ?? ""}`), now.do,
    ...(now.hints ?? []).map((hint) => make("span", { class: "small block" }, hint)),
    make("span", { class: "tools" }, ...buttons));
}

function report(files) {
  const links = files.map((name) => make("li", {}, make("a", { href: `/certification/${name}`, download: name }, name)));
  return make("div", {}, make("h3", { id: "report-title" }, "Signed report"),
    make("ul", { class: "files", "aria-labelledby": "report-title" }, ...links));
}

function caseItem(one) {
  return make("li", { class: `case ${String(one.verdict).replace(" ", "-")}` },
    make("span", { "aria-hidden": "true", class: "tick" }, MARKS[one.verdict] ?? "·"),
    make("span", {}, make("strong", {}, one.id), ` ${one.title ?? ""} `, make("span", { class: "muted small" }, `${one.verdict}${one.level ? `, ${one.level}` : ""}`),
      one.note ? make("span", { class: "small block" }, one.note) : ""));
}

/** Fill the form with what the sandbox offers. */
export function takeChoices({ revisions, has }) {
  $("certification-has").append(...Object.entries(has).map(([name, says]) =>
    make("label", { class: "check" }, make("input", { type: "checkbox", name: "has", value: name }), make("span", {}, make("code", {}, name), ` ${says}`))));
  $("certification-revision").append(...revisions.map((name) => make("option", {}, name)));
}

/** Have the buttons begin and end a run. */
export function startCertification(begin, stop) {
  $("certification-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const text = (name) => given.get(name).trim();
    begin({
      profile: { name: text("name"), vendor: text("vendor"), version: text("version"), has: given.getAll("has") },
      revision: given.get("revision"),
      settle_s: Number(given.get("settle")),
      only: text("only").split(/[\s,]+/).filter(Boolean),
    });
  });
  $("certification-stop").addEventListener("click", () => $("stop-dialog").showModal());
  $("stop-form").addEventListener("submit", (event) => { if (event.submitter.value === "yes") stop(); });
}
