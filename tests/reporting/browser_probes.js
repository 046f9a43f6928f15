// Run by test_report_browser.py after browser_contrasts.js: presses, chooses, and notes what is shown.
const named = (figure, caption) =>
  figure.querySelector("figcaption").textContent.startsWith(caption);
const table = caption => caption === "heat" ? one(wide, "#heat") :
  all(wide, "figure").find(f => named(f, caption) && f.querySelector("table"))
    .querySelector("table");
const rowsOf = t => Array.from(t.tBodies[0].rows).filter(r => !r.classList.contains("off"));
const text = t => Object.fromEntries(rowsOf(t).map(r =>
  [r.cells[0].textContent, Array.from(r.cells).slice(1).map(c => c.textContent.trim())]));
const everything = () => all(wide, "main").map(e => e.textContent.replace(/\s+/g, " "))[0];
const press = (caption, column) => {
  const head = table(caption).tHead.rows[0].cells[column];
  head.querySelector("button").click();
  const rows = rowsOf(table(caption));
  return {sorted: head.getAttribute("aria-sort"), names: rows.map(r => r.cells[0].textContent),
    values: rows.map(r => r.cells[column].textContent.trim())};
};
const choose = (id, value) => {
  one(wide, id).value = value;
  one(wide, id).dispatchEvent(new wide.Event("change", {bubbles: true}));
};
const points = () => all(wide, "#budget svg.wide polyline").map(p => p.getAttribute("points"));
const state = () => ({heat: text(table("heat")), table: text(table("Table III")),
  framed: all(wide, "#heat .best").length, points: points(), matrices: matrix(),
  ticks: all(wide, "#budget svg.wide .grid text").map(t => t.textContent),
  pairs: all(wide, "#pair svg.wide circle title").map(t => t.textContent),
  foot: Array.from(table("Table IV").tFoot.rows[0].cells).map(c => c.textContent.trim()),
  notes: all(wide, ".of-rule").filter(n => !n.hidden).map(n => n.textContent),
  words: ["first", "second"].map(n => one(wide, `#${n}-words`).textContent),
  verdict: part("verdict"), tests: part("statistics"),
  marked: all(wide, "[data-chosen]").map(e => e.textContent),
  follows: all(wide, ".follows").filter(e => !e.hidden).length,
  now: one(wide, "#now").textContent, caption: one(wide, "#heat-caption").textContent});
const part = name =>
  one(wide, `main [data-part=${name}]`).textContent.replace(/\s+/g, " ").trim();
const matrix = () => Array.from(one(wide, "[data-matrix]").querySelectorAll("td"))
  .map(td => parseInt(td.firstChild.data));

found.widths = widths();
found.first = [phone, wide].map(f => one(f, "#heat").getBoundingClientRect().bottom);
found.start = state();
choose("#measure", "1");
found.accuracy = state();
choose("#measure", "3");
found.recall = state();
choose("#measure", "0");
choose("#rule", "entropy");
found.entropy = state();
choose("#rule", "snd");
found.snd = [state().points.length, one(wide, "#no-curve").hidden];
choose("#rule", "oracle");
found.noCurve = one(wide, "#no-curve").hidden;
found.again = state();
const box = all(wide, ".methods input").find(b => b.value === "TCA");
box.click();
found.hidden = state();
box.click();
found.shown = state();
choose("#up", "SA <b>");
found.paired = state().pairs;

found.sources = text(table("Where every figure"));
found.results = [press("Table III", 1), press("Table III", 1)];
found.gaps = [press("Table III", 4), press("Table III", 4)];
found.names = [press("Table III", 0), press("Table III", 0)];
found.mcnemar = [press("How sure", 6), press("How sure", 6)];
found.cells = [press("How sure", 0)];
found.sorted = all(wide, "th[aria-sort]").length;
found.buttons = all(wide, "table.sortable thead th").map(h => h.children[0].tagName);
found.dead = all(wide, "a").map(a => a.getAttribute("href"))
  .filter(a => !a.startsWith("#") || !wide.document.getElementById(a.slice(1)));
found.unnamed = all(wide, "svg[role=img]").map(s => s.getAttribute("aria-label"))
  .filter(label => label.length < 8);
found.drawn = screens.map(f => Math.max(...all(f, ".chart").map(c =>
  Array.from(c.children).filter(s => s.tagName === "svg" && s.clientWidth).length)));
found.pictures = screens.map(f => all(f, "main .chart > svg").filter(s => s.clientWidth)
  .map(s => [s.clientWidth, s.viewBox.baseVal.width]));

// Keyboard: every switch can be reached, arrow keys go from figure to figure.
const tip = () => one(wide, "#tip").hidden ? "" : one(wide, "#tip").textContent;
const cell = rowsOf(table("heat"))[0].cells[1];
cell.focus();
found.tip = tip();
const key = name => wide.document.activeElement.dispatchEvent(
  new wide.KeyboardEvent("keydown", {key: name, bubbles: true, cancelable: true}));
key("ArrowDown");
const focused = () => {
  const td = wide.document.activeElement;
  return [td.parentNode.rowIndex, td.cellIndex];
};
found.below = focused();
key("ArrowRight");
found.right = focused();
key("Escape");
found.closed = tip();
cell.dispatchEvent(new wide.MouseEvent("mouseover", {bubbles: true}));
found.hover = tip();
found.reachable = ["#measure", "#rule", ".methods summary", "nav a", "#heat th button", ".scroll"]
  .map(s => one(wide, s).tabIndex);

// On a phone the tasks scroll between methods and averages, which stay in sight.
const heat = one(phone, "#heat"), tasks = heat.closest(".scroll");
const seen = () => [heat.tBodies[0].rows[0].cells[0], heat.tBodies[0].rows[0].lastElementChild]
  .map(e => e.getBoundingClientRect()).map(r => [r.left, r.right]);
found.heat = {more: tasks.classList.contains("more"), before: seen(),
  size: parseFloat(phone.getComputedStyle(heat.tBodies[0].rows[0].cells[1]).fontSize)};
tasks.scrollLeft = 120;
found.heat.scrolled = tasks.scrollLeft;
found.heat.after = seen();

// A wide table keeps its first column, and says that there is more.
const scroll = all(phone, "#tables .scroll")[0], first = scroll.querySelector("tbody th");
const place = first.getBoundingClientRect().left;
found.more = scroll.classList.contains("more");
scroll.scrollLeft = 200;
found.kept = [scroll.scrollLeft, place, first.getBoundingClientRect().left];
one(phone, "nav").scrollIntoView();
phone.scrollTo(0, 3000);
found.nav = one(phone, "nav").getBoundingClientRect().top;

for (const frame of screens) frame.dispatchEvent(new frame.Event("beforeprint"));
found.open = all(wide, "main details").map(d => d.open);
found.widthsOpen = widths();
found.contrasts = Object.assign(found.contrasts, contrasts(wide));
