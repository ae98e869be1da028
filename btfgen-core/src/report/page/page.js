// Page: puts the matrix with its controls and details into the report, and keeps the address in step.

// Reads the data of the report on this page and adds what needs a script.
function startReport() {
  const main = document.getElementById("report-page");
  const data = document.getElementById("report");
  if (!main || !data) return;
  performance.mark("report-start-start");
  const model = readModel(data.textContent);
  if (model.rows.length === 0 || model.kernels.length === 0) return;
  const filter = { program: "", kernel: "", distribution: "", architecture: "", verdicts: new Set() };
  const page = { main, model, filter, details: element("aside", { id: "details", "aria-label": "Details", hidden: true }) };
  applyFilter(model, filter);
  // By the address, so that a cell can be sent and the back button works.
  page.grid = createGrid(model, (row, node) => (location.hash = addressOf(row, node.key)));
  page.grid.root.addEventListener("rows", () => refresh(page));
  page.controls = createControls(page);
  const section = element(
    "section",
    { id: "matrix", "aria-labelledby": "matrix-title" },
    element("h2", { id: "matrix-title" }, "Programs and kernels"),
    page.controls.root,
    element("div", { class: "work" }, page.grid.root, page.details),
    element(
      "p",
      { id: "grid-help", class: "muted keys" },
      "The sign in a group of kernels is that of the worst verdict, with its number of kernels unless it is all. Arrow keys move, Enter shows the reasons of a cell or opens a group of kernels, + and - open and close groups, / searches, Escape closes.",
    ),
  );
  const old = document.getElementById("matrix");
  if (old) old.remove();
  main.querySelector("#programs").before(section);
  main.classList.add("has-script");
  addLinks(page);
  layoutGrid(page.grid);
  describeCounts(page);
  if (startReport.stop) startReport.stop();
  const stop = new AbortController();
  startReport.stop = () => stop.abort();
  window.addEventListener("hashchange", () => followAddress(page), { signal: stop.signal });
  document.addEventListener("keydown", (event) => pressPageKey(page, event), { signal: stop.signal });
  // All reasons are printed.
  window.addEventListener("beforeprint", () => main.querySelectorAll("details").forEach((own) => (own.open = true)), {
    signal: stop.signal,
  });
  followAddress(page);
  if (!page.details.hidden) section.scrollIntoView();
  performance.measure("report-start", "report-start-start");
}

// Applies the filter and draws the matrix anew.
function refresh(page) {
  performance.mark("report-filter-start");
  applyFilter(page.model, page.filter);
  layoutGrid(page.grid);
  describeCounts(page);
  performance.measure("report-filter", "report-filter-start");
}

function describeCounts(page) {
  const { model, controls } = page;
  const programs = model.rows.filter((row) => row.program !== null).length;
  const of = (shown, all, noun) => (shown === all ? plural(all, noun) : `${shown} of ${plural(all, noun)}`);
  controls.status.textContent = `${of(model.shownPrograms, programs, "program")}, ${of(model.shownKernels.length, model.kernels.length, "kernel")}`;
  const { filter } = page;
  controls.clear.hidden = !(filter.program || filter.kernel || filter.distribution || filter.architecture || filter.verdicts.size);
}

function createControls(page) {
  const { model, filter, grid } = page;
  const search = (name, placeholder, label) =>
    element("input", {
      type: "search",
      id: `find-${name}`,
      placeholder,
      "aria-label": label,
      autocomplete: "off",
      spellcheck: "false",
      oninput: (event) => {
        filter[name] = event.target.value;
        refresh(page);
      },
    });
  const choice = (name, all, values) =>
    element(
      "select",
      {
        id: `choose-${name}`,
        "aria-label": name,
        onchange: (event) => {
          filter[name] = event.target.value;
          refresh(page);
        },
      },
      element("option", { value: "" }, all),
      ...values.map((value) => element("option", { value }, value)),
    );
  const distinct = (values) => [...new Set(values)].sort();
  const inputs = {
    program: search("program", "program or requirement  /", "Search programs, or what they require"),
    kernel: search("kernel", "kernel", "Search kernels"),
    distribution: choice("distribution", "all distributions", distinct(model.kernels.map((kernel) => kernel.distro))),
    architecture: choice("architecture", "all architectures", distinct(model.kernels.map((kernel) => kernel.arch))),
  };
  const verdicts = VERDICTS.map((verdict) =>
    element(
      "button",
      {
        type: "button",
        class: `verdict ${verdict}`,
        "data-verdict": verdict,
        "aria-pressed": "false",
        onclick: (event) => {
          const isOn = filter.verdicts.delete(verdict) ? false : Boolean(filter.verdicts.add(verdict));
          event.currentTarget.setAttribute("aria-pressed", String(isOn));
          refresh(page);
        },
      },
      signOf(verdict),
      ` ${verdict}`,
    ),
  );
  const clear = element("button", { type: "button", id: "clear", onclick: () => clearFilter(page), hidden: true }, "clear filters");
  const expand = (isOpen) => {
    performance.mark("report-expand-start");
    page.model.root.nodes.forEach((node) => (node.open = node.children.length > 0 && (isOpen || node.level < 2)));
    layoutGrid(grid);
    performance.measure("report-expand", "report-expand-start");
  };
  const status = element("output", { id: "shown" });
  const root = element(
    "div",
    { class: "controls", role: "search" },
    inputs.program,
    inputs.kernel,
    element("div", { class: "verdict-filter", role: "group", "aria-label": "Only programs and kernels with a verdict" }, ...verdicts),
    inputs.distribution,
    inputs.architecture,
    element("button", { type: "button", id: "expand", onclick: () => expand(true) }, "all kernels"),
    element("button", { type: "button", id: "collapse", onclick: () => expand(false) }, "groups"),
    clear,
    status,
  );
  return { root, inputs, verdicts, clear, status };
}

function clearFilter(page) {
  const { filter, controls } = page;
  Object.assign(filter, { program: "", kernel: "", distribution: "", architecture: "" });
  filter.verdicts.clear();
  Object.values(controls.inputs).forEach((input) => (input.value = ""));
  controls.verdicts.forEach((button) => button.setAttribute("aria-pressed", "false"));
  refresh(page);
}

// Links of the summary into the matrix: a reason finds its programs, a distribution its kernels.
function addLinks(page) {
  for (const own of page.main.querySelectorAll("[data-requirement]")) {
    const name = own.dataset.requirement;
    if (!name || own.querySelector(".find")) continue;
    own.querySelector(".cost").append(" ", element("a", { class: "find", href: `#${new URLSearchParams({ find: name })}` }, "show programs"));
  }
  for (const own of page.main.querySelectorAll("[data-kernels]")) {
    const name = own.querySelector("th");
    if (name.querySelector("a")) continue;
    name.replaceChildren(element("a", { href: `#${new URLSearchParams({ kernel: own.dataset.kernels })}` }, name.textContent));
  }
}

// Does what the address says: `#program=...&object=...&kernel=...` opens a cell, `#kernel=...` a kernel or group of kernels, `#find=...`
// searches.
function followAddress(page) {
  const { model, grid, controls, filter } = page;
  const address = new URLSearchParams(location.hash.slice(1));
  const find = address.get("find");
  if (find !== null) {
    clearFilter(page);
    filter.program = find;
    controls.inputs.program.value = find;
    refresh(page);
    page.main.querySelector("#matrix").scrollIntoView();
  }
  const [program, object, key] = ["program", "object", "kernel"].map((name) => address.get(name));
  const hasRow = program || object;
  const row = hasRow
    ? model.rows.find((row) => (row.program || "") === (program || "") && (object === null || row.object === object))
    : null;
  const node = key ? model.root.nodes.get(key) : model.root;
  if (row === undefined || !node || (!hasRow && !key)) {
    hideDetails(page);
    return;
  }
  if ((row && !isShown(page, row)) || node.shown.length === 0) clearFilter(page);
  if (row && row.program !== null && !model.objectsOpen[row.objectIndex]) {
    model.objectsOpen[row.objectIndex] = true;
    refresh(page);
  }
  const isGroup = !row && node.level !== KERNEL;
  const groups = isGroup ? [node] : [];
  for (let own = node.parent; own; own = own.parent) groups.push(own);
  if (groups.some((own) => !own.open)) {
    groups.forEach((own) => (own.open = true));
    layoutGrid(grid);
  }
  if (isGroup) {
    hideDetails(page);
    page.main.querySelector("#matrix").scrollIntoView();
  } else {
    showDetails(page, row, node);
  }
  setActive(grid, row ? model.shownRows.indexOf(row) : -1, node === model.root ? null : node);
}

function isShown(page, row) {
  const { model } = page;
  return model.shownRows.includes(row) || (!model.objectsOpen[row.objectIndex] && model.shownRows.some((own) => own.objectIndex === row.objectIndex));
}

function showDetails(page, row, node) {
  const { details, model } = page;
  const close = element("button", { type: "button", class: "close", "aria-label": "Close the details", onclick: () => closeDetails(page) }, "×");
  details.replaceChildren(close, ...detailsOf(model, row, node));
  details.hidden = false;
  page.grid.root.classList.add("has-details");
  details.scrollTop = 0;
  details.querySelector("h2").focus({ preventScroll: true });
}

function hideDetails(page) {
  page.details.hidden = true;
  page.grid.root.classList.remove("has-details");
  page.details.replaceChildren();
}

// Closes the details and returns to the grid.
function closeDetails(page) {
  hideDetails(page);
  history.pushState(null, "", location.pathname + location.search);
  page.grid.root.focus({ preventScroll: true });
}

function pressPageKey(page, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !page.details.hidden) {
    closeDetails(page);
    event.preventDefault();
  } else if (event.key === "/" && !event.target.closest("input, select, textarea")) {
    page.controls.inputs.program.focus();
    page.controls.inputs.program.select();
    event.preventDefault();
  }
}

window.startReport = startReport;
if (document.getElementById("report")) startReport();
