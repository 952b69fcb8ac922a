// One suggestion as a card: melody and what was found for it on one roll, heard together or apart.

import { cardHead, menu, playButton, whyLine } from "./cards.js";
import { clock, el } from "./dom.js";
import { player } from "./player.js";
import { Roll } from "./roll.js";

const FOUND = { complete: "the continuation", accompany: "the accompaniment" };
const LEVEL = 0.8;

export function suggestionCard(card, task, act) {
  const levels = [LEVEL, LEVEL];
  const label = `${FOUND[task]} from ${card.title}`;
  const roll = new Roll({
    id: card.found, place: null, label: `your melody with ${label}`, split: card.split_s,
    colour: (part) => (part ? 1 : 0), sound: () => ({ levels, key: `${card.found} both` }),
  });
  const play = (key, words, from, which, primary) => playButton(card.found, from, words, card.title, primary,
    { key: `${card.found} ${key}`, play: () => ({ levels: which() }) });
  const buttons = task === "complete"
    ? [play("both", "Play joined", 0, () => levels, true), play("suggestion", "Continuation alone", card.split_s, () => [0, levels[1]], false)]
    : [play("both", "Play mixed", 0, () => levels, true), play("melody", "Melody", 0, () => [levels[0], 0], false), play("suggestion", "Accompaniment", 0, () => [0, levels[1]], false)];
  const node = el("li", { class: "mm-card card", "data-id": card.id },
    cardHead(card),
    el("p", { class: "mm-moved" }, card.moved, card.played_by ? el("span", { dir: "auto" }, ` Played by ${card.played_by}.`) : null),
    whyLine(card),
    roll.canvas,
    legend(task),
    task === "accompany" ? sliders(levels, card) : null,
    el("div", { class: "mm-actions" }, buttons,
      el("a", { class: "mm-button", href: `/download/${card.found}-whole`, download: "", "aria-label": `MIDI file: ${label}` }, "MIDI file")),
    el("div", { class: "mm-actions mm-source-actions" },
      el("span", { class: "mm-lead" }, "The piece"),
      playButton(card.id, card.start_s, card.start_s > 0.5 ? `Play from ${clock(card.start_s)}` : "Play", card.title),
      el("button", { type: "button", class: "mm-button mm-quiet", "aria-label": `More like this: ${card.title}`, onclick: () => act.like(card.id) }, "More like this"),
      menu({ ...card, filters: [] }, null)));
  node.roll = roll;
  return node;
}

function legend(task) {
  const swatch = (i, words) => el("span", {}, el("i", { class: `mm-swatch mm-voice-${i}`, "aria-hidden": "true" }), words);
  const words = task === "complete" ? "Continuation, from the dashed line on" : "Accompaniment";
  return el("p", { class: "mm-legend" }, swatch(0, "Your melody"), swatch(1, words));
}

// The same two numbers that a play button hands on: a sound that begins later keeps what was set.
function sliders(levels, card) {
  const slider = (i, words) => {
    const input = el("input", {
      type: "range", min: 0, max: 100, step: 5, value: 100 * levels[i], "aria-label": `Volume of the ${words.toLowerCase()}: ${card.title}`,
      oninput: () => {
        levels[i] = input.value / 100;
        if (player.now.key === `${card.found} both` || player.now.key === `${card.found} ${["melody", "suggestion"][i]}`) player.level(i, levels[i]);
      },
    });
    return el("label", { class: "mm-volume" }, el("span", {}, words), input);
  };
  return el("div", { class: "mm-volumes" }, slider(0, "Melody"), slider(1, "Accompaniment"));
}
