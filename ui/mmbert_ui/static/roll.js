// The piano roll of a whole piece on a canvas, with the place that fits boxed and a playhead.

import { clock, getJson } from "./dom.js";
import { player } from "./player.js";

// Any two of these differ by at least 39 (CIE76) for normal sight, deuteranopia and protanopia.
export const VOICES = {
  light: ["#0072B2", "#B05A00", "#192A06", "#649A88", "#020AFF", "#1B0538"],
  dark: ["#56B4E9", "#E69F00", "#CA9F72", "#394CF5", "#DBFBF2", "#60646D"],
};
const INK = {
  light: { ground: "#F6F7F9", line: "#DDE2E9", label: "#56606E", box: "#7A5F00", tint: "rgba(240,200,40,.32)", head: "#C62828" },
  dark: { ground: "#11161F", line: "#2A3342", label: "#AAB4C3", box: "#FFD75E", tint: "rgba(255,215,94,.2)", head: "#FF8A80" },
};
const MARGIN = 26; // room for the octave labels

const fetched = new Map();
const rolls = new Set();

export function notesOf(id) {
  if (!fetched.has(id)) {
    const promise = getJson(`/roll/${id}.json`);
    promise.catch(() => fetched.delete(id));
    fetched.set(id, promise);
  }
  return fetched.get(id);
}

export const shade = () => (document.body.classList.contains("dark") ? "dark" : "light");
new MutationObserver(() => rolls.forEach((r) => r.redraw())).observe(document.body, { attributes: true, attributeFilter: ["class"] });

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) entry.target.roll?.load();
  }
}, { rootMargin: "300px" });
const sized = new ResizeObserver((entries) => entries.forEach((entry) => entry.target.roll?.redraw()));

player.listen((now) => rolls.forEach((r) => r.follow(now)));

export class Roll {
  // place: {start, end} in seconds, or null; label: what screen readers call it. notes: where they are no piece's;
  // colour(part): which voice's; split: second of a divider; sound(): what else the player is told.
  constructor({ id, place, label, notes = null, colour = (part) => part, split = null, empty = "", sound = () => ({}) }) {
    this.id = id;
    this.given = notes;
    this.colour = colour;
    this.split = split;
    this.empty = empty;
    this.sound = sound;
    this.place = place;
    this.label = label;
    this.notes = null;
    this.time = null;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "mm-roll";
    this.canvas.tabIndex = 0;
    this.canvas.roll = this;
    this.canvas.setAttribute("role", "slider");
    this.canvas.setAttribute("aria-label", `Position in ${label}`);
    this.canvas.setAttribute("aria-valuemin", "0");
    this.describe();
    this.canvas.addEventListener("click", (e) => this.click(e));
    this.canvas.addEventListener("keydown", (e) => this.key(e));
    this.canvas.addEventListener("pointermove", (e) => this.hover(e));
    rolls.add(this);
    seen.observe(this.canvas);
    sized.observe(this.canvas);
  }

  remove() {
    rolls.delete(this);
    seen.unobserve(this.canvas);
    sized.unobserve(this.canvas);
  }

  get from() { return this.place ? this.place.start : 0; }

  async load() {
    seen.unobserve(this.canvas);
    try {
      this.notes = this.given ?? await this.fetch();
      this.canvas.setAttribute("aria-valuemax", Math.ceil(this.notes.duration_s));
      this.canvas.dataset.state = "drawn";
    } catch {
      this.canvas.dataset.state = "missing";
    }
    this.describe();
    this.redraw();
  }

  fetch() { return notesOf(this.id); }

  setNotes(notes) {
    this.given = this.notes = notes;
    this.canvas.setAttribute("aria-valuemax", Math.ceil(notes.duration_s));
    this.redraw();
  }

  describe() {
    const at = this.time ?? this.from;
    this.canvas.setAttribute("aria-valuenow", Math.round(at));
    const place = this.place ? `; the place that fits is ${clock(this.place.start)} to ${clock(this.place.end)}` : "";
    this.canvas.setAttribute("aria-valuetext", `${clock(at)}${place}`);
  }

  // ---- geometry ----------------------------------------------------------------------------------

  get margin() { return MARGIN; }

  x(seconds) { return this.margin + (this.width - this.margin - 4) * (seconds / Math.max(this.notes.duration_s, 0.001)); }

  seconds(event) {
    const x = event.clientX - this.canvas.getBoundingClientRect().left;
    const share = (x - this.margin) / (this.width - this.margin - 4);
    return Math.min(1, Math.max(0, share)) * this.notes.duration_s;
  }

  // ---- drawing -----------------------------------------------------------------------------------

  redraw() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return; // in a tab that is not open
    const ratio = window.devicePixelRatio || 1;
    this.width = box.width;
    this.height = box.height;
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
    this.ground = document.createElement("canvas");
    this.ground.width = this.canvas.width;
    this.ground.height = this.canvas.height;
    const pen = this.ground.getContext("2d");
    pen.scale(ratio, ratio);
    this.paint(pen);
    this.show();
  }

  paint(pen) {
    const ink = INK[shade()];
    pen.fillStyle = ink.ground;
    pen.fillRect(0, 0, this.width, this.height);
    if (!this.notes) {
      pen.fillStyle = ink.label;
      pen.font = "13px system-ui, sans-serif";
      pen.fillText(this.canvas.dataset.state === "missing" ? `The ${this.subject} cannot be read; has the file been moved?` : `Reading the ${this.subject} …`, 12, this.height / 2);
      return;
    }
    this.draw(pen, ink);
  }

  get subject() { return "notes"; }

  draw(pen, ink) {
    const drums = new Set(this.notes.drums);
    const pitched = this.notes.notes.filter((n) => !drums.has(n[3]));
    const pitches = (pitched.length ? pitched : this.notes.notes).map((n) => n[2]);
    if (!pitches.length) pitches.push(60, 72);
    let low = pitches.reduce((a, b) => Math.min(a, b), 127) - 2;
    let high = pitches.reduce((a, b) => Math.max(a, b), 0) + 2;
    if (high - low < 24) { const middle = (high + low) / 2; low = Math.floor(middle - 12); high = Math.ceil(middle + 12); }
    const strip = drums.size && pitched.length ? 12 : 0; // drums have no pitch: a strip of their own below
    const step = (this.height - 8 - strip) / (high - low + 1);
    const y = (pitch) => 4 + (high - pitch) * step;
    this.lines(pen, ink, low, high, y, step);
    if (this.place) this.tint(pen, ink);
    const thick = Math.max(2, step);
    const colours = VOICES[shade()];
    for (const [start, duration, pitch, part] of this.notes.notes) {
      const x = this.x(start / 1000);
      const width = Math.max(1.5, this.x((start + duration) / 1000) - x - 0.5);
      pen.fillStyle = colours[this.colour(part) % colours.length];
      if (strip && drums.has(part)) pen.fillRect(x, this.height - 10 + (pitch % 4) * 2, Math.min(width, 2), 2);
      else pen.fillRect(x, y(pitch) + (step - thick) / 2, width, thick);
    }
    if (this.place) this.outline(pen, ink);
    if (this.split !== null) this.divide(pen, ink);
    if (this.empty && !this.notes.notes.length) {
      pen.fillStyle = ink.label;
      pen.font = "13px system-ui, sans-serif";
      pen.fillText(this.empty, MARGIN + 12, this.height / 2);
    }
  }

  divide(pen, ink) {
    const at = Math.round(this.x(this.split)) + 0.5;
    pen.strokeStyle = ink.label;
    pen.lineWidth = 2;
    pen.setLineDash([5, 4]);
    pen.beginPath();
    pen.moveTo(at, 0);
    pen.lineTo(at, this.height);
    pen.stroke();
    pen.setLineDash([]);
  }

  lines(pen, ink, low, high, y, step) {
    pen.font = "10px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (let pitch = Math.ceil(low / 12) * 12; pitch <= high; pitch += 12) {
      const at = Math.round(y(pitch) + step / 2) + 0.5;
      pen.strokeStyle = ink.line;
      pen.beginPath();
      pen.moveTo(MARGIN, at);
      pen.lineTo(this.width, at);
      pen.stroke();
      pen.fillStyle = ink.label;
      if (at > 8 && at < this.height - 6) pen.fillText(`C${pitch / 12 - 1}`, 4, at);
    }
    const bars = this.notes.bars;
    if (bars.length < 2) return;
    let every = 1;
    const wide = (this.width - MARGIN) / bars.length;
    while (wide * every < 28) every *= 2;
    pen.strokeStyle = ink.line;
    for (let i = 0; i < bars.length; i += every) {
      const at = Math.round(this.x(bars[i] / 1000)) + 0.5;
      pen.beginPath();
      pen.moveTo(at, 0);
      pen.lineTo(at, this.height);
      pen.stroke();
    }
  }

  span() {
    const left = this.x(this.place.start);
    return [left, Math.max(4, this.x(Math.min(this.place.end, this.notes.duration_s)) - left)];
  }

  tint(pen, ink) {
    const [left, width] = this.span();
    pen.fillStyle = ink.tint;
    pen.fillRect(left, 0, width, this.height);
  }

  outline(pen, ink) {
    const [left, width] = this.span();
    pen.strokeStyle = ink.box;
    pen.lineWidth = 2;
    pen.strokeRect(left + 1, 1, Math.max(2, width - 2), this.height - 2);
  }

  show() {
    if (!this.ground) return;
    const pen = this.canvas.getContext("2d");
    pen.drawImage(this.ground, 0, 0);
    if (this.time === null || !this.notes) return;
    const ratio = this.canvas.width / this.width;
    pen.fillStyle = INK[shade()].head;
    pen.fillRect(Math.round(this.x(this.time) * ratio) - ratio, 0, 2 * ratio, this.canvas.height);
  }

  // ---- sound -------------------------------------------------------------------------------------

  follow(now) {
    const time = now.id === this.id ? now.time : null;
    if (time === this.time) return;
    this.time = time;
    this.describe();
    this.show();
  }

  get sounds() { return this.notes.notes.length > 0; }

  play(from) { if (this.notes && this.sounds) player.play({ id: this.id, from, title: this.label, ...this.sound() }); }

  click(event) { if (this.notes) this.play(this.seconds(event)); }

  key(event) {
    if (!this.notes) return;
    const at = this.time ?? this.from;
    if (event.key === "Enter" || event.key === " ") this.play(this.from);
    else if (event.key === "ArrowRight") this.play(Math.min(this.notes.duration_s, at + 5));
    else if (event.key === "ArrowLeft") this.play(Math.max(0, at - 5));
    else if (event.key === "Home") this.play(0);
    else return;
    event.preventDefault();
  }

  hover(event) { if (this.notes) this.canvas.title = this.told(this.seconds(event)); }

  told(seconds) {
    const ms = seconds * 1000;
    const parts = new Set(this.notes.notes.filter((n) => n[0] <= ms && n[0] + n[1] > ms).map((n) => n[3]));
    const names = [...parts].map((p) => this.notes.parts[p]).filter(Boolean);
    return [clock(seconds), ...new Set(names)].join(" · ");
  }
}
