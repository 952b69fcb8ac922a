// The server's pulse: whether it answers, which build of the library it serves, how a running build goes.
// Gradio reloads the page by itself when its server was started anew; the address then holds the question.

import { el, getJson } from "./dom.js";

const RESTING_MS = 8000;
const WATCHING_MS = 1000; // while a build runs, or the server is gone

class Pulse {
  constructor() {
    this.now = null; // {generation, notice, build}
    this.lost = false;
    this.listeners = new Set();
    this.backs = new Set();
  }

  // listener(now) at every beat.
  listen(listener) {
    this.listeners.add(listener);
    if (this.now) listener(this.now);
    if (!this.begun) { this.begun = true; this.beat(); }
  }

  // act() when a server that was gone answers again.
  whenBack(act) { this.backs.add(act); }

  async beat() {
    clearTimeout(this.next);
    let answered = false;
    try {
      this.now = await getJson("/pulse.json");
      if (this.lost) this.found();
      answered = true;
    } catch {
      if (!this.lost) this.lose();
    }
    const building = ["running", "stopping"].includes(this.now?.build.state);
    this.next = setTimeout(() => this.beat(), this.lost || building ? WATCHING_MS : RESTING_MS);
    if (answered) this.listeners.forEach((listener) => listener(this.now)); // a mistake of theirs is no lost server
  }

  lose() {
    this.lost = true;
    document.body.classList.add("mm-gone");
    const again = el("button", { type: "button", class: "mm-button", onclick: () => this.beat() }, "Try again");
    this.place?.replaceChildren(el("span", {}, "The server does not answer. What you typed is kept; the page goes on by itself once it is back."), again);
  }

  found() {
    this.lost = false;
    document.body.classList.remove("mm-gone");
    this.place?.replaceChildren();
    this.backs.forEach((act) => act());
  }

  get place() { return document.querySelector(".mm-lost"); }
}

export const pulse = new Pulse();
