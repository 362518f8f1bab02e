// A model as recorded (core/explore/recording.py): every state and every step from its tables. It knows nothing of
// programs, operations, or what a cell means. A state is an array of numbers: the local state of each thread, then the
// value of each cell.
"use strict";

class Engine {
  constructor(data) {
    this.data = data;
    this.threads = data.asserts.length;
    this.start = new Array(this.threads + data.cells.length).fill(0);
    this.known = data.rows.map((rows) => new Array(rows.length)); // moves by the values read, made when they are asked for
    this.properties = data.properties.filter((p) => p.kind !== "sometimes").map((p) => ({
      ...p, bad: new Set(p.false_on.map((values) => values.join())),
    }));
  }

  row(state, agent) {
    return this.data.rows[agent][agent < this.threads ? state[agent] : 0];
  }

  moves(state, agent) {
    const local = agent < this.threads ? state[agent] : 0;
    const row = this.data.rows[agent][local];
    if (!row) return [];
    const known = this.known[agent][local] ||= new Map(row[2].map((m) => [m[0].join(), m.slice(1)]));
    return known.get(row[1].map((cell) => state[this.threads + cell]).join()) || [];
  }

  after(state, agent, move) {
    const next = state.slice();
    if (agent < this.threads) next[agent] = move[0];
    for (let at = 0; at < move[1].length; at += 2) next[this.threads + move[1][at]] = move[1][at + 1];
    return next;
  }

  said(state, agent, move) {
    const strings = this.data.strings, word = move.length > 2 ? strings[move[2]] : "";
    const name = strings[this.row(state, agent)[0]];
    return word ? `${name}: ${word}` : name;
  }

  byStep(move) {
    return move.length > 3 ? this.data.strings[move[3]] : "";
  }

  ended(state) {
    for (let agent = 0; agent < this.threads; agent++) if (this.data.rows[agent][state[agent]]) return false;
    return true;
  }

  // The property that does not hold in a state, or "".
  violated(state) {
    for (let agent = 0; agent < this.threads; agent++) if (this.data.asserts[agent][state[agent]]) return "assertion";
    const ended = this.ended(state);
    for (const p of this.properties) {
      const asked = p.kind === "always" || ended;
      if (asked && p.bad.has(p.reads.map((cell) => state[this.threads + cell]).join())) return p.name;
    }
    return "";
  }

  // From every state the number of steps to the nearest violation (-1: none), and whether all can still end without
  // one (`open`): both found backwards, from the states that violate and from the innocent ends.
  explore() {
    if (this.found) return this.found;
    const number = new Map([[this.start.join(), 0]]), states = [this.start], before = [[]], bad = [], edge = [], good = [];
    let edges = 0;
    for (let at = 0; at < states.length; at++) {
      const state = states[at];
      let moved = false, byStep = false;
      for (let agent = 0; agent < this.known.length; agent++) {
        for (const move of this.moves(state, agent)) {
          const next = this.after(state, agent, move), key = next.join();
          edges += 1;
          const breaks = this.byStep(move);
          if (breaks) byStep = true; // the step violates, not what is behind it
          if (!number.has(key)) {
            number.set(key, states.length);
            states.push(next);
            before.push([]);
          }
          const to = number.get(key);
          moved = moved || to !== at;
          if (to !== at && !breaks) before[to].push(at);
        }
      }
      if (this.violated(state) || (!moved && !this.ended(state))) bad.push(at);
      else if (byStep) edge.push(at);
      else if (this.ended(state)) good.push(at);
    }
    const far = new Int32Array(states.length).fill(-1);
    for (const at of bad) far[at] = 0;
    for (const at of edge) far[at] = 1;
    for (let queue = bad.concat(edge), at = 0; at < queue.length; at++) {
      for (const from of before[queue[at]]) {
        if (far[from] < 0) {
          far[from] = far[queue[at]] + 1;
          queue.push(from);
        }
      }
    }
    const open = new Uint8Array(states.length);
    for (const at of bad) open[at] = 2; // no way leads through
    for (const at of good) open[at] = 1;
    for (let queue = good, at = 0; at < queue.length; at++) {
      for (const from of before[queue[at]]) {
        if (!open[from]) {
          open[from] = 1;
          queue.push(from);
        }
      }
    }
    this.found = { number, far, open, states: states.length, edges };
    return this.found;
  }

  // Steps to the nearest violation from a state; -1 if none can be reached.
  distance(state) {
    const found = this.explore();
    return found.far[found.number.get(state.join())];
  }

  // Can everything still end without a violation?
  open(state) {
    const found = this.explore();
    return found.open[found.number.get(state.join())] === 1;
  }

  // The shortest way from a state to an end without a violation; [] if there is none.
  innocent(state) {
    const from = new Map([[state.join(), null]]), queue = [state];
    for (const now of queue) {
      if (this.ended(now)) return this.back(from, now.join());
      for (const [agent, outcome, move] of this.next(now)) {
        const next = this.after(now, agent, move), key = next.join();
        if (from.has(key) || this.byStep(move) || this.violated(next)) continue;
        from.set(key, [now.join(), [agent, outcome]]);
        queue.push(next);
      }
    }
    return [];
  }

  back(from, key) {
    const path = [];
    for (let came = from.get(key); came; came = from.get(came[0])) path.unshift(came[1]);
    return path;
  }

  // What a state may do next, as [agent, move number, move].
  next(state) {
    return this.known.flatMap((own, agent) => this.moves(state, agent).map((move, number) => [agent, number, move]));
  }

  // The most stores that a thread can still complete, by its local state; 'many' behind MANY, [] if it makes none.
  // A store that faults is made again.
  stores(agent) {
    const strings = this.data.strings, rows = this.data.rows[agent], left = new Array(rows.length).fill(0), MANY = 9;
    const says = (row) => strings[row[0]].startsWith("store(");
    if (!rows.some((row) => row && says(row))) return [];
    for (let changed = true; changed;) {
      changed = false;
      rows.forEach((row, at) => {
        for (const move of row ? row[2].flatMap((known) => known.slice(1)) : []) {
          const done = says(row) && !(move.length > 2 && strings[move[2]] === "fault");
          const now = Math.min(left[move[0]] + (done ? 1 : 0), MANY);
          if (now > left[at]) {
            left[at] = now;
            changed = true;
          }
        }
      });
    }
    return left.map((number) => (number === MANY ? "many" : String(number)));
  }

  // How far this model takes the same steps as `frames`, which another has computed: agents are found by name, and of
  // several outcomes of a step the first that is called the same.
  follow(frames, agents) {
    const key = (agent) => `${agent.name} ${agent.cpu} ${agent.does || ""}`;
    const own = new Map(this.data.agents.map((agent, number) => [key(agent), number])), path = [];
    let state = this.start;
    for (const frame of frames.slice(1)) {
      const agent = own.get(key(agents[frame.agent]));
      const moves = agent === undefined ? [] : this.moves(state, agent);
      const outcome = moves.findIndex((move) => this.said(state, agent, move) === frame.step);
      if (outcome < 0) return { path, agent, state, instead: moves.map((move) => this.said(state, agent, move)) };
      path.push([agent, outcome]);
      const move = moves[outcome];
      state = this.after(state, agent, move);
      if (this.byStep(move) || this.violated(state)) break;
    }
    return { path, agent: -1, state, instead: [] };
  }
}
