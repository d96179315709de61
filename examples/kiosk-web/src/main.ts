// The kiosk's pages: a code, the menu, the order, the receipt.

import { Kiosk, net, type Agreed, type Product } from "./kiosk";
import { Refused } from "./certain";
import type { IdentifyMemberResponse } from "./gen/loyalty/v1/identify_service_pb";

const told = new URLSearchParams(location.search);
const kiosk = new Kiosk(
  told.get("edge") ?? "http://127.0.0.1:8080",
  told.get("key") ?? "sandbox-pos-key",
  Number(told.get("store") ?? 9999),
  (why) => say(`${why}: the same call again, under its key.`),
);

const MENU: Product[] = [
  { plu: "2001", name: "Breakfast sandwich", cents: 849 },
  { plu: "2002", name: "Medium fries", cents: 379 },
  { plu: "2003", name: "Orange juice", cents: 299 },
  { plu: "2004", name: "Garden salad", cents: 649 },
];

/** What the kiosk calls the rewards and offers of its PLUs. */
const INCENTIVES: Record<string, string> = {
  "K-COFFEE-M": "Medium coffee", 9002: "Hash brown", 9003: "Chicken sandwich", 9004: "Party platter",
};

const CODE_DIGITS = 6;
const screen = document.querySelector<HTMLElement>("main")!;
const status = document.querySelector<HTMLElement>("#status")!;
const money = (cents: number) => `$${(cents / 100).toFixed(2)}`;

const nameOf = (plu: string) => INCENTIVES[plu] ?? `No. ${plu}`;

let guest: IdentifyMemberResponse;
let number = "";
const quantities = new Map<string, number>();
const wanted = new Set<string>();

type Child = Node | string;

function make<K extends keyof HTMLElementTagNameMap>(name: K, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function button(text: string, act: () => void, kind = "", label = ""): HTMLButtonElement {
  const made = make("button", { type: "button", ...(kind ? { class: kind } : {}), ...(label ? { "aria-label": label } : {}) }, text);
  made.addEventListener("click", act);
  return made;
}

function say(text: string): void {
  status.textContent = text;
}

/** Show a page; a screen reader begins at its title. */
function show(title: string, ...children: Child[]): void {
  const head = make("h1", { tabindex: "-1" }, title);
  screen.replaceChildren(head, ...children);
  head.focus();
}

/** Do something that asks the service; nothing else can be pressed meanwhile. */
async function busy(work: () => Promise<void>): Promise<void> {
  screen.inert = true;
  say("One moment …");
  try {
    await work();
    say("");
  } catch (problem) {
    const refused = problem instanceof Refused ? problem : new Refused(String(problem), "", new Set());
    say(`${refused.message}.`);
    status.dataset.reason = refused.reason;
  } finally {
    screen.inert = false;
  }
}

function welcome(): void {
  quantities.clear();
  wanted.clear();
  delete status.dataset.reason;
  number = `K-${crypto.randomUUID().slice(0, 8)}`;
  const code = make("input", {
    id: "code", inputmode: "numeric", autocomplete: "off", maxlength: String(CODE_DIGITS), pattern: "[0-9]{6}", required: "",
  });
  const form = make("form", {}, make("label", { for: "code" }, "Code of six digits, from the app"), code);
  const pad = make("div", { class: "pad", role: "group", "aria-label": "Digits" },
    ...["1", "2", "3", "4", "5", "6", "7", "8", "9"].map((digit) => button(digit, () => { code.value = (code.value + digit).slice(0, CODE_DIGITS); })),
    button("⌫", () => { code.value = code.value.slice(0, -1); }, "", "Delete a digit"),
    button("0", () => { code.value = (code.value + "0").slice(0, CODE_DIGITS); }),
    make("button", { type: "submit", class: "main" }, "Go"));
  form.append(pad);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void busy(async () => {
      guest = await kiosk.identify(code.value, number);
      for (const one of [...guest.order, ...guest.eligibleDiscounts]) wanted.add(one.incentiveId ?? "");
      menu();
    });
  });
  show("Show your code", form);
}

function menu(): void {
  const total = make("strong", {}, "");
  const count = () => {
    const sum = MENU.reduce((cents, { plu, cents: each }) => cents + net(each, chosenDiscounts()) * (quantities.get(plu) ?? 0), 0);
    total.textContent = money(sum);
    review.disabled = sum === 0;
  };
  const review = button("Review", () => void busy(reviewed), "main");
  const products = MENU.map((product) => {
    const shown = make("output", {}, String(quantities.get(product.plu) ?? 0));
    const change = (by: number) => () => {
      const quantity = Math.max(0, (quantities.get(product.plu) ?? 0) + by);
      quantities.set(product.plu, quantity);
      shown.value = String(quantity);
      count();
    };
    return make("li", {}, make("span", { class: "name" }, product.name), make("span", {}, money(product.cents)),
      make("span", { class: "count" }, button("−", change(-1), "", `One ${product.name} less`), shown, button("+", change(1), "", `One more ${product.name}`)));
  });
  const incentives = [
    ...guest.order.map((one) => ({ id: one.incentiveId ?? "", name: nameOf(one.productId) })),
    ...guest.eligibleDiscounts.map((one) => ({ id: one.incentiveId ?? "", name: one.details?.displayName ?? nameOf(one.productId) })),
  ];
  const choices = incentives.map(({ id, name }) => {
    const box = make("input", { type: "checkbox", ...(wanted.has(id) ? { checked: "" } : {}) });
    box.addEventListener("change", () => { wanted[box.checked ? "add" : "delete"](id); count(); });
    return make("li", {}, make("label", {}, box, ` ${name}`));
  });
  show(`Hello ${guest.loyaltyUser?.name ?? ""}`,
    make("p", { id: "points" }, `You have ${guest.balances[0]?.amount ?? 0} points.`),
    make("ul", { class: "menu" }, ...products),
    choices.length ? make("h2", {}, "From your app") : "", choices.length ? make("ul", { class: "choices" }, ...choices) : "",
    make("div", { class: "foot" }, total, button("Cancel", () => void busy(cancelled)), review));
  count();
}

const chosenDiscounts = () => guest.eligibleDiscounts.filter((one) => wanted.has(one.incentiveId ?? ""));

async function reviewed(): Promise<void> {
  const bought = MENU.map((product) => ({ product, quantity: quantities.get(product.plu) ?? 0 })).filter(({ quantity }) => quantity > 0);
  const agreed = await kiosk.agree(guest, number, bought, wanted);
  const held = await kiosk.hold(agreed.order);
  const lines = agreed.order.transactionDetails?.order ?? [];
  show("Your order",
    make("ul", { class: "lines" }, ...lines.map((line) =>
      make("li", {}, `${line.quantity ?? 1} × ${line.name ?? nameOf(line.productId)}`, make("span", {}, money(Math.round((line.price ?? 0) * 100) * (line.quantity ?? 1)))))),
    agreed.leftOut.length ? make("p", { id: "left-out" }, `${agreed.leftOut.length} of your rewards and offers can't be used in this order.`) : "",
    make("p", { id: "held" }, held.pointsRedeemed ? `${held.pointsRedeemed} points are set aside.` : "No points are needed."),
    make("div", { class: "foot" }, make("strong", { id: "total" }, money(agreed.cents)),
      button("Change", menu), button("Cancel", () => void busy(cancelled)),
      button("Pay at the counter", () => counter(agreed)), button("Pay here", () => void busy(() => paid(agreed, "VISA")), "main")));
}

/** The order is held; whoever takes the money claims it, here by a second button. */
function counter(agreed: Agreed): void {
  show("Please pay at the counter",
    make("p", { class: "number" }, number),
    make("p", {}, "Your points are set aside until then."),
    make("div", { class: "foot" }, button("Cancel", () => void busy(cancelled)), button("Paid in cash", () => void busy(() => paid(agreed, "CASH")), "main")));
}

async function paid(agreed: Agreed, type: string): Promise<void> {
  receipt(await kiosk.claim(agreed.order, type));
}

function receipt(done: Awaited<ReturnType<Kiosk["claim"]>>): void {
  const { header, marketing, pointsEarned, pointsRedeemed, totalPoints, identifier, footer } = done.presentation ?? {};
  const printed = [header, marketing, pointsEarned, pointsRedeemed, totalPoints, identifier, footer].filter((line) => line !== undefined);
  show("Thank you",
    make("p", { id: "earned" }, `You earned ${done.pointsEarned} points and have ${done.points}.`),
    make("pre", { id: "receipt", tabindex: "0", role: "region", "aria-label": "Receipt" }, printed.join("\n")),
    make("div", { class: "foot" }, button("Next guest", welcome, "main")));
}

async function cancelled(): Promise<void> {
  const done = await kiosk.cancel(guest.transactionId);
  show("Cancelled", make("p", { id: "points" }, `You have ${done.points} points.`), make("div", { class: "foot" }, button("Next guest", welcome, "main")));
}

welcome();
// The page was closed before it heard what became of a claim.
void busy(async () => {
  const done = await kiosk.claimWaiting();
  if (done) receipt(done);
});
