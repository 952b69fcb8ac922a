// A MIDI keyboard, where the browser knows Web MIDI and the person allows it.

const ON = 0x90;
const OFF = 0x80;
const WAYS = "Browsers give MIDI to pages of this machine or over https alone";

// down(pitch), up(pitch); say(words) whenever there is something to tell. Resolves once it is told.
export async function connect({ down, up, say }) {
  if (!navigator.requestMIDIAccess) {
    say(`This browser has no Web MIDI for this page. ${WAYS}; Chrome, Edge and Firefox have it.`);
    return;
  }
  let access;
  try {
    access = await navigator.requestMIDIAccess();
  } catch {
    say(`The browser did not allow MIDI. ${WAYS}, after you agree.`);
    return;
  }
  const hear = () => {
    const inputs = [...access.inputs.values()];
    for (const input of inputs) input.onmidimessage = (event) => message(event.data, down, up);
    say(inputs.length ? `Listening to ${inputs.map((i) => i.name || "a MIDI keyboard").join(", ")}.` : "No MIDI keyboard is connected. Plug one in; it is heard at once.");
  };
  access.onstatechange = hear;
  hear();
}

function message([status, pitch, velocity], down, up) {
  const kind = status & 0xf0;
  if (kind === ON && velocity) down(pitch);
  else if (kind === OFF || kind === ON) up(pitch);
}
