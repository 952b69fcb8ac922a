// A few oscillators, for machines without a SoundFont. Only the next second is ever scheduled.

const AHEAD = 1.0;
const EVERY_MS = 40;

export class Synth {
  constructor(ended) {
    this.ended = ended;
    this.context = null;
    this.timer = null;
  }

  // levels: of the first part and of all others.
  async play(piece, from, levels = [1, 1]) {
    this.stop();
    this.levels = [...levels];
    this.context ??= new AudioContext();
    const turn = this.turn = Symbol("one play at a time");
    await this.context.resume();
    if (this.turn !== turn) return;
    this.piece = piece;
    this.drums = new Set(piece.drums);
    this.out = this.context.createGain();
    this.out.gain.value = 0.25;
    this.limiter = this.context.createDynamicsCompressor();
    this.gains = this.levels.map((level) => {
      const gain = this.context.createGain();
      gain.gain.value = level;
      gain.connect(this.out);
      return gain;
    });
    this.out.connect(this.limiter).connect(this.context.destination);
    this.begin(from);
    this.timer = setInterval(() => this.schedule(), EVERY_MS);
  }

  begin(from) {
    this.offset = this.context.currentTime + 0.05 - from;
    this.next = this.piece.notes.findIndex((n) => n[0] / 1000 >= from);
    if (this.next < 0) this.next = this.piece.notes.length;
    this.schedule();
  }

  get currentTime() { return Math.max(0, this.context.currentTime - this.offset); }

  set currentTime(from) { this.play(this.piece, from, this.levels); }

  level(i, value) {
    this.levels[i] = value;
    this.gains?.[i]?.gain.setTargetAtTime(value, this.context.currentTime, 0.03);
  }

  schedule() {
    const now = this.currentTime;
    while (this.next < this.piece.notes.length && this.piece.notes[this.next][0] / 1000 < now + AHEAD) {
      this.sound(this.piece.notes[this.next++]);
    }
    if (now > this.piece.duration_s + 0.5) this.ended();
  }

  sound([start, duration, pitch, part]) {
    const at = this.offset + start / 1000;
    const length = this.drums.has(part) ? 0.06 : Math.max(0.08, duration / 1000);
    const tone = this.context.createOscillator();
    const level = this.context.createGain();
    tone.type = this.drums.has(part) ? "square" : ["triangle", "sine", "sawtooth"][part % 3];
    tone.frequency.value = this.drums.has(part) ? 110 : 440 * 2 ** ((pitch - 69) / 12);
    level.gain.setValueAtTime(0, at);
    level.gain.linearRampToValueAtTime(0.5, at + 0.01);
    level.gain.setTargetAtTime(0.3, at + 0.02, 0.2);
    level.gain.setTargetAtTime(0, at + length, 0.05);
    tone.connect(level).connect(this.gains[part ? 1 : 0]);
    tone.start(at);
    tone.stop(at + length + 0.4);
  }

  stop() {
    this.turn = null;
    clearInterval(this.timer);
    this.out?.disconnect();
    this.limiter?.disconnect();
    this.out = this.limiter = this.gains = null;
  }
}
