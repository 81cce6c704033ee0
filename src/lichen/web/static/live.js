// Open pages hear of what is new. Without this module every page works; it only has to be reloaded.
//
// An element with data-watch="NAME?ARGUMENTS" asks a question of the peer, which answers again
// whenever the answer has changed:
//   null                         the element is hidden; one that has a part [data-done] and is in sight
//                                shows that instead of its part [data-during]
//   {text, mood}                 [data-text] (or the element) says the text, [data-mood] shows it
//   {version}, for data-refresh  when it is not the element's data-version, the element is fetched
//                                anew with the page, unless somebody is at work in it
//
// Elements with data-each="NAME" and data-id="ID" ask one question of all their ids. The answer says
// of each id: null, it is settled (the element goes, or says its data-settled); {text, title}, what
// became of it; nothing, it is as it was.

const watched = () => document.querySelectorAll("[data-watch]");

function eachAsked() {
  const ids = {};
  for (const { dataset } of document.querySelectorAll("[data-each]")) (ids[dataset.each] ??= []).push(dataset.id);
  return Object.entries(ids).map(([name, of]) => `${name}?of=${[...new Set(of)].join(",")}`);
}

let line = null;

function openLine() {
  const questions = new Set([...watched()].map((element) => element.dataset.watch).concat(eachAsked()));
  if (questions.size === 0 || line !== null || document.hidden) return;
  const query = new URLSearchParams([...questions].map((question) => ["watch", question]));
  line = new EventSource(`/live?${query}`);
  line.addEventListener("message", (event) => hear(JSON.parse(event.data)));
}

function closeLine() {
  line?.close();
  line = null;
}

// A browser has six connections to a peer for all its tabs, and a line takes one: a tab that is out
// of sight gives its line back. When it is seen again, it is told how things stand.
document.addEventListener("visibilitychange", () => (document.hidden ? closeLine() : openLine()));
addEventListener("pagehide", closeLine);
addEventListener("pageshow", openLine);

function hear({ watch, answer }) {
  for (const element of watched()) {
    if (element.dataset.watch !== watch) continue;
    if ("refresh" in element.dataset) refresh(element, answer.version);
    else say(element, answer);
  }
  for (const element of document.querySelectorAll("[data-each]")) {
    if (watch.startsWith(`${element.dataset.each}?`)) settle(element, answer[element.dataset.id]);
  }
}

function settle(element, told) {
  if (told === undefined) return;
  if (told === null && !element.dataset.settled) return element.remove();
  element.textContent = told?.text ?? element.dataset.settled;
  element.title = told?.title ?? "";
  delete element.dataset.each;
}

function say(element, answer) {
  // What was told of stays in sight when it is over, so that nothing that is being read moves.
  const done = element.querySelector("[data-done]");
  if (done && !element.hidden) {
    if (answer === null) element.style.minBlockSize = `${element.getBoundingClientRect().height}px`;
    done.hidden = answer !== null;
    element.querySelector("[data-during]").hidden = answer === null;
  } else element.hidden = answer === null;
  if (answer === null) return;
  (element.querySelector("[data-text]") ?? element).textContent = answer.text;
  const mood = element.querySelector("[data-mood]");
  if (mood) mood.className = `dot ${answer.mood}`;
  if (answer.value !== undefined) {
    const progress = element.querySelector("progress");
    if (progress) [progress.max, progress.value] = [answer.max, answer.value];
  }
}

async function refresh(element, version) {
  if (element.dataset.version === version || element.contains(document.activeElement)) return;
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!response.ok || element.contains(document.activeElement)) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const renewed = page.getElementById(element.id);
  if (renewed) element.replaceWith(document.adoptNode(renewed));
}

// Relative times, in the words of the page's language, as the peer itself writes them.

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86400;

function tellTimes() {
  const { minutes, hours } = document.documentElement.dataset;
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const age = (Date.now() - Date.parse(time.dateTime)) / 1000;
    if (age >= MINUTE_S && age < HOUR_S) time.textContent = minutes.replace("{n}", Math.floor(age / MINUTE_S));
    else if (age >= HOUR_S && age < DAY_S) time.textContent = hours.replace("{n}", Math.floor(age / HOUR_S));
  }
}

// Of tabs that are wider than the window, the one that is open is in sight.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

openLine();
setInterval(tellTimes, MINUTE_S * 1000);
