// Grid: the matrix of programs and kernels. Only what is in view has elements.

const ROW_HEIGHT = 26;
const TIER_HEIGHT = 24;
const RELEASE_HEIGHT = 130;
const GROUP_WIDTH = 100;
const MAX_GROUP_WIDTH = 150;
const KERNEL_WIDTH = 26;
const MAX_KERNEL_WIDTH = 44;
// Rows and columns next to those in view that have elements, too.
const MARGIN = 6;

// The grid's element and its state. The active cell has a row (-1: the column's head) and a column (null: the row's head).
// `open(row, node)` shows the details of a cell, with null for a whole row or column.
function createGrid(model, open) {
  const head = element("div", { class: "head", role: "rowgroup" });
  const body = element("div", { class: "body", role: "rowgroup" });
  const canvas = element("div", { class: "canvas", role: "presentation" }, head, body);
  const root = element(
    "div",
    { id: "grid", role: "grid", tabindex: "0", "aria-label": "Verdicts of programs on kernels", "aria-describedby": "grid-help" },
    canvas,
  );
  const grid = { model, open, root, head, body, canvas, row: 0, node: null, columns: [], window: null };
  root.addEventListener("scroll", () => requestAnimationFrame(() => renderCells(grid)), { passive: true });
  root.addEventListener("click", (event) => clickGrid(grid, event));
  root.addEventListener("keydown", (event) => pressKey(grid, event));
  new ResizeObserver(() => (root.clientWidth === grid.clientWidth ? renderCells(grid) : layoutGrid(grid))).observe(root);
  return grid;
}

// Computes the columns and draws everything anew, after a change of what is shown.
function layoutGrid(grid) {
  const { model, root, canvas } = grid;
  const leaves = leavesOf(model.root, (node) => node.shown.length > 0).filter((node) => node !== model.root);
  const groups = leaves.filter((node) => node.level !== KERNEL).length;
  const headWidth = parseFloat(getComputedStyle(root).getPropertyValue("--row-head")) || 300;
  // Groups take the space that is left, and then kernels.
  const free = root.clientWidth - headWidth;
  const clamp = (min, max, value) => Math.max(min, Math.min(max, Math.floor(value)));
  const kernels = leaves.length - groups;
  const groupWidth = clamp(GROUP_WIDTH, MAX_GROUP_WIDTH, (free - kernels * KERNEL_WIDTH) / (groups || 1));
  const kernelWidth = clamp(KERNEL_WIDTH, MAX_KERNEL_WIDTH, (free - groups * groupWidth) / (kernels || 1));
  let x = headWidth;
  grid.columns = leaves.map((node) => {
    const width = node.level === KERNEL ? kernelWidth : groupWidth;
    x += width;
    return { node, x: x - width, width };
  });
  grid.headWidth = headWidth;
  grid.width = x;
  layoutTiers(grid);
  canvas.style.width = `${x}px`;
  canvas.style.height = `${grid.headHeight + model.shownRows.length * ROW_HEIGHT}px`;
  root.setAttribute("aria-rowcount", grid.tiers.length + model.shownRows.length);
  root.setAttribute("aria-colcount", 1 + grid.columns.length);
  grid.clientWidth = root.clientWidth;
  grid.window = null;
  renderCells(grid);
}

// The rows of the head: one for each level that has a column or an open group.
function layoutTiers(grid) {
  const levels = new Set();
  for (const { node } of grid.columns) {
    for (let own = node; own.level >= 0; own = own.parent) levels.add(own.level);
  }
  let top = 0;
  grid.tiers = [...levels].sort().map((level) => {
    const height = level === KERNEL ? RELEASE_HEIGHT : TIER_HEIGHT;
    top += height;
    return { level, top: top - height, height };
  });
  grid.headHeight = Math.max(top, TIER_HEIGHT);
}

function renderHead(grid, first, last) {
  const { head, tiers, columns, headWidth, headHeight, model } = grid;
  head.style.height = `${headHeight}px`;
  const corner = element("div", { class: "corner", role: "columnheader", "aria-colindex": "1" }, "program");
  corner.style.width = `${headWidth}px`;
  corner.style.height = `${headHeight}px`;
  const rows = tiers.map((tier, index) => {
    const row = element("div", { class: "tier", role: "row", "aria-rowindex": index + 1 });
    let last = null;
    columns.forEach((column, at) => {
      let node = column.node;
      while (node.level > tier.level) node = node.parent;
      if (node.level !== tier.level || node === last) return;
      last = node;
      // Of kernels, which may be many, only those in view.
      if (node.level === KERNEL && (at < first || at >= last)) return;
      let span = 1;
      while (columns[at + span] && isBelow(columns[at + span].node, node)) span += 1;
      row.append(headCell(grid, node, tier, at, span));
    });
    return row;
  });
  head.replaceChildren(element("div", { class: "corner-row", role: "row" }, corner), ...rows);
  if (columns.length === 0 || model.shownRows.length === 0) {
    head.append(element("p", { class: "nothing" }, "Nothing matches. Clear the filters to see all programs and kernels."));
  }
}

function isBelow(node, ancestor) {
  let own = node;
  while (own && own !== ancestor) own = own.parent;
  return own === ancestor;
}

function headCell(grid, node, tier, at, span) {
  const { columns, headHeight } = grid;
  const isGroup = node.level !== KERNEL;
  const last = columns[at + span - 1];
  const isLeaf = columns[at].node === node;
  const bottom = isLeaf ? headHeight : grid.tiers.find((it) => it.level === node.children[0].level).top;
  const cell = element(
    "div",
    {
      id: headId(node),
      class: `column ${LEVELS[node.level]}${isLeaf ? " leaf" : ""}`,
      role: "columnheader",
      title: isGroup ? `${node.key}: ${plural(node.shown.length, "kernel")}` : node.key,
      "aria-colindex": at + 2,
      "aria-colspan": span > 1 && span,
      "aria-expanded": isGroup && String(node.open),
      "aria-label": isGroup ? `${LEVELS[node.level]} ${node.label}, ${plural(node.shown.length, "kernel")}` : node.key,
    },
    element("span", {}, isGroup && element("i", { "aria-hidden": "true" }, node.open ? "▾" : "▸"), node.label),
    isGroup && isLeaf && element("small", {}, String(node.shown.length)),
  );
  cell.node = node;
  cell.style.left = `${columns[at].x}px`;
  cell.style.width = `${last.x + last.width - columns[at].x}px`;
  cell.style.top = `${tier.top}px`;
  cell.style.height = `${bottom - tier.top}px`;
  return cell;
}

// Draws the cells in view, if others than before are.
function renderCells(grid) {
  const { root, model, columns, headWidth, headHeight } = grid;
  const { scrollLeft, scrollTop, clientWidth, clientHeight } = root;
  const rows = model.shownRows.length;
  const firstRow = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - MARGIN);
  const lastRow = Math.min(rows, Math.ceil((scrollTop + clientHeight - headHeight) / ROW_HEIGHT) + MARGIN);
  let first = columns.findIndex(({ x, width }) => x + width > scrollLeft + headWidth);
  first = Math.max(0, (first < 0 ? columns.length : first) - MARGIN);
  let last = columns.findIndex(({ x }) => x >= scrollLeft + clientWidth);
  last = Math.min(columns.length, (last < 0 ? columns.length : last) + MARGIN);
  const isCovered =
    grid.window &&
    grid.window.firstRow <= Math.max(0, firstRow + MARGIN - 1) &&
    grid.window.lastRow >= Math.min(rows, lastRow - MARGIN + 1) &&
    grid.window.first <= Math.max(0, first + MARGIN - 1) &&
    grid.window.last >= Math.min(columns.length, last - MARGIN + 1);
  if (isCovered) return;
  grid.window = { firstRow, lastRow, first, last };
  renderHead(grid, first, last);
  const drawn = [];
  for (let index = firstRow; index < lastRow; index += 1) drawn.push(drawRow(grid, index, first, last));
  grid.body.replaceChildren(...drawn);
  markActive(grid);
}

function drawRow(grid, index, first, last) {
  const { model, columns, headWidth, headHeight, tiers, width } = grid;
  const row = model.shownRows[index];
  const own = element("div", {
    class: row.program === null ? "row object" : "row",
    role: "row",
    "aria-rowindex": tiers.length + index + 1,
  });
  own.style.top = `${headHeight + index * ROW_HEIGHT}px`;
  own.style.width = `${width}px`;
  const isOpen = model.objectsOpen[row.objectIndex];
  const counts = countVerdicts(row, model.root);
  const head = element(
    "div",
    {
      id: `r${index}`,
      class: "row-head",
      role: "rowheader",
      "aria-colindex": "1",
      "aria-expanded": row.program === null && String(isOpen),
      title: `${row.program === null ? row.name : `${row.object}: ${row.name}`}${row.optional ? " (optional)" : ""}: ${countText(counts)}`,
    },
    row.program === null && element("i", { "aria-hidden": "true" }, isOpen ? "▾" : "▸"),
    element("span", { class: "name" }, row.name),
    row.optional && element("small", { class: "optional" }, "optional"),
    barOf(counts),
  );
  head.style.width = `${headWidth}px`;
  head.row = row;
  own.append(head);
  for (let at = first; at < last; at += 1) own.append(drawCell(row, index, columns[at], at));
  return own;
}

function drawCell(row, index, { node, x, width }, at) {
  const counts = countVerdicts(row, node);
  const verdict = worst(counts);
  const count = counts[verdict];
  const isMixed = count < node.shown.length;
  const cell = element(
    "div",
    {
      id: `c${index}-${at}`,
      class: `cell ${verdict}${isMixed ? " mixed" : ""}`,
      role: "gridcell",
      "aria-colindex": at + 2,
      "aria-label": node.level === KERNEL ? verdict : countText(counts),
    },
    SIGNS[verdict],
  );
  if (isMixed) {
    cell.append(element("small", {}, String(count)));
    let start = 0;
    const stops = VERDICTS.filter((own) => counts[own] > 0).map((own) => {
      const from = start;
      start += (counts[own] / node.shown.length) * 100;
      return `var(--${own}-bar) ${from}% ${start}%`;
    });
    cell.style.setProperty("--share", `linear-gradient(to right, ${stops.join(", ")})`);
  }
  cell.row = row;
  cell.node = node;
  cell.style.left = `${x}px`;
  cell.style.width = `${width}px`;
  return cell;
}

// Opens or closes a group of columns.
function toggleColumns(grid, node) {
  if (node.children.length === 0) return;
  node.open = !node.open;
  // Groups of one group open with it.
  for (let own = node; node.open && own.children.length === 1 && own.children[0].children.length > 0; ) {
    own = own.children[0];
    own.open = true;
  }
  if (grid.node && !grid.columns.some((column) => column.node === grid.node && grid.row >= 0)) grid.node = node;
  performance.mark("report-columns-start");
  layoutGrid(grid);
  performance.measure("report-columns", "report-columns-start");
}

function toggleObject(grid, row) {
  grid.model.objectsOpen[row.objectIndex] = !grid.model.objectsOpen[row.objectIndex];
  grid.root.dispatchEvent(new CustomEvent("rows"));
}

function clickGrid(grid, event) {
  const cell = event.target.closest(".cell, .row-head, .column");
  if (!cell) return;
  if (cell.classList.contains("column")) {
    setActive(grid, -1, cell.node);
    if (cell.node.level === KERNEL) grid.open(null, cell.node);
    else toggleColumns(grid, cell.node);
    return;
  }
  const index = grid.model.shownRows.indexOf(cell.row);
  setActive(grid, index, cell.node || null);
  if (cell.node) grid.open(cell.row, cell.node);
  else if (event.target.closest("i")) toggleObject(grid, cell.row);
  else grid.open(cell.row, grid.model.root);
}
