// One sound at a time. The server renders any stretch of a piece with a SoundFont; without one the browser's
// oscillators play the notes. Both tell the same clock: the playhead follows what is heard.

import { getJson } from "./dom.js";
import { Synth } from "./synth.js";

class Player {
  constructor() {
    this.now = { id: null, time: null, state: "idle", title: "" };
    this.listeners = new Set();
    this.soundfont = true;
    this.audio = new Audio();
    this.audio.preload = "none";
    this.audio.addEventListener("playing", () => this.set({ state: "playing" }));
    this.audio.addEventListener("waiting", () => this.now.id && this.set({ state: "loading" }));
    this.audio.addEventListener("ended", () => this.stop());
    this.audio.addEventListener("error", () => this.now.id && this.audio.src && this.fail());
    this.synth = new Synth(() => this.stop());
  }

  listen(listener) { this.listeners.add(listener); listener(this.now); }

  set(change) {
    this.now = { ...this.now, ...change };
    this.listeners.forEach((listener) => listener(this.now));
  }

  get source() { return this.soundfont ? this.audio : this.synth; }

  play({ id, from, title }) {
    if (this.now.id === id && this.now.state === "playing") {
      this.source.currentTime = from;
      this.set({ time: from });
      return;
    }
    this.silence();
    this.set({ id, time: from, state: "loading", title });
    if (this.soundfont) this.playAudio(id, from);
    else this.playSynth(id, from);
    this.tick();
  }

  playAudio(id, from) {
    this.audio.src = `/sound/${id}.wav#t=${from.toFixed(3)}`;
    this.audio.play().catch((fault) => {
      if (fault.name !== "AbortError" && this.now.id === id) this.fail();
    });
  }

  async playSynth(id, from) {
    try {
      const notes = await getJson(`/roll/${id}.json`);
      if (this.now.id !== id) return;
      await this.synth.play(notes, from);
      this.set({ state: "playing" });
    } catch {
      this.fail();
    }
  }

  tick() {
    cancelAnimationFrame(this.frame);
    const step = () => {
      if (!this.now.id) return;
      if (this.now.state === "playing") this.set({ time: this.source.currentTime });
      this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  silence() {
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.synth.stop();
  }

  stop() {
    this.silence();
    this.set({ id: null, time: null, state: "idle", title: "" });
  }

  fail() {
    const { id } = this.now;
    this.silence();
    this.set({ id: null, time: null, state: "failed", title: "", failed: id });
  }
}

export const player = new Player();
