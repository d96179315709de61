// Orders, points, faults and the clock.

import { $, keep, make, number, say, span, timeOf, word } from "./board-dom.js";
import { showOrder } from "./board-calls.js";

const nowOf = (state) => Date.parse(state.clock.now);

export function takeOrders(state) {
  const empty = [{ id: "", status: "" }];
  keep($("orders-list"), state.orders.length ? state.orders : empty, (order) => `${order.id}`, () => make("li"), (item, order) => {
    const left = order.id ? Date.parse(order.expires) - nowOf(state) : 0;
    const told = JSON.stringify([order, Math.round(left / 60000)]);
    if (item.told === told) return;
    item.told = told;
    item.replaceChildren(...(order.id ? orderParts(order, left) : [make("p", { class: "muted" }, "No order yet.")]));
  });
}

function orderParts(order, left) {
  const who = order.member ? `${order.member}${order.code ? `, code ${order.code}` : ""}` : "without a guest";
  const facts = [
    `store ${order.store}`, order.channel,
    `opened ${timeOf(order.opened)}`,
    order.status === "PENDING" ? `void in ${span(left)}` : order.changed !== order.opened && `${word(order.status)} ${timeOf(order.changed)}`,
    order.earned && `${number(order.earned)} points earned`,
    order.returned && `${number(order.returned)} gone with what came back`,
    order.redeemed && `${number(order.redeemed)} spent`,
    order.status === "VOID" && (order.earned || order.redeemed) && "both taken back",
  ].filter(Boolean);
  const button = make("button", { type: "button", class: "small" }, "Calls", make("span", { class: "hidden" }, ` of order ${order.till}`));
  button.addEventListener("click", () => showOrder(order.id));
  const holds = order.holds.filter((hold) => hold.status === "OPEN" || (hold.status === "CAPTURED" && order.status === "CLAIMED"));
  return [
    make("div", { class: "row spread" },
      make("p", {}, make("span", { class: `pill ${order.status.toLowerCase()}` }, order.status), " ", make("strong", {}, order.till || "–"), ` ${who}`),
      button),
    make("p", { class: "muted small" }, facts.join(" · ")),
    ...holds.map((hold) => make("p", { class: "small" }, `${hold.name}: ${number(hold.points)} points ${hold.status === "OPEN" ? "held" : "captured"}`)),
    make("p", { class: "muted small id" }, order.id),
  ];
}

const MEMBERS = ["AVAILABLE", "HELD", "UNCONFIRMED", "DEBT"];

export function takePoints(state) {
  const kinds = MEMBERS.filter((kind, place) => place < 2 || state.accounts.some((one) => one.balances[kind]));
  const heads = kinds.map((kind) => make("th", { scope: "col", class: "figure" }, word(kind)));
  if ($("points-head").dataset.of !== kinds.join()) {
    $("points-head").dataset.of = kinds.join();
    $("points-head").replaceChildren(make("tr", {}, make("th", { scope: "col" }, "member"), ...heads));
    $("points-body").replaceChildren();
  }
  keep($("points-body"), state.accounts, (one) => one.member,
    (one) => make("tr", {}, make("th", { scope: "row" }, one.member), ...kinds.map(() => make("td", { class: "figure" }))),
    (row, one) => kinds.forEach((kind, place) => {
      const cell = row.children[place + 1];
      const told = number(one.balances[kind] ?? 0);
      if (cell.textContent && cell.textContent !== told) blink(cell);
      say(cell, told);
    }));
  const program = Object.entries(state.program).map(([kind, points]) => `${word(kind)} ${number(points)}`);
  say($("points-program"), `The program: ${program.join(", ")}.`);
  const tills = new Map(state.orders.map((order) => [order.id, order.till]));
  keep($("moves"), state.transfers, (one) => one.id, (one) => moveItem(one, tills.get(one.order)), () => {});
}

function moveItem(one, till) {
  const end = ({ member, account }) => `${member || "program"} ${word(account)}`;
  const order = till ? `order ${till}` : one.order || one.note;
  return make("li", { class: "move" },
    make("span", { class: "when" }, timeOf(one.at)),
    make("span", { class: "mark" }, word(one.cause)),
    make("span", { class: "ends" }, end(one.from), make("span", { "aria-hidden": "true" }, " → "), make("span", { class: "hidden" }, " to "), end(one.to)),
    make("span", { class: "figure" }, number(one.points)),
    order ? make("span", { class: "muted small id" }, order) : "");
}

function blink(cell) {
  cell.classList.remove("new");
  requestAnimationFrame(() => cell.classList.add("new"));
}

export function takeClock(state) {
  say($("clock-now"), state.clock.now.replace("T", " ").slice(0, 19));
  $("clock-now").dateTime = state.clock.now;
  say($("clock-ahead"), state.clock.aheadMs ? `${state.clock.ahead} ahead of this machine` : "The machine's own time");
}

const SEEN = {
  lost: "the connection ends without an answer",
  late: "the answer comes after 7 s",
  never: "no answer; the connection stays open",
  unavailable: "503 STORAGE_UNAVAILABLE, nothing done",
  busy: "429 SERVER_BUSY, with a wait of 3 s",
  timeout: "504 DEADLINE_PASSED, but it took effect",
  twice: "the call arrives twice",
  killed: "the server ends before it answers",
  half: "half of the answer's body",
  unknown: "422 with a code that no page lists",
  slow: "the body comes little by little",
};

/** Word where a code has its fault. */
const wordFault = ({ fault, on, times }) => `${fault} at ${on}${times > 1 ? `, ${times} times` : ""}`;

export function takeFaults(state, remove) {
  const { codes, kinds, steps, bound } = state.faults;
  if (!$("faults-kind").children.length) {
    $("faults-kind").append(...kinds.map((kind) => make("option", { value: kind }, `${kind}: ${SEEN[kind] ?? ""}`)));
    $("faults-on").append(...steps.map((step) => make("option", {}, step)));
  }
  const told = JSON.stringify([codes, bound]);
  if ($("faults-list").told === told) return;
  $("faults-list").told = told;
  keep($("faults-list"), bound, (code) => `${code} ${wordFault(codes[code])}`, (code) => {
    const button = make("button", { type: "button", role: "switch", "aria-checked": "true", "aria-label": `${code}: ${wordFault(codes[code])}` });
    button.addEventListener("click", () => remove(code));
    return make("li", { class: "row spread" }, make("span", {}, make("strong", {}, code), ` ${wordFault(codes[code])}`), button);
  }, () => {});
  const fixed = (kind, step) => Object.keys(codes).find((code) => !bound.includes(code) && codes[code].fault === kind && codes[code].on === step) ?? "";
  $("faults-fixed").replaceChildren(...kinds.map((kind) => make("tr", {},
    make("th", { scope: "row" }, kind, make("span", { class: "muted small block" }, SEEN[kind] ?? "")),
    make("td", {}, fixed(kind, "identify")), make("td", {}, fixed(kind, "claim")))));
}
