"use strict";
// Rows of a table are sorted by the column whose heading is pressed; data-sort holds the number.
function sortValue(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
  return cell.textContent.trim();
}
function sortBy(table, column) {
  const heads = table.tHead.rows[0].cells;
  const first = heads[column].getAttribute("aria-sort") === "descending";
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", first ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  rows.sort((a, b) => {
    const x = sortValue(a, column), y = sortValue(b, column);
    const xn = typeof x === "number", yn = typeof y === "number";
    if (xn !== yn) return xn ? -1 : 1;  // cells without a number stay last
    const order = xn ? x - y : x.localeCompare(y);
    return first ? order : -order;
  });
  body.append(...rows);
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
