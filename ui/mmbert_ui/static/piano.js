// A piano on the screen: pointer and touch, arrows and Enter. 37 keys where there is room, else one octave and buttons
// that shift it: so a black key is wide enough for a finger.

import { el } from "./dom.js";
import { nameOf } from "./melody.js";

const WIDE = { first: 48, keys: 37 }; // C3 to C6
const NARROW = 13; // C to C
const ROOM = 600; // pixels for the wide one
const BLACK = new Set([1, 3, 6, 8, 10]);
const TAP_MS = 400; // a key that is clicked without a pointer, by a screen reader, sounds so long
export const LETTERS = ["A", "W", "S", "E", "D", "F", "T", "G", "Y", "H", "U", "J", "K", "O", "L", "P", ";"];

export class Piano {
  // down(pitch), up(pitch): what a key does; base: pitch of the computer's A key, and of the first key where narrow.
  constructor({ down, up, base = 60 }) {
    this.down = down;
    this.up = up;
    this.base = base;
    this.pointers = new Map();
    this.keys = new Map();
    this.node = el("div", { class: "mm-piano", role: "group", "aria-label": "Piano: arrow keys choose a key, Enter plays it" });
    this.node.addEventListener("pointerdown", (e) => this.press(e));
    this.node.addEventListener("pointermove", (e) => this.slide(e));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) this.node.addEventListener(name, (e) => this.release(e));
    this.node.addEventListener("keydown", (e) => this.key(e));
    this.node.addEventListener("keyup", (e) => this.keyUp(e));
    this.node.addEventListener("click", (e) => this.click(e));
    this.node.addEventListener("contextmenu", (e) => e.preventDefault());
    new ResizeObserver(([entry]) => entry.contentRect.width && this.fit(entry.contentRect.width)).observe(this.node);
  }

  get narrow() { return this.width < ROOM; }

  fit(width) {
    const was = this.width === undefined ? null : this.narrow;
    this.width = width;
    if (was !== this.narrow) this.build();
  }

  shift(octaves) {
    this.base = Math.min(84, Math.max(24, this.base + 12 * octaves));
    this.build();
  }

  build() {
    const first = this.narrow ? this.base : WIDE.first;
    const count = this.narrow ? NARROW : WIDE.keys;
    const whites = Array.from({ length: count }, (_, i) => first + i).filter((p) => !BLACK.has(p % 12)).length;
    let white = 0;
    this.keys.clear();
    const nodes = [];
    for (let pitch = first; pitch < first + count; pitch++) {
      const black = BLACK.has(pitch % 12);
      const letter = LETTERS[pitch - this.base];
      const key = el("button", { type: "button", class: black ? "mm-key mm-black" : "mm-key", tabindex: "-1", "data-pitch": pitch, "aria-label": nameOf(pitch) },
        letter && !this.narrow ? el("span", { class: "mm-letter", "aria-hidden": "true" }, letter) : null,
        pitch % 12 === 0 ? el("span", { class: "mm-octave", "aria-hidden": "true" }, nameOf(pitch)) : null);
      key.style.setProperty("--at", white / whites);
      key.style.setProperty("--wide", 1 / whites);
      if (!black) white += 1;
      this.keys.set(pitch, key);
      nodes.push(key);
    }
    this.node.replaceChildren(...nodes);
    const current = this.keys.get(this.current) ?? this.keys.get(60) ?? nodes[0];
    this.choose(Number(current.dataset.pitch), false);
  }

  // The one key that Tab comes to.
  choose(pitch, focus = true) {
    const key = this.keys.get(pitch);
    if (!key) return;
    this.keys.get(this.current)?.setAttribute("tabindex", "-1");
    this.current = pitch;
    key.setAttribute("tabindex", "0");
    if (focus) key.focus();
  }

  light(pitch, on) { this.keys.get(pitch)?.classList.toggle("mm-down", on); }

  // ---- pointer and touch -------------------------------------------------------------------------

  at(event) {
    const key = document.elementFromPoint(event.clientX, event.clientY)?.closest?.(".mm-key");
    return key && this.node.contains(key) ? Number(key.dataset.pitch) : null;
  }

  press(event) {
    if (event.button) return;
    const pitch = this.at(event);
    if (pitch === null) return;
    event.preventDefault();
    this.node.setPointerCapture(event.pointerId);
    this.choose(pitch);
    this.pointers.set(event.pointerId, pitch);
    this.down(pitch);
  }

  slide(event) {
    const held = this.pointers.get(event.pointerId);
    if (held === undefined) return;
    const pitch = this.at(event);
    if (pitch === held || pitch === null) return;
    this.up(held);
    this.pointers.set(event.pointerId, pitch);
    this.down(pitch);
  }

  release(event) {
    const held = this.pointers.get(event.pointerId);
    if (held === undefined) return;
    this.pointers.delete(event.pointerId);
    this.up(held);
  }

  // ---- keys --------------------------------------------------------------------------------------

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 12, ArrowDown: -12 }[event.key];
    if (step) this.choose(this.current + step);
    else if (event.key === "Home") this.choose(Math.min(...this.keys.keys()));
    else if (event.key === "End") this.choose(Math.max(...this.keys.keys()));
    else if (event.key === "Enter" || event.key === " ") {
      if (!event.repeat) this.down(this.current);
    } else return;
    event.preventDefault();
  }

  keyUp(event) {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    this.up(this.current);
  }

  click(event) {
    const key = event.target.closest(".mm-key");
    if (event.detail || !key) return; // of a pointer: it has sounded
    const pitch = Number(key.dataset.pitch);
    this.down(pitch);
    setTimeout(() => this.up(pitch), TAP_MS);
  }
}
