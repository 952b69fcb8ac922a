// "Filters and order": the panel, which edits the question's conditions, and the chips of what is set.

import { el, getJson } from "./dom.js";

export const ORDERS = { best: "Best match", varied: "Varied composers", title: "Title, A to Z", length: "Length, shortest first", tempo: "Tempo, slowest first" };
const LISTS = [["mode", "Mode"], ["key", "Key"], ["metre", "Metre"], ["form", "Form"], ["composer", "Composer"], ["instruments", "Instrument"]];
const SPANS = [["tempo_bpm", "Tempo", "beats a minute", 1], ["duration_s", "Length", "minutes", 60]];

export class Panel {
  // page: has .asked and .ask(change)
  constructor(page) {
    this.page = page;
    this.body = el("div", { class: "mm-panel" });
    this.count = el("span", { class: "mm-count" });
    this.node = el("details", { class: "mm-filters", ontoggle: () => this.node.open && this.load() },
      el("summary", {}, el("span", {}, "Filters and order"), this.count), this.body);
  }

  // Another build of the library may offer other values.
  forget() {
    this.values = null;
    if (this.node.open) this.load();
  }

  async load() {
    if (this.values) return;
    try {
      this.values = await getJson("/filters.json");
      this.build();
    } catch {
      this.body.replaceChildren(el("p", { role: "alert" }, "The filters cannot be read: the server does not answer."));
    }
  }

  build() {
    const { values } = this;
    const lists = LISTS.filter(([name]) => values[name].length).map(([name, label]) =>
      this.list(name, label, values[name].map(([value, n]) => [value, `${value} (${n.toLocaleString("en")})`])));
    const kinds = values.kind.length > 1 ? this.choice("kind", "Kind", values.kind.map(([kind, words, n]) => [kind, `${words} (${n.toLocaleString("en")})`])) : null;
    const folders = values.folder.length ? this.choice("folder", "Folder", values.folder.map(([name, n]) => [name, `${name} (${n.toLocaleString("en")})`])) : null;
    const spans = SPANS.filter(([name]) => values[name]).map((span) => this.span(...span));
    const order = this.choice("order", "Order", Object.entries(ORDERS).filter(([name]) => name !== "best"), ORDERS.best);
    this.body.replaceChildren(...[kinds, ...lists, folders, ...spans, order].filter(Boolean));
    this.show();
  }

  field(label, control) {
    return el("label", { class: "mm-field" }, el("span", {}, label), control);
  }

  select(name, options, none) {
    return el("select", { "data-name": name }, el("option", { value: "" }, none), options.map(([value, words]) => el("option", { value }, words)));
  }

  list(name, label, options) {
    const control = this.select(name, options, "any");
    control.addEventListener("change", () => this.put([`${name}=`], control.value ? [`${name}=${control.value}`] : []));
    return this.field(label, control);
  }

  choice(name, label, options, none = "any") {
    const control = this.select(name, options, none);
    control.addEventListener("change", () => this.page.ask({ [name]: control.value || (name === "order" ? "best" : null) }));
    return this.field(label, control);
  }

  span(name, label, unit, factor) {
    const [low, high] = this.values[name];
    const end = (sign, words, placeholder) => {
      const control = el("input", { type: "number", min: 0, step: "any", inputmode: "decimal", "data-name": name, "data-sign": sign, "data-factor": factor, placeholder, "aria-label": `${label} ${words}, ${unit}` });
      control.addEventListener("change", () => this.put([`${name}${sign}`], control.value === "" ? [] : [`${name}${sign}${+(control.value * factor).toFixed(3)}`]));
      return control;
    };
    const shown = (value, up) => String(factor === 1 ? Math.round(value) : (up ? Math.ceil : Math.floor)(value / factor));
    return el("div", { class: "mm-field mm-span", role: "group", "aria-label": label },
      el("span", {}, label), el("div", {}, end(">=", "from", shown(low, false)), el("span", {}, "to"), end("<=", "to", shown(high, true)), el("span", {}, factor === 1 ? "bpm" : "min")));
  }

  put(replaced, wanted) {
    const others = this.page.asked.where.filter((w) => !replaced.some((start) => w.startsWith(start)));
    this.page.ask({ where: [...others, ...wanted] });
  }

  // The controls as the question has them.
  show() {
    const { asked } = this.page;
    const set = asked.where.length + (asked.kind ? 1 : 0) + (asked.folder ? 1 : 0) + (asked.order !== "best" ? 1 : 0);
    this.count.textContent = set ? `${set} set` : "";
    for (const control of this.body.querySelectorAll("[data-name]")) {
      const { name, sign, factor } = control.dataset;
      if (sign) {
        const found = asked.where.find((w) => w.startsWith(`${name}${sign}`));
        control.value = found ? +(found.slice(name.length + sign.length) / factor).toFixed(2) : "";
      } else if (name === "order") control.value = asked.order === "best" ? "" : asked.order;
      else if (name === "kind" || name === "folder") control.value = asked[name] ?? "";
      else this.choose(control, asked.where.find((w) => w.startsWith(`${name}=`))?.slice(name.length + 1) ?? "");
    }
  }

  // A value that the list does not hold (from an address, or a card) is added to it.
  choose(control, value) {
    if (value && ![...control.options].some((o) => o.value === value)) control.append(el("option", { value }, value));
    control.value = value;
  }
}

// ---- chips ---------------------------------------------------------------------------------------

export function chipRow(page, view) {
  const hard = view.chips.filter((c) => c.hard);
  const soft = view.chips.filter((c) => !c.hard);
  const rows = [];
  if (soft.length) {
    const hint = el("span", { class: "mm-hint" }, "click one to make it a filter");
    rows.push(group("Understood", soft.map((chip) => conditionChip(page, chip)), hint));
  }
  const others = settingChips(page);
  if (hard.length || others.length) {
    const reset = el("button", { type: "button", class: "mm-button mm-quiet", onclick: () => page.ask({ where: [], kind: null, folder: null, order: "best" }) }, "Reset all");
    rows.push(group("Filters", [...hard.map((chip) => conditionChip(page, chip)), ...others], reset));
  }
  return rows;
}

function group(words, chips, last) {
  return el("div", { class: "mm-chips", role: "group", "aria-label": words === "Filters" ? "Filters and order that are set" : "What was understood" },
    el("span", { class: "mm-lead" }, words), chips, last);
}

function settingChips(page) {
  const { kind, folder, order } = page.asked;
  const chips = [];
  if (kind) chips.push(plainChip(`only ${page.settings.kinds?.[kind] ?? kind}`, () => page.ask({ kind: null })));
  if (folder) chips.push(plainChip(`in ${folder}`, () => page.ask({ folder: null })));
  if (order !== "best") chips.push(plainChip(`order: ${ORDERS[order].split(/[, ]/)[0].toLowerCase()}`, () => page.ask({ order: "best" })));
  return chips;
}

function plainChip(text, remove) {
  return el("span", { class: "mm-chip mm-hard" }, el("span", { class: "mm-chip-name", dir: "auto" }, text), cross(text, remove));
}

function cross(text, remove) {
  return el("button", { type: "button", class: "mm-chip-x", "aria-label": `Remove ${text}`, onclick: remove }, "×");
}

function conditionChip(page, chip) {
  const quoted = chip.words && chip.words.toLowerCase() !== chip.text.toLowerCase() ? `“${chip.words}”: ` : "";
  const toggle = el("button", {
    type: "button", class: "mm-chip-name", "aria-pressed": String(chip.hard), dir: "auto",
    title: chip.hard ? "A filter: other pieces are left out. Click to make it a wish." : "A wish: fitting pieces come first. Click to make it a filter.",
    onclick: () => page.require(chip),
  }, el("span", { class: "mm-lock", "aria-hidden": "true" }, chip.hard ? "✓" : ""), el("span", { class: "mm-quoted" }, quoted), chip.text);
  return el("span", { class: chip.hard ? "mm-chip mm-hard" : "mm-chip" }, toggle, cross(chip.text, () => page.drop(chip)));
}
