// Notes that sound as long as their key is held.

class Live {
  constructor() { this.held = new Map(); }

  down(pitch) {
    this.up(pitch);
    try {
      this.context ??= new AudioContext();
      this.context.resume();
    } catch {
      return; // a machine without sound: the notes are taken down all the same
    }
    const { context } = this;
    const now = context.currentTime;
    const tone = context.createOscillator();
    const level = context.createGain();
    tone.type = "triangle";
    tone.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
    level.gain.setValueAtTime(0, now);
    level.gain.linearRampToValueAtTime(0.22, now + 0.008);
    level.gain.setTargetAtTime(0.12, now + 0.02, 0.25);
    tone.connect(level).connect(context.destination);
    tone.start(now);
    this.held.set(pitch, { tone, level });
  }

  up(pitch) {
    const held = this.held.get(pitch);
    if (!held) return;
    this.held.delete(pitch);
    const now = this.context.currentTime;
    held.level.gain.cancelScheduledValues(now);
    held.level.gain.setTargetAtTime(0, now, 0.05);
    held.tone.stop(now + 0.4);
  }

  silence() { [...this.held.keys()].forEach((pitch) => this.up(pitch)); }
}

export const live = new Live();
