// One sound at a time. A recording is played from its file. Of a score the server renders any stretch with a SoundFont;
// without one the browser's oscillators play the notes. All tell the same clock: the playhead follows what is heard.

import { getJson } from "./dom.js";
import { Mixer } from "./mixer.js";
import { Synth } from "./synth.js";

class Player {
  constructor() {
    this.now = { id: null, key: null, time: null, state: "idle", title: "" };
    this.listeners = new Set();
    this.soundfont = true;
    this.audio = new Audio();
    this.audio.preload = "none";
    this.audio.addEventListener("playing", () => this.set({ state: "playing" }));
    this.audio.addEventListener("waiting", () => this.now.id && this.set({ state: "loading" }));
    this.audio.addEventListener("ended", () => this.stop());
    this.audio.addEventListener("error", () => this.now.id && this.audio.src && this.failed());
    this.synth = new Synth(() => this.stop());
    this.mixer = new Mixer(() => this.stop());
    this.source = this.audio;
  }

  listen(listener) { this.listeners.add(listener); listener(this.now); }

  set(change) {
    this.now = { ...this.now, ...change };
    this.listeners.forEach((listener) => listener(this.now));
  }

  // key: which of the buttons for these notes; url: where a recording's sound lies; piece: notes that the server does
  // not have; levels: of the melody and of what was found for it, which then sound as two voices.
  play({ id, key = id, from, title, url = null, piece = null, levels = null }) {
    if (this.now.id === id && this.now.key === key && this.now.state === "playing") {
      this.source.currentTime = from;
      this.set({ time: from });
      return;
    }
    this.silence();
    this.set({ id, key, time: from, state: "loading", title });
    this.begun = { from, url };
    if (url) this.playAudio(url, from);
    else if (piece || !this.soundfont) this.playWith(this.synth, piece ?? getJson(`/roll/${id}.json`), from, levels ?? [1, 1]);
    else if (levels) this.playWith(this.mixer, ["melody", "suggestion"].map((voice) => `/sound/${id}-${voice}.wav`), from, levels);
    else this.playAudio(`/sound/${id}.wav`, from);
    this.tick();
  }

  // Of a voice that sounds: 0 is the melody, 1 what was found.
  level(i, value) { this.source.level?.(i, value); }

  playAudio(url, from) {
    const turn = this.turn = Symbol("one sound at a time");
    this.source = this.audio;
    this.audio.src = `${url}#t=${from.toFixed(3)}`;
    this.audio.play().catch((fault) => {
      // What the browser cannot play it says twice: here, and as an event of the sound.
      if (!["AbortError", "NotSupportedError"].includes(fault.name) && this.turn === turn) this.fail();
    });
  }

  // A recording that the browser does not play after all is asked for as a WAV; then the server says what is wrong.
  async failed() {
    const { from, url } = this.begun;
    const { turn } = this;
    if (!url?.startsWith("/")) {
      this.fail();
    } else if (!url.endsWith(".wav")) {
      this.begun = { from, url: `${url}.wav` };
      this.playAudio(this.begun.url, from);
    } else {
      const answer = await fetch(url, { headers: { Range: "bytes=0-0" } }).catch(() => null);
      const words = answer && !answer.ok ? await answer.json().catch(() => null) : null;
      if (this.turn === turn) this.fail(words?.error.fault);
    }
  }

  async playWith(source, what, from, levels) {
    const turn = this.turn = Symbol("one sound at a time");
    this.source = source;
    try {
      const found = await what;
      if (this.turn !== turn) return;
      await source.play(found, from, levels);
      if (this.turn === turn) this.set({ state: "playing" });
    } catch {
      if (this.turn === turn) this.fail();
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
    this.turn = null;
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.synth.stop();
    this.mixer.stop();
  }

  stop() {
    this.silence();
    this.set({ id: null, key: null, time: null, state: "idle", title: "" });
  }

  fail(words = "") {
    const { key } = this.now;
    this.silence();
    this.set({ id: null, key: null, time: null, state: "failed", title: "", failed: key, words });
  }
}

export const player = new Player();
