"use strict";

/*
 * How a table moves: the same as popheal.tables.table and popheal.engine.run have it, on the data
 * that popheal.diagrams.walkthrough puts into the page. Nothing here knows of a page. A test runs
 * every guard, state and outcome through this and through the Python table.
 */

/** Whether a row's guard allows it, given the guards that hold (a Set of their names). */
function holds(row, facts) {
  return (!row.given || facts.has(row.given)) && (!row.unless || !facts.has(row.unless));
}

/** The row that is taken in a state on an outcome; null where that is impossible. */
function rowTaken(table, state, outcome, facts) {
  if (state in table.endings) return null;
  const rows = outcome === table.cancel ? table.on_cancel : table.states[state].rows;
  return rows.find((row) => row.outcome === outcome && holds(row, facts)) || null;
}

/**
 * What is owed after an outcome: refused was not begun, done has paid. A Map of each debt to
 * whether it is unclear if the change was made: then undoing it settles nothing for certain.
 */
function owedAfter(table, state, outcome, owed) {
  const { incurs, pays } = table.states[state];
  const left = new Map(owed);
  if (outcome === table.cancel) return left;
  if (incurs && outcome !== "refused") left.set(incurs, outcome !== "done");
  if (pays && outcome === "done" && !left.get(pays)) left.delete(pays);
  return left;
}

/** The guards that hold: those that were chosen, and those that follow from what is owed. */
function factsOf(table, chosen, owed) {
  const facts = new Set(chosen);
  for (const [guard, { debt }] of Object.entries(table.guards)) {
    if (debt && owed.has(debt)) facts.add(guard);
  }
  return facts;
}

/**
 * All that may follow from where a run is, whatever the outcomes are, without a person's stop.
 * The states and endings, the debts that may be owed at each ending, and the worst impact.
 */
function ahead(table, state, chosen, owed) {
  const seen = new Map();
  const places = [{ state, owed }];
  const endings = new Map();
  for (const place of places) {
    const key = [place.state, ...[...place.owed].sort()].join(" ");  // pairs are joined, too
    if (seen.has(key)) continue;
    seen.set(key, place.state);
    if (place.state in table.endings) {
      const left = endings.get(place.state) || new Set();
      for (const debt of place.owed.keys()) left.add(debt);
      endings.set(place.state, left);
      continue;
    }
    const facts = factsOf(table, chosen, place.owed);
    for (const outcome of table.states[place.state].outcomes) {
      const row = rowTaken(table, place.state, outcome, facts);
      if (row) {
        places.push({
          state: row.target,
          owed: owedAfter(table, place.state, outcome, place.owed),
        });
      }
    }
  }
  const states = new Set(seen.values());
  const impacts = [...states]
    .filter((name) => name in table.states)
    .map((name) => table.impacts.indexOf(table.states[name].impact));
  return { states, endings, worst: table.impacts[Math.max(...impacts)] || "" };
}

/** The runs of a report that this table can show; with why another can't, for people. */
function runsOf(table, data) {
  const report = Array.isArray(data && data.runs) && data.runs.every((run) => run.steps)
    ? data
    : data && data.healing && data.healing.report;
  if (!report || !Array.isArray(report.runs)) {
    return { runs: [], problem: "This file is no report of popheal: it has no runs with steps." };
  }
  const named = report.runs.filter((run) => run.procedure === table.name);
  const runs = named.filter((run) => run.hash === table.hash);
  if (runs.length) return { runs, problem: "" };
  const others = report.runs.map((run) => run.procedure).join(", ") || "none";
  const problem = named.length
    ? `Its run of ${table.name} followed another version of the table (${named[0].hash}).`
    : `It has no run of ${table.name}; its runs: ${others}.`;
  return { runs, problem };
}

/**
 * The places of a run, in order: its state, what came of it, and what was owed when it came there.
 * The outcome is the stop's where the table leads elsewhere on what the step came to.
 */
function placesOf(table, run) {
  const left = [...run.steps];
  let owed = new Map();
  const chosen = chosenIn(table, run);
  return run.path.map((state, index) => {
    const at = left.findIndex((step) => step.state === state);
    const step = at < 0 ? null : left.splice(at, 1)[0];
    const next = run.path[index + 1];
    const place = { state, step, owed, outcome: "" };
    if (next !== undefined) {
      const row = step && rowTaken(table, state, step.outcome, factsOf(table, chosen, owed));
      place.outcome = row && row.target === next ? step.outcome : table.cancel;
      owed = owedAfter(table, state, place.outcome, owed);
    }
    return place;
  });
}

/** The guards that don't follow from debts, as a run must have had them to take its way. */
function chosenIn(table, run) {
  const free = Object.keys(table.guards).filter((guard) => !table.guards[guard].debt);
  const taken = new Set();
  run.path.forEach((state, index) => {
    const step = run.steps.find((one) => one.state === state);
    if (!step || !(state in table.states)) return;
    for (const row of table.states[state].rows) {
      if (row.outcome === step.outcome && row.target === run.path[index + 1] && row.given) {
        taken.add(row.given);
      }
    }
  });
  return new Set(free.filter((guard) => taken.has(guard)));
}
