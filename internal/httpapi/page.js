"use strict";
// The address says what is asked: #item=..., #basket=...&basket=..., or nothing for what is popular. Names are only ever text, never markup.
const $ = id => document.getElementById(id);
const asked = () => new URLSearchParams(location.hash.slice(1));
const go = pairs => { location.hash = new URLSearchParams(pairs).toString(); };
const make = (tag, text, fields) => Object.assign(document.createElement(tag), { textContent: text }, fields);
const percent = share => (100 * share).toFixed(share < 0.1 ? 1 : 0) + " %";
const quote = text => "'" + text.replaceAll("'", "'\\''") + "'";

async function ask() {
  const state = asked(), item = state.get("item"), basket = state.getAll("basket"), measure = $("measure").value;
  let path = "api/v1/popular-items?limit=10", title = "Popular", body;
  if (item !== null) {
    path = "api/v1/similar-items?" + new URLSearchParams({ item, measure, limit: 10 });
    title = "Customers who bought " + item + " also bought";
  } else if (basket.length > 0) {
    path = "api/v1/basket-recommendations";
    body = JSON.stringify({ items: basket, measure, limit: 10 });
    title = "Goes with the basket";
  }
  const url = new URL(path, document.baseURI).href.split("#")[0];
  $("shell").textContent = "curl " + (body ? "-H 'Content-Type: application/json' -d " + quote(body) + " " : "") + quote(url);
  showBasket(basket);
  let answer, problem = "";
  try {
    const response = await fetch(path, body ? { method: "POST", headers: { "Content-Type": "application/json" }, body } : {});
    answer = await response.json();
    if (!response.ok) problem = answer.detail || answer.title;
  } catch (error) {
    problem = "no answer from the server: " + error.message;
  }
  if (asked().toString() !== state.toString()) return; // something else was asked meanwhile
  if (item !== null) $("item").value = item;
  $("title").textContent = title;
  show(problem ? { recommendations: [], metadata: {} } : answer, problem, item === null && basket.length === 0);
}

function show(answer, problem, popular) {
  const { recommendations, metadata } = answer;
  const unknown = metadata.unknown_items || [], rules = metadata.rules || [];
  $("note").textContent = problem || [
    unknown.length > 0 && "Not in any order: " + unknown.join(", ") + ".",
    rules.length > 0 && "Changed by rule " + rules.join(", ") + ".",
    recommendations.length === 0 && "Nothing yet.",
  ].filter(Boolean).join(" ");
  const best = recommendations.find(r => r.source !== "pinned");
  // An item that was asked about is the first in the basket that its answers begin.
  const state = asked(), others = state.has("item") ? state.getAll("item") : state.getAll("basket");
  $("items").replaceChildren(...recommendations.map(r => {
    const row = make("li", "", { className: popular ? "" : r.source });
    const add = make("button", "+ basket", { title: "put into the basket", onclick: () => go([...others, r.item_name].map(name => ["basket", name])) });
    row.append(
      make("a", r.label || r.item_name, { href: "#" + new URLSearchParams({ item: r.item_name }), title: r.item_name }), add,
      make("p", r.reason),
      make("small", [
        popular ? percent(r.confidence) + " of orders" : "confidence " + percent(r.confidence) + " · lift " + r.lift.toFixed(1),
        "popularity rank " + r.popularity_rank.toLocaleString("en"), r.category, r.price,
      ].filter(known => known !== undefined).join(" · ")));
    if (r.source !== "pinned") {
      row.append(make("meter", "", { value: r.similarity_score, max: best.similarity_score || 1, title: "score " + r.similarity_score.toPrecision(3) }));
    }
    return row;
  }));
  $("build").textContent = metadata.build_id ? "· build " + metadata.build_id + " of " + new Date(metadata.built_at).toLocaleString() : "";
}

function showBasket(basket) {
  $("basket").replaceChildren(...basket.map((name, i) =>
    make("button", name + " ×", { title: "take out of the basket", onclick: () => go(basket.filter((_, j) => j !== i).map(name => ["basket", name])) })));
}

$("ask").onsubmit = event => {
  event.preventDefault();
  if ($("item").value === "") return;
  const before = location.hash;
  go({ item: $("item").value });
  if (location.hash === before) ask();
};
$("measure").onchange = ask;
addEventListener("hashchange", ask);
ask();
fetch("api/v1/popular-items?limit=100").then(response => response.json()).then(answer =>
  $("known").replaceChildren(...answer.recommendations.map(r => make("option", "", { value: r.item_name })))).catch(() => {});
