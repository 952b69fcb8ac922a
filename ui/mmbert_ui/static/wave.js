// How loud a recording is over its length, on a canvas, where a score has its notes.

import { clock, getJson } from "./dom.js";
import { Roll, shade, VOICES } from "./roll.js";

const BAR = 3; // pixels of a bar and the gap behind it

export class Wave extends Roll {
  // url: where the sound lies; null where nobody has it any more.
  constructor({ id, place, label, url }) {
    super({ id, place, label, sound: () => ({ url }) });
    this.url = url;
    this.canvas.classList.add("mm-wave");
  }

  fetch() { return getJson(`/waveform/${this.id}.json`); }

  get subject() { return "recording"; }

  get margin() { return 4; }

  get sounds() { return this.url !== null; }

  told(seconds) { return clock(seconds); }

  draw(pen, ink) {
    if (this.place) this.tint(pen, ink);
    const { peaks } = this.notes;
    const middle = this.height / 2;
    const left = this.margin;
    const count = Math.max(1, Math.floor((this.width - left - 4) / BAR));
    pen.fillStyle = VOICES[shade()][0];
    for (let i = 0; i < count; i += 1) {
      const from = Math.floor((i * peaks.length) / count);
      const to = Math.max(from + 1, Math.floor(((i + 1) * peaks.length) / count));
      const loud = Math.max(0, ...peaks.slice(from, to)) / 100;
      const high = Math.max(1, loud * (this.height - 12));
      pen.fillRect(left + i * BAR, middle - high / 2, BAR - 1, high);
    }
    if (this.place) this.outline(pen, ink);
  }
}
