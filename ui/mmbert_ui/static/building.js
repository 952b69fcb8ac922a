// The build of the library from the page: a button, how far it is, and how it ended.

import { el, plural } from "./dom.js";
import { pulse } from "./pulse.js";

export class BuildBox {
  // obstacle: {fault, hint} why no build can begin here, or null.
  constructor(obstacle) {
    this.button = el("button", { type: "button", class: "mm-button", onclick: () => this.start() }, "Look for changes");
    this.stop = el("button", { type: "button", class: "mm-button", hidden: true, onclick: () => this.post("/build/stop") }, "Stop");
    this.bar = el("progress", { max: 1, "aria-label": "Files indexed", hidden: true });
    this.words = el("p", { role: "status", class: "mm-said" });
    this.node = el("div", { class: "mm-build" },
      el("div", { class: "mm-actions" }, this.button, this.stop, el("span", { class: "mm-hint" }, "Reads new and changed files of the library's own folders; the rest is kept.")),
      this.bar, this.words);
    if (obstacle) {
      this.button.disabled = true;
      this.say(obstacle);
    }
    pulse.listen((now) => this.node.isConnected && this.show(now.build));
  }

  say({ fault, hint }) {
    this.words.textContent = `${fault}.${hint ? ` ${hint}.` : ""}`;
  }

  async start() {
    await this.post("/build");
  }

  async post(url) {
    try {
      const answer = await fetch(url, { method: "POST" });
      const told = await answer.json();
      if (told.error) this.say(told.error);
      else this.show(told);
    } catch {
      this.words.textContent = "The server does not answer.";
    }
    pulse.beat();
  }

  show(build) {
    const busy = build.state === "running" || build.state === "stopping";
    if (busy) this.button.disabled = true;
    else if (this.busy) this.button.disabled = false;
    this.busy = busy;
    this.stop.hidden = !busy;
    this.stop.disabled = build.state === "stopping";
    this.bar.hidden = !busy;
    if (busy) this.progress(build);
    else if (build.state === "built") this.words.textContent = told(build.report);
    else if (build.state === "failed") this.say(build.error);
  }

  progress(build) {
    if (build.total) {
      this.bar.max = build.total;
      this.bar.value = build.done;
    } else this.bar.removeAttribute("value");
    const so = build.total ? progressWords(build) : `${build.step} …`;
    this.words.textContent = build.state === "stopping" ? `Stopping after this batch. ${so}` : so;
  }
}

export function progressWords(build) {
  return `${build.done.toLocaleString("en")} of ${build.total.toLocaleString("en")} indexed, ${build.rate.toFixed(build.rate < 10 ? 1 : 0)} pieces a second`;
}

function told(report) {
  const changes = [[report.embedded, "new"], [report.removed, "gone"]].filter(([n]) => n).map(([n, words]) => `${n.toLocaleString("en")} ${words}`);
  const refused = report.rejected ? ` ${plural(report.rejected, "file")} refused; the list below says why.` : "";
  return `Done in ${Math.round(report.seconds)} s: ${plural(report.pieces, "piece")}, ${changes.join(", ") || "nothing has changed"}.${refused}`;
}
