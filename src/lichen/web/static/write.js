// Beside what is typed: a draft kept on this machine, and how much room is left. Without this module
// the preview does both.

const SAVE_MS = 800;

for (const text of document.querySelectorAll("textarea[data-draft]")) {
  const form = text.form;
  const state = form.querySelector("[data-draft-state]");
  const bar = form.querySelector("[data-size-bar]");
  const used = form.querySelector("[data-size-used]");
  let timer;
  let isSent = false;

  text.addEventListener("input", () => {
    if (bar) {
      // A message is signed as JSON, where some characters take more room than one.
      const units = Number(text.dataset.sizeBase) + JSON.stringify(text.value).length - 2;
      bar.value = units;
      used.textContent = units.toLocaleString(document.documentElement.lang);
    }
    clearTimeout(timer);
    timer = setTimeout(save, SAVE_MS);
  });
  form.addEventListener("submit", () => {
    isSent = true;
    clearTimeout(timer);
  });

  async function save() {
    if (isSent) return;
    const draft = new URLSearchParams({ text: text.value });
    if (form.elements.root) draft.set("root", form.elements.root.value);
    try {
      const response = await fetch("/draft", { method: "POST", body: draft });
      if (state) state.textContent = response.ok ? state.dataset.kept : state.dataset.lost;
    } catch {
      if (state) state.textContent = state.dataset.lost;
    }
  }
}
