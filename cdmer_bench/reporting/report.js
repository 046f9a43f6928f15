"use strict";
// Rows of a table are sorted by the column whose heading is pressed; data-sort holds the number.
function sortValue(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
  const text = cell.textContent.trim();
  return text === "-" ? "" : text;
}
function sortBy(table, column) {
  const heads = table.tHead.rows[0].cells;
  const rows = Array.from(table.tBodies[0].rows);
  const sorted = heads[column].getAttribute("aria-sort");
  // Numbers begin with the largest, words with A.
  const words = rows.every(row => typeof sortValue(row, column) === "string");
  const rising = sorted ? sorted === "descending" : words;
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", rising ? "ascending" : "descending");
  rows.sort((a, b) => {
    const x = sortValue(a, column), y = sortValue(b, column);
    // What has no number, or no word, stays last in both directions.
    const empty = value => words ? value === "" : typeof value === "string";
    if (empty(x) || empty(y)) return Number(empty(x)) - Number(empty(y));
    const order = words ? x.localeCompare(y, "en", {numeric: true}) : x - y;
    return rising ? order : -order;
  });
  table.tBodies[0].append(...rows);
}
for (const table of document.querySelectorAll("table.sortable")) {
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, column));
  });
}
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
