"use strict";
// Leaderboards: a heading sorts, the search field and the boxes filter. Nothing is loaded.
(() => {
  const MANY = 9; // rows from which on filters help

  const number = (text) => text === "" || text === "nan" ? NaN : text === "inf" ? Infinity : Number(text);

  function compare(a, b, numeric) {
    if (!numeric) return a.localeCompare(b);
    const [x, y] = [number(a), number(b)];
    return x === y ? 0 : x < y ? -1 : 1;
  }

  for (const board of document.querySelectorAll(".board")) {
    const body = board.querySelector("tbody"), rows = [...body.rows];
    const controls = board.querySelector(".controls"), said = controls.querySelector("span");
    const search = controls.querySelector("input[type=search]");
    const boxes = [...controls.querySelectorAll("input[type=checkbox]")];
    const value = (row, i) => row.querySelectorAll("[data-value]")[i].dataset.value;

    function filter() {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const without = new Set(boxes.filter((b) => !b.checked).map((b) => b.value));
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = without.has(row.dataset.role) || !words.every((w) => text.includes(w));
        left += !row.hidden;
      }
      said.textContent = `${left} of ${rows.length} rows`;
    }

    for (const [i, head] of [...board.querySelectorAll("thead th")].entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const numeric = !head.classList.contains("text");
        const rising = head.ariaSort !== "ascending";
        for (const other of board.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const known = (row) => !numeric || !Number.isNaN(number(value(row, i)));
        rows.sort((a, b) => known(a) && known(b)
          ? (rising ? 1 : -1) * compare(value(a, i), value(b, i), numeric)
          : known(b) - known(a));
        body.append(...rows);
      });
    }
    search.addEventListener("input", filter);
    for (const box of boxes) box.addEventListener("change", filter);
    controls.hidden = rows.length < MANY;
    filter();
  }
})();
