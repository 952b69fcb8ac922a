// The melody that both tabs ask about: notes that were played, set on a grid, or a file or piece.

import { onGrid } from "./grid.js";
import { pulse } from "./pulse.js";

export const METRES = ["4/4", "3/4", "2/4", "2/2", "6/8", "9/8", "12/8", "5/4", "7/8"];
export const LEAST = 4; // notes, for a suggestion
const MOST = 512;
const KEPT = "mmbert-melody";
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const ABC = ["=C", "^C", "=D", "^D", "=E", "=F", "^F", "=G", "^G", "=A", "^A", "=B"];

export const nameOf = (pitch) => `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;

class Melody {
  constructor() {
    this.notes = []; // {at, length, pitch}: milliseconds; length is null while a key is held
    this.held = new Map();
    this.clicks = null; // {line, bar}: milliseconds of a bar line and of a bar, while a metronome clicks
    this.clicked = false; // whether the notes were begun to clicks: their time 0 is a bar line, not the first note
    this.metre = "4/4";
    this.bpm = 100;
    this.source = null; // {id, name, parts, part, metre}: a file or piece in the place of notes; metre of a recording, if said
    this.bar = null;
    this.wanted = null; // the task that a tab shall ask at once
    this.listeners = new Set();
    this.recall();
  }

  listen(listener) { this.listeners.add(listener); listener(this); }

  tell() {
    this.kept = null;
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ notes: this.notes.map((n) => ({ ...n, length: n.length ?? this.unit })), metre: this.metre, bpm: this.bpm, clicked: this.clicked }));
    } catch { /* a browser that keeps nothing */ }
    this.listeners.forEach((listener) => listener(this));
  }

  recall() {
    try {
      const { notes, metre, bpm, clicked } = JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
      if (!Array.isArray(notes) || !METRES.includes(metre) || !(bpm >= 20 && bpm <= 400)) return;
      this.metre = metre;
      this.bpm = bpm;
      this.clicked = clicked === true;
      this.notes = notes.filter((n) => n.pitch >= 0 && n.pitch < 128 && n.length > 0 && n.at >= 0).slice(0, MOST);
      this.rested = true;
    } catch { /* nothing was kept */ }
  }

  // ---- playing -----------------------------------------------------------------------------------

  get unit() { return 15_000 / this.bpm; } // milliseconds of a sixteenth

  get sixteenths() { // of a bar
    const [beats, unit] = this.metre.split("/").map(Number);
    return beats * 16 / unit;
  }

  get full() { return this.notes.length >= MOST; }

  down(pitch, now) {
    if (this.full || this.held.has(pitch)) return;
    if (this.source) this.source = null; // who plays, asks with what is played
    const last = this.notes.at(-1);
    const end = Math.max(0, ...this.notes.map((n) => n.at + (n.length ?? 0)));
    const pause = Math.max(2000, this.unit * this.sixteenths);
    if (!last) this.clicked = this.clicks !== null;
    // After a long pause, or after an undo, the next note follows at once: nobody rests for that long in a melody.
    if (!last || this.rested || (!this.held.size && now - this.late - end > pause)) this.late = now - this.following(end, now);
    this.rested = false;
    const note = { at: Math.max(now - this.late, last?.at ?? 0), length: null, pitch };
    this.notes.push(note);
    this.held.set(pitch, note);
    this.tell();
  }

  // Where a note lies that is played now and shall follow at once on what ends at `end`; with clicks, within their bar.
  following(end, now) {
    if (!this.clicks) return Math.ceil(end / this.unit - 0.25) * this.unit;
    const { line, bar } = this.clicks;
    const early = end - this.unit / 2; // so much too soon is a little soon, and not a bar later
    return now - line - bar * Math.floor((now - line - early) / bar);
  }

  up(pitch, now) {
    const note = this.held.get(pitch);
    if (!note) return;
    this.held.delete(pitch);
    note.length = Math.max(20, now - this.late - note.at);
    this.tell();
  }

  undo() {
    this.held.clear();
    this.notes.pop();
    this.rested = true;
    this.tell();
  }

  clear() {
    this.held.clear();
    this.notes = [];
    this.source = null;
    this.bar = null;
    this.tell();
  }

  set(change) { Object.assign(this, change); this.tell(); }

  // ---- what it is --------------------------------------------------------------------------------

  get grid() {
    this.kept ??= onGrid(this.notes, this.unit, this.clicked);
    return this.kept;
  }

  get enough() { return this.source !== null || this.grid.length >= LEAST; }

  get isEmpty() { return this.source === null && !this.notes.length; }

  // As the rolls and the oscillators take it.
  get playable() {
    const { grid, unit, sixteenths } = this;
    const end = grid.length ? grid.at(-1).start + grid.at(-1).length : 0;
    const bars = Math.max(4, Math.ceil(end / sixteenths));
    return {
      notes: grid.map((n) => [n.start * unit, n.length * unit, n.pitch, 0]),
      parts: ["your melody"], drums: [], sounds_s: end * unit / 1000, duration_s: bars * sixteenths * unit / 1000,
      bars: Array.from({ length: bars }, (_, i) => i * sixteenths * unit),
    };
  }

  // As the server takes it.
  get question() {
    if (this.source) {
      const { id, part, metre } = this.source;
      return { like: id, ...(part ? { part } : {}), ...(metre ? { metre } : {}) };
    }
    return { notes: this.grid.map((n) => [n.start / 4, n.length / 4, n.pitch]), metre: this.metre, tempo_bpm: this.bpm };
  }

  // Bars of notes and rests, in words.
  get bars() {
    const bars = [];
    let at = 0;
    const put = (start, words) => { (bars[Math.floor(start / this.sixteenths)] ??= []).push(words); };
    for (const { start, length, pitch } of this.grid) {
      if (start > at) put(at, `rest ${fraction(start - at)}`);
      put(start, `${nameOf(pitch)} ${fraction(length)}`);
      at = start + length;
    }
    return bars;
  }

  // Notes and rests as ABC, for an address; accidentals all written, since they hold on.
  get abc() {
    const words = [];
    let at = 0;
    for (const { start, length, pitch } of this.grid) {
      if (start > at) words.push(`z${eighths(start - at)}`);
      const octave = Math.floor(pitch / 12) - 5; // 0 is written C
      const name = ABC[pitch % 12];
      const mark = octave > 0 ? name.toLowerCase() + "'".repeat(octave - 1) : name + ",".repeat(-octave);
      words.push(mark + eighths(length));
      at = start + length;
    }
    return words.join(" ");
  }

  // ---- files and pieces --------------------------------------------------------------------------

  // A piece of the library, or a file that the server still holds.
  use(id, name, task) {
    this.source = { id, name, parts: [], part: null };
    this.bar = null;
    this.wanted = task;
    this.tell();
  }

  // Sends a file; resolves to null, or to what was wrong with it: {title, hint}.
  async take(file, task, mostBytes) {
    const size = (bytes) => `${(bytes / 2 ** 20).toFixed(1).replace(/\.0$/, "")} MB`;
    if (mostBytes && file.size > mostBytes) return { title: `${file.name}: is ${size(file.size)} large; the page takes files up to ${size(mostBytes)}`, hint: "Put it in a folder of the library instead" };
    const form = new FormData();
    form.append("files", file);
    try {
      const sent = await fetch("/gradio_api/upload", { method: "POST", body: form });
      const stored = await sent.json();
      if (!sent.ok) return fault(stored);
      const read = await (await post("/melody/file", { path: stored[0] })).json();
      if (read.state !== "file") return fault(read);
      this.source = { id: read.id, name: read.name, parts: read.parts, part: null };
      this.bar = null;
      this.wanted = task;
      this.tell();
      return null;
    } catch {
      pulse.beat();
      return { title: "The server does not answer", hint: "Try again in a moment" };
    }
  }
}

export function post(url, body, signal) {
  return fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
}

// The server's two forms of fault as {title, hint}.
export function fault(answer) {
  if (answer?.state === "error") return { title: answer.title, hint: answer.hint };
  const { subject = "", fault: words = "The server could not do that", hint = "" } = answer?.error ?? {};
  return { title: subject ? `${subject}: ${words}` : words, hint };
}

function fraction(sixteenths) {
  let under = 16;
  while (sixteenths % 2 === 0 && under > 1) { sixteenths /= 2; under /= 2; }
  return under === 1 ? `${sixteenths}` : `${sixteenths}/${under}`;
}

const eighths = (n) => (n % 2 ? (n === 1 ? "/2" : `${n}/2`) : n === 2 ? "" : `${n / 2}`);

export const melody = new Melody();
