// Details: what a cell, a row or a column is about, in words.

// Reasons, kernels and programs that are listed at once.
const MAX_LISTED = 12;

// The content of the panel for a program or object on the kernels of a column, or for all programs on a kernel.
function detailsOf(model, row, node) {
  if (row === null) return kernelDetails(model, node);
  const heading = element(
    "h2",
    { tabindex: "-1" },
    row.name,
    row.optional && element("small", { class: "optional" }, "optional"),
  );
  const about = row.program === null ? "the whole object" : `program of ${row.object}`;
  const where = node.level === KERNEL ? node.key : `${node.key || "all kernels"}: ${plural(node.shown.length, "kernel")}`;
  const parts = [heading, element("p", { class: "muted" }, `${about}, on `, element("b", {}, where))];
  const outcomes = outcomesOf(row, node);
  if (outcomes.length > 1) {
    const counts = countVerdicts(row, node);
    parts.push(element("p", { class: "shares" }, barOf(counts), countText(counts)));
  }
  if (row.program === null) {
    const programs = model.rows.filter((own) => own.program !== null && own.objectIndex === row.objectIndex);
    parts.push(programList(programs, node, false, MAX_LISTED));
  }
  for (const [id, kernels] of outcomes) parts.push(outcomeDetails(model, row, node, model.outcomes[id], kernels, outcomes.length));
  return parts;
}

// The distinct outcomes of a row on a column's kernels, the worst and most frequent first.
function outcomesOf(row, node) {
  const outcomes = new Map();
  for (const kernel of node.shown) {
    const id = row.outcomes[kernel.group];
    if (!outcomes.has(id)) outcomes.set(id, []);
    outcomes.get(id).push(kernel);
  }
  const severity = ([, [kernel]]) => SEVERITY[row.verdicts[kernel.group]];
  return [...outcomes].sort((a, b) => severity(b) - severity(a) || b[1].length - a[1].length);
}

function outcomeDetails(model, row, node, outcome, kernels, outcomes) {
  const { verdict, reasons } = outcome;
  const isOne = node.level === KERNEL;
  const heading = element(
    "h3",
    { class: verdict },
    signOf(verdict),
    ` ${verdict}`,
    !isOne && ` on ${plural(kernels.length, "kernel")}`,
  );
  const parts = [heading];
  if (!isOne) {
    const newestFirst = [...kernels].reverse();
    const links = newestFirst.map((kernel) => kernelLink(row, kernel, node.level >= 2 ? kernel.release : kernel.id));
    parts.push(element("ul", { class: "inline" }, ...firstOf(links, outcomes > 1 ? 6 : MAX_LISTED, "kernel")));
  }
  if (reasons.length === 0) parts.push(element("p", {}, "Every requirement is met."));
  // The newest kernel of each series stands for the others.
  const newest = [...new Map(kernels.map((kernel) => [kernel.series, kernel])).values()];
  const items = reasons.map((id) => reasonDetails(model, row, newest, model.reasons[id]));
  parts.push(element("ol", { class: "why" }, ...firstOf(items, outcomes > 1 ? 4 : MAX_LISTED, "reason")));
  return element("section", { class: "outcome" }, ...parts);
}

// A reason, with the nearest kernel to each of some kernels that has what is required.
function reasonDetails(model, row, kernels, reason) {
  const { verdict, requirement, why, line, text, setting, check } = reason;
  const isMissing = SEVERITY[verdict] >= SEVERITY.unknown;
  const near = isMissing ? new Set(kernels.map((kernel) => nearest(model, kernel, reason)).filter(Boolean)) : [];
  const links = [...near].flatMap((kernel) => [" ", kernelLink(row, kernel, kernel.id)]);
  return element(
    "li",
    { class: verdict },
    element(
      "p",
      { class: "requirement" },
      signOf(verdict),
      " ",
      requirement.kind,
      requirement.name && [" ", element("b", {}, requirement.name)],
      requirement.since && element("small", {}, ` since Linux ${requirement.since}`),
    ),
    element("p", { class: "reason" }, why, setting && `, depending on ${setting}`),
    line && element("p", { class: "line" }, line, text && element("code", {}, text)),
    check && element("p", { class: "check" }, element("b", {}, "check "), check),
    links.length > 0 && element("p", { class: "nearest" }, element("b", {}, "nearest with it"), links),
  );
}

// All programs on one kernel.
function kernelDetails(model, node) {
  const rows = model.rows.filter((row) => row.program !== null);
  const counts = { runs: 0, likely: 0, fails: 0, unknown: 0 };
  rows.forEach((row) => (counts[worst(countVerdicts(row, node))] += 1));
  const total = VERDICTS.filter((verdict) => counts[verdict] > 0).map((verdict) => `${counts[verdict]} ${verdict}`);
  return [
    element("h2", { tabindex: "-1" }, node.key),
    element("p", { class: "muted" }, `${plural(rows.length, "program")}: ${total.join(", ")}`),
    programList(rows, node, model.objects.length > 1, 40),
  ];
}

// Programs with their verdicts on a column's kernels, the worst first.
function programList(rows, node, withObject, max) {
  const verdicts = rows.map((row) => [row, worst(countVerdicts(row, node))]);
  verdicts.sort((a, b) => SEVERITY[b[1]] - SEVERITY[a[1]]);
  const items = verdicts.map(([row, verdict]) =>
    element(
      "li",
      {},
      signOf(verdict),
      " ",
      cellLink(row, node.key, withObject ? `${row.object}: ${row.name}` : row.name),
      row.optional && element("small", { class: "optional" }, "optional"),
    ),
  );
  return element("ul", { class: "plain" }, ...firstOf(items, max, "program"));
}

// The address of a cell: a row, or all programs, and the key of a column.
function addressOf(row, key) {
  const own = new URLSearchParams();
  if (row && row.program !== null) own.set("program", row.program);
  if (row) own.set("object", row.object);
  if (key) own.set("kernel", key);
  return `#${own}`;
}

// A link that opens a cell.
function cellLink(row, key, text) {
  return element("a", { href: addressOf(row, key) }, text);
}

function kernelLink(row, kernel, text) {
  return cellLink(row, kernel.id, text);
}

// The first of some items, and a button that shows the others.
function firstOf(items, max, noun) {
  const listed = items.map((item) => (item.tagName === "LI" ? item : element("li", {}, item)));
  if (listed.length <= max + 1) return listed;
  const rest = listed.slice(max);
  const button = element("button", { type: "button" }, `show ${rest.length} more ${noun}s`);
  const more = element("li", { class: "more" }, button);
  button.addEventListener("click", () => more.replaceWith(...rest));
  return [...listed.slice(0, max), more];
}
