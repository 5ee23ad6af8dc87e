"use strict";
// Everything that comes from data goes into the page as text (textContent, Option), never as HTML.

const PAGE = 50;
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const counted = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
const percent = (tenths) => (tenths === null ? "unknown" : `${(tenths / 10).toFixed(1)} %`);

// The data: JSON in gzip in base64, so that no sentence can end the element that it lies in.
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

function copyButtons() {
  for (const button of $$("[data-copy]")) {
    const label = button.textContent;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => { button.textContent = label; }, 2500);
    });
  }
}

function sortableTables() {
  for (const table of $$("table.sortable")) {
    const heads = $$("thead th", table);
    const rows = $$("tbody tr", table);
    heads.forEach((head, column) => {
      const button = element("button", "", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const [compare, first, second] = orderOf(rows, column);
        const next = { none: first, [first]: second, [second]: "none" }[head.getAttribute("aria-sort")];
        heads.forEach((each) => each.setAttribute("aria-sort", each === head ? next : "none"));
        const sign = { ascending: 1, descending: -1, none: 0 }[next];
        $("tbody", table).append(...[...rows].sort((a, b) => sign * compare(a, b)));
      });
    });
  }
}

// How to compare two rows, and the order of the first and the second click: numbers begin with the largest.
function orderOf(rows, column) {
  const text = (row) => row.cells[column].textContent.trim();
  if (rows.every((row) => /^(-|[\d.,]+)$/.test(text(row)))) {
    const number = (row) => (text(row) === "-" ? -1 : Number(text(row).replaceAll(",", "")));
    return [(a, b) => number(a) - number(b), "descending", "ascending"];
  }
  return [(a, b) => text(a).localeCompare(text(b)), "ascending", "descending"];
}

// One tab stop for a whole matrix; the arrow keys move inside it.
function matrixKeys(matrix) {
  const buttons = $$("button", matrix);
  buttons.forEach((button, place) => { button.tabIndex = place ? -1 : 0; });
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  matrix.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step || event.target.tagName !== "BUTTON") return;
    event.preventDefault();
    let cell = event.target.closest("td");
    let next = null;
    while (cell && !next) {
      cell = cell.closest("table").rows[cell.parentNode.rowIndex + step[0]]?.cells[cell.cellIndex + step[1]];
      next = cell && $("button", cell);
    }
    if (next) {
      event.target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
  });
}

class Browser {
  constructor(splits) {
    this.splits = splits;
    this.form = $(".filters");
    this.place = 0;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", () => this.update());
    this.form.addEventListener("reset", () => setTimeout(() => this.update()));
    this.form.elements.query.addEventListener("input", () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.update(), 150);
    });
    for (const button of $$("[data-turn]")) {
      button.addEventListener("click", () => this.turn(Number(button.dataset.turn)));
    }
    for (const button of $$(".matrix button")) {
      button.addEventListener("click", () => this.pick(button));
    }
    $$(".matrix").forEach(matrixKeys);
  }

  // Show another split, here and in the sections of scores.
  show(name) {
    this.split = this.splits.find((each) => each.name === name);
    const relations = this.split.relations;
    for (const key of ["gold", "predicted"]) {
      const any = new Option("any relation", "");
      this.form.elements[key].replaceChildren(any, ...relations.map((each, id) => new Option(each, id)));
    }
    $("#browser").hidden = !this.split.ids.length;
    this.update();
  }

  pick(button) {
    const fields = this.form.elements;
    fields.gold.value = button.dataset.gold;
    fields.predicted.value = button.dataset.predicted;
    fields.query.value = "";
    fields.show.value = "all";
    this.update();
    $("#found").focus({ preventScroll: true });
    $("#sentences").scrollIntoView();
  }

  turn(by) {
    this.place += by;
    this.draw();
    $("#found").focus({ preventScroll: true });
    $("#found").scrollIntoView();
  }

  update() {
    clearTimeout(this.waiting);
    this.found = this.chosen();
    this.place = 0;
    this.draw();
  }

  chosen() {
    const { gold, predicted, query, show, order } = Object.fromEntries(new FormData(this.form));
    const split = this.split;
    const wanted = query.trim().toLocaleLowerCase();
    if (wanted) split.lower ??= split.texts.map((text) => text.toLocaleLowerCase());
    const found = [];
    for (let i = 0; i < split.ids.length; i += 1) {
      if (show === "errors" && split.gold[i] === split.predicted[i]) continue;
      if (gold !== "" && split.gold[i] !== Number(gold)) continue;
      if (predicted !== "" && split.predicted[i] !== Number(predicted)) continue;
      if (wanted && !split.lower[i].includes(wanted) && split.ids[i].toLocaleLowerCase() !== wanted) continue;
      found.push(i);
    }
    const of = order === "gold" ? split.goldProbability : split.probability;
    if (order === "sure") found.sort((a, b) => of[b] - of[a]);
    if (order === "unsure" || order === "gold") found.sort((a, b) => (of[a] ?? 0) - (of[b] ?? 0));
    return found;
  }

  draw() {
    const pages = Math.max(1, Math.ceil(this.found.length / PAGE));
    const shown = this.found.slice(this.place * PAGE, (this.place + 1) * PAGE);
    $("#results").replaceChildren(...shown.map((i) => this.row(i)));
    const all = counted(this.split.ids.length, "sentence");
    $("#found").textContent = `${this.found.length.toLocaleString("en")} of ${all} of ${this.split.name}`;
    $("#place").textContent = `page ${this.place + 1} of ${pages.toLocaleString("en")}`;
    $("[data-turn='-1']").disabled = this.place === 0;
    $("[data-turn='1']").disabled = this.place >= pages - 1;
    const { gold, predicted } = this.form.elements;
    for (const button of $$(".matrix button")) {
      const here = button.closest(".split").dataset.split === this.split.name;
      const pressed = here && button.dataset.gold === gold.value && button.dataset.predicted === predicted.value;
      button.setAttribute("aria-pressed", pressed);
    }
  }

  row(i) {
    const split = this.split;
    const item = element("li");
    const sentence = element("p", "sentence");
    sentence.dir = "auto";
    sentence.append(...pieces(split.texts[i], split.spans[i]));
    const right = split.gold[i] === split.predicted[i];
    const said = element("p", "said");
    said.append(
      labelled("gold", split.relations[split.gold[i]], right ? null : split.goldProbability[i]),
      labelled(right ? "✓ predicted" : "✗ predicted", split.relations[split.predicted[i]], split.probability[i], right ? "right" : "wrong"),
      element("span", "", "id "),
    );
    said.lastChild.append(element("bdi", "", split.ids[i]));
    item.append(sentence, said);
    return item;
  }
}

function labelled(label, relation, probability, className) {
  const made = element("span", className, `${label} `);
  const name = element("b");
  name.append(element("bdi", "", relation));
  made.append(name);
  if (probability !== null || className) made.append(` ${percent(probability)}`);
  return made;
}

// The text cut at the edges of its mentions; offsets count code points, as Python does.
function pieces(text, [headStart, headEnd, tailStart, tailEnd]) {
  const points = [...text];
  const edges = [...new Set([0, headStart, headEnd, tailStart, tailEnd, points.length])].sort((a, b) => a - b);
  return edges.slice(1).map((end, place) => {
    const start = edges[place];
    const roles = [];
    if (headStart <= start && end <= headEnd) roles.push("head");
    if (tailStart <= start && end <= tailEnd) roles.push("tail");
    const words = points.slice(start, end).join("");
    if (!roles.length) return words;
    const mark = element("mark", roles.join(" "), words);
    mark.dataset.role = roles.join(" and ");
    return mark;
  });
}

function showSplit(name, browser) {
  for (const part of $$(".split")) {
    part.hidden = part.dataset.split !== name;
    for (const section of $$("[data-section]", part)) {
      if (part.hidden) section.removeAttribute("id");
      else section.id = section.dataset.section;
    }
  }
  browser.show(name);
}

async function browse() {
  const splits = await unpacked($("#data").textContent);
  if (!splits.length) return;
  const browser = new Browser(splits);
  const choice = $("#split-switch");
  if (choice) {
    choice.hidden = false;
    choice.addEventListener("change", (event) => showSplit(event.target.value, browser));
  }
  showSplit(splits[0].name, browser);
}

async function start() {
  copyButtons();
  sortableTables();
  if ($("#data")) await browse();
  document.documentElement.dataset.ready = "yes";
}

start();
