// What a browser makes of pages, and of Mermaid's text: JSON from standard input and to standard
// output. The browser is one that is installed; none is fetched.
//
// Given { browser: path, pages: {name: address}, widths: {scheme: [pixels]}, mermaid: {name: text},
// shots: folder or null } it answers { mermaid: {name: {nodes, edges}}, pages: {name: {errors,
// fetched, faults: {scheme: [...]}, views: {"scheme width": {...}}}} }.
"use strict";

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { chromium } = require("playwright-core");

const given = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const SCHEMES = {
  light: { media: "screen", colorScheme: "light" },
  dark: { media: "screen", colorScheme: "dark" },
  print: { media: "print", colorScheme: "light" },
};
// Who is root has to do without the browser's own sandbox.
const ARGUMENTS = [
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
  "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];

/** In the page: how wide it is, what sticks out, and how large the words in pictures are. */
function measure() {
  const width = document.documentElement.clientWidth;
  const scrolls = (element) => {
    for (let one = element; one && one !== document.body; one = one.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(one).overflowX)) return true;
    return false;
  };
  const name = (one) => `${one.tagName.toLowerCase()}#${one.id}.${one.getAttribute("class") ?? ""}`;
  const seen = (one) => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(one).visibility !== "hidden";
  };
  // What is put away beside the page, as the menu of a narrow one, is taken out of its flow.
  const away = (element) => {
    for (let one = element; one; one = one.parentElement)
      if (getComputedStyle(one).position === "fixed") return true;
    return false;
  };
  const wide = [...document.body.querySelectorAll("*")]
    .filter((one) => !one.closest("svg") || one.tagName === "svg")
    .filter((one) => seen(one) && one.getBoundingClientRect().right > width + 1)
    .filter((one) => !scrolls(one) && !away(one))
    .map(name);
  const words = [...document.querySelectorAll("svg text")].filter(seen);
  const sizes = words.map((one) => {
    const { a, b } = one.getScreenCTM();
    return parseFloat(getComputedStyle(one).fontSize) * Math.hypot(a, b);
  });
  const pictures = [...document.querySelectorAll("img")]
    .filter((one) => seen(one) && /\.svg$/.test(one.currentSrc))
    .map((one) => ({ src: one.currentSrc, scale: one.getBoundingClientRect().width / one.naturalWidth }));
  return {
    overflow: document.documentElement.scrollWidth - width,
    wide: [...new Set(wide)].slice(0, 9),
    words: words.length,
    smallest: Math.min(...sizes, 99),
    pictures,
  };
}

/**
 * In the page, once axe is there: what it finds to be serious or worse.
 *
 * Contrast within pictures is left out: axe knows no ground but a style's, and never comes to an
 * end over some. tests/diagrams/test_cards.py measures it.
 */
async function faults(scheme) {
  const options = { preload: false, resultTypes: ["violations"] };
  const contrast = { ...options, runOnly: ["color-contrast"] };
  const found = await window.axe.run({ exclude: ["svg"] }, contrast);
  if (scheme === "light") { // everything else is so in any scheme
    const rules = { "color-contrast": { enabled: false } };
    const others = await window.axe.run(document, { ...options, rules });
    found.violations.push(...others.violations);
  }
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 5).join(", ")}`);
}

async function look(context, name, address) {
  const page = await context.newPage();
  const errors = [];
  const fetched = [];
  page.on("console", (said) => said.type() === "error" && errors.push(said.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (one) => one.url().startsWith("file:") || fetched.push(one.url()));
  await page.goto(address);
  const answer = { errors, fetched, faults: {}, views: {} };
  for (const [scheme, media] of Object.entries(SCHEMES)) {
    await page.emulateMedia(media);
    for (const width of given.widths[scheme]) {
      await page.setViewportSize({ width, height: 900 });
      answer.views[`${scheme} ${width}`] = await page.evaluate(measure);
      if (given.shots)
        await page.screenshot({ path: join(given.shots, `${name}-${scheme}-${width}.png`), fullPage: true });
    }
    if (scheme === "print") continue;
    if (scheme === "light") await page.evaluate(axe);
    answer.faults[scheme] = await page.evaluate(faults, scheme);
  }
  await page.close();
  return answer;
}

/** Mermaid's own parser: the nodes and edges that it has understood. */
async function parse(context, texts) {
  const page = await context.newPage();
  await page.addScriptTag({ path: require.resolve("@mermaid-js/tiny") });
  const answer = await page.evaluate(async (texts) => {
    const found = {};
    for (const [name, text] of Object.entries(texts)) {
      const { diagramType } = await mermaid.parse(text); // raises what it does not accept
      const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);
      found[name] = { type: diagramType };
      if (!db.getVertices) continue;
      found[name].nodes = [...db.getVertices().keys()];
      found[name].edges = db.getEdges().map((one) => [one.start, one.end, one.text]);
    }
    return found;
  }, texts);
  await page.close();
  return answer;
}

async function main() {
  const browser = await chromium.launch({ executablePath: given.browser, args: ARGUMENTS });
  try {
    const context = await browser.newContext();
    const pages = {};
    for (const [name, address] of Object.entries(given.pages))
      pages[name] = await look(context, name, address);
    const mermaid = await parse(context, given.mermaid);
    console.log(JSON.stringify({ mermaid, pages }));
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
