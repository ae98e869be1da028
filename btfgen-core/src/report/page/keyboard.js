// Keyboard: the active cell of the grid, which moves by keys. The grid has the focus, `aria-activedescendant` names the cell.

function headId(node) {
  return `h-${node.key}`;
}

// The element of the active cell, if it is in view.
function activeElement(grid) {
  const { row, node, columns } = grid;
  if (row < 0) return node && document.getElementById(headId(node));
  const at = columns.findIndex((column) => column.node === node);
  return document.getElementById(at < 0 ? `r${row}` : `c${row}-${at}`);
}

function markActive(grid) {
  grid.root.querySelectorAll(".active").forEach((own) => own.classList.remove("active"));
  const own = activeElement(grid);
  if (own) {
    own.classList.add("active");
    grid.root.setAttribute("aria-activedescendant", own.id);
  } else {
    grid.root.removeAttribute("aria-activedescendant");
  }
}

// Makes a cell active and brings it into view. Without a column it is the head of the row, without a row that of the column.
function setActive(grid, row, node) {
  const { root, columns, headWidth, headHeight, model } = grid;
  grid.row = Math.min(row, model.shownRows.length - 1);
  grid.node = node;
  if (grid.row >= 0) {
    const top = grid.row * ROW_HEIGHT;
    const height = root.clientHeight - headHeight;
    if (top < root.scrollTop) root.scrollTop = top;
    else if (top + ROW_HEIGHT > root.scrollTop + height) root.scrollTop = top + ROW_HEIGHT - height;
  }
  const own = columns.filter((column) => node && isBelow(column.node, node));
  if (own.length > 0) {
    const [left, right] = [own[0].x, own[0].x + own[0].width];
    if (left < root.scrollLeft + headWidth) root.scrollLeft = left - headWidth;
    else if (right > root.scrollLeft + root.clientWidth) root.scrollLeft = right - root.clientWidth;
  }
  renderCells(grid);
  markActive(grid);
}

// The next column to the left or right, of the same level in the head.
function nextColumn(grid, step) {
  const { columns, node, row } = grid;
  const own = columns.map((column, at) => [column.node, at]).filter(([leaf]) => node && isBelow(leaf, node));
  const at = own.length === 0 ? -1 : own[step > 0 ? own.length - 1 : 0][1];
  const to = Math.min(columns.length - 1, at + step);
  if (to < 0) return row < 0 ? node : null;
  let next = columns[to].node;
  while (row < 0 && node && next.level > node.level) next = next.parent;
  return next;
}

// The cell above or below; in the head these are the groups around a column and in it.
function moveVertically(grid, step) {
  const { row, node, columns, model } = grid;
  const last = model.shownRows.length - 1;
  // The heads of columns without a column: only the rows can be reached.
  if (row < 0 && node === null) return [Math.min(0, last), null];
  if (row >= 0 && (row + step >= 0 || node === null)) return [Math.max(0, Math.min(last, row + step)), node];
  if (row >= 0) return [-1, node];
  if (step < 0) return [-1, node.parent && node.parent.level >= 0 ? node.parent : node];
  const isLeaf = columns.some((column) => column.node === node);
  return isLeaf ? [0, node] : [-1, node.children.find((child) => child.shown.length > 0)];
}

function pressKey(grid, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    if (!event.ctrlKey || !["Home", "End"].includes(event.key)) return;
  }
  const { model, columns, row, node } = grid;
  const page = Math.max(1, Math.floor((grid.root.clientHeight - grid.headHeight) / ROW_HEIGHT) - 1);
  const lastRow = model.shownRows.length - 1;
  const end = columns.length > 0 ? columns[columns.length - 1].node : null;
  const moves = {
    ArrowLeft: () => [row, nextColumn(grid, -1)],
    ArrowRight: () => [row, nextColumn(grid, 1)],
    ArrowUp: () => moveVertically(grid, -1),
    ArrowDown: () => moveVertically(grid, 1),
    PageUp: () => [Math.max(0, row - page), node],
    PageDown: () => [Math.min(lastRow, Math.max(0, row) + page), node],
    Home: () => [event.ctrlKey ? 0 : row, row < 0 && columns.length > 0 ? columns[0].node : null],
    End: () => [event.ctrlKey ? lastRow : row, end],
  };
  if (moves[event.key]) {
    setActive(grid, ...moves[event.key]());
  } else if (event.key === "Enter" || event.key === " ") {
    activate(grid);
  } else if (node && (event.key === "+" || event.key === "-")) {
    const group = event.key === "+" || (row < 0 && node.open) ? node : node.parent;
    if (group.level >= 0 && group.open === (event.key === "-")) toggleColumns(grid, group);
  } else {
    return;
  }
  event.preventDefault();
}

// What Enter does: opens the details of a cell, or opens and closes a group.
function activate(grid) {
  const { row, node, model } = grid;
  if (row >= 0) {
    grid.open(model.shownRows[row], node || model.root);
  } else if (node && node.level === KERNEL) {
    grid.open(null, node);
  } else if (node) {
    toggleColumns(grid, node);
  }
}
