// The list of calls: what was sent, what came back, and what was done to it on purpose.

import { $, copy, keep, make, say, timeOf } from "./board-dom.js";
import { shownJson } from "./board-json.js";

const calls = new Map();
let paused = false;
let unseen = [];
let speaking = 0;
let most = 40;

/** Take the calls that are new or have changed. */
export function takeCalls(state) {
  for (const number of calls.keys()) if (number < state.oldest) calls.delete(number);
  for (const call of state.calls) {
    if (!calls.has(call.number)) unseen.push(call);
    calls.set(call.number, call);
  }
  $("calls-example").textContent ||= example(state.doors.http);
  if (!paused) show();
  if (unseen.length && !speaking) speaking = setTimeout(speak, 1500);
}

/** Show the calls of one order. */
export function showOrder(id) {
  $("calls-text").value = id;
  $("calls-failed").checked = false;
  show();
  $("calls").focus();
  $("calls").scrollIntoView();
}

export function startCalls(clear) {
  $("calls-filter").addEventListener("input", show);
  $("calls-filter").addEventListener("submit", (event) => event.preventDefault());
  $("calls-clear").addEventListener("click", clear);
  $("calls-copy").addEventListener("click", (event) => copy($("calls-example").textContent, event.target));
  $("calls-more").addEventListener("click", () => { most = Infinity; show(); });
  $("calls-pause").addEventListener("click", (event) => {
    paused = !paused;
    event.target.setAttribute("aria-pressed", String(paused));
    show();
  });
}

function speak() {
  speaking = 0;
  const last = unseen.at(-1);
  const count = unseen.length === 1 ? "One new call" : `${unseen.length} new calls, the last`;
  const state = calls.get(last?.number) ?? last;
  unseen = [];
  if (state) say($("spoken"), `${count}: ${nameOf(state)}, ${outcome(state)}`);
}

function show() {
  const text = $("calls-text").value.trim().toLowerCase();
  const failed = $("calls-failed").checked;
  const shown = [...calls.values()].reverse().filter((call) => {
    if (failed && call.ok && !call.fault && !call.broken) return false;
    return !text || JSON.stringify(call).toLowerCase().includes(JSON.stringify(text).slice(1, -1));
  });
  say($("calls-count"), calls.size === shown.length ? `${calls.size}` : `${shown.length} of ${calls.size}`);
  $("calls-none").hidden = calls.size > 0;
  $("calls-more").hidden = shown.length <= most;
  keep($("calls-list"), shown.slice(0, most), (call) => call.number, build, update);
}

const nameOf = (call) => call.name || `${call.verb} ${call.path}`;

/** Word what the caller got. */
function outcome(call) {
  if (call.broken) return call.status ? `${call.status}, cut` : "no answer";
  return call.tookMs === null ? "under way" : call.status || "no answer";
}

function build() {
  const part = (name) => make("span", { class: name });
  const summary = make("summary", {}, part("when"), part("protocol"), part("what"), part("marks"), part("status"), part("took"));
  const body = make("div", { class: "call" });
  const details = make("details", {}, summary, body);
  const item = make("li", {}, details);
  details.addEventListener("toggle", () => fill(item));
  return item;
}

const PROTOCOLS = { json: "JSON", grpc: "gRPC", "grpc-web": "gRPC-Web" };

function update(item, call) {
  const at = (name) => item.querySelector(`.${name}`);
  say(at("when"), timeOf(call.at));
  say(at("protocol"), PROTOCOLS[call.protocol]);
  const what = `${nameOf(call)} ${call.gist}`;
  if (at("what").dataset.of !== what) {
    at("what").dataset.of = what;
    at("what").replaceChildren(make("strong", {}, nameOf(call)), make("span", { class: "gist" }, ` ${call.gist}`));
  }
  say(at("status"), outcome(call));
  const open = call.tookMs === null;
  at("status").className = `status ${open ? "open" : call.ok && !call.broken ? "good" : "bad"}`;
  say(at("took"), open ? "" : `${call.tookMs < 10 ? call.tookMs.toFixed(1) : Math.round(call.tookMs)} ms`);
  const marks = [call.fault && `fault: ${call.fault}`, call.kept && "kept answer", call.caller].filter(Boolean);
  if (at("marks").dataset.of !== marks.join()) {
    at("marks").dataset.of = marks.join();
    at("marks").replaceChildren(...marks.map((mark) => make("span", { class: mark.startsWith("fault") ? "mark fault" : "mark" }, mark)));
  }
  if (item.revision !== JSON.stringify([call.answer, call.fault, call.broken])) {
    item.revision = JSON.stringify([call.answer, call.fault, call.broken]);
    item.call = call;
    fill(item);
  }
}

const SEEN = {
  lost: "The connection ended before the till got this answer.",
  late: "The till got this answer 7 s later.",
  never: "The till got no answer; its connection stayed open.",
  timeout: "What was asked for took effect.",
  twice: "The call was delivered twice; this is the answer of the second delivery.",
  killed: "The server ended before it could answer, and began again.",
  half: "The till got half of this answer's body.",
  slow: "The body came little by little for 4 s.",
};

function fill(item) {
  const details = item.querySelector("details");
  const body = item.querySelector(".call");
  if (!details.open) return body.replaceChildren();
  const call = item.call;
  const facts = [
    `${call.door === "http" ? "Through Envoy" : "At the gRPC port"}, ${PROTOCOLS[call.protocol]}`,
    call.order && `order ${call.order}`,
    SEEN[call.fault],
    call.fault && !SEEN[call.fault] && "Nothing was done.",
    call.broken && !call.fault && "The connection ended before the answer.",
  ].filter(Boolean);
  const buttons = make("div", { class: "tools" });
  if (call.protocol === "json") {
    const button = make("button", { type: "button" }, "Copy as curl");
    button.addEventListener("click", () => copy(curl(call), button));
    buttons.append(button);
  }
  body.replaceChildren(
    make("div", { class: "row spread" }, make("p", { class: "muted small" }, facts.join(" · ")), buttons),
    side("Request", `${call.verb} ${call.path}`, call.request),
    side("Answer", outcome(call), call.answer),
  );
}

function side(title, first, sent) {
  const fields = sent.fields.filter(([name]) => !name.startsWith(":"));
  const list = make("dl", { class: "fields-list" }, ...fields.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  const pre = make("pre", { tabindex: "0", "aria-label": `Body of the ${title.toLowerCase()}`, role: "group" });
  pre.append(sent.body ? shownJson(sent.body) : make("span", { class: "muted" }, "no body"));
  return make(
    "div", { class: "sent" },
    make("h3", {}, title, " ", make("code", {}, first)),
    fields.length ? make("details", {}, make("summary", {}, `${fields.length} headers`), list) : "",
    pre,
  );
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const SKIPPED = /^(:|host$|content-length$|user-agent$|accept|connection$|sec-|origin$|referer$)/;

/** Word a call for a terminal; the API key is the variable KEY. */
function curl(call) {
  const parts = [`curl -s -X ${call.verb} ${quoted(`http://127.0.0.1:${doorOf(call)}${call.path}`)}`];
  for (const [name, value] of call.request.fields) {
    if (SKIPPED.test(name)) continue;
    const secret = value.endsWith("…");
    parts.push(secret ? `-H "${name}: ${name === "authorization" ? `${value.split(" ")[0]} ` : ""}$KEY"` : `-H ${quoted(`${name}: ${value}`)}`);
  }
  if (call.request.body) parts.push(`-d ${quoted(call.request.body)}`);
  return parts.join(" \\\n  ");
}

let ports = {};
const doorOf = (call) => ports[call.door];
export const takePorts = (doors) => { ports = doors; };

function example(port) {
  return `curl -s http://127.0.0.1:${port}/loyalty/identify -H 'x-api-key: sandbox-pos-key' -d '{\n` +
    '  "identifier": "123456",\n  "posVendor": {"storeId": "9999", "posType": "Partner", "transactionId": "257"}}\'';
}
