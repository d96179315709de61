// Makes elements: text is never read as HTML.

export const $ = (id) => document.getElementById(id);

/** Make an element with attributes and children, which are elements or texts. */
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

/** Set a text if it is another, so that nothing is spoken or painted twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Bring a list's items in line with data: an item stays the same element as long as its key does. */
export function keep(list, data, keyOf, build, update) {
  const known = new Map([...list.children].map((item) => [item.dataset.key, item]));
  let before = null;
  for (const one of data) {
    const key = String(keyOf(one));
    let item = known.get(key);
    known.delete(key);
    if (!item) {
      item = build(one);
      item.dataset.key = key;
      if (list.dataset.filled) item.classList.add("new"); // Not what was there before the board.
    }
    update(item, one);
    const place = before ? before.nextSibling : list.firstChild;
    if (place !== item) list.insertBefore(item, place);
    before = item;
  }
  for (const item of known.values()) item.remove();
  if (data.length) list.dataset.filled = "yes";
}

export async function copy(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed here";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

export const number = (points) => points.toLocaleString("en", { useGrouping: true });
export const timeOf = (instant) => instant.slice(11, 19);
export const word = (name) => name.toLowerCase().replaceAll("_", " ");

/** Word a span of time. */
export function span(ms) {
  const minutes = Math.max(0, Math.round(ms / 60000));
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
  return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}
