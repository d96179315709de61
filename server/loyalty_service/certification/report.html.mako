<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${results["subject"]["name"]}: certification ${results["revision"]}, ${results["verdict"]}</title>
<style>
:root { color-scheme: light dark; --ink: #1b2330; --page: #fff; --soft: #f4f6f9; --line: #d5d9e0; --good: #0a5c36; --bad: #a3122a; --dim: #5a6472; --link: #0b57b0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --page: #14181f; --soft: #1d232d; --line: #39424f; --good: #6fd3a0; --bad: #ff8a9b; --dim: #a3adba; --link: #8ab8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem 2rem 4rem; color: var(--ink); background: var(--page); font: 16px/1.5 system-ui, sans-serif; }
a { color: var(--link); } h1 { margin: 0 0 .25rem; } h2 { margin: 2.5rem 0 .5rem; } h3 { margin: 2rem 0 .25rem; font-size: 1.05rem; }
p { margin: .25rem 0; } .dim { color: var(--dim); }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; border: 1px solid var(--line); padding: .35rem .5rem; overflow-wrap: anywhere; }
th { background: var(--soft); } caption { text-align: left; color: var(--dim); padding: .25rem 0; }
.passed { color: var(--good); font-weight: 600; } .failed { color: var(--bad); font-weight: 600; } .not-run, .incomplete { color: var(--dim); font-weight: 600; }
.head td:first-child { width: 12rem; color: var(--dim); } code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
section.case { border-top: 1px solid var(--line); }
@media (max-width: 40rem) { body { padding: 1rem; } }
@media print { section.case { break-inside: avoid; } }
</style>
</head>
<body>
<%def name="verdict(word)"><span class="${word.replace(' ', '-')}">${word}</span></%def>
<main>
<h1>${results["subject"]["name"]}</h1>
<p>Certification of a ${results["side"]}: ${verdict(results["verdict"])}. ${sums}.</p>
<div class="wide" role="region" aria-label="About the run" tabindex="0">
<table class="head">
<tbody>
% for name, value in results["subject"].items():
<tr><td>${name}</td><td>${", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value}</td></tr>
% endfor
<tr><td>set of requirements</td><td>${results["revision"]}</td></tr>
<tr><td>test program</td><td>${results["program"]}</td></tr>
% if results["side"] == "host":
<tr><td>host can</td><td>${", ".join(results["test_program"]["can"]) or "nothing beside the calls"}</td></tr>
% endif
<tr><td>began, ended</td><td>${results["began"]}, ${results["ended"]}</td></tr>
<tr><td>kit</td><td>${results["kit"]}</td></tr>
% for signer in signers:
<tr><td>signed by</td><td>${signer["role"]} ${signer["name"]}, key <code>${signer["fingerprint"]}</code></td></tr>
% endfor
</tbody>
</table>
</div>
<p class="dim">A signature shows that the file is unchanged since it was signed, and with which key; who holds the key, the fingerprint tells those who know it. <code>loyalty certify verify report.html</code> checks it and judges again what was seen.</p>
<h2>Cases</h2>
<div class="wide" role="region" aria-label="All cases" tabindex="0">
<table>
<thead><tr><th scope="col">Case</th><th scope="col">Title</th><th scope="col">Level</th><th scope="col">Verdict</th><th scope="col">Note</th></tr></thead>
<tbody>
% for case in results["cases"]:
<tr><td><a href="#${case["case"]}">${case["case"]}</a></td><td>${case["title"]}</td><td>${case["requirement"]["level"]}</td><td>${verdict(case["verdict"])}</td><td>${case["note"]}${(" Known: " + case["known_failure"]) if case["known_failure"] else ""}</td></tr>
% endfor
</tbody>
</table>
</div>
% for case in results["cases"]:
<section class="case" id="${case["case"]}">
<h3>${case["case"]}: ${case["title"]} (${verdict(case["verdict"])})</h3>
<p>${case["requirement"]["says"]} <span class="dim">${case["requirement"]["level"]}, ${case["requirement"]["source"]}</span></p>
<p><span class="dim">Cashier:</span> ${case["cashier"]}</p>
<p><span class="dim">Host:</span> ${case["host"]}</p>
% if case["lines"]:
<div class="wide" role="region" aria-label="Steps of ${case["case"]}" tabindex="0">
<table>
<thead><tr><th scope="col">Action</th><th scope="col">Expected</th><th scope="col">Seen</th><th scope="col">Verdict</th><th scope="col">Note</th></tr></thead>
<tbody>
% for line in case["lines"]:
<tr><td>${line["action"]}</td><td>${line["expected"]}</td><td>${line["seen"]}</td><td>${verdict(line["verdict"])}</td><td>${line.get("note", "")}</td></tr>
% endfor
</tbody>
</table>
</div>
% else:
<p>${case["note"]}</p>
% endif
</section>
% endfor
</main>
<template id="${mark}">${packed}</template>
</body>
</html>
