// Where a melody comes in: a file, the piano on the screen, the computer's keys, or a MIDI keyboard.

import { el, getJson, plural } from "./dom.js";
import { live } from "./live.js";
import { LEAST, melody, METRES, nameOf } from "./melody.js";
import { metronome } from "./metronome.js";
import { connect } from "./midi_in.js";
import { LETTERS, Piano } from "./piano.js";
import { player } from "./player.js";
import { Roll } from "./roll.js";

const CODES = ["KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ", "KeyK", "KeyO", "KeyL", "KeyP", "Semicolon"];
const TYPING = /^(INPUT|TEXTAREA|SELECT)$/;
const ACCEPT = ".mid,.midi,.kar,.rmi,.musicxml,.xml,.mxl,.abc,.wav,.flac,.ogg,.oga,.opus,.mp3,.aif,.aiff";
const ID = "mm-played";

let count = 0;

export class MelodyInput {
  // task: what a file that is taken here is for; failed({title, hint}): a file was refused; begun(): one is being read.
  constructor({ task, failed, begun }) {
    this.task = task;
    this.failed = failed;
    this.begun = begun;
    this.pressed = new Map(); // code of a computer's key -> pitch
    this.name = `${ID}-${count += 1}`;
    this.piano = new Piano({ down: (pitch) => this.down(pitch), up: (pitch) => this.up(pitch) });
    this.roll = new Roll({ id: this.name, place: null, label: "your melody", notes: melody.playable, colour: () => 0, empty: "Your notes appear here", sound: () => ({ piece: this.sounding }) });
    this.node = el("div", { class: "mm-input-box" }, this.fileRow(), this.pianoBox(), this.tools(), this.roll.canvas, this.told());
    addEventListener("keydown", (e) => this.key(e));
    addEventListener("keyup", (e) => this.keyUp(e));
    addEventListener("blur", () => this.letGo());
    player.listen((now) => this.playing(now));
    melody.listen(() => this.show());
    metronome.listen((now) => this.clicking(now));
  }

  get open() { return this.node.offsetParent !== null; }

  get sounding() { return { ...melody.playable, duration_s: melody.playable.sounds_s }; }

  // ---- parts -------------------------------------------------------------------------------------

  fileRow() {
    this.file = el("input", { type: "file", accept: ACCEPT, class: "mm-hidden", tabindex: "-1", "aria-hidden": "true", "data-melody": "", onchange: () => this.chosen() });
    this.choose = el("button", { type: "button", class: "mm-button mm-file", onclick: () => this.file.click() }, "Choose or drop a file");
    this.source = el("div", { class: "mm-source" });
    return el("div", { class: "mm-row" }, this.choose, this.file, this.source);
  }

  pianoBox() {
    const shift = (octaves, words, sign) => el("button", { type: "button", class: "mm-button mm-shift", "aria-label": words, onclick: () => this.shift(octaves) }, sign);
    return el("div", { class: "mm-keys" }, el("div", { class: "mm-octaves" }, shift(-1, "An octave lower", "◂ Octave"), shift(1, "An octave higher", "Octave ▸")), this.piano.node);
  }

  tools() {
    const button = (words, act) => el("button", { type: "button", class: "mm-button", onclick: act }, words);
    this.undo = button("Undo", () => melody.undo());
    this.clear = button("Clear", () => { player.stop(); melody.clear(); });
    this.back = button("Play back", () => (player.now.id === this.name ? player.stop() : this.roll.play(0)));
    this.midi = button("MIDI keyboard", () => this.connect());
    this.beat = el("span", { class: "mm-beat", "aria-hidden": "true" });
    this.clicks = el("button", { type: "button", class: "mm-button mm-metronome", "aria-pressed": "false", title: "Clicks at this tempo and in this metre; the first bar counts in", onclick: () => this.toggleClicks() }, "Metronome", this.beat);
    this.metre = el("select", { onchange: () => melody.set({ metre: this.metre.value }) }, METRES.map((metre) => el("option", { value: metre }, metre)));
    this.tempo = el("input", { type: "number", min: 20, max: 400, step: 1, inputmode: "numeric", onchange: () => this.setTempo() });
    this.computer = el("input", { type: "checkbox", checked: true });
    const field = (words, control, hint) => el("label", { class: "mm-inline", title: hint }, el("span", {}, words), control);
    this.own = [field("Metre", this.metre), field("Tempo", this.tempo, "Quarter notes a minute")]; // of what is played
    return el("div", { class: "mm-row mm-tools" }, this.undo, this.clear, this.back, this.midi, this.clicks, this.own, el("label", { class: "mm-inline mm-computer" }, this.computer, el("span", {}, "Computer keys")));
  }

  told() {
    this.count = el("p", { class: "mm-hint", role: "status" });
    this.text = el("p", { class: "mm-notes", "aria-label": "Your notes" });
    this.said = el("p", { class: "mm-hint mm-said", role: "status" });
    this.how = el("p", { class: "mm-hint mm-how" });
    return el("div", { class: "mm-told" }, this.count, this.text, this.said, this.how);
  }

  // ---- playing -----------------------------------------------------------------------------------

  down(pitch) {
    if (player.now.id) player.stop();
    live.down(pitch);
    this.piano.light(pitch, true);
    melody.down(pitch, performance.now());
  }

  up(pitch) {
    live.up(pitch);
    this.piano.light(pitch, false);
    melody.up(pitch, performance.now());
  }

  shift(octaves) {
    this.letGo();
    this.piano.shift(octaves);
    this.show();
  }

  key(event) {
    if (!this.open || !this.computer.checked || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (TYPING.test(event.target.tagName) && event.target.type !== "checkbox") return;
    const at = CODES.indexOf(event.code);
    const octaves = { KeyZ: -1, KeyX: 1 }[event.code];
    if (at < 0 && !octaves) return;
    event.preventDefault();
    if (event.repeat) return;
    if (octaves) {
      this.shift(octaves);
      return;
    }
    const pitch = this.piano.base + at;
    this.pressed.set(event.code, pitch);
    this.down(pitch);
  }

  keyUp(event) {
    const pitch = this.pressed.get(event.code);
    if (pitch === undefined) return;
    this.pressed.delete(event.code);
    this.up(pitch);
  }

  letGo() {
    [...this.pressed.values()].forEach((pitch) => this.up(pitch));
    this.pressed.clear();
  }

  connect() {
    connect({ down: (pitch) => this.open && this.down(pitch), up: (pitch) => this.up(pitch), say: (words) => { this.said.textContent = words; } });
  }

  toggleClicks() {
    if (metronome.on) {
      metronome.stop();
      return;
    }
    player.stop();
    metronome.start(() => this.open).catch(() => { this.said.textContent = "This machine makes no sound."; });
  }

  clicking({ on, beat, countingIn }) {
    if (on !== (this.clicks.getAttribute("aria-pressed") === "true")) {
      this.clicks.setAttribute("aria-pressed", on);
      this.said.textContent = on ? "One bar of clicks counts in. Notes are set on the bars of the clicks." : "";
    }
    this.beat.textContent = beat ?? "";
    this.beat.classList.toggle("mm-count-in", countingIn);
  }

  setTempo() {
    const bpm = Math.round(Number(this.tempo.value));
    if (bpm >= 20 && bpm <= 400) melody.set({ bpm });
    else this.tempo.value = melody.bpm;
  }

  // ---- files -------------------------------------------------------------------------------------

  chosen() {
    const file = this.file.files[0];
    this.file.value = "";
    if (file) this.take(file);
  }

  async take(file) {
    this.begun();
    const { max_bytes: usual, max_recording_bytes: ofSound, recordings = [] } = await getJson("/settings.json").catch(() => ({}));
    const most = recordings.some((suffix) => file.name.toLowerCase().endsWith(suffix)) ? ofSound : usual;
    const wrong = await melody.take(file, this.task, most);
    if (wrong) this.failed(wrong);
  }

  // ---- showing -----------------------------------------------------------------------------------

  show() {
    const { source, notes, bars } = melody;
    const { length } = melody.grid;
    this.undo.disabled = !notes.length || source !== null;
    this.clear.disabled = melody.isEmpty;
    this.back.disabled = !notes.length || source !== null;
    this.own.forEach((field) => { field.hidden = source !== null; }); // a file has its own
    this.metre.value = melody.metre;
    this.tempo.value = melody.bpm;
    this.roll.canvas.hidden = source !== null;
    this.roll.setNotes(melody.playable);
    this.source.replaceChildren(...(source ? this.sourceView(source) : []));
    const left = LEAST - length;
    this.count.textContent = source ? "" : length === 0 ? "" : left > 0
      ? `${plural(length, "note")}; ${left} more, and you can ask.`
      : `${plural(length, "note")} in ${plural(bars.length, "bar")} of ${melody.metre}, set on a grid ${melody.clicked ? "by the clicks" : "from the first note on"}.${melody.full ? " No more are taken." : ""}`;
    this.text.replaceChildren(...(source ? [] : this.words(bars)));
    const letters = LETTERS.join(" ");
    this.how.textContent = `With the computer's keys: ${letters} from ${nameOf(this.piano.base)} on, Z and X shift the octave. After a pause the next note follows at once.`;
  }

  words(bars) {
    return Array.from(bars, (bar, i) => (bar ? el("span", {}, el("b", {}, `Bar ${i + 1}`), ` ${bar.join(", ")} `) : "")).filter(Boolean);
  }

  sourceView({ id, name, parts, part }) {
    const remove = el("button", { type: "button", class: "mm-chip-x", "aria-label": "Remove the melody", onclick: () => melody.set({ source: null, bar: null }) }, "×");
    const chip = el("span", { class: "mm-chip" }, el("span", { class: "mm-chip-name", dir: "auto" }, name || "A piece of the library"), remove);
    if (parts.length < 2 || this.task === "tune") return [chip]; // a tune is found in the melody alone
    const options = parts.map((p) => el("option", { value: p.number, selected: p.number === part }, `${p.name} (${plural(p.notes, "note")})`));
    const select = el("select", { onchange: () => melody.set({ source: { id, name, parts, part: Number(select.value) || null }, wanted: this.task }) },
      el("option", { value: "" }, "found by rule"), options);
    return [chip, el("label", { class: "mm-inline" }, el("span", {}, "Melody in"), select)];
  }

  playing(now) {
    const mine = now.id === this.name;
    if (mine === this.sounds) return;
    this.sounds = mine;
    this.back.textContent = mine ? "Stop" : "Play back";
  }
}
