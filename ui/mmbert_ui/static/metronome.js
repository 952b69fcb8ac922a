// Clicks at the melody's tempo and in its metre while somebody plays. The first bar counts in: what is played then or
// later lies on the bars of the clicks.

import { melody } from "./melody.js";
import { player } from "./player.js";

const SOON_S = 0.15; // from the press to the first click
const AHEAD_S = 0.3; // clicks are scheduled so long before they sound
const EVERY_MS = 50;
const CLICK_S = 0.05;
const HIGH_HZ = 1760; // of the first beat; the others are an octave lower
const LEVEL = 0.35;

// Beats of a bar and sixteenths of a beat: of 6/8, 9/8 and 12/8 three eighths are one beat.
export function beatsOf(metre) {
  const [count, unit] = metre.split("/").map(Number);
  const compound = unit === 8 && count > 3 && count % 3 === 0;
  return compound ? { beats: count / 3, sixteenths: 6 } : { beats: count, sixteenths: 16 / unit };
}

class Metronome {
  constructor() {
    this.listeners = new Set();
    this.timer = null;
    player.listen((now) => now.id && this.stop()); // one sound at a time
    document.addEventListener("visibilitychange", () => document.hidden && this.stop());
    addEventListener("keydown", (e) => e.key === "Escape" && this.stop());
    melody.listen(() => this.on && this.speed !== speedOf() && this.start(this.wanted));
  }

  get on() { return this.timer !== null; }

  // listener({on, beat}): beat counts from 1 within a bar, null where none has sounded yet; counting in is told.
  listen(listener) { this.listeners.add(listener); listener({ on: this.on, beat: null, countingIn: false }); }

  tell(beat = null, countingIn = false) { this.listeners.forEach((listener) => listener({ on: this.on, beat, countingIn })); }

  // wanted(): whether they still shall sound. Throws where there is no sound.
  async start(wanted) {
    this.stop();
    this.context ??= new AudioContext();
    this.timer = 0; // on, before the first click is scheduled
    this.wanted = wanted;
    this.speed = speedOf();
    const turn = this.turn = Symbol("one metronome at a time");
    await this.context.resume();
    if (this.turn !== turn) return;
    const { beats, sixteenths } = beatsOf(melody.metre);
    this.beats = beats;
    this.beatS = sixteenths * melody.unit / 1000;
    this.first = this.context.currentTime + SOON_S;
    this.next = 0;
    this.out = this.context.createGain();
    this.out.gain.value = LEVEL;
    this.out.connect(this.context.destination);
    const heard = performance.now() + 1000 * (SOON_S + (this.context.outputLatency || 0));
    melody.clicks = { line: heard, bar: 1000 * beats * this.beatS };
    this.timer = setInterval(() => this.schedule(), EVERY_MS);
    this.schedule();
    this.tell(null, true);
  }

  schedule() {
    if (!this.wanted()) {
      this.stop();
      return;
    }
    const { context } = this;
    for (; this.first + this.next * this.beatS < context.currentTime + AHEAD_S; this.next++) {
      const at = this.first + this.next * this.beatS;
      this.click(at, this.next % this.beats === 0);
      const [beat, countingIn, turn] = [this.next % this.beats + 1, this.next < this.beats, this.turn];
      setTimeout(() => this.turn === turn && this.tell(beat, countingIn), 1000 * (at - context.currentTime));
    }
  }

  click(at, accented) {
    const tone = this.context.createOscillator();
    const level = this.context.createGain();
    tone.frequency.value = accented ? HIGH_HZ : HIGH_HZ / 2;
    level.gain.setValueAtTime(accented ? 1 : 0.7, at);
    level.gain.exponentialRampToValueAtTime(0.001, at + CLICK_S);
    tone.connect(level).connect(this.out);
    tone.start(at);
    tone.stop(at + CLICK_S);
  }

  stop() {
    if (!this.on) return;
    clearInterval(this.timer);
    this.timer = null;
    this.turn = null;
    this.out?.disconnect(); // what is scheduled is not heard
    melody.clicks = null;
    this.tell();
  }
}

const speedOf = () => `${melody.metre} ${melody.bpm}`;

export const metronome = new Metronome();
