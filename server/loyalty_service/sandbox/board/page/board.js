// The board: asks the sandbox what has changed, and tells it what to change.

import { startCalls, takeCalls, takePorts } from "./board-calls.js";
import { $, say } from "./board-dom.js";
import { startCertification, takeCertification, takeChoices } from "./board-certification.js";
import { takeClock, takeFaults, takeOrders, takePoints } from "./board-side.js";

const PAUSE_MS = 250;
const AGAIN_MS = 1000;
const CERTIFICATION_MS = 1000;

let run = "";
let revision = 0;
let state = null;
let clockAt = 0;
let chosen = false;

const rest = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** Call the sandbox; gives what it tells, or throws in its words. */
async function ask(method, path, body) {
  const answer = await fetch(path, { method, body: body === undefined ? undefined : JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error ?? `${answer.status}`);
  return told;
}

async function follow() {
  for (;;) {
    try {
      take(await ask("GET", `/board/state?run=${run}&after=${revision}`));
      await rest(PAUSE_MS);
    } catch {
      link("The sandbox does not answer.", false);
      await rest(AGAIN_MS);
    }
  }
}

function take(told) {
  state = told;
  clockAt = performance.now();
  if (told.run !== run) takeCalls({ ...told, oldest: Infinity, calls: [] });
  run = told.run;
  revision = told.revision;
  link(told.serving ? "Live" : "The server begins again …", told.serving);
  say($("doors"), `JSON on 127.0.0.1:${told.doors.http} · gRPC on 127.0.0.1:${told.doors.grpc}`);
  takePorts(told.doors);
  takeCalls(told);
  takeClock(told);
  takeFaults(told, (code) => bind((faults) => delete faults[code]));
  if (told.serving) {
    takeOrders(told);
    takePoints(told);
  }
}

function link(text, live) {
  say($("link"), text);
  $("link").classList.toggle("live", live);
}

/** Let the clock go on between two answers. */
function tick() {
  if (!state) return;
  const now = new Date(Date.parse(state.clock.now) + performance.now() - clockAt);
  takeClock({ ...state, clock: { ...state.clock, now: now.toISOString() } });
}

async function act(place, work) {
  try {
    say($(place), await work());
    $(place).classList.remove("bad");
  } catch (problem) {
    say($(place), problem.message);
    $(place).classList.add("bad");
  }
}

const advance = (by) => act("clock-said", async () => {
  const { ended, ahead } = await ask("POST", "/clock", { advance: by });
  return `Now ${ahead} ahead. Ended: ${ended.transactions} open orders, ${ended.codes} codes.`;
});

/** Change which codes have a fault. */
const bind = (change) => act("faults-said", async () => {
  const { codes, bound } = await ask("GET", "/faults");
  const faults = Object.fromEntries(bound.map((code) => [code, codes[code]]));
  change(faults);
  await ask("PUT", "/faults", faults);
  return "";
});

const reset = () => act("clock-said", async () => {
  await ask("POST", "/reset");
  return "It is the first day again.";
});

async function followCertification() {
  for (;;) {
    let told = null;
    if (state?.certifies) {
      told = await ask("GET", "/certification").catch(() => null);
      if (told && !chosen) await ask("GET", "/certification/choices").then((choices) => { chosen = true; takeChoices(choices); }, () => {});
    }
    if (state) takeCertification(told, (id, skipped) => act("certification-said", async () => {
      await ask("POST", "/certification/done", { case: id, skipped });
      return "";
    }));
    await rest(CERTIFICATION_MS);
  }
}

const begin = (asked) => act("certification-said", async () => {
  const { cases } = await ask("POST", "/certification", asked);
  return `Begun: ${cases.length} cases.`;
});

const stop = () => act("certification-said", async () => {
  await ask("POST", "/certification/stop");
  return "";
});

function start() {
  startCalls(() => ask("POST", "/board/clear").catch(() => {}));
  $("clock-form").addEventListener("submit", (event) => {
    event.preventDefault();
    advance($("clock-by").value.trim());
  });
  for (const button of document.querySelectorAll("button.by")) {
    button.addEventListener("click", () => advance(button.dataset.by));
  }
  $("reset").addEventListener("click", () => $("reset-dialog").showModal());
  // Not the dialog's close event: it comes late, when the dialog may be open again.
  $("reset-form").addEventListener("submit", (event) => { if (event.submitter.value === "yes") reset(); });
  $("faults-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const entry = { fault: $("faults-kind").value, on: $("faults-on").value, times: Number($("faults-times").value) };
    bind((faults) => { faults[$("faults-code").value] = entry; });
  });
  startCertification(begin, stop);
  setInterval(tick, 1000);
  follow();
  followCertification();
}

start();
