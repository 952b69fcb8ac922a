// What the search tab shows: one of its states, each with a next step.

import { progressWords } from "./building.js";
import { buildCard, pieceView, sameButton } from "./cards.js";
import { chipRow } from "./filters.js";
import { el, plural } from "./dom.js";
import { melody } from "./melody.js";
import { player } from "./player.js";

const ARRANGED = { varied: "varied", title: "by title", length: "shortest first", tempo: "slowest first" };

export class Shown {
  constructor(page, section) {
    this.page = page;
    this.section = section;
    this.at = (name) => section.querySelector(`.mm-${name}`);
    this.spoken = new Map(); // filter -> the words that it was read from, for when only the filter is left
    this.at("narrow").replaceChildren(page.panel.node);
    this.at("tune").replaceChildren(page.tunes.node);
    this.at("microphone").replaceChildren(page.microphone.node);
  }

  // ---- waiting -----------------------------------------------------------------------------------

  busy(words) {
    this.section.setAttribute("aria-busy", "true");
    document.body.classList.add("mm-busy");
    this.at("summary").textContent = words;
  }

  idle() {
    this.section.removeAttribute("aria-busy");
    document.body.classList.remove("mm-busy");
  }

  wait(seconds) {
    const why = this.page.asked.same ? "Every place of every piece is compared in twelve keys" : "The first question loads the model";
    this.at("summary").textContent = `Still searching, ${seconds} s so far. ${why}; with many people asking, each waits for those before.`;
    if (seconds < 30 || this.at("notice").childElementCount) return;
    this.notice("This takes longer than it should.", "The question may have been lost on its way.", [["Ask again", () => this.page.again()]]);
  }

  gone() { this.at("summary").textContent = "The question is asked again once the server is back."; }

  building(build) {
    const running = ["running", "stopping"].includes(build.state);
    this.at("building").textContent = running ? `The library is being built${build.total ? `: ${progressWords(build)}` : ""}. You search what the last build holds.` : "";
  }

  // ---- states ------------------------------------------------------------------------------------

  state(name) { this.section.dataset.state = name; }

  clear() {
    this.section.querySelectorAll("canvas").forEach((c) => c.roll?.remove());
    for (const name of ["question", "notice", "cards", "more"]) this.at(name).replaceChildren();
    this.at("summary").textContent = "";
  }

  start() {
    this.clear();
    player.stop();
    const { pieces, library } = this.page.settings;
    this.at("question").append(...chipRow(this.page, { chips: [] }));
    if (pieces) this.at("summary").textContent = `Describe what you look for, or drop a piece that is like it: ${plural(pieces, "piece")} to find.`;
    else if (library) {
      this.notice("This library is empty.", "Put music into a folder, and run this in a terminal; the page shows the pieces once they are there:", []);
      this.at("notice").firstChild.append(el("code", { class: "mm-command", tabindex: "0" }, `mmbert index build ${quoted(library)} FOLDER`));
    }
    this.state(pieces || !library ? "start" : "empty");
  }

  error(view) {
    this.clear();
    player.stop();
    const { asked } = this.page;
    const again = asked.like || asked.tune || asked.same || asked.where.length || asked.words ? [["Start again", () => this.page.reset()]] : [];
    this.notice(`${view.title}.`, view.hint, [["Choose another file", () => document.querySelector("#mm-file")?.click()], ...again]);
    this.state("error");
  }

  hits(view) {
    this.clear();
    const { page } = this;
    if (!page.more) player.stop();
    this.question(view);
    this.at("summary").textContent = this.summary(view);
    if (!view.cards.length) this.none(view);
    else if (view.nothing_fits) {
      const tune = view.same ? "No piece has this harmony." : view.tune ? "No piece has this tune as it was played." : "";
      const tries = page.settings.examples.slice(0, 2).map((words) => [words, () => page.ask({ words })]);
      const other = view.same ? "More of it may do better" : view.tune ? "More notes may do better" : "Other words may do better";
      this.notice(tune || "Nothing in this library fits well.", `These are the nearest all the same. ${other}, or a question that finds something here:`, tries);
    }
    const ask = (change) => { page.ask(typeof change === "function" ? change(page.asked) : change); scrollTo({ top: 0 }); };
    this.at("cards").append(...view.cards.map((card) => buildCard(card, ask)));
    if (view.more) this.at("more").append(el("button", { type: "button", class: "mm-button", onclick: () => page.ask({ limit: page.asked.limit + 10 }, { more: true }) }, "Show 10 more"));
    if (page.more) this.at("cards").children[page.asked.limit - 10]?.querySelector("button, canvas")?.focus({ preventScroll: true });
    this.state(view.cards.length ? "hits" : "none");
  }

  summary(view) {
    const { words, order } = view.ask;
    const subject = words ? ` for “${words}”` : "";
    const example = view.same ? `, nearest first to the harmony of “${view.same.title}”` : view.tune ? `, nearest first to the tune ${this.tuneWords(view.tune)}` : view.example ? ` like “${view.example.title}”` : "";
    const arranged = view.arranged ? `: the hundred best, ${ARRANGED[order]}` : "";
    if (!view.cards.length) return `Nothing found${subject}${example}`;
    return `${view.cards.length} of ${plural(view.total, "piece")}${subject}${example}${arranged}`;
  }

  none(view) {
    const ways = (view.relax ?? []).map((r) => [`Without ${r.text}: ${plural(r.total, "piece")}`, () => this.page.ask(r.change)]);
    this.notice("No piece passes all filters.", ways.length ? "Take one out; the one that leaves out most comes first:" : "", ways.length ? ways : [["Start again", () => this.page.reset()]]);
  }

  notice(title, text, buttons) {
    this.at("notice").replaceChildren(el("div", { class: "mm-box", role: "alert" },
      el("p", {}, el("b", { dir: "auto" }, title)), text ? el("p", { dir: "auto" }, text) : null,
      buttons.length ? el("div", { class: "mm-actions" }, buttons.map(([words, act]) => el("button", { type: "button", class: "mm-button", onclick: act, dir: "auto" }, words))) : null));
  }

  // ---- the question: example and chips -----------------------------------------------------------

  question(view) {
    for (const chip of view.chips) if (chip.words) chip.where.forEach((w) => this.spoken.set(w, chip.words));
    if (view.tune) this.at("question").append(this.chip(`The tune ${this.tuneWords(view.tune)}`, "Remove the tune", { tune: null }));
    if (view.notice) this.at("question").append(el("p", { class: "mm-hint" }, view.notice));
    if (view.same) this.at("question").append(this.sameAs(view.same));
    if (view.example) this.at("question").append(this.example(view.example));
    this.at("question").append(...chipRow(this.page, view));
  }

  tuneWords({ name, notes }) {
    if (name) return `of “${name}”`;
    return notes === melody.abc ? "you played" : `“${notes.length > 60 ? `${notes.slice(0, 60)} …` : notes}”`;
  }

  chip(words, label, change) {
    const remove = el("button", { type: "button", class: "mm-chip-x", "aria-label": label, onclick: () => this.page.ask(change) }, "×");
    return el("div", { class: "mm-chips" }, el("span", { class: "mm-chip" }, el("span", { class: "mm-chip-name", dir: "auto" }, words), remove));
  }

  example(piece) {
    const same = piece.same ? [sameButton(piece, (change) => this.page.ask(change), "mm-button")] : [];
    const many = piece.pieces > 1 ? el("p", { class: "mm-hint" }, `The first of ${piece.pieces} pieces in this file.`) : null;
    const hint = el("p", { class: "mm-hint" }, "Words in the box above change the direction: slower, in a minor key, with flute.");
    const lead = piece.dropped ? `Understood from your file ${piece.path}` : "More like";
    return this.asked(lead, "Remove the example", () => this.page.ask({ like: null, words: this.page.asked.words }), pieceView(piece, null, "h3", same), many, hint);
  }

  // Shown whole, so that it can be played beside what is found.
  sameAs(piece) {
    const lead = piece.dropped ? `The same music as your file ${piece.path}` : "The same music as";
    return this.asked(lead, "Look for something else", () => this.page.ask({ same: null }), pieceView(piece, null, "h3"));
  }

  asked(lead, label, onclick, ...shown) {
    const remove = el("button", { type: "button", class: "mm-chip-x", "aria-label": label, onclick }, "×");
    return el("div", { class: "mm-example" },
      el("div", { class: "mm-example-top" }, el("span", { class: "mm-lead", dir: "auto" }, lead), remove), ...shown);
  }

  examples() {
    const { examples } = this.page.settings;
    const buttons = examples.map((words) => el("button", { type: "button", class: "mm-example-words", dir: "auto", onclick: () => this.page.ask({ words, where: [], kind: null, folder: null, order: "best", like: null, tune: null, same: null }) }, words));
    this.at("try").replaceChildren(...(buttons.length ? [el("span", { class: "mm-lead" }, "Try"), ...buttons] : []));
    const { box } = this.page;
    if (box && examples.length) box.placeholder = `for example: ${examples[0]}`;
  }
}

// For a shell: as it is where nothing in it is special.
function quoted(path) {
  return /^[\w./+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
