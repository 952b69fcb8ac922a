// The search tab. This script owns the question: words, filters (where), example (like) and how many hits.

import { buildCard, pieceView } from "./cards.js";
import { el, plural } from "./dom.js";
import { player } from "./player.js";

const EMPTY = { words: "", where: [], like: null, limit: 10 };
const PATIENCE_MS = 2500;

let page = null;

export function mount(component) {
  page?.leave();
  page = new Search(component);
}

class Search {
  constructor({ element, props, trigger, watch }) {
    this.props = props;
    this.trigger = trigger;
    this.asked = { ...EMPTY };
    this.serial = 0;
    this.spoken = new Map(); // filter -> the words that it was read from, for when only the filter is left
    this.at = (name) => element.querySelector(`.mm-${name}`);
    this.section = this.at("search");
    this.settings = props.value.settings;
    player.soundfont = this.settings.soundfont;
    watch("value", () => this.show(this.props.value));
    this.away = new AbortController();
    this.hear();
    this.examples();
    this.start();
    window.mmbert = { type: (words) => this.ask({ words }), reading: () => this.busy("Reading the file …") };
    this.fromAddress();
  }

  leave() { this.away.abort(); }

  get box() { return document.querySelector("#mm-words input, #mm-words textarea"); }

  // ---- asking ------------------------------------------------------------------------------------

  ask(change, { remember = true, more = false } = {}) {
    if (change.like && !("words" in change)) change = { ...EMPTY, ...change };
    const question = { ...this.asked, limit: more ? this.asked.limit : EMPTY.limit, ...change };
    question.words = question.words.trim().slice(0, 500);
    this.asked = question;
    this.more = more;
    this.fill(question.words);
    if (remember) this.toAddress();
    this.busy("Searching …");
    this.serial += 1;
    this.trigger({ ...question, serial: this.serial });
  }

  fill(words) {
    const box = this.box;
    if (!box || box.value === words) return;
    box.value = words;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  busy(words) {
    clearTimeout(this.slow);
    this.section.setAttribute("aria-busy", "true");
    document.body.classList.add("mm-busy");
    this.at("summary").textContent = words;
    this.slow = setTimeout(() => this.wait(), PATIENCE_MS);
  }

  idle() {
    clearTimeout(this.slow);
    this.section.removeAttribute("aria-busy");
    document.body.classList.remove("mm-busy");
  }

  // A long wait is the model being loaded, many people, or a server that has gone.
  async wait() {
    try {
      const answer = await fetch("/alive", { cache: "no-store" });
      if (!answer.ok) throw new Error();
      this.at("summary").textContent = "Still working; the first question loads the model …";
      this.slow = setTimeout(() => this.wait(), PATIENCE_MS);
    } catch {
      this.idle();
      this.notice("The server does not answer.", "Start it again in its terminal; your question is kept.", [["Try again", () => this.ask({}, { remember: false })]]);
      this.at("summary").textContent = "";
    }
  }

  // ---- address -----------------------------------------------------------------------------------

  toAddress() {
    const { words, where, like, limit } = this.asked;
    const out = new URLSearchParams();
    if (words) out.set("q", words);
    where.forEach((w) => out.append("where", w));
    if (like && !like.startsWith("upload-")) out.set("like", like);
    if (limit !== EMPTY.limit) out.set("n", limit);
    const text = out.toString();
    if (text !== location.search.slice(1)) history.pushState(null, "", text ? `?${text}` : location.pathname);
  }

  fromAddress() {
    const given = new URLSearchParams(location.search);
    const limit = Math.min(200, Math.max(1, parseInt(given.get("n"), 10) || EMPTY.limit));
    const question = { words: given.get("q") ?? "", where: given.getAll("where"), like: given.get("like"), limit };
    if (question.words || question.where.length || question.like) this.ask(question, { remember: false });
    else if (this.asked.words || this.asked.where.length || this.asked.like) {
      this.asked = { ...EMPTY };
      this.fill("");
      this.start();
    }
  }

  // ---- showing -----------------------------------------------------------------------------------

  show(view) {
    if (!view || (view.ask?.serial && view.ask.serial !== this.serial)) return; // an answer to an older question
    this.idle();
    if (view.settings) this.settings = view.settings;
    if (view.state === "start") this.start();
    else if (view.state === "error") this.error(view);
    else this.hits(view);
  }

  clear() {
    this.at("cards").querySelectorAll("canvas").forEach((c) => c.roll?.remove());
    for (const name of ["question", "notice", "cards", "more"]) this.at(name).replaceChildren();
    this.at("summary").textContent = "";
  }

  start() {
    this.clear();
    player.stop();
    const { pieces } = this.settings;
    if (pieces) this.at("summary").textContent = `Describe what you look for, or drop a piece that is like it: ${plural(pieces, "piece")} to find.`;
    else this.notice("This library is empty.", "Put music into a folder and run: mmbert index build LIBRARY FOLDER", []);
    this.section.dataset.state = "start";
  }

  error(view) {
    this.clear();
    player.stop();
    this.notice(`${view.title}.`, view.hint, this.asked.like || this.asked.where.length ? [["Start again", () => this.reset()]] : []);
    this.section.dataset.state = "error";
  }

  hits(view) {
    const { serial, ...asked } = view.ask;
    this.asked = asked;
    this.fill(asked.words);
    this.clear();
    if (!this.more) player.stop();
    this.question(view);
    this.at("summary").textContent = this.summary(view);
    if (view.nothing_fits && view.cards.length) {
      this.notice("Nothing in this library fits well.", "These are the nearest; try other words, or fewer filters.", []);
    }
    if (!view.cards.length) this.none(view);
    const ask = (change) => { this.ask(change); scrollTo({ top: 0 }); };
    this.at("cards").append(...view.cards.map((card) => buildCard(card, ask)));
    if (view.more) this.at("more").append(el("button", { type: "button", class: "mm-button", onclick: () => this.ask({ limit: asked.limit + 10 }, { more: true }) }, "Show 10 more"));
    if (this.more) this.at("cards").children[asked.limit - 10]?.querySelector("button, canvas")?.focus({ preventScroll: true });
    this.more = false;
    this.section.dataset.state = "hits";
  }

  summary(view) {
    const { words } = view.ask;
    const subject = words ? ` for “${words}”` : "";
    const example = view.example ? ` like “${view.example.title}”` : "";
    return `${view.cards.length} of ${plural(view.total, "piece")}${subject}${example}`;
  }

  none(view) {
    const buttons = (view.relax ?? []).map((r) => [`Without “${r.text}”: ${plural(r.total, "piece")}`, () => this.ask({ where: r.where })]);
    this.notice("No piece passes all filters.", "Take one out:", buttons);
  }

  notice(title, text, buttons) {
    this.at("notice").replaceChildren(el("div", { class: "mm-box", role: "alert" },
      el("p", {}, el("b", { dir: "auto" }, title)), text ? el("p", { dir: "auto" }, text) : null,
      buttons.length ? el("div", { class: "mm-actions" }, buttons.map(([words, act]) => el("button", { type: "button", class: "mm-button", onclick: act }, words))) : null));
  }

  // ---- the question: example and chips -----------------------------------------------------------

  question(view) {
    const parts = [];
    if (view.example) parts.push(this.example(view.example));
    for (const chip of view.chips) if (chip.words) chip.where.forEach((w) => this.spoken.set(w, chip.words));
    if (view.chips.length) {
      const chips = view.chips.map((chip) => this.chip(chip));
      const hint = el("span", { class: "mm-hint" }, "click one to make it a filter");
      parts.push(el("div", { class: "mm-chips", role: "group", "aria-label": "What was understood" }, el("span", { class: "mm-lead" }, "Understood"), chips, hint));
    }
    this.at("question").append(...parts);
  }

  chip(chip) {
    const quoted = chip.words && chip.words.toLowerCase() !== chip.text.toLowerCase() ? `“${chip.words}”: ` : "";
    const toggle = el("button", {
      type: "button", class: "mm-chip-name", "aria-pressed": String(chip.hard),
      title: chip.hard ? "A filter: other pieces are left out. Click to make it a wish." : "A wish: fitting pieces come first. Click to make it a filter.",
      onclick: () => this.require(chip),
    }, el("span", { class: "mm-lock", "aria-hidden": "true" }, chip.hard ? "✓" : ""), el("span", { class: "mm-quoted" }, quoted), chip.text);
    const remove = el("button", { type: "button", class: "mm-chip-x", "aria-label": `Remove ${chip.text}`, onclick: () => this.drop(chip) }, "×");
    return el("span", { class: chip.hard ? "mm-chip mm-hard" : "mm-chip" }, toggle, remove);
  }

  require(chip) {
    const others = this.asked.where.filter((w) => !chip.added.includes(w));
    this.ask({ where: chip.added.length ? others : [...others, ...chip.where] });
  }

  drop(chip) {
    const where = this.asked.where.filter((w) => !chip.added.includes(w));
    const spoken = [chip.words, ...chip.where.map((w) => this.spoken.get(w))].filter(Boolean);
    const words = spoken.reduce(without, this.asked.words);
    if (words || where.length || this.asked.like) this.ask({ where, words });
    else this.reset();
  }

  example(piece) {
    const view = pieceView(piece, null, "h3");
    const many = piece.pieces > 1 ? el("p", { class: "mm-hint" }, `The first of ${piece.pieces} pieces in this file.`) : null;
    const hint = el("p", { class: "mm-hint" }, "Words in the box above change the direction: slower, in a minor key, with flute.");
    const remove = el("button", { type: "button", class: "mm-chip-x", "aria-label": "Remove the example", onclick: () => this.removeExample() }, "×");
    return el("div", { class: "mm-example" },
      el("div", { class: "mm-example-top" }, el("span", { class: "mm-lead", dir: "auto" }, piece.dropped ? `Your file ${piece.path}` : "More like"), remove), view, many, hint);
  }

  removeExample() {
    if (this.asked.words || this.asked.where.length) this.ask({ like: null, words: this.asked.words });
    else this.reset();
  }

  reset() {
    this.asked = { ...EMPTY };
    this.serial += 1;
    this.fill("");
    this.idle();
    this.toAddress();
    this.start();
    this.box?.focus();
  }

  examples() {
    const { examples } = this.settings;
    if (!examples.length) return;
    const buttons = examples.map((words) => el("button", { type: "button", class: "mm-example-words", dir: "auto", onclick: () => this.ask({ ...EMPTY, words }) }, words));
    this.at("try").replaceChildren(el("span", { class: "mm-lead" }, "Try"), ...buttons);
    if (this.box && !this.box.placeholder) this.box.placeholder = `for example: ${examples[0]}`;
  }

  // ---- keys, drop, back --------------------------------------------------------------------------

  hear() {
    const on = (name, act) => window.addEventListener(name, act, { signal: this.away.signal });
    on("keydown", (e) => this.key(e));
    on("popstate", () => this.fromAddress());
    on("dragover", (e) => { e.preventDefault(); document.body.classList.add("mm-drop"); });
    on("dragleave", (e) => { if (!e.relatedTarget) document.body.classList.remove("mm-drop"); });
    on("drop", (e) => this.dropped(e));
    on("click", (e) => document.querySelectorAll("details.mm-menu[open]").forEach((d) => { if (!d.contains(e.target)) d.open = false; }));
  }

  key(event) {
    if (event.key === "Escape") {
      player.stop();
      document.querySelectorAll("details.mm-menu[open]").forEach((d) => { d.open = false; });
    }
    if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
      event.preventDefault();
      this.box?.focus();
      this.box?.select();
    }
  }

  dropped(event) {
    event.preventDefault();
    document.body.classList.remove("mm-drop");
    const file = event.dataTransfer?.files?.[0];
    const input = document.querySelector("#mm-file")?.parentElement.querySelector("input[type=file]");
    if (!file || !input) return;
    const carrier = new DataTransfer();
    carrier.items.add(file);
    input.files = carrier.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

// The question without the words that a chip was read from.
function without(text, words) {
  const at = text.toLowerCase().indexOf(words.toLowerCase());
  const rest = at < 0 ? text : text.slice(0, at) + text.slice(at + words.length);
  return rest.replace(/\s+([,;])/g, "$1").replace(/^[\s,;]+|[\s,;]+$/g, "").replace(/([,;])\s*[,;]+/g, "$1").replace(/\s{2,}/g, " ");
}
