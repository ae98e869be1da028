// Site: sends the chosen files, shows the report in this page, and sends the files again for downloads.
// What the server tells is text from objects: it is set as text, or adopted from a page that the server escaped.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const input = byId("object");
  // What the shown report is about, which downloads send again.
  let shown = { files: [], options: [] };
  // The request for the next report; a newer one replaces it.
  let pending = new AbortController();

  // The form of a request: the files, and parameters that are not empty.
  function formOf(files, parameters) {
    const form = new FormData();
    for (const file of files) form.append("object", file, file.name);
    for (const [name, value] of parameters) if (value !== "") form.append(name, value);
    return form;
  }

  // Sends the files; the answer is good, or an error with the server's reason.
  async function send(path, files, parameters, accept, signal) {
    let response;
    try {
      const body = formOf(files, parameters);
      response = await fetch(path, { method: "POST", body, headers: { Accept: accept }, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server does not answer, or a file changed since it was chosen. Choose the file again, or try later.");
    }
    if (response.ok) return response;
    const text = await response.text();
    let reason = `The server answered with status ${response.status}.`;
    try {
      const { error, hint } = JSON.parse(text);
      reason = hint ? `${error}\n${hint}` : error;
    } catch {
      const page = new DOMParser().parseFromString(text, "text/html").getElementById("problem");
      if (page) reason = [...page.querySelectorAll("p")].map((line) => line.textContent).slice(0, -1).join("\n");
    }
    throw new Error(reason);
  }

  // Runs a task of a form: its button is off meanwhile, and what goes wrong is shown.
  async function run(form, note, task) {
    const buttons = form.querySelectorAll("button");
    buttons.forEach((button) => (button.disabled = true));
    byId("message").hidden = true;
    byId("status").textContent = note;
    try {
      await task();
    } catch (error) {
      // A newer request has its own message.
      if (error.name === "AbortError") return;
      byId("message").textContent = error.message;
      byId("message").hidden = false;
    } finally {
      buttons.forEach((button) => (button.disabled = false));
      byId("status").textContent = "";
    }
  }

  async function forecast() {
    pending.abort();
    pending = new AbortController();
    const files = [...input.files];
    const options = ["include", "optional", "btf"].map((name) => [name, byId(name).value.trim()]);
    const response = await send("/api/v1/forecast", files, options, "text/html", pending.signal);
    // This page has the report's styles; its policy forbids those inside.
    const text = (await response.text()).replace(/<style>.*?<\/style>/s, "");
    shown = { files, options };
    const page = new DOMParser().parseFromString(text, "text/html");
    const main = page.getElementById("report-page");
    const data = page.getElementById("report");
    byId("place").replaceChildren(document.adoptNode(main), ...(main.contains(data) ? [] : [document.adoptNode(data)]));
    document.title = page.title;
    byId("downloads").hidden = false;
    byId("pack-include").value = byId("include").value;
    startReport();
    byId("downloads").scrollIntoView({ block: "start" });
    offerKernels();
  }

  // The names of kernels, once.
  async function offerKernels() {
    const list = byId("kernels");
    if (list.childElementCount > 0) return;
    const response = await fetch("/api/v1/kernels");
    if (!response.ok) return;
    const option = (kernel) => Object.assign(document.createElement("option"), { value: kernel.kernel });
    list.replaceChildren(...(await response.json()).map(option));
  }

  // Saves an answer as a file.
  async function save(path, parameters, name) {
    const response = await send(path, shown.files, parameters, "application/json");
    const url = URL.createObjectURL(await response.blob());
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }

  function onSubmit(id, note, task) {
    byId(id).addEventListener("submit", (event) => {
      event.preventDefault();
      run(event.target, note, task);
    });
  }

  onSubmit("upload", "Working…", forecast);
  onSubmit("json", "", () => save("/api/v1/forecast", shown.options, "forecast.json"));
  onSubmit("pack", "", () => save("/api/v1/pack", [["include", byId("pack-include").value.trim()]], "btfgen.archive"));
  onSubmit("minimize", "", () => {
    const kernel = byId("kernel").value.trim();
    return save("/api/v1/minimize", [["kernel", kernel]], `${kernel.split("/").pop()}.btf`);
  });

  // The whole page takes files, so that a near miss does not leave it.
  const drop = byId("drop");
  const mark = (isOver) => drop.classList.toggle("over", isOver);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", () => mark(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    if (event.dataTransfer.files.length === 0) return;
    input.files = event.dataTransfer.files;
    byId("upload").requestSubmit();
  });
  input.addEventListener("change", () => input.files.length > 0 && byId("upload").requestSubmit());
})();
