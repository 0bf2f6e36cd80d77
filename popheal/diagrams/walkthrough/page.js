"use strict";

/* The page: what is shown of a walk, and what one can do. How the table moves is in table.js. */

(() => {
  const table = JSON.parse(document.getElementById("table").textContent);
  const loaded = document.getElementById("run");
  const by = (id) => document.getElementById(id);
  const words = (text) => text.replaceAll("_", " ");

  /** An element with text or children. */
  function make(tag, attributes, ...inside) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...inside);
    return element;
  }

  /** A long name, in pieces that may be broken at its underscores. */
  function breakable(name) {
    const [first, ...others] = name.split("_");
    return others.reduce((pieces, one) => [...pieces, "_", make("wbr"), one], [first]);
  }

  // --- the walk ---------------------------------------------------------------------------------

  let chosen = new Set();
  /** Every place of the walk: the state, what is owed there, and the outcome that led on. */
  let walk = [{ state: table.start, owed: new Map() }];
  /** A run of a report that is stepped through, with the place it is at; null without one. */
  let report = null;

  const here = () => walk[walk.length - 1];
  const facts = () => factsOf(table, chosen, here().owed);

  function go(outcome) {
    const { state, owed } = here();
    const row = rowTaken(table, state, outcome, facts());
    if (!row) return;
    report = null;
    here().outcome = outcome;
    walk.push({ state: row.target, owed: owedAfter(table, state, outcome, owed) });
    show(true);
  }

  function back() {
    if (walk.length < 2) return;
    report = null;
    walk.pop();
    delete here().outcome;
    show(true);
  }

  function begin(state) {
    report = null;
    walk = [{ state, owed: new Map() }];
    show(true);
  }

  // --- what is shown ----------------------------------------------------------------------------

  function cited(cites) {
    const said = cites.says ? ` ${cites.says}` : "";
    return make("p", { class: "cites" }, make("strong", null, cites.where), said);
  }

  function debts(owed) {
    return [...owed].map(words).join(", ");
  }

  function showState() {
    const { state, owed } = here();
    const box = by("state");
    const ending = table.endings[state];
    by("name").replaceChildren(...breakable(state));
    if (ending) {
      const left = owed.size ? ` Handed over in writing: ${debts(owed.keys())}.` : "";
      box.replaceChildren(
        make("p", { class: "says" }, `It has ended: ${ending.meaning}.${left}`),
      );
      box.className = ending.good ? "restore" : "";
      return `${state}: ${ending.meaning}.${left}`;
    }
    const { impact, says, cites, incurs, pays } = table.states[state];
    const parts = [
      make("p", null, make("span", { class: `badge ${impact}` }, impact), ` ${table.means[impact]}`),
      make("p", { class: "says" }, `${says}.`),
      cited(cites),
    ];
    if (incurs) parts.push(make("p", { class: "debt" }, `Leaves a debt: ${words(incurs)}`));
    if (pays) parts.push(make("p", { class: "debt" }, `Pays the debt: ${words(pays)}`));
    box.replaceChildren(...parts);
    box.className = impact;
    return `${state}: ${says}. ${impact}.`;
  }

  function showOutcomes() {
    const { state } = here();
    const list = by("outcomes");
    const ended = state in table.endings;
    by("pick").hidden = ended;
    list.replaceChildren();
    if (ended) return;
    const outcomes = [...table.states[state].outcomes, table.cancel];
    outcomes.forEach((outcome, index) => {
      const row = rowTaken(table, state, outcome, facts());
      const guard = row.given ? ` [${words(row.given)}]` : row.unless ? ` [not ${words(row.unless)}]` : "";
      const name = outcome === table.cancel ? "a person says stop" : words(outcome);
      const button = make(
        "button",
        { type: "button", "data-outcome": outcome },
        make("kbd", { "aria-hidden": "true" }, String(index + 1)),
        make("span", { class: "outcome" }, `${name}${guard}`),
        make("span", { class: "target" }, "leads to ", ...breakable(row.target)),
      );
      button.addEventListener("click", () => go(outcome));
      list.append(make("li", null, button, cited(row.why)));
    });
  }

  function showGuards() {
    const now = facts();
    for (const box of document.querySelectorAll("input[data-guard]")) {
      box.checked = now.has(box.dataset.guard);
      box.disabled = report !== null;
    }
    by("owed").textContent = debts(here().owed.keys()) || "nothing";
  }

  function showAhead() {
    const { state, owed } = here();
    if (state in table.endings) {
      by("ahead").replaceChildren(make("p", null, "Nothing: it has ended."));
      return new Set();
    }
    const may = ahead(table, state, chosen, owed);
    const ends = [...may.endings].map(([name, left]) => {
      const owing = left.size ? `, perhaps owing ${debts(left)}` : "";
      return make("li", null, `${name}: ${table.endings[name].meaning}${owing}`);
    });
    by("ahead").replaceChildren(
      make("p", null, "At worst, it may ",
        make("span", { class: `badge ${may.worst}` }, may.worst), ` ${table.means[may.worst]}.`),
      make("p", null, "It may end in:"),
      make("ul", null, ...ends),
    );
    return may.states;
  }

  function showWay() {
    const list = walk.map(({ state, outcome }) => {
      const name = outcome === table.cancel ? "a person said stop" : words(outcome || "");
      return make("li", null, make("strong", null, ...breakable(state)), outcome ? `: ${name}` : "");
    });
    by("way").replaceChildren(...list);
    by("back").disabled = walk.length < 2;
  }

  function showReport() {
    const box = by("step");
    by("stepping").hidden = report === null;
    if (!report) return;
    const { run, places, at } = report;
    const { step } = places[at];
    by("previous").disabled = at === 0;
    by("following").disabled = at === places.length - 1;
    const head = `${run.server}, run ${run.id}: place ${at + 1} of ${places.length}`;
    const parts = [make("p", null, head)];
    if (step) {
      const [day, from] = step.started_at.split(/[T+.]/);
      const times = `${day}, ${from} to ${step.finished_at.split(/[T+.]/)[1]} UTC`;
      parts.push(make("p", null, make("strong", null, words(step.outcome)), ` (${times})`));
      if (step.detail) parts.push(make("p", null, step.detail));
    }
    box.replaceChildren(...parts);
  }

  function showPicture(may) {
    const been = new Set(walk.map(({ state }) => state));
    for (const card of document.querySelectorAll("#picture [data-state]")) {
      const name = card.dataset.state;
      const status = name === here().state ? "now"
        : been.has(name) ? "taken" : may.has(name) ? "ahead" : "dim";
      card.classList.remove("now", "taken", "ahead", "dim");
      card.classList.add(status);
      if (status === "now") follow(card);
    }
  }

  /** Bring a card of the picture into view, within the picture's own frame alone. */
  function follow(card) {
    const frame = by("picture");
    const [outer, inner] = [frame.getBoundingClientRect(), card.getBoundingClientRect()];
    frame.scrollTop += inner.top - outer.top - outer.height / 3;
  }

  function show(moved) {
    const said = showState();
    showOutcomes();
    showGuards();
    const may = showAhead();
    showWay();
    showReport();
    showPicture(may);
    by("jump").value = here().state;
    if (moved) {
      by("said").textContent = said;
      if (document.activeElement === document.body || by("outcomes").contains(document.activeElement)
        || !document.activeElement.isConnected) {
        by("name").focus({ preventScroll: true });
      }
    }
  }

  // --- a report ---------------------------------------------------------------------------------

  function load(data, name) {
    const { runs, problem } = runsOf(table, data);
    const choice = by("runs");
    by("problem").textContent = problem ? `${name}: ${problem}` : "";
    choice.replaceChildren(...runs.map((run, index) =>
      make("option", { value: String(index) }, `${run.id} on ${run.server}: ${run.verdict || "running"}`)));
    by("choice").hidden = runs.length < 2;
    choice.onchange = () => enter(runs[Number(choice.value)]);
    if (runs.length) enter(runs[0]);
  }

  function enter(run) {
    report = { run, places: placesOf(table, run), at: 0 };
    chosen = chosenIn(table, run);
    at(0);
  }

  function at(index) {
    report.at = index;
    walk = report.places.slice(0, index + 1).map(({ state, owed, outcome }) => ({ state, owed, outcome }));
    delete here().outcome;
    show(true);
  }

  // --- what one can do --------------------------------------------------------------------------

  for (const [guard, { means, debt }] of Object.entries(table.guards)) {
    const box = make("input", { type: "checkbox", "data-guard": guard, id: `guard-${guard}` });
    box.addEventListener("change", () => {
      if (debt && box.checked) here().owed.set(debt, false);
      else if (debt) here().owed.delete(debt);
      else if (box.checked) chosen.add(guard);
      else chosen.delete(guard);
      show(false);
    });
    by("guards").append(
      make("p", null, box, " ", make("label", { for: `guard-${guard}` },
        make("strong", null, words(guard)), `: ${means}`)),
    );
  }
  by("no-guards").hidden = Object.keys(table.guards).length > 0;

  for (const name of [...Object.keys(table.states), ...Object.keys(table.endings)]) {
    by("jump").append(make("option", { value: name }, name));
  }
  by("jump").addEventListener("change", (event) => begin(event.target.value));
  by("again").addEventListener("click", () => begin(table.start));
  by("back").addEventListener("click", back);
  by("previous").addEventListener("click", () => at(report.at - 1));
  by("following").addEventListener("click", () => at(report.at + 1));
  by("file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    try {
      load(JSON.parse(await file.text()), file.name);
    } catch (error) {
      by("problem").textContent = `${file.name} can't be read as JSON: ${error.message}`;
    }
  });
  for (const card of document.querySelectorAll("#picture [data-state]")) {
    card.addEventListener("click", () => begin(card.dataset.state));
  }
  document.addEventListener("keydown", (event) => {
    const busy = event.ctrlKey || event.altKey || event.metaKey
      || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
    if (busy || !by("keys").checked) return;
    if (event.key === "Backspace") back();
    const button = by("outcomes").querySelectorAll("button")[Number(event.key) - 1];
    if (button && !by("pick").hidden) button.click();
    else if (event.key !== "Backspace") return;
    event.preventDefault();
  });

  show(false);
  if (loaded) load(JSON.parse(loaded.textContent), "The run of this page");
})();
