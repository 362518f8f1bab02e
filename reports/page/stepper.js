// The page of one cell: a trace step by step, the machine after each step, and what else could happen.
// Everything that is shown is set as text: names are somebody else's.
"use strict";

const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") node.addEventListener("click", value);
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) node.append(child);
  return node;
}

async function unpacked(id) {
  const block = $(id);
  if (!block) return null;
  const bytes = Uint8Array.from(atob(block.textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const chunks = new Map();
function chunk(id) {
  if (!chunks.has(id)) chunks.set(id, unpacked(id));
  return chunks.get(id);
}

// The recording of an architecture, put together from the parts that its scenario's block has (reports/page/packing.py).
function assembled(block, arch) {
  if (!block || block.of[arch] === undefined) return null;
  const [kind, numbers] = block.cells[block.of[arch]], data = {}, rows = [];
  for (const [name, number] of Object.entries(numbers)) {
    const part = block.parts[name][number], pool = block.pools[name], [key, agent] = name.split(".");
    if (kind === "model" && key === "rows" && agent !== undefined) rows[Number(agent)] = rowsOf(part, pool);
    else data[name] = pool && Array.isArray(part) ? part.map((number) => pool[number]) : part;
  }
  if (rows.length) data.rows = rows;
  return { [kind]: data };
}

// Rows from columns: [operation, cells read, moves, note, CPU], or null where the thread has ended.
function rowsOf(columns, pool) {
  const [ops, moves, ...more] = columns.slice(0, -1).map(summed);
  return Array.from({ length: columns[columns.length - 1] }, (none, local) => {
    if (!ops || ops[local] === null) return null;
    const [reads, relative] = pool[moves[local]];
    const absolute = relative.map(([values, ...known]) => [values, ...known.map(([after, ...rest]) => [local + after, ...rest])]);
    const row = [ops[local], reads, absolute];
    for (const column of more) if (column[local] !== null) row.push(column[local]);
    return row;
  });
}

// A column from its differences.
function summed(differences) {
  let last = 0;
  return differences.map((one) => (one === null ? null : (last += one)));
}

// ---- values in words ----

function words(value, shown, model) {
  if (value === null || value === undefined || shown === "-") return "empty";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (Array.isArray(value)) return value.length ? value.map((one) => words(one, "", model)).join(", ") : "empty";
  if (typeof value === "object") {
    if ("task" in value) return threadName(value.task, model);
    if ("cpu" in value) return `CPU${value.cpu}`;
    if ("page" in value) return `page${value.page}`;
    if (Array.isArray(value.set)) return value.set.length ? value.set.map((one) => words(one, "", model)).join(", ") : "empty";
    if (shown) return shown;
    return Object.entries(value).filter(([name]) => name !== "type").map(([name, one]) => `${name} ${words(one, "", model)}`).join(", ");
  }
  return String(value);
}

function threadName(task, model) {
  const found = model.agents.find((agent) => agent.task === task);
  return found ? found.name : `task ${task}`;
}

// A lock says who holds it.
const LOCKS = ["ptl", "PG_locked", "mmap_lock", "i_mmap_rwsem"];

function shownIn(cell, value, model) {
  const said = words(value.value, value.shown, model);
  if (!LOCKS.includes(cell.array)) return said;
  return said === "empty" ? "free" : `held by ${said}`;
}

function label(cell, model) {
  const at = (part) => (part && typeof part === "object" ? Object.values(part)[0] : part);
  if (cell.array === "tlb") return `TLB, page ${at(cell.index[1])}`;
  if (cell.array === "newer") return "memory newer than disk";
  const task = cell.index.find((part) => part && typeof part === "object" && "task" in part);
  if (cell.array === "csd" && task) return `IPI from ${threadName(task.task, model)}`;
  return cell.shown;
}

// The fields that differ between two records of one type; [] if they are no such records.
function fieldsChanged(before, after) {
  const both = [before, after].every((value) => value && typeof value === "object" && value.type);
  if (!both || before.type !== after.type) return [];
  return Object.keys(after).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}

// ---- a walk: the states along a path, from tables or from a trace alone ----

class Walk {
  constructor(recorded, path) {
    this.model = recorded.model || recorded.trace;
    this.engine = recorded.model ? new Engine(recorded.model) : null;
    this.trace = recorded.model ? recorded.model.trace : recorded.trace.steps;
    this.take(this.trace);
    const end = this.trace.length ? this.frames[this.frames.length - 1].violated : "";
    const property = this.model.violated || (this.model.properties || []).find((one) => one.name === end);
    this.asked = new Set(property ? property.reads : []); // the cells that the violated property reads
    if (path && this.engine) this.take(path);
    // The stores that each thread has still to make, by its local state.
    this.stores = this.engine ? this.model.asserts.map((own, agent) => this.engine.stores(agent)) : [];
  }

  take(path) {
    this.path = path;
    this.frames = this.engine ? this.computed(path) : this.recorded();
    // The first step behind which no way leads to an end without a violation; -1 if there is none.
    this.turn = this.engine ? this.frames.findIndex((frame, at) => at && !this.engine.open(frame.state)) : -1;
    if (this.turn > 0 && !this.engine.open(this.engine.start)) this.turn = -1;
  }

  computed(path) {
    const engine = this.engine, threads = engine.threads, data = engine.data;
    let state = engine.start;
    const frames = [{ cells: state.slice(threads), state, gathers: this.gathers(state) }];
    for (const [agent, outcome] of path) {
      const move = engine.moves(state, agent)[outcome];
      if (!move) break;
      const row = engine.row(state, agent), note = row.length > 3 ? data.notes[row[3]] : [[], {}];
      const step = engine.said(state, agent, move), broken = engine.byStep(move);
      state = engine.after(state, agent, move);
      const cpu = row.length > 4 ? row[4] : data.agents[agent].cpu;
      frames.push({
        cells: state.slice(threads), state, step, cpu, agent, functions: note[0], reads: row[1],
        gathers: this.gathers(state), violated: broken || engine.violated(state),
      });
    }
    return frames;
  }

  gathers(state) {
    const open = [];
    for (let agent = 0; agent < this.engine.threads; agent++) {
      const row = this.engine.row(state, agent), note = row && this.engine.data.notes[row[3]];
      if (note && note[1].batches) open.push([this.model.agents[agent].name, note[1]]);
    }
    return open;
  }

  recorded() {
    const steps = this.model.steps, last = steps.length - 1;
    const frames = [{ cells: this.model.cells.map(() => 0), gathers: [] }];
    steps.forEach((step, at) => frames.push({
      cells: step.state, step: step.step, cpu: step.cpu, agent: step.agent, functions: step.functions, reads: step.reads,
      gathers: step.gather.batches ? [[this.model.agents[step.agent].name, step.gather]] : [],
      violated: at === last && this.model.violated ? this.model.violated.name : "",
    }));
    return frames;
  }
}

// ---- the view ----

const view = { walk: null, at: 0, result: null, base: "" };

function show(at) {
  view.at = Math.max(0, Math.min(at, view.walk.frames.length - 1));
  const last = view.walk.frames.length - 1;
  $("slider").max = last;
  $("slider").value = view.at;
  $("slider").setAttribute("aria-valuetext", `step ${view.at} of ${last}`);
  $("count").textContent = `step ${view.at} of ${last}`;
  $("first").disabled = $("back").disabled = view.at === 0;
  $("next").disabled = $("last").disabled = view.at === last;
  said();
  marked();
  machine();
  choices();
  history.replaceState(null, "", address());
}

function address() {
  const own = view.walk.path !== view.walk.trace && view.walk.engine;
  return `${view.base}/${view.at}${own ? `/${view.walk.path.map((choice) => choice.join(".")).join(",")}` : ""}`;
}

function changesAt(at) {
  const frame = view.walk.frames[at], before = at ? view.walk.frames[at - 1].cells : frame.cells;
  return view.walk.model.cells.map((cell, number) => number).filter((number) => before[number] !== frame.cells[number]);
}

function said() {
  const frame = view.walk.frames[view.at], model = view.walk.model;
  if (!frame.step) {
    $("said").replaceChildren(el("p", { class: "what" }, "Before the first step"));
    return;
  }
  const before = view.walk.frames[view.at - 1].cells;
  const lines = changesAt(view.at).map((number) => {
    const cell = model.cells[number], [old, now] = [before[number], frame.cells[number]].map((value) => cell.values[value]);
    const fields = fieldsChanged(old.value, now.value);
    const told = fields.map((name) => `${name} ${words(old.value[name], "", model)} → ${words(now.value[name], "", model)}`);
    const what = told.length ? told.join(", ") : `${shownIn(cell, old, model)} → ${shownIn(cell, now, model)}`;
    return el("li", {}, `${label(cell, model)}: ${what}`);
  });
  const parts = [el("p", { class: "what" }, `CPU${frame.cpu} ${model.agents[frame.agent].name}: ${frame.step}`)];
  parts.push(el("ul", {}, lines.length ? lines : el("li", {}, unchanged(frame))));
  if (view.at === view.walk.parts && view.walk.path === view.walk.trace) parts.push(el("p", { class: "turn" }, `⇄ ${view.walk.otherwise}`));
  if (view.at === view.walk.turn) parts.push(el("p", { class: "turn" }, `◆ ${TURN}`));
  if (frame.violated) parts.push(el("p", { class: "broken" }, `✗ violated: ${frame.violated}. ${sentence(frame.violated)}`));
  if (frame.functions.length) parts.push(el("p", { class: "in" }, `in ${called(frame.functions, model)}`));
  $("said").replaceChildren(...parts);
}

// A step that changes nothing has looked at something, or waits.
function unchanged(frame) {
  const cells = view.walk.model.cells, read = (frame.reads || []).map((number) => {
    const cell = cells[number];
    return `${label(cell, view.walk.model)}: ${shownIn(cell, cell.values[frame.cells[number]], view.walk.model)}`;
  });
  return read.length ? `nothing changes; it has read ${read.join(", ")}` : "nothing changes";
}

const TURN = "The step that decides: before it all could still end without a violation, from here on nothing avoids one.";

// A chain of calls with the kernel's files, each said where it is another than the caller's.
function called(functions, model) {
  const files = model.files || {};
  return functions.map((name, at) => {
    const file = files[name], outer = at + 1 < functions.length ? files[functions[at + 1]] : "";
    return file && file !== outer ? `${name} (${file})` : name;
  }).join(" ← ");
}

function sentence(name) {
  const model = view.walk.model;
  if (model.violated && model.violated.name === name) return model.violated.sentence;
  const property = (model.properties || []).find((one) => one.name === name);
  return property ? property.sentence : (model.sentences || {})[name] || "";
}

function listed() {
  $("listed").textContent = heading();
  const walk = view.walk, cpus = [...new Set(walk.model.agents.map((agent) => agent.cpu))].sort((a, b) => a - b);
  const lanes = cpus.slice(0, 4);
  $("steps").replaceChildren(...walk.frames.slice(1).map((frame, at) => el("li", {},
    el("button", { type: "button", class: `step lane${Math.max(0, lanes.indexOf(frame.cpu))}`, onclick: () => show(at + 1) },
      el("b", {}, `${at + 1}${at + 1 === walk.turn ? " ◆" : ""}${at + 1 === walk.parts && walk.path === walk.trace ? " ⇄" : ""}`), el("span", { class: "who" }, `CPU${frame.cpu} ${walk.model.agents[frame.agent].name}`),
      el("span", { class: "op" }, frame.step)))));
  if (walk.frames.length === 1) $("steps").append(el("li", {}, "None yet: choose one under “What can happen next”."));
}

function marked() {
  [...$("steps").children].filter((item) => item.firstChild.nodeName === "BUTTON").forEach((item, at) => {
    const here = at + 1 === view.at;
    if (here) item.firstChild.setAttribute("aria-current", "step");
    else item.firstChild.removeAttribute("aria-current");
    if (here) {
      const box = $("steps"), top = item.offsetTop - box.offsetTop;
      if (top < box.scrollTop || top + item.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 2;
    }
  });
}

// Cards stand where they stand in every state: a cell that is empty keeps its place.
function cards() {
  const model = view.walk.model, found = new Map();
  const card = (name) => found.get(name) || found.set(name, []).get(name);
  for (const cpu of new Set(model.agents.map((agent) => agent.cpu).sort((a, b) => a - b))) {
    const own = model.agents.filter((agent) => agent.cpu === cpu && agent.kind === "thread").map((agent) => agent.name);
    card(`CPU${cpu}${own.length ? `: ${own.join(", ")}` : ""}`).cpu = cpu;
  }
  model.cells.forEach((cell, number) => {
    const quiet = cell.values.every((value) => ["-", "False", "0", "()", "{}"].includes(value.shown));
    if (quiet) return;
    const cpu = cell.index.find((part) => part && typeof part === "object" && "cpu" in part);
    if (cell.panel === "cpu" && cpu) {
      const name = [...found.keys()].find((key) => found.get(key).cpu === cpu.cpu) || `CPU${cpu.cpu}`;
      card(name).push(number);
    } else if (cell.panel === "page") card(`page ${cell.index.map((part) => words(part, "", model)).join(" ")}`).push(number);
    else card({ tables: "page tables", check: "what the model notes" }[cell.panel] || "mm and locks").push(number);
  });
  return found;
}

function machine() {
  const walk = view.walk, frame = walk.frames[view.at], model = walk.model, before = view.at ? walk.frames[view.at - 1].cells : frame.cells;
  const stale = new Map();
  for (const [tlb, pte, pairs] of model.stale) {
    if (pairs.some(([cached, entry]) => cached === frame.cells[tlb] && entry === frame.cells[pte])) stale.set(tlb, pte);
  }
  const asked = walk.asked;
  const shown = (number, value) => shownIn(model.cells[number], model.cells[number].values[value], model);
  const rows = (numbers) => numbers.map((number) => {
    const cell = model.cells[number], changed = before[number] !== frame.cells[number];
    const now = el("span", {}, shown(number, frame.cells[number]));
    const value = changed ? [el("div", {}, el("s", {}, shown(number, before[number])), " → ", now)] : [now];
    if (stale.has(number)) {
      const pte = stale.get(number);
      value.push(el("strong", { class: "stale" }, `⚠ stale: ${model.cells[pte].shown} is ${shown(pte, frame.cells[pte])}`));
    }
    return el("div", { class: changed ? "changed" : "" }, el("dt", {}, `${asked.has(number) ? "⚑ " : ""}${label(cell, model)}`), el("dd", {}, value));
  });
  const drawn = [...view.cards].map(([name, numbers]) => {
    const own = [...storesLeft(frame, numbers.cpu), ...rows(numbers)];
    return el("section", { class: `card${frame.step && numbers.cpu === frame.cpu ? " here" : ""}` },
      el("h4", {}, name), own.length ? el("dl", {}, own) : el("p", {}, "it has no TLB entry or other state of its own here"));
  });
  for (const [name, gather] of frame.gathers) drawn.push(gatherCard(name, gather));
  $("machine").replaceChildren(...drawn);
}

// Of each thread of a CPU that stores: how often it still will.
function storesLeft(frame, cpu) {
  const walk = view.walk, before = view.at ? walk.frames[view.at - 1] : frame;
  return walk.stores.flatMap((left, agent) => {
    if (!left.length || walk.model.agents[agent].cpu !== cpu) return [];
    const changed = left[before.state[agent]] !== left[frame.state[agent]];
    return [el("div", { class: changed ? "changed" : "" }, el("dt", {}, `stores still to come of ${walk.model.agents[agent].name}`),
      el("dd", {}, el("span", {}, left[frame.state[agent]])))];
  });
}

function gatherCard(name, gather) {
  const row = (title, value) => el("div", {}, el("dt", {}, title), el("dd", {}, value || "empty"));
  const batches = gather.batches.map(([room, slots], number) => row(number ? `batch ${number}` : "local batch", `${slots.length} of ${room}${slots.length ? `: ${slots.join("; ")}` : ""}`));
  return el("section", { class: "card" }, el("h4", {}, `mmu_gather of ${name}`), el("dl", {}, row("range", gather.range),
    row("cleared", gather.cleared.join(", ")), row("flags", gather.flags.join(", ")), batches, gather.tables ? row("tables", String(gather.tables)) : []));
}

function choices() {
  const { walk, at } = view, box = $("choices");
  if (!walk.engine) {
    box.replaceChildren(el("p", {}, "This model is too large to be embedded: only its trace is here."));
    return;
  }
  const engine = walk.engine, state = walk.frames[at].state, items = [];
  const taken = walk.path[at];
  for (const [agent, outcome, move] of engine.next(state)) {
    const next = engine.after(state, agent, move);
    if (agent >= engine.threads && next.join() === state.join()) continue;
    const on = taken && taken[0] === agent && taken[1] === outcome, row = engine.row(state, agent);
    const far = engine.byStep(move) ? 0 : engine.distance(next);
    const sure = far > 0 && !engine.open(next) ? ", and nothing avoids it" : "";
    const to = far < 0 ? "no violation can be reached from here" : far === 0 ? "violates" : `a violation ${far} ${far === 1 ? "step" : "steps"} later${sure}`;
    const cpu = row.length > 4 ? row[4] : walk.model.agents[agent].cpu;
    items.push(el("li", {}, el("button", { type: "button", onclick: () => choose(agent, outcome) },
      `CPU${cpu} ${walk.model.agents[agent].name}: ${engine.said(state, agent, move)}`), el("span", { class: far < 0 ? "safe" : "danger" }, to),
    on ? el("span", { class: "on" }, "the next step shown") : ""));
  }
  const over = engine.ended(state) ? "Everything has ended." : "Nothing can happen: a deadlock.";
  box.replaceChildren(items.length ? el("ul", {}, items) : el("p", {}, over));
}

function choose(agent, outcome) {
  const { walk, at } = view, taken = walk.path[at];
  if (!(taken && taken[0] === agent && taken[1] === outcome)) {
    walk.take([...walk.path.slice(0, at), [agent, outcome]]);
    listed();
  }
  $("again").hidden = walk.path === walk.trace;
  show(at + 1);
}

// ---- the scene, and where another architecture leaves the trace ----

function scene(about) {
  const { walk } = view, model = walk.model, threads = model.agents.filter((agent) => agent.kind === "thread");
  $("scene").textContent = about.scene || "";
  $("who").replaceChildren(...threads.map((agent, number) => el("li", {}, el("b", {}, `CPU${agent.cpu} ${agent.name}`), `${agent.task === undefined ? "" : ` (T${agent.task})`}: ${does(number)}`)));
  const hardware = [...new Set(model.agents.filter((agent) => agent.kind !== "thread").map((agent) => agent.name))];
  if (hardware.length) $("who").append(el("li", {}, el("b", {}, "hardware"), `, at any time: ${hardware.join(", ")}`));
}

// What a thread does: its own instructions, and the kernel functions that it begins.
function does(agent) {
  const { walk } = view, own = new Set(), begun = new Set();
  const note = (functions, name) => (functions.length ? begun.add(called(functions.slice(-1), walk.model)) : own.add(name));
  if (walk.engine) {
    for (const row of walk.model.rows[agent]) if (row) note(walk.model.notes[row[3]][0], walk.model.strings[row[0]]);
  } else for (const step of walk.model.steps) if (step.agent === agent) note(step.functions, step.step);
  const stores = walk.stores[agent] && walk.stores[agent][0];
  const named = [...own].map((name) => (name.startsWith("store(") && own.size === 1 && stores ? `${name}, ${stores === "1" ? "once" : stores === "many" ? "again and again" : `${stores} times`}` : name));
  return [named.join(", "), [...begun].join(", ")].filter(Boolean).join("; in the kernel ");
}

// The cell of the block that passes and takes the most steps of the trace; null if none passes.
function parting(block, arch, scenario, results) {
  const { walk } = view, trace = walk.frames;
  const passes = new Set(results.cells.filter((one) => one.scenario === scenario && one.verdict === "pass").map((one) => one.architecture));
  const seen = new Set();
  let best = null;
  for (const [name, number] of Object.entries(block.of)) {
    if (name === arch || !passes.has(name) || seen.has(number)) continue;
    seen.add(number);
    const { model } = assembled(block, name);
    if (!model) continue;
    const engine = new Engine(model), found = engine.follow(trace, walk.model.agents);
    if (!best || found.path.length > best.path.length) best = { name, engine, ...found };
  }
  return best;
}

function differs(block, arch, scenario, results) {
  const walk = view.walk, box = $("differs");
  box.replaceChildren();
  if (!walk.engine || !walk.trace.length) return;
  const other = parting(block, arch, scenario, results);
  walk.parts = other ? other.path.length + 1 : -1; // the first step that the other does not take
  if (!other) return;
  const steps = other.path.length, frame = walk.frames[steps + 1];
  const whole = [...other.path, ...other.engine.innocent(other.state)].map((choice) => choice.join("."));
  const place = `#/cell/${encodeURIComponent(other.name)}/${encodeURIComponent(scenario)}/${steps}/${whole.join(",")}`;
  const parts = [el("a", { href: place }, other.name), " passes here."];
  if (!frame) parts.push(" It can take all these steps, and nothing is violated behind them.");
  else {
    const name = walk.model.agents[frame.agent].name, ended = other.agent >= 0 && other.agent < other.engine.threads && !other.engine.row(other.state, other.agent);
    const instead = other.instead.length ? `does: ${other.instead.join(", or ")}` : other.agent === undefined ? "does not exist" : ended ? "has ended" : "has to wait";
    parts.push(steps ? ` It takes the same ${steps} steps` : " It differs from the first step on", `; where step ${steps + 1} is here "${frame.step}", ${name} ${instead}. The link opens there, on a way to its end.`);
    walk.otherwise = `${other.name}, which passes, differs from here on: ${name} ${instead}.`;
  }
  box.append(...parts);
}

// ---- places ----

const VERDICTS = { pass: "proved", xfail: "fails, as declared", fail: "fails", xpass: "passes, against what is declared", unsupported: "does not apply" };

// Above the list of steps: whose path it is.
function heading() {
  const walk = view.walk, left = walk.path.findIndex((choice, at) => String(choice) !== String(walk.trace[at]));
  if (walk.path === walk.trace) return walk.trace.length ? "Shortest counterexample" : "Steps taken";
  return walk.trace.length ? `Your path, which leaves the trace behind step ${left}` : "Steps taken";
}

// The schedule in an address; null for that of the trace.
function chosen(path) {
  return path ? path.split(",").map((choice) => choice.split(".").map(Number)) : null;
}

async function go() {
  const [, kind, arch, scenario, at, path] = location.hash.split("/").map((part, n) => (n > 1 ? decodeURIComponent(part) : part));
  if (kind !== "cell") {
    $("cell").hidden = true;
    $("report").hidden = false;
    document.title = document.body.dataset.title;
    return;
  }
  const base = `#/cell/${encodeURIComponent(arch)}/${encodeURIComponent(scenario)}`;
  if (view.base === base && view.walk && !$("cell").hidden && !path) {
    show(Number(at) || 0);
    return;
  }
  const results = await chunk("results"), result = results.cells.find((one) => one.architecture === arch && one.scenario === scenario);
  $("report").hidden = true;
  $("cell").hidden = false;
  window.scrollTo(0, 0);
  view.base = base;
  view.result = result;
  const about = results.scenarios[scenario] || {};
  $("title").textContent = result ? `${arch}, ${scenario}` : `There is no cell ${arch}, ${scenario}`;
  $("demand").textContent = result && about.title ? `What must hold: ${about.title}.` : "";
  document.title = `${arch}, ${scenario}`;
  if (!result) {
    $("verdict").textContent = $("origin").textContent = "";
    $("stepper").hidden = true;
    return;
  }
  const numbers = result.states ? `The search for the verdict: ${result.states} states, ${result.transitions} transitions, depth ${result.depth}.` : "";
  const bound = result.verdict === "bounded" ? ` Bounds: ${result.bounds}.` : result.exhaustive ? " Every interleaving was explored." : "";
  $("verdict").textContent = `${VERDICTS[result.verdict] || result.verdict}${result.reason ? `: ${result.reason}` : ""}.${bound}`;
  $("violation").textContent = result.sentence ? `Violated: ${result.sentence}` : "";
  $("origin").textContent = `${about.origin ? `The scenario is about ${about.origin}. ` : ""}${numbers}`;
  const block = await chunk(`m-${results.chunks[scenario]}`);
  try {
    const recorded = assembled(block, arch);
    $("stepper").hidden = !recorded;
    if (!recorded) {
      $("verdict").textContent += " There is nothing to step through.";
      return;
    }
    view.walk = new Walk(recorded, chosen(path));
    view.cards = cards();
  } catch (error) { // a third party's process may have sent anything
    $("stepper").hidden = true;
    $("verdict").textContent += " Its recording cannot be read.";
    return;
  }
  scene(about);
  differs(block, arch, scenario, results);
  const counted = view.walk.engine ? `This page steps through ${view.walk.model.states} states${view.walk.trace.length ? ", those behind the first violation too" : ""}.` : "";
  $("size").textContent = counted;
  $("again").hidden = view.walk.path === view.walk.trace;
  $("again").textContent = view.walk.trace.length ? "Back to the trace" : "Start again";
  listed();
  show(at === undefined ? 0 : Number(at) || 0);
  $("title").focus();
}

// The cells of the matrix become links: without a script there is nothing to open.
function linked() {
  const table = document.querySelector(".matrix"), names = [...table.querySelectorAll("thead [data-name]")].map((head) => head.dataset.name);
  for (const row of table.querySelectorAll("tbody tr:not(.area)")) {
    const scenario = row.cells[0].textContent;
    names.forEach((name, at) => {
      const cell = row.cells[at + 1], sign = cell.textContent;
      if (!sign) return;
      const href = `#/cell/${encodeURIComponent(name)}/${encodeURIComponent(scenario)}`;
      const link = el("a", { href, class: cell.className, "aria-label": `${name}, ${scenario}: ${cell.className.slice(2)}` }, sign);
      cell.className = "";
      cell.replaceChildren(link);
    });
  }
}

document.addEventListener("keydown", (event) => {
  if ($("cell").hidden || $("stepper").hidden || event.altKey || event.ctrlKey || event.metaKey) return;
  if (["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement.tagName)) return;
  const to = { ArrowRight: view.at + 1, j: view.at + 1, ArrowLeft: view.at - 1, k: view.at - 1, Home: 0, End: Infinity }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  show(to);
});

$("first").addEventListener("click", () => show(0));
$("back").addEventListener("click", () => show(view.at - 1));
$("next").addEventListener("click", () => show(view.at + 1));
$("last").addEventListener("click", () => show(Infinity));
$("slider").addEventListener("input", () => show(Number($("slider").value)));
$("again").addEventListener("click", () => {
  view.walk.take(view.walk.trace);
  listed();
  $("again").hidden = true;
  show(Math.min(view.at, view.walk.trace.length));
});
$("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
});
$("theme").hidden = false;
linked();
window.addEventListener("hashchange", go);
go();
