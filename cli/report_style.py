"""How a report looks: light and dark as the reader's system is, and on paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --ink: #1d2329; --quiet: #5c6670; --line: #d9dee3; --paper: #ffffff; --raised: #f5f7f9;
  --accent: #1f6f5c; --good: #1b7f4b; --warn: #8f5b00; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e8ec; --quiet: #9aa5b0; --line: #343c45; --paper: #14181c; --raised: #1d2329;
    --accent: #63c5aa; --good: #6fce9b; --warn: #e3b35c; --bad: #f2938b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
}
header { border-bottom: 2px solid var(--ink); padding-bottom: 1rem; }
header p { margin: 0; color: var(--quiet); }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .2rem 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .7rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .5rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; }
.quiet { color: var(--quiet); }
.state { font-weight: 600; }
.state.completed { color: var(--good); }
.state.failed, .state.open { color: var(--bad); }
.state.stopped, .state.partly-reversed, .state.requested { color: var(--warn); }
.figures { display: flex; flex-wrap: wrap; gap: .7rem; margin: 1.4rem 0 0; }
.figures div {
  background: var(--raised); border: 1px solid var(--line); border-radius: 8px; flex: 1 1 5.5rem;
  padding: .6rem .9rem;
}
.figures b {
  display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
.figures span { color: var(--quiet); font-size: .85rem; }
dl {
  display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1.2rem;
  margin: .5rem 0;
}
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th {
  text-align: left; color: var(--quiet); font-weight: 600; border-bottom: 1px solid var(--ink);
  vertical-align: bottom;
}
th, td { padding: .32rem 1rem .32rem 0; }
td {
  border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere;
  min-width: 6.5em;
}
th:last-child, td:last-child { padding-right: 0; }
.number, .short { white-space: nowrap; min-width: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
code {
  font: .87em/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere;
}
pre {
  background: var(--raised); border: 1px solid var(--line); border-radius: 8px;
  padding: .7rem .9rem; white-space: pre-wrap;
}
.chart { display: block; width: 100%; height: auto; margin: .5rem 0; }
.chart text {
  fill: var(--quiet); font: 11px system-ui, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
.chart .grid { stroke: var(--line); }
.chart .start { stroke: var(--quiet); stroke-dasharray: 3 3; }
.chart .line { fill: none; stroke: var(--accent); stroke-width: 1.8; }
.chart .area { fill: var(--accent); opacity: .14; }
footer {
  border-top: 1px solid var(--line); margin-top: 3rem; padding-top: .8rem; color: var(--quiet);
}
@page { size: A4; margin: 16mm 14mm; }
@media print {
  :root {
    color-scheme: light;
    --ink: #000000; --quiet: #444444; --line: #bbbbbb; --paper: #ffffff; --raised: #ffffff;
    --accent: #1f6f5c; --good: #000000; --warn: #000000; --bad: #000000;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  table { font-size: 8.5pt; }
  .wide { overflow: visible; }
  th, td { padding-right: .6rem; }
  table.dense { font-size: 6pt; }
  thead { display: table-header-group; }
  tr, .figures, .chart, dl > * { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  * { print-color-adjust: exact; }
}
"""
