"use strict";

const EVERY = 3000; // milliseconds between two looks
const LATE = 10; // seconds
const [WIDTH, HEIGHT, BOX] = [1160, 690, { w: 190, h: 74 }];
const by = (id) => document.getElementById(id);
const context = (name) => name.split(".")[0];
const looks = []; // those of the last minute
let token = "", timer = 0;

by("door").addEventListener("submit", (event) => {
  event.preventDefault();
  token = by("token").value.trim();
  by("token").value = "";
  look();
});

async function look() {
  clearTimeout(timer);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const answer = await fetch("/api/v1/operations/map", { headers, cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) return ask();
    if (!answer.ok) throw new Error(`the answer was ${answer.status}`);
    show((await answer.json()).data);
  } catch (error) {
    say(`Not up to date: ${error.message}`, true);
  }
  timer = setTimeout(look, EVERY);
}

function ask() {
  say(token ? "This token does not open the map, or does so no more." : "For operators.", token !== "");
  token = "";
  by("map").hidden = true;
  by("door").hidden = false;
  by("token").focus();
}

function say(text, bad) {
  by("state").textContent = text;
  by("state").className = bad ? "bad" : "";
}

function show(map) {
  const now = Date.parse(map.at);
  const deliveries = map.deliveries.map((each) => judged(each, now));
  looks.push({ at: now, left: new Map(deliveries.map((each) => [each.reader, each.left + each.dead])) });
  while (now - looks[1]?.at >= 60000) looks.shift();
  draw(map, deliveries);
  list(deliveries);
  by("door").hidden = true;
  by("map").hidden = false;
  say(`As of ${new Date(now).toLocaleTimeString()}, looked at every ${EVERY / 1000} seconds.`);
}

/* What was delivered in a minute is what was published then, and what is left less than it was before it.
   Until there is a look of a minute ago: what was published then and is not left. */
function judged(each, now) {
  const left = each.waiting + each.running + each.retrying;
  const before = now - looks[0]?.at >= 60000 ? looks[0].left.get(each.reader) ?? 0 : each.dead;
  const lag = each.oldest_at ? Math.max(0, (now - Date.parse(each.oldest_at)) / 1000) : 0;
  const late = lag > LATE || each.retrying > 0 ? "late" : "";
  const state = each.dead > 0 || (!each.handled && left > 0) ? "stuck" : late;
  return { ...each, left, lag, state, delivered: Math.max(0, each.per_minute + before - left - each.dead) };
}

function list(deliveries) {
  const order = (each) => [["stuck", "late", ""].indexOf(each.state), -each.per_minute];
  const sorted = [...deliveries].sort((a, b) => {
    const [one, other] = [order(a), order(b)];
    return one[0] - other[0] || one[1] - other[1];
  });
  by("deliveries").replaceChildren(...sorted.map((each) => {
    const row = document.createElement("tr");
    row.className = each.state;
    const numbers = [each.per_minute, each.delivered, each.waiting, each.running, each.retrying, each.dead];
    const reader = each.handled ? each.reader : `${each.reader} (no worker)`;
    for (const value of [each.event, reader, ...numbers, lasts(each.lag)]) {
      row.insertCell().textContent = value === 0 ? "·" : value;
    }
    return row;
  }));
}

function lasts(seconds) {
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return seconds ? `${Math.round(seconds)} s` : "";
}

function element(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function draw(map, deliveries) {
  const picture = by("picture");
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const arrows = arrowsOf(map, deliveries);
  const places = placed(map, arrows);
  const lines = [], plates = [];
  for (const arrow of arrows) {
    const path = curve(places.get(arrow.from), places.get(arrow.to), arrow);
    lines.push(element("path", {
      d: path.d,
      class: `arrow ${arrow.kind} ${arrow.state} ${arrow.rate ? "busy" : ""}`,
      "marker-end": `url(#${arrow.state === "stuck" ? "red" : arrow.kind === "event" ? "ember" : "slate"})`,
    }));
    plates.push(plate(path.point, arrow));
  }
  const boxes = map.contexts.map((each) => box(each, places.get(each.name)));
  picture.replaceChildren(markers(), ...lines, ...boxes, ...plates);
}

/* One arrow for all the events from one context to another, and one for all the questions. */
function arrowsOf(map, deliveries) {
  const found = new Map();
  for (const each of deliveries) {
    const [from, to] = [context(each.event), context(each.reader)];
    if (from === to) continue;
    const key = `${from} ${to}`;
    const arrow = found.get(key) ?? { from, to, kind: "event", rate: 0, left: 0, lag: 0, dead: 0, state: "", types: [] };
    arrow.rate += each.per_minute;
    arrow.left += each.left;
    arrow.dead += each.dead;
    arrow.lag = Math.max(arrow.lag, each.lag);
    arrow.state = [arrow.state, each.state].includes("stuck") ? "stuck" : arrow.state || each.state;
    arrow.types.push(`${each.event} → ${each.reader}`);
    found.set(key, arrow);
  }
  for (const { asker, answerer, contracts } of map.asks) {
    found.set(`${asker} ${answerer} asks`, {
      from: asker, to: answerer, kind: "question", state: "", text: contracts.join(", "), types: contracts,
    });
  }
  const arrows = [...found.values()];
  const pairs = new Map();
  for (const arrow of arrows) {
    const key = [arrow.from, arrow.to].sort().join(" ");
    pairs.set(key, [...(pairs.get(key) ?? []), arrow]);
  }
  for (const [key, together] of pairs) {
    together.forEach((arrow, i) => {
      const shift = i - (together.length - 1) / 2;
      const onwards = key.startsWith(`${arrow.from} `) ? 1 : -1;
      Object.assign(arrow, { side: shift * 104 * onwards, along: 0.5 + shift * 0.05 * onwards });
    });
  }
  return arrows;
}

/* On an ellipse, each beside those that it has most to do with. */
function placed(map, arrows) {
  const names = map.contexts.map((each) => each.name);
  const joined = (a, b) => arrows.some(({ from, to }) => (from === a && to === b) || (from === b && to === a));
  const friends = (name) => names.filter((other) => joined(name, other)).length;
  const rest = [...names].sort((a, b) => friends(b) - friends(a) || a.localeCompare(b));
  const ring = rest.splice(0, 1);
  while (rest.length) {
    const [first, last] = [ring[0], ring[ring.length - 1]];
    const near = (name) => joined(name, last) || joined(name, first) || ring.some((other) => joined(name, other));
    const [next] = rest.splice(Math.max(0, rest.findIndex(near)), 1);
    if (joined(next, first) && !joined(next, last)) ring.unshift(next);
    else ring.push(next);
  }
  const [x, y] = [WIDTH / 2, HEIGHT / 2];
  return new Map(ring.map((name, i) => {
    const angle = (2 * Math.PI * (i + 0.5)) / ring.length - Math.PI / 2;
    const alone = ring.length === 1 ? 0 : 1;
    return [name, { x: x + alone * Math.cos(angle) * (x - BOX.w / 2 - 40), y: y + alone * Math.sin(angle) * (y - BOX.h / 2 - 30) }];
  }));
}

/* A bow from the edge of one box to the edge of the other, `side` pixels beside the straight line; and the
   point that is so far `along` it. */
function curve(from, to, { side, along }) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const bend = { x: (from.x + to.x) / 2 - (dy / length) * side, y: (from.y + to.y) / 2 + (dx / length) * side };
  const [start, end] = [edge(from, bend, 2), edge(to, bend, 4)];
  const [a, b, c] = [(1 - along) ** 2, 2 * (1 - along) * along, along ** 2];
  const point = { x: a * start.x + b * bend.x + c * end.x, y: a * start.y + b * bend.y + c * end.y };
  return { d: `M${start.x},${start.y} Q${bend.x},${bend.y} ${end.x},${end.y}`, point };
}

function edge(centre, towards, gap) {
  const [dx, dy] = [towards.x - centre.x, towards.y - centre.y];
  const scale = Math.min((BOX.w / 2 + gap) / (Math.abs(dx) || 1e-9), (BOX.h / 2 + gap) / (Math.abs(dy) || 1e-9));
  return { x: centre.x + dx * scale, y: centre.y + dy * scale };
}

function plate(at, arrow) {
  const group = element("g");
  group.append(element("title", {}, arrow.types.join("\n")));
  const trouble = [
    arrow.left ? `${arrow.left} waiting` : "",
    arrow.lag > 1 ? lasts(arrow.lag) : "",
    arrow.dead ? `${arrow.dead} given up` : "",
  ].filter(Boolean).join(" · ");
  const text = arrow.kind === "question" ? arrow.text : `${arrow.rate} / min`;
  const width = Math.max(text.length * 8, trouble.length * 7.4) + 18;
  const height = trouble ? 40 : 24;
  const corner = { x: at.x - width / 2, y: at.y - height / 2, width, height, rx: 6 };
  group.append(element("rect", { ...corner, class: `plate ${arrow.state}` }));
  const tone = arrow.kind === "question" ? "asked" : `rate ${arrow.state}`;
  group.append(element("text", { x: at.x, y: at.y - height / 2 + 17, class: tone }, text));
  if (trouble) group.append(element("text", { x: at.x, y: at.y + 13, class: `rate ${arrow.state}` }, trouble));
  return group;
}

function box(each, at) {
  const group = element("g");
  const state = each.dead ? "stuck" : each.here ? "" : "elsewhere";
  const [left, top] = [at.x - BOX.w / 2, at.y - BOX.h / 2];
  group.append(element("rect", { x: left, y: top, width: BOX.w, height: BOX.h, rx: 8, class: `box ${state}` }));
  group.append(element("text", { x: left + 14, y: top + 25, class: "name" }, each.name));
  group.append(element("text", { x: left + 14, y: top + 45 }, `${each.events_per_minute} events / min`));
  const jobs = each.jobs_per_minute ? ` · ${each.jobs_per_minute} jobs / min` : "";
  const away = each.name === "transport" ? "to other services" : "in another process";
  const owns = each.here ? `${each.routes} routes${jobs}` : away;
  const due = each.jobs_waiting ? `${each.jobs_waiting} jobs due` : "";
  const trouble = [each.dead ? `${each.dead} given up` : "", due].filter(Boolean).join(" · ");
  group.append(element("text", { x: left + 14, y: top + 63, class: each.dead ? "trouble" : "" }, trouble || owns));
  return group;
}

function markers() {
  const all = element("defs");
  for (const id of ["ember", "slate", "red"]) {
    const marker = element("marker", {
      id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, orient: "auto",
      markerUnits: "userSpaceOnUse",
    });
    marker.append(element("path", { d: "M0,0 L8,4 L0,8 z" }));
    all.append(marker);
  }
  return all;
}

look();
