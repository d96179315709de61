<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${api["info"]["title"]} ${api["info"]["version"]}: reference</title>
<style>
:root { color-scheme: light; --line: #d5d9e0; --soft: #f4f6f9; --ink: #1b2330; --link: #0b57b0; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 20rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1.5rem 1rem; background: var(--soft); border-right: 1px solid var(--line); font-size: .875rem; }
nav ul { list-style: none; margin: 0 0 1rem; padding: 0; } nav li { margin: .2rem 0; }
main { padding: 1.5rem 2.5rem 4rem; max-width: 72rem; }
a { color: var(--link); }
h1 { margin-top: 0; } h2 { margin-top: 3rem; border-bottom: 2px solid var(--line); } h3 { margin-top: 2.5rem; } h4 { margin: 1.2rem 0 .4rem; }
code, pre { font: .875em/1.45 ui-monospace, monospace; } code { background: var(--soft); padding: 0 .2em; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); padding: .75rem; overflow: auto; max-height: 28rem; margin: .4rem 0; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; border: 1px solid var(--line); padding: .35rem .5rem; } th { background: var(--soft); }
td p { margin: 0; } td:first-child code { overflow-wrap: normal; white-space: nowrap; } .wide { overflow-x: auto; }
.verb { display: inline-block; min-width: 3.2rem; font: bold .8rem ui-monospace, monospace; color: #0a5c36; }
.verb.PUT { color: #8a4b00; } .verb.GET { color: #0b57b0; }
summary { cursor: pointer; padding: .15rem 0; } .must { color: #a3122a; font-size: .85em; }
@media (max-width: 60rem) { body { display: block; } nav { position: static; height: auto; border: 0; } main { padding: 1rem; } }
</style>
</head>
<body>
<nav aria-label="Contents">
<p><strong>${api["info"]["title"]} ${api["info"]["version"]}</strong></p>
% for tag in api["tags"]:
<p>${tag["name"]}</p>
<ul>
% for verb, path, operation in operations:
% if tag["name"] in operation["tags"]:
<li><a href="#${operation["operationId"]}"><span class="verb ${verb}">${verb}</span>${operation["operationId"]}</a></li>
% endif
% endfor
</ul>
% endfor
<ul>
<li><a href="#errors">Every error</a></li>
<li><a href="#envoy">What Envoy answers by itself</a></li>
<li><a href="#schemas">Messages</a></li>
</ul>
</nav>
<main>
<h1>${api["info"]["title"]} ${api["info"]["version"]}</h1>
${tools.prose(api["info"]["description"]) | n}
<p>The same for tools: <a href="openapi.json">openapi.json</a>, <a href="openapi.yaml">openapi.yaml</a>.</p>
<h4>API key</h4>
<p>As header <code>x-api-key</code>, or as <code>Authorization: Bearer</code>.</p>
% for tag in api["tags"]:
<h2>${tag["name"]}</h2>
${tools.prose(tag["description"]) | n}
% for verb, path, operation in operations:
% if tag["name"] in operation["tags"]:
<section aria-labelledby="${operation["operationId"]}">
<h3 id="${operation["operationId"]}">${operation["operationId"]}</h3>
<p><span class="verb ${verb}">${verb}</span><code>${path}</code></p>
${tools.prose(operation["description"]) | n}
<p>Over gRPC: <code>${operation["x-rpc"]}</code></p>
<h4>Parameters</h4>
<div class="wide"><table><thead><tr><th>name</th><th>in</th><th>type</th><th>limits</th><th>meaning</th><th>example</th></tr></thead><tbody>
% for one in operation["parameters"]:
<tr><td><code>${one["name"]}</code>${'<br><span class="must">required</span>' if one["required"] else "" | n}</td><td>${one["in"]}</td><td>${tools.type_of(one["schema"]) | n}</td><td>${tools.limits_of(one["schema"])}</td><td>${tools.line(one["description"]) | n}</td><td>${f"<code>{tools.line(one['example'])}</code>" if "example" in one else "" | n}</td></tr>
% endfor
</tbody></table></div>
% if "requestBody" in operation:
<% body = tools.content(operation["requestBody"]) %>
<h4>Body</h4>
${fields(body["schema"])}
${examples(body)}
% endif
<h4>Answers</h4>
% for status, answer in operation["responses"].items():
<% content = tools.content(answer) %>
<details${" open" if status == "200" else ""}><summary><strong>${status}</strong> ${tools.type_of(content["schema"]) | n}</summary>
${tools.prose(answer["description"]) | n}
${examples(content)}
</details>
% endfor
</section>
% endif
% endfor
% endfor
<h2 id="errors">Every error</h2>
<div class="wide"><table><thead><tr><th>reason, gRPC and HTTP status, code, errorCode</th><th>meaning</th><th>send again</th><th>for the cashier</th></tr></thead><tbody>
% for error in api["x-errors"]:
<tr id="${error["reason"]}"><td><code>${error["reason"]}</code><br>${error["grpcStatus"]}, ${error["httpStatus"]}<br><code>${error["code"]}</code><br><code>${error["errorCode"]}</code></td><td>${tools.prose(error["description"]) | n}</td><td>${again(error)}</td><td>${error["cashier"]["en"]}<br><span lang="fr">${error["cashier"]["fr"]}</span></td></tr>
% endfor
</tbody></table></div>
<h2 id="envoy">What Envoy answers by itself</h2>
<div class="wide"><table><thead><tr><th>HTTP</th><th>code / errorCode</th><th>message</th><th>send again</th><th>for the cashier</th></tr></thead><tbody>
% for error in api["x-envoy-errors"]:
<tr><td>${error["httpStatus"]}</td><td><code>${error["code"]}</code> <code>${error["errorCode"]}</code></td><td>${error["message"]}</td><td>${again(error)}</td><td>${error["cashier"]["en"]}<br><span lang="fr">${error["cashier"]["fr"]}</span></td></tr>
% endfor
</tbody></table></div>
<h2 id="schemas">Messages</h2>
% for name, schema in api["components"]["schemas"].items():
<h3 id="${name}">${name}</h3>
${tools.prose(schema["description"]) | n}
${fields(schema)}
% endfor
</main>
</body>
</html>
<%def name="again(error)">${error["sendAgain"]}${f", after {error['waitMs']} ms or as told" if "waitMs" in error else ""}</%def>
<%def name="examples(content)">
% for example in content.get("examples", {}).values():
<% shown = tools.found(example) %>
<details><summary>Example: ${shown["summary"]}</summary><pre tabindex="0">${tools.code(shown["value"])}</pre></details>
% endfor
</%def>
<%def name="fields(schema)">
<div class="wide"><table><thead><tr><th>field</th><th>type</th><th>limits</th><th>meaning</th></tr></thead><tbody>
% for name, required, kind, limits, text in tools.fields(schema):
<tr><td><code>${name}</code>${'<br><span class="must">required</span>' if required else "" | n}</td><td>${kind | n}</td><td>${limits}</td><td>${tools.prose(text) | n}</td></tr>
% endfor
</tbody></table></div>
</%def>
