// A model as recorded (core/explore/recording.py): every state and every step from its tables. It knows nothing of
// programs, operations, or what a cell means. A state is an array of numbers: the local state of each thread, then the
// value of each cell.
"use strict";

class Engine {
  constructor(data) {
    this.data = data;
    this.threads = data.asserts.length;
    this.start = new Array(this.threads + data.cells.length).fill(0);
    this.known = data.rows.map((rows) => rows.map((row) => row && new Map(row[2].map((m) => [m[0].join(), m.slice(1)]))));
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
    return this.known[agent][local].get(row[1].map((cell) => state[this.threads + cell]).join()) || [];
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
    return this.known.slice(0, this.threads).every((own, agent) => own[state[agent]] === null);
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

  // From every state the number of steps to the nearest violation (-1: none), found backwards from those that violate.
  explore() {
    if (this.found) return this.found;
    const number = new Map([[this.start.join(), 0]]), states = [this.start], before = [[]], bad = [], edge = [];
    let edges = 0;
    for (let at = 0; at < states.length; at++) {
      const state = states[at];
      let moved = false, byStep = false;
      for (let agent = 0; agent < this.known.length; agent++) {
        for (const move of this.moves(state, agent)) {
          const next = this.after(state, agent, move), key = next.join();
          edges += 1;
          if (this.byStep(move)) byStep = true; // the step violates, not what is behind it
          if (!number.has(key)) {
            number.set(key, states.length);
            states.push(next);
            before.push([]);
          }
          const to = number.get(key);
          moved = moved || to !== at;
          if (to !== at) before[to].push(at);
        }
      }
      if (this.violated(state) || (!moved && !this.ended(state))) bad.push(at);
      else if (byStep) edge.push(at);
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
    this.found = { number, far, states: states.length, edges };
    return this.found;
  }

  // Steps to the nearest violation from a state; -1 if none can be reached.
  distance(state) {
    const found = this.explore();
    return found.far[found.number.get(state.join())];
  }
}
