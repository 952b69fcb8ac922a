// On the search tab: find a piece by a tune that is played, typed, or in a file.

import { el } from "./dom.js";
import { melody } from "./melody.js";
import { MelodyInput } from "./melody_input.js";
import { metronome } from "./metronome.js";

export class TunePanel {
  // ask(tune): searches for it; failed({title, hint}): a file was refused.
  constructor(ask, failed, reading) {
    this.ask = ask;
    this.typed = el("input", { type: "text", class: "mm-input", maxlength: 2000, placeholder: "D4 E4 F#4 A4, or ABC", autocomplete: "off", spellcheck: "false", oninput: () => this.ready(), onkeydown: (e) => e.key === "Enter" && this.go() });
    this.button = el("button", { type: "button", class: "mm-button mm-primary", onclick: () => this.go() }, "Find this tune");
    this.body = el("div", { class: "mm-panel-body" });
    this.failed = failed;
    this.reading = reading;
    this.node = el("details", { class: "mm-fold", ontoggle: () => this.node.open && this.build() },
      el("summary", {}, el("span", {}, "Find a tune by playing it")), this.body);
  }

  build() {
    if (this.input) return;
    this.input = new MelodyInput({ task: "tune", failed: this.failed, begun: this.reading });
    this.body.append(
      el("p", { class: "mm-hint" }, "In any key, faster or slower, with a wrong note or two: at least four notes, better eight."),
      this.input.node,
      el("label", { class: "mm-field mm-typed" }, el("span", {}, "Or type the notes"), this.typed),
      el("div", { class: "mm-actions" }, this.button));
    melody.listen(() => this.ready());
  }

  ready() {
    this.button.disabled = !(this.typed.value.trim() || melody.enough);
    if (melody.wanted !== "tune") return;
    melody.wanted = null;
    this.go();
  }

  go() {
    const typed = this.typed.value.trim();
    metronome.stop();
    if (typed) this.ask(typed);
    else if (melody.source) this.ask(melody.source.id);
    else if (melody.enough) this.ask(melody.abc);
  }
}
