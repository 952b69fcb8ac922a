// The library tab: counts, how it was built, all pieces, and what was refused and why.

import { BuildBox } from "./building.js";
import { copyText, el, getJson, plural } from "./dom.js";
import { player } from "./player.js";
import { pulse } from "./pulse.js";

const ROWS = 50;
const COLUMNS = [["title", "Title"], ["composer", "Composer"], ["form", "Form"], ["key", "Key"], ["metre", "Metre"], ["length", "Length"], ["for", "For"]];

let shown = null; // the build of the library that the tab shows

export function mount({ element }) {
  const section = element.querySelector(".mm-lib");
  shown = null;
  pulse.listen((now) => { if (now.generation !== shown) read(section, now); });
}

async function read(section, now) {
  shown = now.generation;
  try {
    const [library, settings] = await Promise.all([getJson("/library.json"), getJson("/settings.json")]);
    const build = new BuildBox(settings.obstacle);
    section.replaceChildren(notice(library.notice), counts(library), built(library.status), build.node, new Table().node, rejects(library));
    build.show(pulse.now.build);
  } catch {
    shown = null; // tried again at the next beat
    section.replaceChildren(el("p", { role: "alert" }, "The library cannot be read: the server does not answer. This goes on by itself once it does."));
  }
}

function notice(text) {
  return text ? el("div", { class: "mm-box", role: "alert" }, el("p", { dir: "auto" }, text)) : "";
}

function counts(library) {
  const tile = (number, words) => el("div", { class: "mm-tile" }, el("b", {}, number), words);
  const kinds = Object.entries(library.kinds);
  return el("div", { class: "mm-tiles" },
    tile(library.pieces.toLocaleString("en"), library.pieces === 1 ? "piece" : "pieces"),
    library.passages ? tile(library.passages.toLocaleString("en"), "passages") : null,
    library.hours < 2 ? tile(String(Math.round(library.hours * 60)), "minutes of music") : tile(library.hours.toFixed(1), "hours of music"),
    kinds.length > 1 ? kinds.map(([kind, n]) => tile(n.toLocaleString("en"), kind)) : null,
    tile(library.rejected.toLocaleString("en"), library.rejected === 1 ? "file refused" : "files refused"));
}

function built(status) {
  return el("dl", { class: "mm-facts mm-built" }, status.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", { dir: "auto" }, value))));
}

class Table {
  constructor() {
    this.text = "";
    this.body = el("tbody");
    this.status = el("p", { class: "mm-summary", role: "status" });
    this.more = el("button", { type: "button", class: "mm-button", onclick: () => this.load(this.body.childElementCount) }, "Show more");
    const box = el("input", { type: "search", id: "mm-filter", class: "mm-input", autocomplete: "off", oninput: () => this.filter(box.value) });
    this.node = el("div", {},
      el("h2", {}, "Pieces"),
      el("label", { for: "mm-filter" }, "Filter by title, composer, form or file"), box, this.status,
      el("div", { class: "mm-scroll", tabindex: "0", role: "region", "aria-label": "Pieces" },
        el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, el("span", { class: "mm-hidden" }, "Play")), COLUMNS.map(([, words]) => el("th", { scope: "col" }, words)))), this.body)),
      this.more);
    this.load(0);
    player.listen((now) => this.mark(now));
  }

  filter(text) {
    clearTimeout(this.later);
    this.later = setTimeout(() => { this.text = text; this.load(0); }, 150);
  }

  async load(start) {
    const text = this.text;
    const found = await getJson(`/pieces.json?${new URLSearchParams({ text, start, count: ROWS })}`);
    if (text !== this.text) return;
    if (!start) this.body.replaceChildren();
    this.body.append(...found.rows.map((row) => this.row(row)));
    this.more.hidden = this.body.childElementCount >= found.total;
    this.status.textContent = `${plural(found.total, "piece")}${text ? ` with “${text}”` : ""}`;
  }

  row(row) {
    const play = el("button", { type: "button", class: "mm-tiny", "data-row": row.id, "aria-label": `Play ${row.title}`, onclick: () => this.play(row) }, "▶");
    const like = el("a", { href: `?like=${row.id}`, title: "More like this", dir: "auto" }, row.title);
    const cells = COLUMNS.map(([name]) => el("td", { dir: "auto" }, name === "title" ? like : row[name]));
    return el("tr", {}, el("td", {}, row.kind === "text" ? null : play), cells);
  }

  play(row) {
    if (player.now.id === row.id) player.stop();
    else player.play({ id: row.id, from: 0, title: row.title, url: row.kind === "recording" ? `/sound/${row.id}` : null });
  }

  mark(now) {
    const shown = `${now.id}`;
    if (shown === this.marked) return;
    this.marked = shown;
    this.body.querySelectorAll("[data-row]").forEach((b) => { b.textContent = b.dataset.row === now.id ? "■" : "▶"; });
  }
}

function rejects(library) {
  if (!library.rejected) return el("div", {}, el("h2", {}, "Refused files"), el("p", {}, "None: every file that was found is in the library."));
  const copy = el("button", { type: "button", class: "mm-button", onclick: () => copyText(csv(library.rejects), copy) }, "Copy as CSV");
  const shown = library.rejects.length < library.rejected ? el("p", { class: "mm-hint" }, `The first ${library.rejects.length} are listed.`) : null;
  return el("div", {},
    el("h2", {}, `Refused files: ${library.rejected}`),
    el("ul", { class: "mm-reasons" }, library.reasons.map(([reason, n]) => el("li", { dir: "auto" }, el("b", {}, `${n} × `), reason))),
    copy, shown,
    el("div", { class: "mm-scroll", tabindex: "0", role: "region", "aria-label": "Refused files" },
      el("table", {}, el("thead", {}, el("tr", {}, ["File", "Reason", "What to do"].map((words) => el("th", { scope: "col" }, words)))),
        el("tbody", {}, library.rejects.map((r) => el("tr", {}, [r.path, r.fault, r.hint].map((text) => el("td", { dir: "auto" }, text))))))));
}

// A leading = + - @ would be run as a formula by a spreadsheet.
export function csv(rows) {
  const cell = (text) => `"${String(text).replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  return [["path", "code", "fault", "hint"], ...rows.map((r) => [r.path, r.code, r.fault, r.hint])].map((r) => r.map(cell).join(",")).join("\r\n");
}
