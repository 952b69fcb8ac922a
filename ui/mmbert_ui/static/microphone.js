// Up to a minute from the microphone, as a WAV that is searched with like a dropped file.

import { clock, el } from "./dom.js";
import { player } from "./player.js";

const MOST_S = 60;
const REFUSED = {
  NotAllowedError: "The browser was not allowed to use the microphone. Allow it for this page, beside the address, and press Record again.",
  NotFoundError: "No microphone was found on this machine.",
  NotReadableError: "The microphone is in use by another program.",
};

export class Microphone {
  // take(file): what is done with a recording.
  constructor(take) {
    this.take = take;
    this.button = el("button", { type: "button", class: "mm-button", onclick: () => (this.on ? this.finish() : this.begin()) });
    this.cancel = el("button", { type: "button", class: "mm-button mm-quiet", hidden: true, onclick: () => this.stop("The recording was thrown away.") }, "Cancel");
    this.meter = el("span", { class: "mm-level", "aria-hidden": "true", hidden: true }, el("i"));
    this.said = el("span", { class: "mm-hint", role: "status" });
    this.node = el("div", { class: "mm-row" }, this.button, this.cancel, this.meter, this.said);
    this.show();
  }

  async begin() {
    if (this.on) return;
    this.on = true;
    player.stop();
    this.said.textContent = "Waiting for the microphone …";
    try {
      if (!navigator.mediaDevices) throw new Error("A browser gives the microphone to a page of this machine, or to one with https.");
      // As it sounds: what cleans up speech takes music for noise.
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
      this.context = new AudioContext();
      await this.context.audioWorklet.addModule(new URL("./capture.js", import.meta.url));
      await this.context.resume();
    } catch (fault) {
      this.stop(REFUSED[fault.name] ?? fault.message);
      return;
    }
    this.blocks = [];
    this.count = 0;
    const capture = new AudioWorkletNode(this.context, "mm-capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    capture.port.onmessage = (e) => this.hear(e.data);
    this.context.createMediaStreamSource(this.stream).connect(capture);
    this.said.textContent = `Recording; it ends by itself after ${MOST_S} seconds.`;
    this.show();
  }

  hear(block) {
    if (!this.on) return;
    const { sampleRate } = this.context;
    const before = Math.floor(this.count / sampleRate);
    this.blocks.push(block);
    this.count += block.length;
    this.meter.firstChild.style.width = `${Math.min(100, 140 * Math.sqrt(block.reduce((most, x) => Math.max(most, Math.abs(x)), 0)))}%`;
    if (Math.floor(this.count / sampleRate) !== before) this.show();
    if (this.count >= MOST_S * sampleRate) this.finish();
  }

  finish() {
    if (!this.count) return; // it has not begun
    const now = new Date();
    const two = (n) => String(n).padStart(2, "0");
    const name = `Recording ${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())} ${two(now.getHours())}.${two(now.getMinutes())}.wav`;
    const file = new File([wav(this.blocks, this.count, this.context.sampleRate)], name, { type: "audio/wav" });
    this.stop("");
    this.take(file);
  }

  stop(words) {
    this.on = false;
    this.count = 0;
    this.blocks = [];
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    this.stream = this.context = null;
    this.said.textContent = words;
    this.show();
  }

  show() {
    const runs = Boolean(this.on && this.blocks);
    this.button.textContent = runs ? `Stop and search (${clock((this.count ?? 0) / (this.context?.sampleRate ?? 1))})` : "Record from the microphone";
    this.cancel.hidden = this.meter.hidden = !runs;
    if (runs) this.button.dataset.on = "1";
    else delete this.button.dataset.on;
  }
}

// Samples as a WAV of 16 bits, mono.
export function wav(blocks, count, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const text = (at, words) => [...words].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  text(8, "WAVEfmt ");
  [[16, 16, 4], [20, 1, 2], [22, 1, 2], [24, rate, 4], [28, 2 * rate, 4], [32, 2, 2], [34, 16, 2], [40, 2 * count, 4]].forEach(([at, value, bytes]) => (bytes === 4 ? view.setUint32(at, value, true) : view.setUint16(at, value, true)));
  text(36, "data");
  let at = 44;
  for (const block of blocks) {
    for (const x of block) {
      view.setInt16(at, Math.max(-1, Math.min(1, x)) * 32767, true);
      at += 2;
    }
  }
  return view.buffer;
}
