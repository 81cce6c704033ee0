// Beside what is typed: a draft kept on this machine, and how much room is left. Without this module
// the preview does both.

const SAVE_MS = 800;

for (const text of document.querySelectorAll("textarea[data-draft]")) {
  const form = text.form;
  const state = form.querySelector("[data-draft-state]");
  const bar = form.querySelector("[data-size-bar]");
  const used = form.querySelector("[data-size-used]");
  const channel = form.elements.channel;
  let timer;
  let isSent = false;

  // A message is signed as JSON, where some characters take more room than one, and a channel is a
  // line of its own. The base holds the channel that the page came with.
  const lineOf = (name) => (name.trim() ? JSON.stringify(name.trim().replace(/^#/, "")).length + 17 : 0);
  function measure() {
    if (!bar) return;
    const units =
      Number(text.dataset.sizeBase) +
      (JSON.stringify(text.value).length - 2) +
      (channel ? lineOf(channel.value) - lineOf(channel.defaultValue) : 0);
    bar.value = units;
    used.textContent = units.toLocaleString(document.documentElement.lang);
  }

  channel?.addEventListener("input", measure);
  text.addEventListener("input", () => {
    measure();
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
