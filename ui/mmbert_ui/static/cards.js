// One result as a card. Rolls and waveforms load when they come near the screen.

import { clock, copyText, el, factList, getJson, plural } from "./dom.js";
import { player } from "./player.js";
import { Roll } from "./roll.js";
import { Wave } from "./wave.js";
import { inWords } from "./words.js";

const BANDS = { close: 3, related: 2, loose: 1 };

// play: what else the player is told; key: which of the buttons for these notes.
export function playButton(id, from, words, title, primary = false, { key = id, play = () => ({}) } = {}) {
  const icon = el("span", { class: "mm-icon", "aria-hidden": "true" }, "▶");
  const label = el("span", { class: "mm-label" }, words);
  const button = el("button", {
    type: "button",
    class: primary ? "mm-button mm-primary" : "mm-button",
    "data-play": key,
    "aria-label": `${words}: ${title}`,
    onclick: () => (button.dataset.on ? player.stop() : player.play({ id, key, from, title, ...play() })),
  }, icon, label);
  button.from = from;
  button.words = words;
  button.show = (now, mine) => {
    if (mine) button.dataset.on = "1";
    else delete button.dataset.on;
    icon.textContent = mine ? "■" : "▶";
    label.textContent = mine ? (now.state === "loading" ? "Loading" : `Stop ${clock(now.time)}`) : words;
    button.setAttribute("aria-label", `${mine ? "Stop" : words}: ${title}`);
  };
  return button;
}

// The first play button of the card that sounds turns into its stop button.
let sounding = null;
let written = "";
player.listen((now) => {
  const shown = now.id ? `${now.key} ${now.state} ${Math.floor(now.time)}` : now.state;
  if (shown === written) return;
  written = shown;
  const button = now.id ? document.querySelector(`[data-play="${CSS.escape(now.key)}"]`) : null;
  if (sounding && sounding !== button) sounding.show(now, false);
  sounding = button;
  button?.show(now, true);
  document.querySelectorAll(".mm-mute").forEach((n) => n.remove());
  if (now.state === "failed" && now.failed) {
    const failed = document.querySelector(`[data-play="${CSS.escape(now.failed)}"]`);
    failed?.closest(".mm-actions")?.after(el("p", { class: "mm-mute", role: "alert" }, now.words ? `This piece cannot be played: ${now.words[0].toLowerCase()}${now.words.slice(1)}.` : "This piece cannot be played: its file cannot be read, or the server does not answer."));
  }
});

function bandMeter(card) {
  const bars = [1, 2, 3].map((n) => el("i", { class: n <= BANDS[card.band] ? "on" : "" }));
  return el("span", { class: `mm-band mm-${card.band}`, title: card.measure }, el("span", { class: "mm-meter", "aria-hidden": "true" }, bars), card.band);
}

// The rarer actions. A disclosure, so that Tab goes through it; arrows move too, Esc closes it.
// more: entries before them.
export function menu(card, ask, more = []) {
  const download = el("a", { href: `/download/${card.id}`, download: "" }, card.found ? "Download the piece" : "Download");
  const path = el("button", { type: "button", onclick: () => copyText(card.path, path) }, "Copy the file's path");
  const narrowed = (filter) => (asked) => ({ where: [...new Set([...asked.where, ...filter.where])] });
  const filters = card.filters.map((filter) => el("button", { type: "button", dir: "auto", onclick: () => ask(narrowed(filter)) }, `Only ${filter.text}`));
  const summary = el("summary", { class: "mm-button mm-quiet", "aria-label": `More for ${card.title}`, title: "Download, copy the path, and more" }, "⋯");
  const box = el("details", { class: "mm-menu", onkeydown: (e) => menuKey(e, box) }, summary,
    el("div", { class: "mm-popup" }, more.filter(Boolean), download, path, el("p", { class: "mm-path", dir: "auto" }, card.path),
      filters.length ? [el("p", { class: "mm-path" }, "Use as a filter:"), ...filters] : null));
  box.addEventListener("focusout", (e) => { if (e.relatedTarget && !box.contains(e.relatedTarget)) box.open = false; });
  return box;
}

// Files that were dropped here, by their ids: the server keeps no sound of them, the browser does.
export const dropped = new Map();

// The picture of a piece, to play it by; null of a text.
function picture(piece, place) {
  if (piece.kind === "score") return new Roll({ id: piece.id, place, label: piece.title });
  if (piece.kind !== "recording") return null;
  const url = piece.dropped ? dropped.get(piece.id) ?? null : `/sound/${piece.id}`;
  return new Wave({ id: piece.id, place, label: piece.title, url });
}

// "The file breaks off at 1:02": what the reader noticed of a recording.
const flaws = (piece) => (piece.flaws ? el("p", { class: "mm-flaws", dir: "auto" }, el("b", {}, "Note "), `The recording ${piece.flaws}.`) : null);

// The other form of a piece, where the library holds any: of a recording its score, of a score its recordings.
export function sameButton(piece, ask, style = null) {
  const words = piece.same === "score" ? "The score of this recording" : "Recordings of this score";
  return el("button", { type: "button", class: style, onclick: () => ask({ same: piece.id, kind: piece.same }) }, words);
}

// What a score's melody can be asked for, on the tabs for melodies.
function melodyEntries(card) {
  const entry = (task, words) => el("button", { type: "button", onclick: () => window.mmbert?.melody(task, card.id, card.title) }, words);
  return [entry("complete", "Continue its melody"), entry("accompany", "Find accompaniment for its melody")];
}

function menuKey(event, box) {
  const entries = [...box.querySelectorAll("a, button")];
  const at = entries.indexOf(document.activeElement);
  if (event.key === "Escape" && box.open) {
    event.stopPropagation(); // the sound goes on
    box.open = false;
    box.querySelector("summary").focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    box.open = true;
    const step = event.key === "ArrowDown" ? 1 : -1;
    entries[at < 0 ? 0 : (at + step + entries.length) % entries.length].focus();
  }
}

addEventListener("click", (e) => document.querySelectorAll("details.mm-menu[open]").forEach((d) => { if (!d.contains(e.target)) d.open = false; }));

function versions(card, ask) {
  if (!card.versions.length) return null;
  const list = el("ul", { class: "mm-versions" });
  const box = el("details", { class: "mm-folded", ontoggle: async () => {
    if (!box.open || list.childElementCount) return;
    for (const id of card.versions) {
      try {
        list.append(el("li", {}, pieceView(await getJson(`/piece/${id}.json`), ask)));
      } catch {
        list.append(el("li", {}, "One version cannot be read."));
      }
    }
  } }, el("summary", {}, plural(card.versions.length, "more version")), list);
  return box;
}

// more: buttons behind those that every piece has.
export function pieceView(piece, ask, heading = "h4", more = []) {
  const roll = picture(piece, null);
  return el("article", { class: "mm-piece" },
    el(heading, { dir: "auto" }, piece.title),
    piece.composer ? el("p", { class: "mm-composer", dir: "auto" }, piece.composer) : null,
    factList(piece.facts),
    flaws(piece),
    inWords(piece),
    roll?.canvas,
    el("div", { class: "mm-actions" },
      roll && roll.url !== null ? playButton(piece.id, 0, "Play", piece.title, false, { play: roll.sound }) : null,
      ask && !piece.dropped ? el("button", { type: "button", class: "mm-button mm-quiet", onclick: () => ask({ like: piece.id }) }, "More like this") : null, more));
}

// Rank, title, composer, and how well it fits.
export function cardHead(card) {
  return el("div", { class: "mm-head" },
    el("span", { class: "mm-rank" }, String(card.rank)),
    el("div", { class: "mm-name" },
      el("h3", { dir: "auto" }, card.title),
      card.composer ? el("p", { class: "mm-composer", dir: "auto" }, card.composer) : null),
    card.band ? bandMeter(card) : null);
}

export function whyLine(card) {
  return card.why ? el("p", { class: "mm-why", dir: "auto" }, el("b", {}, "Why "), card.why) : null;
}

export function buildCard(card, ask) {
  const place = { start: card.start_s, end: card.end_s };
  const roll = picture(card, place);
  const node = el("li", { class: "mm-card card", "data-id": card.id },
    cardHead(card),
    factList(card.facts),
    whyLine(card),
    flaws(card),
    roll?.canvas,
    el("div", { class: "mm-actions" },
      roll ? playButton(card.id, place.start, place.start > 0.5 ? `Play from ${clock(place.start)}` : "Play", card.title, true, { play: roll.sound }) : null,
      roll && place.start > 0.5 ? el("button", { type: "button", class: "mm-button mm-quiet", onclick: () => player.play({ id: card.id, from: 0, title: card.title, ...roll.sound() }) }, "From the start") : null,
      el("button", { type: "button", class: "mm-button mm-quiet", "aria-label": `More like this: ${card.title}`, onclick: () => ask({ like: card.id }) }, "More like this"),
      menu(card, ask, [card.same ? sameButton(card, ask) : null, ...(card.kind === "score" ? melodyEntries(card) : [])])),
    inWords(card),
    versions(card, ask));
  node.roll = roll;
  return node;
}
