// Where XState's machines, made of popheal's exports, move: JSON from standard input and to
// standard output.
//
// Given { xstate: {table: JSON text}, scxml: {table: XML text}, moves: [[table, state, guards that
// hold, outcome]], names: {table: {name: name in its SCXML}} } it answers, for each reader, where
// its machine starts by table, and where each of the moves leads.
"use strict";

const { createMachine, initialTransition, transition } = require("xstate");
const { toMachine } = require("xstate-4/lib/scxml");
const { readFileSync } = require("node:fs");

const given = JSON.parse(readFileSync(0, "utf8"));

/** XState 5: createMachine takes the JSON as it is; a guard looks whether its name holds. */
function xstate(text) {
  const config = JSON.parse(text);
  const guards = Object.fromEntries(
    Object.keys(config.context).map((name) => [name, ({ context }) => context[name]]),
  );
  const machine = createMachine(config, { guards });
  return {
    start: initialTransition(machine)[0].value,
    next(state, held, outcome) {
      const context = { ...config.context };
      for (const name of held) context[name] = true;
      const at = machine.resolveState({ value: state, context });
      return transition(machine, at, { type: outcome })[0].value;
    },
  };
}

/** XState 4 reads SCXML: each condition is evaluated as the script that it is. */
function scxml(text, names) {
  const machine = toMachine(text, {});
  const backwards = Object.fromEntries(Object.entries(names).map(([name, id]) => [id, name]));
  const plain = (value) => backwards[value.working ?? value];
  return {
    start: plain(machine.initialState.value),
    next(state, held, outcome) {
      const context = { ...machine.context };
      for (const name of held) context[name] = 1;
      return plain(machine.transition({ working: names[state] }, outcome, context).value);
    },
  };
}

const answer = {};
for (const [reader, read] of Object.entries({ xstate, scxml })) {
  const machines = {};
  for (const [name, text] of Object.entries(given[reader]))
    machines[name] = read(text, given.names[name]);
  answer[reader] = {
    starts: Object.fromEntries(Object.entries(machines).map(([name, one]) => [name, one.start])),
    targets: given.moves.map(([name, ...move]) => machines[name].next(...move)),
  };
}
console.log(JSON.stringify(answer));
