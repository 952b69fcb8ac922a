// A tab for melodies: what goes on from one, or what accompanies it.

import { clock, el, factList } from "./dom.js";
import { fault, melody, METRES, post } from "./melody.js";
import { MelodyInput } from "./melody_input.js";
import { metronome } from "./metronome.js";
import { player } from "./player.js";
import { playButton } from "./cards.js";
import { pulse } from "./pulse.js";
import { Roll } from "./roll.js";
import { suggestionCard } from "./suggestion.js";

const STEP = 5;
const PATIENCE_MS = 2000;
const WORDS = {
  complete: { button: "Suggest a continuation", busy: "Looking for continuations …", found: "continuation", none: "Nothing in this library goes on from this melody." },
  accompany: { button: "Find accompaniment", busy: "Looking for accompaniments …", found: "accompaniment", none: "Nothing in this library accompanies this melody." },
};

const tabs = new Map();

export function mount({ element }) {
  const section = element.querySelector(".mm-melody");
  tabs.get(section.dataset.task)?.leave();
  tabs.set(section.dataset.task, new Suggest(section));
}

// A file that was dropped while a tab is open.
export const takeFile = (task, file) => tabs.get(task)?.input.take(file);

const ended = (words) => (/[.?!…]$/.test(words) ? words : `${words}.`);

class Suggest {
  constructor(section) {
    this.section = section;
    this.task = section.dataset.task;
    this.words = WORDS[this.task];
    this.limit = STEP;
    this.at = (name) => section.querySelector(`.mm-${name}`);
    this.input = new MelodyInput({ task: this.task, failed: (wrong) => this.error(wrong), begun: () => this.busy("Reading the file …") });
    this.at("input-place").replaceChildren(this.input.node);
    this.button = el("button", { type: "button", class: "mm-button mm-primary mm-ask", onclick: () => this.ask() }, this.words.button);
    this.sameKey = el("input", { type: "checkbox" });
    this.bar = el("input", { type: "number", min: 1, max: 10001, step: 1, inputmode: "numeric", placeholder: "first", onchange: () => melody.set({ bar: this.bar.value ? Math.max(1, Math.round(this.bar.value)) - 1 : null }) });
    this.bars = el("label", { class: "mm-inline", title: "The first of the four bars that are accompanied" }, el("span", {}, "From bar"), this.bar);
    this.at("go").replaceChildren(this.button, el("label", { class: "mm-inline" }, this.sameKey, el("span", {}, "Only from music in my key")), ...(this.task === "accompany" ? [this.bars] : []));
    this.left = false;
    melody.listen(() => this.heard());
    pulse.whenBack(() => this.pending && this.ask());
  }

  leave() { this.left = true; }

  heard() {
    if (this.left) return;
    this.button.disabled = !melody.enough;
    this.bar.value = melody.bar === null ? "" : melody.bar + 1;
    if (melody.wanted === this.task) {
      melody.wanted = null;
      this.limit = STEP;
      this.ask();
    } else if (melody.isEmpty && !this.pending) this.start();
  }

  // ---- asking ------------------------------------------------------------------------------------

  async ask(limit = STEP) {
    if (!melody.enough) return;
    this.limit = limit;
    const bar = this.task === "accompany" && melody.bar !== null ? { bar: melody.bar } : {};
    const question = { ...melody.question, ...bar, same_key: this.sameKey.checked, limit };
    this.stop?.abort();
    const mine = this.stop = new AbortController();
    metronome.stop();
    if (limit === STEP) player.stop();
    this.busy(this.words.busy);
    try {
      const answer = await post(`/melody/${this.task}`, question, mine.signal);
      const view = await answer.json();
      if (this.stop !== mine) return;
      this.idle();
      if (view.state === "hits") this.show(view);
      else {
        if (this.chosen && melody.source) melody.source.metre = null; // in which it may be no melody: as heard, then
        this.chosen = false;
        this.error(fault(view));
      }
    } catch (wrong) {
      if (this.stop !== mine || wrong.name === "AbortError") return;
      await pulse.beat(); // says that the server is gone; the question is asked again once it is back
      if (!pulse.lost) {
        this.idle();
        this.error({ title: "The answer was lost on its way", hint: "Ask again" });
      } else this.at("summary").textContent = "The question is asked again once the server is back.";
    }
  }

  busy(words) {
    clearInterval(this.slow);
    this.pending = true;
    const since = Date.now();
    this.section.setAttribute("aria-busy", "true");
    this.button.textContent = "Searching";
    this.at("summary").textContent = words;
    this.slow = setInterval(() => {
      if (!pulse.lost) this.at("summary").textContent = `${words} ${Math.round((Date.now() - since) / 1000)} s so far. The first question loads what it needs.`;
    }, PATIENCE_MS);
  }

  idle() {
    clearInterval(this.slow);
    this.pending = false;
    this.section.removeAttribute("aria-busy");
    this.button.textContent = this.words.button;
  }

  // ---- states ------------------------------------------------------------------------------------

  clearAway() {
    this.section.querySelectorAll(".mm-question canvas, .mm-cards canvas").forEach((c) => c.roll?.remove());
    for (const name of ["notice", "question", "cards", "more"]) this.at(name).replaceChildren();
    this.at("summary").textContent = "";
  }

  start() {
    this.clearAway();
    this.section.dataset.state = "start";
  }

  error({ title, hint }) {
    this.idle();
    this.clearAway();
    this.notice(ended(title), hint ? ended(hint) : "");
    this.section.dataset.state = "error";
  }

  notice(title, text = "") {
    this.at("notice").append(el("div", { class: "mm-box", role: "alert" }, el("p", {}, el("b", { dir: "auto" }, title)), text ? el("p", { dir: "auto" }, text) : null));
  }

  show(view) {
    const before = this.limit > STEP ? this.at("cards").childElementCount : 0;
    this.clearAway();
    const { cards } = view;
    this.at("question").append(this.understood(view.melody, !melody.source));
    if (view.notice) {
      this.at("question").append(el("div", { class: "mm-row" }, el("p", { class: "mm-hint", dir: "auto" }, view.notice),
        view.melody.heard ? this.metreField(view.melody.metre) : null));
    }
    if (this.chosen) this.at("question").querySelector("select")?.focus({ preventScroll: true }); // where it was
    this.chosen = false;
    if (!cards.length) this.notice(this.words.none, this.sameKey.checked ? "Ask without “Only from music in my key”." : "Try more of the melody, or another metre.");
    else if (view.nothing_fits) this.notice("Nothing in this library fits well.", "These are the nearest all the same.");
    this.at("summary").textContent = cards.length ? `${cards.length} ${this.words.found}${cards.length === 1 ? "" : "s"} from your library, the best first` : "Nothing found";
    const act = { like: (id) => window.mmbert?.ask({ like: id }) };
    this.at("cards").append(...cards.map((card) => suggestionCard(card, this.task, act)));
    if (view.more) this.at("more").append(el("button", { type: "button", class: "mm-button", onclick: () => this.ask(this.limit + STEP) }, `Show ${STEP} more`));
    if (before) this.at("cards").children[before]?.querySelector("button, canvas")?.focus({ preventScroll: true });
    if (melody.source && (!melody.source.name || !melody.source.parts.length)) {
      melody.source.name ||= view.melody.name;
      melody.source.parts = view.melody.parts;
      melody.tell();
    }
    this.section.dataset.state = cards.length ? "hits" : "none";
  }

  // What is heard is set in bars again, in the metre that the person says it is in.
  metreField(heard) {
    const select = el("select", { onchange: () => { this.chosen = true; melody.set({ source: { ...melody.source, metre: select.value }, wanted: this.task }); } },
      METRES.map((metre) => el("option", { value: metre, selected: metre === heard }, metre)));
    return el("label", { class: "mm-inline" }, el("span", {}, "Another metre?"), select);
  }

  // played: its roll stands above already.
  understood({ id, name, sentence, facts, place }, played) {
    if (played) return factList(facts);
    const roll = new Roll({ id, place, label: `${name}, as it was read`, colour: () => 0 });
    return el("div", { class: "mm-example mm-piece" },
      el("h3", { dir: "auto" }, name), factList(facts), sentence ? el("p", { class: "mm-hint", dir: "auto" }, `${sentence}.`) : null, roll.canvas,
      el("div", { class: "mm-actions" }, playButton(id, place.start, place.start > 0.5 ? `Play from ${clock(place.start)}` : "Play", name)));
  }
}
