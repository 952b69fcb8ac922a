// The search tab. This script owns the question: words, filters, order, example and how many hits.

import { ORDERS, Panel } from "./filters.js";
import { dropped } from "./cards.js";
import { getJson } from "./dom.js";
import { melody } from "./melody.js";
import { Microphone } from "./microphone.js";
import { player } from "./player.js";
import { pulse } from "./pulse.js";
import { Shown } from "./shown.js";
import { takeFile } from "./suggest.js";
import { TunePanel } from "./tune.js";

const EMPTY = { words: "", where: [], kind: null, folder: null, order: "best", like: null, tune: null, same: null, limit: 10 };
const PATIENCE_MS = 2000;
const TYPED = "mmbert-typed"; // what stands in the box when the page is loaded again
const TABS = ["search", "complete", "accompany", "library", "about"];
const MELODY_TABS = ["complete", "accompany"];
const ID = /^(upload-[0-9a-f]{32}|[0-9a-f]{32}-\d{1,6})$/;

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
    this.pending = false;
    this.settings = { pieces: 0, examples: [], generation: null };
    this.panel = new Panel(this);
    this.tunes = new TunePanel((tune) => this.ask({ tune }), (wrong) => { this.idle(); this.shown.error(wrong); }, () => this.busy("Reading the file …"));
    this.microphone = new Microphone((file) => this.send(file));
    this.shown = new Shown(this, element.querySelector(".mm-search"));
    watch("value", () => this.show(this.props.value));
    this.away = new AbortController();
    this.hear();
    window.mmbert = {
      type: (words) => this.ask({ words, tune: null, same: null }), reading: () => this.busy("Reading the file …"),
      ask: (change) => { this.openTab("search"); this.ask(change); scrollTo({ top: 0 }); },
      melody: (task, id, name) => { melody.use(id, name, task); this.openTab(task); this.toAddress(); scrollTo({ top: 0 }); },
    };
    melody.listen(() => MELODY_TABS.includes(this.tab) && this.toAddress());
    pulse.whenBack(() => this.pending && this.again());
    this.begin();
  }

  async begin() {
    const typed = sessionStorage.getItem(TYPED);
    sessionStorage.removeItem(TYPED);
    await this.learn();
    this.fromAddress();
    if (typed && performance.getEntriesByType("navigation")[0]?.type === "reload") this.fill(typed);
    pulse.listen((now) => {
      if (now.generation !== this.settings.generation) this.learn();
      this.shown.building(now.build);
    });
  }

  // What depends on the build of the library that is served.
  async learn() {
    try {
      this.settings = await getJson("/settings.json");
    } catch {
      return; // the pulse says that the server is gone, and comes back here when it is not
    }
    player.soundfont = this.settings.soundfont;
    this.panel.forget();
    this.shown.examples();
    if (this.isEmpty()) this.shown.start();
  }

  leave() { this.away.abort(); }

  get box() { return document.querySelector("#mm-words input, #mm-words textarea"); }

  // ---- asking ------------------------------------------------------------------------------------

  isEmpty(question = this.asked) {
    return !(question.words || question.where.length || question.like || question.tune || question.same || question.kind || question.folder);
  }

  ask(change, { remember = true, more = false } = {}) {
    if ((change.like || change.tune || change.same) && !("words" in change)) change = { ...EMPTY, ...change };
    const question = { ...this.asked, limit: more ? this.asked.limit : EMPTY.limit, ...change };
    question.words = question.words.trim().slice(0, 500);
    this.asked = question;
    this.more = more;
    this.fill(question.words);
    if (remember) this.toAddress();
    this.panel.show();
    if (this.isEmpty()) {
      this.serial += 1; // an answer that is on its way is no longer wanted
      this.idle();
      this.shown.start();
    } else this.again();
  }

  again() {
    this.busy("Searching …");
    this.serial += 1;
    this.trigger({ ...this.asked, serial: this.serial });
  }

  fill(words) {
    const box = this.box;
    if (!box || box.value === words) return;
    box.value = words;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  busy(words) {
    clearTimeout(this.slow);
    this.pending = true;
    this.since = Date.now();
    this.shown.busy(words);
    this.slow = setTimeout(() => this.wait(), PATIENCE_MS);
  }

  idle() {
    clearTimeout(this.slow);
    this.pending = false;
    this.shown.idle();
  }

  // A long wait is the model being loaded, many people, or a server that has gone.
  async wait() {
    await pulse.beat();
    if (!this.pending) return;
    const waited = Math.round((Date.now() - this.since) / 1000);
    if (pulse.lost) this.shown.gone();
    else this.shown.wait(waited);
    this.slow = setTimeout(() => this.wait(), PATIENCE_MS);
  }

  show(view) {
    if (!view || (view.ask?.serial && view.ask.serial !== this.serial)) return; // an answer to an older question
    if (view.state === "start") return;
    this.idle();
    if (view.state === "error") this.shown.error(view);
    else {
      const { serial, ...asked } = view.ask;
      this.asked = asked;
      if (!serial) { // a file that was dropped: the server asked
        if (this.sent && asked.like) dropped.set(asked.like, URL.createObjectURL(this.sent));
        this.toAddress();
      }
      this.fill(asked.words);
      this.panel.show();
      this.shown.hits(view);
    }
    this.more = false;
  }

  // ---- address -----------------------------------------------------------------------------------

  toAddress() {
    const { words, where, kind, folder, order, like, tune, same, limit } = this.asked;
    const out = new URLSearchParams();
    if (words) out.set("q", words);
    where.forEach((w) => out.append("where", w));
    if (kind) out.set("kind", kind);
    if (folder) out.set("folder", folder);
    if (order !== EMPTY.order) out.set("order", order);
    if (like) out.set("like", like);
    if (tune) out.set("tune", tune);
    if (same) out.set("same", same);
    if (limit !== EMPTY.limit) out.set("n", limit);
    if (this.tab && this.tab !== "search") out.set("tab", this.tab);
    if (MELODY_TABS.includes(this.tab) && melody.source) out.set("melody", melody.source.id);
    const text = out.toString();
    if (text !== location.search.slice(1)) history.pushState(null, "", text ? `?${text}` : location.pathname);
  }

  fromAddress() {
    const given = new URLSearchParams(location.search);
    const limit = Math.min(200, Math.max(1, parseInt(given.get("n"), 10) || EMPTY.limit));
    const order = Object.hasOwn(ORDERS, given.get("order") ?? "") ? given.get("order") : EMPTY.order;
    const question = { words: given.get("q") ?? "", where: given.getAll("where"), kind: given.get("kind"), folder: given.get("folder"), order, like: given.get("like"), tune: given.get("tune"), same: given.get("same"), limit };
    const same = JSON.stringify({ ...EMPTY, ...question }) === JSON.stringify({ ...EMPTY, ...this.asked });
    this.openTab(given.get("tab") ?? "search");
    const id = given.get("melody") ?? "";
    if (MELODY_TABS.includes(this.tab) && ID.test(id) && melody.source?.id !== id) melody.use(id, "", this.tab);
    if (!same) this.ask(question, { remember: false });
  }

  openTab(name) {
    this.tab = TABS.includes(name) ? name : "search";
    const button = document.querySelector(`#mm-tabs [role=tab][data-tab-id=${this.tab}]`);
    if (button?.getAttribute("aria-selected") === "false") button.click();
  }

  // ---- what the chips do -------------------------------------------------------------------------

  require(chip) {
    const others = this.asked.where.filter((w) => !chip.added.includes(w));
    this.ask({ where: chip.added.length ? others : [...others, ...chip.where] });
  }

  drop(chip) {
    const where = this.asked.where.filter((w) => !chip.added.includes(w));
    const spoken = [chip.words, ...chip.where.map((w) => this.shown.spoken.get(w))].filter(Boolean);
    const words = spoken.reduce(without, this.asked.words);
    this.ask({ where, words });
  }

  reset() {
    this.ask({ ...EMPTY });
    this.box?.focus();
  }

  // ---- keys, drop, back --------------------------------------------------------------------------

  hear() {
    const on = (name, act) => window.addEventListener(name, act, { signal: this.away.signal });
    on("keydown", (e) => this.key(e));
    on("popstate", () => this.fromAddress());
    on("pagehide", () => sessionStorage.setItem(TYPED, this.box?.value ?? ""));
    on("dragover", (e) => { e.preventDefault(); document.body.classList.add("mm-drop"); });
    on("dragleave", (e) => { if (!e.relatedTarget) document.body.classList.remove("mm-drop"); });
    on("drop", (e) => this.dropped(e));
    on("click", (e) => this.clicked(e));
    window.addEventListener("change", (e) => this.chosen(e), { capture: true, signal: this.away.signal });
  }

  clicked(event) {
    const tab = event.target.closest?.("#mm-tabs [role=tab]")?.dataset.tabId;
    if (!TABS.includes(tab) || tab === this.tab) return;
    this.tab = tab;
    this.toAddress();
  }

  // Before Gradio sees it: a file that is too large is refused in our words, and is not sent.
  chosen(event) {
    const file = event.target.type === "file" && !("melody" in event.target.dataset) ? event.target.files?.[0] : null;
    this.sent = file ?? this.sent;
    const { max_bytes: usual, max_recording_bytes: ofSound, recordings = [] } = this.settings;
    const isSound = file && (file.type.startsWith("audio/") && !/midi/.test(file.type) || recordings.some((suffix) => file.name.toLowerCase().endsWith(suffix)));
    const most = isSound ? ofSound : usual;
    if (!file || !most || file.size <= most) return;
    event.stopImmediatePropagation();
    event.target.value = "";
    this.idle();
    const size = (bytes) => `${(bytes / 2 ** 20).toFixed(1).replace(/\.0$/, "")} MB`;
    this.shown.error({ title: `${file.name}: is ${size(file.size)} large; the page takes ${isSound ? "recordings" : "files"} up to ${size(most)}`, hint: "Put it in a folder of the library instead." });
  }

  key(event) {
    if (event.key === "Escape") player.stop();
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
      event.preventDefault();
      this.openTab("search");
      this.box?.focus();
      this.box?.select();
    }
  }

  dropped(event) {
    event.preventDefault();
    document.body.classList.remove("mm-drop");
    const file = event.dataTransfer?.files?.[0];
    if (file && MELODY_TABS.includes(this.tab)) {
      takeFile(this.tab, file);
      return;
    }
    if (file) this.send(file);
  }

  // As if it had been chosen.
  send(file) {
    const input = document.querySelector("#mm-file")?.parentElement.querySelector("input[type=file]");
    if (!input) return;
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
