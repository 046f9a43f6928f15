"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
const byId = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const state = { measure: 0, rule: "", hidden: new Set() };

// ---- Numbers: everything shown comes from the counts of clips by true and predicted class.
function measureOf(counts, measure) {
  const sum = line => line.reduce((a, b) => a + b, 0);
  const rows = counts.map(sum);
  const columns = counts.map((_, j) => sum(counts.map(row => row[j])));
  if (measure === 0) {
    const f1 = counts.map((row, i) => 2 * row[i] / Math.max(rows[i] + columns[i], 1));
    return sum(f1) / f1.length;
  }
  if (measure === 1) return 100 * sum(counts.map((row, i) => row[i])) / sum(rows);
  const i = measure - 2;
  return rows[i] ? 100 * counts[i][i] / rows[i] : NaN;
}
function valueOf(number, measure, rule = state.rule) {
  const chosen = data.cells[number].chosen[rule];
  return chosen && chosen.counts ? measureOf(chosen.counts, measure) : NaN;
}
function meanOf(numbers, measure) {
  const found = numbers.map(n => valueOf(n, measure)).filter(Number.isFinite);
  return { value: found.reduce((a, b) => a + b, 0) / found.length, n: found.length };
}
const digits = measure => data.measures[measure].digits;
const write = (value, measure) => value.toFixed(digits(measure));
const short = (value, measure) => measure ? value.toFixed(0) : value.toFixed(3).replace(/^0/, "");
const numbersOf = td => (td.dataset.cells || "").split(" ").filter(Boolean).map(Number);

// ---- Tables and heat map.
function tell(td) {
  const numbers = numbersOf(td);
  if (numbers.length !== 1) return "";
  const cell = data.cells[numbers[0]], chosen = cell.chosen[state.rule];
  const head = `${cell.row}, ${cell.task}\n`;
  if (!chosen || !chosen.counts) return head + (chosen || "no figure");
  const lines = data.measures.map((m, i) => [m, measureOf(chosen.counts, i)])
    .filter(([, v]) => Number.isFinite(v)).map(([m, v], i) => `${m.label}: ${v.toFixed(m.digits)}`);
  const setting = chosen.setting ? `setting: ${chosen.setting}` : "no parameter";
  return `${head}${lines.join("\n")}\n${setting} (of ${cell.settings.toLocaleString("en")})\n` +
    `n = ${cell.n}`;
}
function fill(td, table, rows) {
  const own = numbersOf(td), average = own.length > 1 || td.classList.contains("average") ||
    td === td.parentNode.lastElementChild && table.matches(".results table");
  let numbers = own;
  if (td.closest("tfoot")) {
    const column = td.cellIndex;
    numbers = rows.flatMap(row => numbersOf(row.cells[column]));
    if (td === td.parentNode.lastElementChild && !table.matches("#heat")) numbers = [];
  }
  const wanted = td.closest("tfoot") ? rows.length
    : table.tHead.rows[0].cells.length - 2;
  const first = meanOf(numbers, state.measure), other = state.measure === 0 ? 1 : 0;
  const complete = !average && !td.closest("tfoot") ? first.n === 1 : first.n === wanted && first.n;
  td.classList.remove("best");
  delete td.dataset.sort;
  if (!complete && td.closest("tfoot") && !numbers.length) {
    td.textContent = "";
    return NaN;
  }
  if (!complete) {
    td.textContent = first.n && average && !td.closest("tfoot") ? `(${first.n} of ${wanted})` : "-";
    td.classList.remove("heat");
    return NaN;
  }
  td.dataset.sort = first.value;
  if (table.id === "heat") td.textContent = short(first.value, state.measure);
  else {
    const second = document.createElement("span");
    second.className = "second";
    second.textContent = write(meanOf(numbers, other).value, other);
    const kept = td.querySelector(".printed");
    td.replaceChildren(write(first.value, state.measure), " ", second, ...(kept ? [kept] : []));
    if (kept) kept.hidden = state.measure !== 0 || state.rule !== start;
  }
  return first.value;
}
function bold(td, table) {
  if (table.id === "heat") { td.classList.add("best"); return; }
  const b = document.createElement("b");
  b.textContent = td.firstChild.data;
  td.firstChild.replaceWith(b);
}
function refresh(table) {
  const rows = Array.from(table.tBodies[0].rows).filter(row => !row.classList.contains("off"));
  const values = rows.map(row => Array.from(row.cells).slice(1).map(td => fill(td, table, rows)));
  for (const row of table.tFoot ? table.tFoot.rows : []) {
    for (const td of Array.from(row.cells).slice(1)) fill(td, table, rows);
  }
  const found = values.flat().filter(Number.isFinite);
  const low = Math.min(...found), high = Math.max(...found);
  const rounded = v => Number(v.toFixed(digits(state.measure)));
  (values[0] || []).forEach((_, j) => {
    const column = values.map(line => line[j]);
    const given = column.filter(Number.isFinite).map(rounded);
    rows.forEach((row, i) => {
      const td = row.cells[j + 1];
      if (!Number.isFinite(column[i])) return;
      if (given.length > 1 && rounded(column[i]) === Math.max(...given)) bold(td, table);
      if (table.id !== "heat") return;
      td.classList.add("heat");
      td.style.setProperty("--t", (0.05 + 0.9 * (column[i] - low) / (high - low || 1)).toFixed(3));
    });
  });
  // The second figure's best, as the first's.
  if (table.id === "heat") return;
  const width = table.tHead.rows[0].cells.length;
  for (let j = 1; j < width; j++) {
    const seconds = rows.map(row => row.cells[j].querySelector(".second")).filter(Boolean);
    if (seconds.length < 2) continue;
    const most = Math.max(...seconds.map(s => Number(s.textContent)));
    for (const s of seconds) {
      if (Number(s.textContent) === most) s.innerHTML = `<b>${s.textContent}</b>`;
    }
  }
}
function sortValue(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
  const text = cell.textContent.trim();
  return text === "-" ? "" : text;
}
// Rows of a table are sorted by the column whose heading is pressed.
function sortBy(table, column, falling) {
  const heads = table.tHead.rows[0].cells, rows = Array.from(table.tBodies[0].rows);
  const sorted = heads[column].getAttribute("aria-sort");
  // Numbers begin with the largest, words with A; what has no number stays last either way.
  const words = rows.every(row => row.cells[column].dataset.sort === undefined);
  const rising = falling ? false : sorted ? sorted === "descending" : words;
  for (const head of heads) head.removeAttribute("aria-sort");
  if (!falling) heads[column].setAttribute("aria-sort", rising ? "ascending" : "descending");
  rows.sort((a, b) => {
    const x = sortValue(a, column), y = sortValue(b, column);
    const empty = value => words ? value === "" : typeof value === "string";
    if (empty(x) || empty(y)) return Number(empty(x)) - Number(empty(y));
    const order = words ? x.localeCompare(y, "en", { numeric: true }) : x - y;
    return rising ? order : -order;
  });
  table.tBodies[0].append(...rows);
}
// A heading is a button that sorts.
function prepare(root) {
  for (const table of all("table.sortable", root)) {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortBy(table, column));
    });
  }
}
prepare(document);

// ---- What a rule's settings say about methods: written by the page for each rule.
const places = Object.fromEntries(all("main [data-part]").map(e => [e.dataset.part, e]));
const parts = { [byId("rule").value]:
  Object.fromEntries(Object.entries(places).map(([name, e]) => [name, Array.from(e.childNodes)])) };
for (const template of all("template[data-rule]")) {
  parts[template.dataset.rule] = Object.fromEntries(all("[data-part]", template.content)
    .map(e => { prepare(e); return [e.dataset.part, Array.from(e.childNodes)]; }));
}
function drawVerdict() {
  for (const [name, nodes] of Object.entries(parts[state.rule])) places[name].replaceChildren(...nodes);
  for (const note of all(".follows")) note.hidden = state.measure === 0;
}

// ---- Charts: the same places as in the page as it was written.
const LEFT = 50, RIGHT = 14, TOP = 12, BOTTOM = 42;
function make(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
function roundNumbers(low, high, most) {
  if (high <= low) return [low];
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}
function withRoom(values) {
  const low = Math.min(...values), high = Math.max(...values);
  const room = 0.06 * ((high - low) || Math.abs(high) || 1);
  return [low - room, high + room];
}
function drawTicks(svg, y, x) {
  const box = svg.viewBox.baseVal, right = box.width - RIGHT, bottom = box.height - BOTTOM;
  const grid = svg.querySelector(".grid");
  const old = Array.from(grid.children);
  // Ticks of the x-axis stay unless the chart has a new one.
  const keep = x ? [] : old.filter(e => e.matches("text")
    ? e.getAttribute("text-anchor") === "middle" : / ?v4$/.test(e.getAttribute("d")));
  grid.replaceChildren(...keep);
  for (const v of roundNumbers(...y, 6)) {
    const at = bottom - (v - y[0]) / (y[1] - y[0]) * (bottom - TOP);
    grid.append(make("path", { d: `M${LEFT} ${at.toFixed(1)}H${right}` }));
    grid.append(make("text", { x: LEFT - 6, y: (at + 4).toFixed(1), "text-anchor": "end" }, v));
  }
  for (const v of x ? roundNumbers(...x, 5) : []) {
    const at = LEFT + (v - x[0]) / (x[1] - x[0]) * (right - LEFT);
    grid.append(make("path", { d: `M${at.toFixed(1)} ${bottom}v4` }));
    grid.append(make("text", { x: at.toFixed(1), y: bottom + 17, "text-anchor": "middle" }, v));
  }
}
function drawCurves() {
  const box = byId("budget");
  if (!box) return;
  const every = data.curves[state.rule] || [];
  const most = Math.max(1, ...every.map(c => Math.max(...c.budgets)));
  // A method with one setting is a level line.
  const level = c => c.budgets.length > 1 ? [c.budgets, c.values[state.measure]]
    : [[1, most], [c.values[state.measure][0], c.values[state.measure][0]]];
  const shown = every.map((c, place) => ({ ...c, place, budgets: level(c)[0], y: level(c)[1] }))
    .filter(c => !state.hidden.has(c.row) && c.y && c.y.every(v => v !== null));
  const tasks = Math.max(0, ...every.map(c => c.tasks));
  const y = shown.length ? withRoom(shown.flatMap(c => c.y)) : [0, 1];
  for (const svg of all(":scope > svg", box)) {
    const { width, height } = svg.viewBox.baseVal;
    const right = width - RIGHT, bottom = height - BOTTOM;
    drawTicks(svg, y);
    const marks = svg.querySelector(".marks");
    marks.replaceChildren();
    for (const c of shown) {
      const points = c.budgets.map((m, i) => [
        LEFT + (most > 1 ? Math.log(m) / Math.log(most) : 0.5) * (right - LEFT),
        bottom - (c.y[i] - y[0]) / (y[1] - y[0]) * (bottom - TOP)].map(v => v.toFixed(1)));
      const look = `c${c.place % 8} d${Math.floor(c.place / 8) % 4}`;
      marks.append(make("polyline", { points: points.map(p => p.join(",")).join(" "),
        class: `line ${look}${c.tasks < tasks ? " dotted" : ""}`, "data-row": c.row }));
      const [cx, cy] = points[points.length - 1];
      const end = make("circle", { class: `end ${look}`, cx, cy, r: 3.5 });
      end.append(make("title", {}, `${c.row}: ${write(c.y[c.y.length - 1], state.measure)} with ` +
        `${c.budgets[c.budgets.length - 1].toLocaleString("en")} settings`));
      marks.append(end);
    }
    svg.querySelectorAll("text.name")[1].textContent = data.measures[state.measure].label;
  }
  byId("no-curve").hidden = every.length > 0;
  byId("budget-caption").textContent = data.measures[state.measure].label;
}
function drawPairs() {
  const box = byId("pair");
  if (!box) return;
  const [across, up] = ["across", "up"].map(id => byId(id).value);
  const find = (row, task) => data.compared.find(i => data.cells[i].row === row && data.cells[i].task === task);
  const points = data.compared.map(i => data.cells[i]).filter(c => c.row === across)
    .map(c => [find(across, c.task), find(up, c.task)]).filter(pair => pair[1] !== undefined)
    .map(pair => [...pair, ...pair.map(i => valueOf(i, state.measure))])
    .filter(([, , x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const range = points.length ? withRoom(points.flatMap(p => p.slice(2))) : [0, 1];
  for (const svg of all(":scope > svg", box)) {
    const { width, height } = svg.viewBox.baseVal;
    const right = width - RIGHT, bottom = height - BOTTOM;
    drawTicks(svg, range, range);
    const group = make("g", { class: "dots c0" });
    for (const [i, , x, y] of points) {
      const at = v => (v - range[0]) / (range[1] - range[0]);
      const circle = make("circle", { cx: (LEFT + at(x) * (right - LEFT)).toFixed(1),
        cy: (bottom - at(y) * (bottom - TOP)).toFixed(1), r: 4.5 });
      circle.append(make("title", {}, `${data.cells[i].task}: ${across} ` +
        `${write(x, state.measure)}, ${up} ${write(y, state.measure)} (n = ${data.cells[i].n})`));
      group.append(circle);
    }
    svg.querySelector(".marks").replaceChildren(group);
    const names = svg.querySelectorAll("text.name"), label = data.measures[state.measure].label;
    [across, up].forEach((name, k) => { names[k].textContent = `${label} of ${name}`; });
  }
}
function drawMatrices() {
  for (const table of all("[data-matrix]")) {
    const chosen = data.cells[Number(table.dataset.matrix)].chosen[state.rule];
    all("td", table).forEach((td, k) => {
      const counts = chosen && chosen.counts;
      if (!counts) { td.textContent = "-"; td.style.setProperty("--t", 0); return; }
      const line = counts[Math.floor(k / counts.length)], count = line[k % counts.length];
      const share = count / Math.max(line.reduce((a, b) => a + b, 0), 1);
      const small = document.createElement("small");
      small.textContent = `${(100 * share).toFixed(0)} %`;
      td.replaceChildren(String(count), small);
      td.style.setProperty("--t", share.toFixed(2));
    });
  }
}
function markParameters() {
  for (const span of all("[data-chosen]")) {
    const number = Number(span.dataset.chosen), chosen = data.cells[number].chosen[state.rule];
    const of = `chosen by ${state.rule}`;
    span.textContent = chosen.counts
      ? `${of}: ${chosen.setting} with ${write(valueOf(number, 0), 0)}` : `no setting ${of}: ${chosen}`;
    for (const td of all("[data-setting]", span.closest("details"))) {
      td.classList.toggle("best", Number(td.dataset.setting) === chosen.index);
    }
  }
}
function say() {
  const rows = all("#heat tbody tr").filter(row => !row.classList.contains("off"));
  const means = rows.map(row => [row.dataset.row, Number(row.lastElementChild.dataset.sort)])
    .filter(([, v]) => Number.isFinite(v)).sort((a, b) => b[1] - a[1]);
  const label = data.measures[state.measure].label;
  byId("first-words").textContent = label;
  byId("second-words").textContent = data.measures[state.measure === 0 ? 1 : 0].label;
  byId("heat-caption").textContent = `${label}, settings chosen by ${state.rule}`;
  const changed = state.measure !== 0 || state.rule !== start || state.hidden.size;
  byId("now").textContent = !changed ? "" :
    `Now shown: ${label}, settings chosen by ${state.rule}.` + (means.length ?
      ` Best average: ${means[0][0]}, ${write(means[0][1], state.measure)}.` : "");
}
// What a table's notes say of the rule holds for the rule that the page opens with.
function rewriteNotes() {
  for (const note of all(".of-rule")) {
    note.dataset.first ??= note.textContent;
    const about = note.dataset.first.startsWith("Selection:");
    note.hidden = state.rule !== start && !about;
    note.textContent = state.rule === start || !about ? note.dataset.first
      : `Selection: ${data.rules[state.rule]}.`;
  }
}
function update() {
  drawVerdict();
  for (const element of all("[data-row]")) {
    element.classList.toggle("off", state.hidden.has(element.dataset.row));
  }
  for (const table of all("table.switched")) refresh(table);
  const heat = byId("heat");
  if (heat && !heat.querySelector("[aria-sort]")) sortBy(heat, heat.tHead.rows[0].cells.length - 1, true);
  drawCurves();
  drawPairs();
  drawMatrices();
  markParameters();
  rewriteNotes();
  say();
  hint();
}

// ---- Switches, hover, keyboard.
byId("controls").hidden = byId("sorting").hidden = false;
const start = byId("rule").value;
state.rule = start;
byId("measure").addEventListener("change", event => { state.measure = Number(event.target.value); update(); });
byId("rule").addEventListener("change", event => { state.rule = event.target.value; update(); });
for (const box of all(".methods input")) {
  box.addEventListener("change", () => {
    state.hidden[box.checked ? "delete" : "add"](box.value);
    update();
  });
}
const pairing = byId("pairing");
if (pairing) {
  pairing.hidden = false;
  pairing.addEventListener("change", drawPairs);
}
const tip = byId("tip");
function showTip(td) {
  const text = td && tell(td);
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const at = td.getBoundingClientRect(), own = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(at.left, innerWidth - own.width - 4))}px`;
  tip.style.top = `${at.bottom + own.height + 8 < innerHeight ? at.bottom + 4 : at.top - own.height - 4}px`;
}
for (const table of all("table.switched")) {
  for (const td of all("td", table)) td.removeAttribute("title");
  for (const kind of ["mouseover", "click"]) {
    table.addEventListener(kind, event => showTip(event.target.closest("td")));
  }
  table.addEventListener("mouseleave", () => showTip(null));
  // Arrow keys go from figure to figure.
  const cells = all("td", table);
  if (cells.length) cells[0].tabIndex = 0;
  table.addEventListener("focusin", event => showTip(event.target.closest("td")));
  table.addEventListener("focusout", () => showTip(null));
  table.addEventListener("keydown", event => {
    const td = event.target.closest("td");
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Escape") showTip(null);
    if (!td || !step) return;
    const rows = Array.from(table.tBodies[0].rows).filter(row => !row.classList.contains("off"));
    const row = rows[rows.indexOf(td.parentNode) + step[0]];
    const next = row && row.cells[td.cellIndex + step[1]];
    if (!next || next.tagName !== "TD") return;
    event.preventDefault();
    td.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
function hint() {
  for (const box of all(".scroll")) box.classList.toggle("more", box.scrollWidth > box.clientWidth + 1);
}
addEventListener("resize", hint);
document.addEventListener("toggle", hint, true);
addEventListener("beforeprint", () => { for (const part of all("details:not(.methods)")) part.open = true; });
update();
