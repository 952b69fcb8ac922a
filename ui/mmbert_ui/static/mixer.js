// Two voices that the server renders, each with its own level, on one clock.

const KEPT = 8; // decoded sounds, about 6 MB each
const RAMP_S = 0.03;

export class Mixer {
  constructor(ended) {
    this.ended = ended;
    this.buffers = new Map();
    this.sources = [];
    this.gains = [];
  }

  // voices: addresses of sounds.
  async play(voices, from, levels) {
    this.stop();
    this.voices = voices;
    this.levels = [...levels];
    this.context ??= new AudioContext();
    const turn = this.turn = Symbol("one play at a time");
    const [buffers] = await Promise.all([Promise.all(voices.map((url) => this.load(url))), this.context.resume()]);
    if (this.turn !== turn) return;
    this.begin(buffers, from);
  }

  begin(buffers, from) {
    const { context } = this;
    const at = context.currentTime + 0.03;
    this.length = Math.max(...buffers.map((b) => b.duration));
    this.offset = at - from;
    const limiter = context.createDynamicsCompressor();
    limiter.connect(context.destination);
    this.limiter = limiter;
    this.gains = buffers.map((buffer, i) => {
      const gain = context.createGain();
      gain.gain.value = this.levels[i];
      gain.connect(limiter);
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.connect(gain);
      if (from < buffer.duration) source.start(at, from);
      this.sources.push(source);
      return gain;
    });
    this.timer = setInterval(() => this.currentTime >= this.length && this.ended(), 100);
  }

  load(url) {
    if (!this.buffers.has(url)) {
      const decoded = fetch(url).then((answer) => {
        if (!answer.ok) throw new Error(`${answer.status}`);
        return answer.arrayBuffer();
      }).then((bytes) => this.context.decodeAudioData(bytes));
      decoded.catch(() => this.buffers.delete(url));
      this.buffers.set(url, decoded);
      while (this.buffers.size > KEPT) this.buffers.delete(this.buffers.keys().next().value);
    }
    return this.buffers.get(url);
  }

  level(i, value) {
    this.levels[i] = value;
    this.gains[i]?.gain.setTargetAtTime(value, this.context.currentTime, RAMP_S);
  }

  get currentTime() { return Math.max(0, this.context.currentTime - this.offset); }

  set currentTime(from) { this.play(this.voices, from, this.levels); }

  stop() {
    this.turn = null;
    clearInterval(this.timer);
    for (const source of this.sources) {
      try { source.stop(); } catch { /* it never began */ }
      source.disconnect();
    }
    this.limiter?.disconnect();
    this.sources = [];
    this.gains = [];
  }
}
