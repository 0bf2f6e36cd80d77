"use strict";

// What the theme leaves out for whoever reads by keyboard or by ear.
document.addEventListener("DOMContentLoaded", () => {
  for (const one of document.querySelectorAll("[role=heading]:not([aria-level])"))
    one.setAttribute("aria-level", "2");
  // What is wider than its place is scrolled by keyboard, too: a table, or an example.
  const reachable = () => {
    for (const one of document.querySelectorAll("article pre, .table-wrapper"))
      if (one.scrollWidth > one.clientWidth) one.tabIndex = 0;
      else one.removeAttribute("tabindex");
  };
  reachable();
  window.addEventListener("resize", reachable);
});
