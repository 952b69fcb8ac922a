// What a piece is like in words: its facts as a sentence, the nearest tags and phrases. Asked for when it is opened.

import { el, getJson } from "./dom.js";

export function inWords(piece) {
  const body = el("div", { class: "mm-words-body" });
  const box = el("details", { class: "mm-folded", ontoggle: async () => {
    if (!box.open || box.dataset.asked) return;
    box.dataset.asked = "1";
    body.replaceChildren(el("p", { class: "mm-hint", role: "status" }, "Comparing with words … The first time takes some seconds."));
    try {
      body.replaceChildren(...described(await getJson(`/words/${piece.id}.json`)));
    } catch {
      delete box.dataset.asked; // opened again, it asks again
      body.replaceChildren(el("p", { class: "mm-mute", role: "alert" }, "This piece cannot be put into words now. Close this and open it again."));
    }
  } }, el("summary", { "aria-label": `In words: ${piece.title}` }, "In words"), body);
  return box;
}

function described(found) {
  const parts = [el("p", { dir: "auto" }, found.sentence)];
  if (!found.tags) return [...parts, el("p", { class: "mm-hint" }, "The model that compares with words cannot be loaded here.")];
  if (found.heard.length) parts.push(el("p", {}, `Heard, with probabilities: ${found.heard.map((sound) => `${sound.name} ${Math.round(100 * sound.probability)} %`).join("; ")}.`));
  parts.push(list("Nearest tags", found.tags), list("Nearest phrases", found.phrases));
  if (found.left_out.length) parts.push(el("p", { class: "mm-hint" }, `Left out, the facts say otherwise: ${found.left_out.join(", ")}.`));
  return parts;
}

function list(heading, tags) {
  return el("table", { class: "mm-near" }, el("caption", {}, heading),
    el("thead", {}, el("tr", {}, ["", "z", "cosine"].map((name) => el("th", { scope: "col" }, name || el("span", { class: "mm-hidden" }, "words"))))),
    el("tbody", {}, tags.map((tag) => el("tr", {},
      el("td", { dir: "auto" }, tag.words, tag.agrees ? el("span", {}, " (the facts agree)") : null),
      el("td", {}, tag.z.toFixed(1)), el("td", {}, tag.similarity.toFixed(2))))));
}
