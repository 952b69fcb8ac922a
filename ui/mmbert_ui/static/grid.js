// What was played, set on a grid. Nobody plays like a clock: notes begin early or late, all of them go a little faster
// or slower than was said, and keys are let go before their notes have ended. The same tune shall give the same notes.

const CHORD_MS = 40; // notes that begin closer together were meant together
const OFF = 0.06; // of the tempo: so much faster or slower than was said somebody may play
const TRUST = 3.3; // a tempo that is off by x has to fit better by the factor 1 / (1 - 3.3 x)
const NEAR = 0.3; // of an eighth: where every note begins nearer to one than that, all notes are eighths or longer
const LEGATO = 0.625; // of the time to the next note: whoever holds a key that long means no rest
const VALUES = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64]; // sixteenths that a note before a rest may last
const HELD = 0.93; // of such a note, a key

// notes: {at, length, pitch} in milliseconds, length null while a key is held; unit: milliseconds of a sixteenth.
// clicked: they were played to clicks, and 0 is a bar line; else the first note lies on one.
// Returns {start, length, pitch} in sixteenths, one note at a time.
export function onGrid(notes, unit, clicked = false) {
  const line = oneLine(notes);
  if (!line.length) return [];
  const { starts, scale } = starting(line.map((n) => n.at), unit, clicked);
  return line.map(({ length, pitch }, i) => {
    const sounds = (length ?? unit) / (unit * scale);
    return { start: starts[i], length: lasting(sounds, i + 1 < line.length ? starts[i + 1] - starts[i] : Infinity), pitch };
  });
}

// The highest of the notes that begin together.
function oneLine(notes) {
  const line = [];
  for (const { at, length, pitch } of notes) {
    const last = line.at(-1);
    if (last && at - last.at < CHORD_MS) last.pitch = Math.max(last.pitch, pitch);
    else line.push({ at, length, pitch });
  }
  return line;
}

// Which sixteenth each note begins on, and the player's tempo as a multiple of the sixteenth that was said.
function starting(times, unit, clicked) {
  const eighths = fitted(times, 2 * unit, clicked);
  const simple = eighths.places.every((place, i) => Math.abs(eighths.exact[i] - place) <= NEAR && (!i || place > eighths.places[i - 1]));
  const { places, scale } = simple ? eighths : fitted(times, unit, clicked);
  const first = clicked ? 0 : places[0];
  const starts = [];
  for (const place of places) {
    const start = (simple ? 2 : 1) * (place - first);
    starts.push(starts.length ? Math.max(start, starts.at(-1) + 1) : Math.max(start, 0));
  }
  return { starts, scale };
}

// The grid of one step that the times lie on best, near the stated tempo; with clicks, at it.
function fitted(times, step, clicked) {
  const span = Math.max(times.at(-1) - times[0], step);
  const by = Math.min(0.01, step / 8 / span);
  const most = clicked ? 0 : Math.floor(OFF / by);
  let best = { fit: -1 };
  for (let k = 0; k <= 2 * most; k++) {
    const off = (k % 2 ? 1 : -1) * Math.ceil(k / 2) * by; // from the stated tempo outwards
    const { phase, together } = phaseOf(times, step * (1 + off));
    const fit = together * (1 - TRUST * Math.abs(off));
    if (fit > best.fit + 1e-9) best = { fit, phase, scale: 1 + off };
  }
  const exact = times.map((at) => (at - best.phase) / (step * best.scale));
  return { exact, places: exact.map(Math.round), scale: best.scale };
}

// Where on a grid's step the times lie, from -step / 2 to step / 2: the mean of directions on a circle, and its length.
function phaseOf(times, step) {
  let x = 0, y = 0;
  for (const at of times) {
    const angle = 2 * Math.PI * at / step;
    x += Math.cos(angle);
    y += Math.sin(angle);
  }
  return { phase: Math.atan2(y, x) / (2 * Math.PI) * step, together: Math.hypot(x, y) / times.length };
}

// Sixteenths that a note lasts, which sounded for so many and is followed by another after `next`.
function lasting(sounds, next) {
  if (sounds >= Math.min(LEGATO * next, next - 1.5)) return next;
  const distance = (value) => Math.abs(Math.log(HELD * value / Math.max(sounds, 0.01)));
  return VALUES.reduce((best, value) => (value < next && distance(value) < distance(best) ? value : best));
}
