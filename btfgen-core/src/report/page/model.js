// Model: the report's data as rows (objects and their programs) and a tree of columns (kernels by distribution, version,
// architecture and flavor), and what of both is shown.

const VERDICTS = ["runs", "likely", "fails", "unknown"];
const SIGNS = { runs: "✓", likely: "~", fails: "✗", unknown: "?" };
const SEVERITY = { runs: 0, likely: 1, unknown: 2, fails: 3 };
// The levels of the tree of columns.
const LEVELS = ["distribution", "version", "architecture", "flavor", "kernel"];
const KERNEL = 4;
// Groups of kernels are open from the start if there are at most so many columns.
const MAX_COLUMNS = 28;

function readModel(text) {
  const { forecast } = JSON.parse(text);
  const kernels = forecast.kernels.map((kernel) => {
    const [distro, version, arch, release] = kernel.id.split("/");
    return { ...kernel, distro, version, arch, release, series: `${distro}/${version}/${arch}` };
  });
  const byRank = [...kernels].sort((a, b) => a.rank - b.rank);
  const rows = forecast.objects.flatMap((object, index) => {
    const row = (own, program) => ({
      object: object.name,
      objectIndex: index,
      program,
      name: own.name,
      optional: own.optional,
      outcomes: own.outcomes,
      verdicts: own.outcomes.map((id) => forecast.outcomes[id].verdict),
    });
    return [row(object, null), ...object.programs.map((program) => row(program, program.name))];
  });
  const root = columnTree(byRank);
  return { ...forecast, kernels, byRank, rows, root, objectsOpen: forecast.objects.map(() => true) };
}

// The tree of columns. A node has kernels, in the order of their releases, and a key, by which links name it.
function columnTree(byRank) {
  const node = (level, key, label, parent) => ({ level, key, label, parent, children: [], kernels: [], open: false });
  const root = node(-1, "", "all kernels", null);
  root.open = true;
  const nodes = new Map();
  // By series, the flavors and the number of kernels.
  const series = new Map();
  for (const kernel of byRank) {
    const own = series.get(kernel.series) || { flavors: new Set(), kernels: 0 };
    own.flavors.add(kernel.flavor);
    own.kernels += 1;
    series.set(kernel.series, own);
  }
  for (const kernel of byRank) {
    const { distro, version, arch, flavor, id } = kernel;
    const { flavors, kernels } = series.get(kernel.series);
    const path = [
      [0, `${distro}/**`, distro],
      [1, `${distro}/${version}/**`, version],
      [2, `${kernel.series}/*`, arch],
    ];
    const hasFlavors = flavors.size > 1 && flavors.size < kernels;
    if (hasFlavors) path.push([3, `${kernel.series}/*-${flavor}`, flavor || "no flavor"]);
    const label = hasFlavors && flavor ? kernel.release.slice(0, -flavor.length - 1) : kernel.release;
    path.push([KERNEL, id, label]);
    let parent = root;
    parent.kernels.push(kernel);
    for (const [level, key, label] of path) {
      let own = nodes.get(key);
      if (!own) {
        own = node(level, key, label, parent);
        nodes.set(key, own);
        parent.children.push(own);
      }
      own.kernels.push(kernel);
      parent = own;
    }
  }
  // Open as many levels as give a readable number of columns.
  for (let level = 0; level < KERNEL; level += 1) {
    const own = [...nodes.values()];
    const opened = own.filter((it) => it.level <= level && it.children.length > 0);
    opened.forEach((it) => (it.open = true));
    if (leavesOf(root, () => true).length > MAX_COLUMNS) {
      opened.filter((it) => it.level === level).forEach((it) => (it.open = false));
      break;
    }
  }
  root.nodes = nodes;
  return root;
}

// The columns that are shown: nodes without open nodes below.
function leavesOf(node, isShown) {
  if (!isShown(node)) return [];
  if (!node.open || node.children.length === 0) return [node];
  return node.children.flatMap((child) => leavesOf(child, isShown));
}

// Decides which rows and kernels are shown. `filter` has texts `program` and `kernel`, `distribution`, `architecture`, and a set of
// `verdicts`, empty for all.
function applyFilter(model, filter) {
  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  const contains = (text, all) => all.every((word) => text.toLowerCase().includes(word));
  const kernelWords = words(filter.kernel);
  let kernels = model.byRank.filter(
    (kernel) =>
      (!filter.distribution || kernel.distro === filter.distribution) &&
      (!filter.architecture || kernel.arch === filter.architecture) &&
      contains(kernel.id, kernelWords),
  );
  const programWords = words(filter.program);
  let rows = model.rows;
  if (programWords.length > 0) {
    const reasons = model.reasons.map(({ requirement }) => contains(`${requirement.kind} ${requirement.name}`, programWords));
    const outcomes = model.outcomes.map((outcome) => outcome.reasons.some((id) => reasons[id]));
    rows = rows.filter(
      (row) => contains(`${row.object} ${row.name}`, programWords) || row.outcomes.some((id) => outcomes[id]),
    );
  }
  if (filter.verdicts.size > 0) {
    const groupsOf = (own) => [...new Set(own.map((kernel) => kernel.group))];
    const groups = groupsOf(kernels);
    rows = rows.filter((row) => groups.some((group) => filter.verdicts.has(row.verdicts[group])));
    const kept = new Set(groups.filter((group) => rows.some((row) => filter.verdicts.has(row.verdicts[group]))));
    kernels = kernels.filter((kernel) => kept.has(kernel.group));
  }
  // An object heads its programs.
  const objects = new Set(rows.map((row) => row.objectIndex));
  const shown = new Set(rows);
  const isOpen = (row) => row.program === null || model.objectsOpen[row.objectIndex];
  model.shownRows = model.rows.filter(
    (row) => (shown.has(row) && isOpen(row)) || (row.program === null && objects.has(row.objectIndex)),
  );
  model.shownPrograms = rows.filter((row) => row.program !== null).length;
  model.shownKernels = kernels;
  const isShown = new Set(kernels);
  for (const node of [model.root, ...model.root.nodes.values()]) {
    node.shown = node.kernels.filter((kernel) => isShown.has(kernel));
    const groups = new Map();
    node.shown.forEach((kernel) => groups.set(kernel.group, (groups.get(kernel.group) || 0) + 1));
    node.groups = [...groups];
  }
}

// The numbers of the shown kernels of a column by a row's verdicts.
function countVerdicts(row, node) {
  const counts = { runs: 0, likely: 0, fails: 0, unknown: 0 };
  for (const [group, kernels] of node.groups) counts[row.verdicts[group]] += kernels;
  return counts;
}

function worst(counts) {
  return VERDICTS.filter((verdict) => counts[verdict] > 0).reduce((a, b) => (SEVERITY[b] > SEVERITY[a] ? b : a), "runs");
}

// The nearest kernel that has what a reason is about: of the same series, of the same flavor if there is one, and the newer of two that
// are equally near. As `HubKernels::nearest` in btfgen, among the report's kernels.
function nearest(model, kernel, reason) {
  const has = new Set(model.sets[reason.available] || []);
  const find = (step, isWanted) => {
    for (let at = kernel.rank + step, distance = 0; ; at += step, distance += 1) {
      const other = model.byRank[at];
      if (!other || other.series !== kernel.series) return [];
      if (has.has(other.group) && isWanted(other)) return [{ distance, other }];
    }
  };
  for (const isWanted of [(other) => other.flavor === kernel.flavor, () => true]) {
    const found = [...find(1, isWanted), ...find(-1, isWanted)];
    if (found.length > 0) return found.reduce((a, b) => (b.distance < a.distance ? b : a)).other;
  }
  return null;
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// An element with attributes and children; text becomes a text node, so that nothing in it is markup.
function element(tag, attributes, ...children) {
  const own = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) own.addEventListener(name.slice(2), value);
    else own.setAttribute(name, value === true ? "" : value);
  }
  own.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return own;
}

function signOf(verdict) {
  return element("span", { class: `sign ${verdict}`, "aria-hidden": "true" }, SIGNS[verdict]);
}

// A bar with a segment for each verdict.
function barOf(counts) {
  const total = VERDICTS.reduce((sum, verdict) => sum + counts[verdict], 0);
  const create = (tag, attributes) => {
    const own = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => own.setAttribute(name, value));
    return own;
  };
  const bar = create("svg", { class: "bar", viewBox: `0 0 ${total || 1} 1`, preserveAspectRatio: "none", "aria-hidden": "true" });
  let start = 0;
  for (const verdict of VERDICTS) {
    if (counts[verdict] === 0) continue;
    bar.append(create("rect", { class: verdict, x: start, width: counts[verdict], height: 1 }));
    start += counts[verdict];
  }
  return bar;
}

function countText(counts) {
  const parts = VERDICTS.filter((verdict) => counts[verdict] > 0).map((verdict) => `${verdict} on ${counts[verdict]}`);
  return parts.join(", ") || "no kernels";
}
