// Shows JSON as it was sent: numbers and names keep each character, only blanks are added.

import { make } from "./board-dom.js";

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]|\s+/gy;

/** Split a text into tokens; null where it is not JSON. */
function tokens(text) {
  const found = [];
  TOKEN.lastIndex = 0;
  let at = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    if (match[0].trim()) found.push(match[0]);
    at = TOKEN.lastIndex;
  }
  return at === text.length && found.length ? found : null;
}

/** Make the content of a <pre>: indented and coloured if it is JSON, else as it is. */
export function shownJson(text) {
  const shown = document.createDocumentFragment();
  const found = tokens(text);
  if (!found || !/^[{[]/.test(text.trim())) {
    shown.append(text);
    return shown;
  }
  let depth = 0;
  const line = () => shown.append("\n" + "  ".repeat(depth));
  found.forEach((token, index) => {
    const after = found[index + 1];
    if (token === "{" || token === "[") {
      shown.append(token);
      if (after === "}" || after === "]") return;
      depth += 1;
      line();
    } else if (token === "}" || token === "]") {
      if (found[index - 1] !== "{" && found[index - 1] !== "[") { depth -= 1; line(); }
      shown.append(token);
      if (depth === 0 && after && after !== ",") shown.append("\n");
    } else if (token === ",") {
      shown.append(token);
      line();
    } else if (token === ":") {
      shown.append(": ");
    } else {
      const kind = token[0] === '"' ? (after === ":" ? "name" : "text") : "value";
      shown.append(make("span", { class: `json-${kind}` }, token));
    }
  });
  return shown;
}
