// What is wrong with a page for those who use a keyboard, a screen reader or weak eyes, and what does not fit: a list of
// sentences. After the ideas of axe-core, in as much as our pages need of them.
(() => {
  const problems = [];
  const what = (e) => {
    const text = e.outerHTML.slice(0, 120).replaceAll(/\s+/g, " ");
    return `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""} ${text}`;
  };
  const say = (problem, e) => problems.push(e ? `${problem}: ${what(e)}` : problem);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });

  // Names
  const name = (e) => {
    if (e.getAttribute("aria-label")?.trim()) return e.getAttribute("aria-label").trim();
    const by = e.getAttribute("aria-labelledby");
    if (by) return by.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
    if (e.labels?.length) return [...e.labels].map((l) => l.textContent).join(" ").trim();
    if (e.matches("input, select, textarea")) return (e.title || "").trim();
    const images = [...e.querySelectorAll("img")].map((i) => i.alt).join(" ");
    return (e.textContent + " " + images + " " + (e.title || "")).trim();
  };
  for (const e of all("a[href], button, input:not([type=hidden]), select, textarea, summary, [role=region], [role=img], form[role=search]")) {
    if (shown(e) && name(e) === "" && !e.matches("form[role=search]")) say("no name", e);
  }
  for (const e of all("img")) if (!e.hasAttribute("alt")) say("no alt", e);
  for (const e of all("svg")) if (!e.closest("[aria-hidden=true]") && e.getAttribute("role") !== "img") say("svg neither named nor hidden", e);
  for (const e of all("nav, section")) {
    if (!e.querySelector("h1, h2, h3, h4") && name(e) === "") say("no heading", e);
  }
  for (const e of all("table")) if (!e.querySelector("th")) say("no headers", e);
  for (const e of all("iframe")) say("frame", e);

  // Ids and what refers to them
  const ids = new Map();
  for (const e of all("[id]")) ids.set(e.id, (ids.get(e.id) ?? 0) + 1);
  for (const [id, n] of ids) if (n > 1) say(`id ${id} is there ${n} times`);
  for (const attribute of ["for", "aria-labelledby", "aria-describedby", "aria-controls"]) {
    for (const e of all(`[${attribute}]`)) {
      for (const id of e.getAttribute(attribute).split(/\s+/)) if (!ids.has(id)) say(`${attribute} names no element`, e);
    }
  }

  // Structure
  if (!document.documentElement.lang) say("no lang");
  if (!document.title.trim()) say("no title");
  for (const [selector, want] of [["main", 1], ["h1", 1], ["header.top", 1]]) {
    const n = all(selector).length;
    if (n !== want) say(`${n} of ${selector}`);
  }
  let level = 0;
  for (const e of all("h1, h2, h3, h4, h5, h6").filter(shown)) {
    const next = Number(e.tagName[1]);
    if (next > level + 1) say(`heading of level ${next} after ${level}`, e);
    level = next;
  }
  for (const e of all("ul > *, ol > *")) if (!e.matches("li, script, template")) say("no item of a list", e);
  for (const e of all("dl > *")) if (!e.matches("dt, dd, div")) say("no part of a dl", e);
  for (const e of all("a a, button a, a button, button button, label button")) say("control in a control", e);

  // Keyboard: all in the order of the page, nothing out of reach
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) say("tabindex above 0", e);
  for (const e of all("[onclick], [style]")) say("inline script or style", e);
  const first = all("a[href], button, input, select, textarea, summary, [tabindex='0']").find(shown);
  if (first && !first.matches(".skip")) say("the first stop is not the skip link", first);
  for (const e of all("*")) {
    const style = getComputedStyle(e);
    const scrolls = /auto|scroll/.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1;
    if (scrolls && e.tabIndex < 0 && !e.querySelector("a[href], button, input, select, summary")) say("scrolls, but not by keyboard", e);
  }

  // Contrast (WCAG 2, AA)
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const ground = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      const layer = rgba(getComputedStyle(at).backgroundColor);
      layers.push(layer);
      if (layer[3] === 1) break;
    }
    let color = rgba("Canvas");
    for (const layer of layers.reverse()) color = over(layer, color);
    return color;
  };
  const luminance = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.nodeValue.trim() || seen.has(e) || !shown(e) || e.closest(".hidden, script, style, .skip, option")) continue;
    seen.add(e);
    const style = getComputedStyle(e);
    const back = ground(e);
    const front = over(rgba(e.closest("svg") ? style.fill : style.color), back);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = contrast(front, back);
    if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, e);
  }
  for (const e of all("input:not([type=hidden], [type=checkbox], [type=radio], [type=file]), select, textarea").filter(shown)) {
    const ratio = contrast(over(rgba(getComputedStyle(e).borderTopColor), ground(e.parentElement)), ground(e.parentElement));
    if (ratio < 3) say(`contrast of its border ${ratio.toFixed(2)}`, e);
  }

  // What does not fit
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) say(`the page is ${document.documentElement.scrollWidth} wide in a window of ${width}`);
  const boxed = (e) => {
    for (let at = e.parentElement; at; at = at.parentElement) if (/auto|scroll|hidden|clip/.test(getComputedStyle(at).overflowX)) return true;
    return false;
  };
  for (const e of all("body *").filter((x) => shown(x) && !x.closest(".hidden, .skip"))) {
    const box = e.getBoundingClientRect();
    if (box.width > 0 && (box.right > width + 1 || box.left < -1) && !boxed(e)) say(`reaches from ${box.left | 0} to ${box.right | 0} in a window of ${width}`, e);
    const style = getComputedStyle(e);
    const cut = /hidden|clip/.test(style.overflowX) && e.scrollWidth > e.clientWidth + 1 || style.textOverflow === "ellipsis" && e.scrollWidth > e.clientWidth;
    if (cut && style.clipPath === "none" && !e.closest("svg") && !(e.title || e.closest("[title]"))) say("cut, and nowhere whole", e);
  }
  const controls = all("a[href], button, input:not([type=hidden]), select, textarea, summary").filter((e) => shown(e) && !e.closest(".hidden, .skip, .scroll"));
  for (let i = 0; i < controls.length && controls.length < 400; i++) {
    const a = controls[i].getBoundingClientRect();
    for (let j = i + 1; j < controls.length; j++) {
      if (controls[i].contains(controls[j]) || controls[i].closest(".search") || controls[i].closest("details.menu[open]")) continue;
      const b = controls[j].getBoundingClientRect();
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1
        && getComputedStyle(controls[i]).display !== "inline" && getComputedStyle(controls[j]).display !== "inline") {
        say(`overlaps ${what(controls[j])}`, controls[i]);
      }
    }
  }
  return problems;
})()
