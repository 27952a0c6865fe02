"use strict";

// Everything that comes from records is written with textContent, never as HTML.

const DATA = JSON.parse(document.getElementById("data").textContent);
const ROW_HEIGHT = 56, ROWS_AROUND = 6, THUMBNAIL = 52, PICTURE = 288;
const SMALL = 0.36, GAP = 8; // side and distance of the small picture of a further cover
const ABSENT = -3, ERROR = -2, UNREAD = -1;
const NOTHING = "-";
const END_OF_ID = 10; // letters of an id that are always shown

const $ = (id) => document.getElementById(id);
const list = $("list"), spacer = $("spacer"), controls = $("controls");
const images = new Map();
const state = { shown: [], selected: 0, chosen: false, keeping: 0 };

// --- what a sample is -------------------------------------------------------------------------

const group = () => DATA.groups[Number($("group").value)];
const run = () => group().runs[Number($("run").value)];
const other = () => ($("other").value === "" ? null : group().runs[Number($("other").value)]);

function said(one, index) {
  const prediction = one.prediction[index];
  if (prediction >= 0) return group().classes[prediction][0];
  return group().no_class[prediction];
}

const confidence = (one, index) => (one.coarse[index] ? one.coarse[index][2] : null);

function margin(one, index) {
  const sorted = [...one.probs[index]].sort((a, b) => b - a);
  return sorted.length > 1 ? sorted[0] - sorted[1] : null;
}

const fraction = (scaled) => (scaled / DATA.scale).toFixed(4);

function change(index) {
  const before = other();
  if (!before) return null;
  if (run().prediction[index] <= ERROR || before.prediction[index] <= ERROR) return null;
  if (run().prediction[index] === before.prediction[index]) return "same";
  const [was, is] = [before.correct[index], run().correct[index]];
  return is > was ? "gained" : is < was ? "lost" : "other";
}

// --- filters and order ------------------------------------------------------------------------

const FILTERS = {
  label: (index, value) => group().labels[index] === Number(value),
  prediction: (index, value) => run().prediction[index] === Number(value),
  branch: (index, value) => run().branch[index] === Number(value),
  outcome: (index, value) => ({
    right: run().correct[index] === 1,
    wrong: run().correct[index] === 0 && run().prediction[index] > ERROR,
    unread: run().prediction[index] === UNREAD,
    error: run().prediction[index] === ERROR,
  })[value],
  changed: (index, value) => {
    const found = change(index);
    return value === "any" ? found !== null && found !== "same" : found === value;
  },
};

const ORDERS = {
  id: ["question id", null, 1],
  "confidence-up": ["confidence, lowest first", confidence, 1],
  "confidence-down": ["confidence, highest first", confidence, -1],
  "margin-up": ["margin, lowest first", margin, 1],
  "margin-down": ["margin, highest first", margin, -1],
};

// The samples that pass the filters; the first is selected, or the one of an id.
function refresh(id) {
  const chosen = Object.keys(FILTERS).filter((name) => $(name).value !== "");
  const text = $("search").value.toLowerCase(), pictured = $("pictured").checked;
  const shown = [];
  group().ids.forEach((id, index) => {
    if (run().prediction[index] === ABSENT) return;
    if (pictured && !group().pictures[index]) return;
    if (text && !id.toLowerCase().includes(text)) return;
    if (chosen.every((name) => FILTERS[name](index, $(name).value))) shown.push(index);
  });
  state.shown = ordered(shown);
  const found = id ? state.shown.findIndex((index) => group().ids[index] === id) : -1;
  state.chosen = found >= 0;
  state.selected = Math.max(0, found);
  spacer.style.height = `${shown.length * ROW_HEIGHT}px`;
  list.scrollTop = (state.selected - 1) * ROW_HEIGHT;
  const all = run().prediction.filter((prediction) => prediction !== ABSENT).length;
  $("count").textContent = `${shown.length} of ${all} samples of ${run().name}`;
  draw();
}

function ordered(indices) {
  const [, value, sign] = ORDERS[$("sort").value];
  if (!value) return indices;
  const keys = new Map(indices.map((index) => [index, value(run(), index)]));
  const rank = (index) => (keys.get(index) === null ? Infinity : sign * keys.get(index));
  return indices.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(a) - rank(b)));
}

// --- the list ---------------------------------------------------------------------------------

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function draw() {
  drawList();
  drawSample();
  clearTimeout(state.keeping); // browsers refuse hundreds of changes of the address at once
  state.keeping = setTimeout(keepAddress, 100);
}

function drawList() {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW_HEIGHT) - ROWS_AROUND);
  const visible = Math.ceil(list.clientHeight / ROW_HEIGHT) + 2 * ROWS_AROUND;
  const rows = state.shown.slice(first, first + visible).map((index, i) => row(index, first + i));
  list.replaceChildren(spacer, ...rows);
  const selected = $(`row-${state.selected}`);
  if (selected) list.setAttribute("aria-activedescendant", selected.id);
  else list.removeAttribute("aria-activedescendant");
}

function row(index, position) {
  const made = element("div", "row");
  made.id = `row-${position}`;
  made.dataset.index = index;
  made.setAttribute("role", "option");
  made.setAttribute("aria-selected", position === state.selected);
  made.setAttribute("aria-setsize", state.shown.length);
  made.setAttribute("aria-posinset", position + 1);
  made.style.top = `${position * ROW_HEIGHT}px`;
  made.append(picture(index, THUMBNAIL, run()) || element("div", "blank"));
  const what = element("div");
  what.append(identifier(group().ids[index]));
  what.append(element("span", "soft", `label ${group().classes[group().labels[index]][0]}`));
  made.append(what, verdict(run(), index, gate(run(), index)));
  if (other()) {
    const against = verdict(other(), index, other().name);
    against.classList.add("against");
    made.append(against);
  }
  made.addEventListener("click", () => select(position));
  return made;
}

// A long id loses its middle, not its end.
function identifier(id) {
  const made = element("span", "id"), cut = Math.max(0, id.length - END_OF_ID);
  made.title = id;
  made.append(element("b", "", id.slice(0, cut)), element("b", "", id.slice(cut)));
  return made;
}

function verdict(one, index, note) {
  const made = element("div", "verdict"), right = one.correct[index];
  const [mark, look] = right ? ["✓ ", "right"] : ["✗ ", "wrong"];
  const judged = one.prediction[index] > ERROR;
  const text = judged ? mark + said(one, index) : said(one, index);
  made.append(element("span", judged ? look : "soft", text), element("span", "soft", note));
  return made;
}

function gate(one, index) {
  const branch = one.branch[index];
  return branch < 0 ? "" : `${DATA.branches[branch]}, C ${fraction(confidence(one, index))}`;
}

function select(position) {
  if (!state.shown.length) return;
  state.selected = Math.min(Math.max(position, 0), state.shown.length - 1);
  state.chosen = true;
  const top = state.selected * ROW_HEIGHT;
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + ROW_HEIGHT > list.scrollTop + list.clientHeight) {
    list.scrollTop = top + ROW_HEIGHT - list.clientHeight;
  }
  draw();
}

// --- pictures ---------------------------------------------------------------------------------

function picture(index, side, one) {
  const stored = group().pictures[index];
  if (!stored) return null;
  const canvas = element("canvas");
  const place = group().runs.indexOf(one), dropped = stored.dropped[place];
  canvas.width = canvas.height = side;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${group().ids[index]}, ${dropped.length} tokens dropped`);
  if (!images.has(stored)) {
    const image = new Image();
    image.src = stored.src;
    images.set(stored, image);
  }
  const image = images.get(stored);
  const covers = coversOf(stored, stored.tiles[place], dropped);
  image.decode().then(() => paint(canvas, side, image, covers));
  return canvas;
}

// Parts of the image that tokens see, and of each dropped token: [left, top, right, bottom] in
// shares of the image. Tokens that see one place are in different covers; there is always one.
function coversOf(stored, tiles, dropped) {
  if (!tiles) {
    const [left, top, wide, high] = stored.frame || [0, 0, 1, 1];
    const across = (share) => left + share * wide, down = (share) => top + share * high;
    const boxes = (stored.frame ? dropped : []).map((token) => {
      const box = group().boxes[token];
      return [across(box[0]), down(box[1]), across(box[2]), down(box[3])];
    });
    return [{ frames: [[left, top, left + wide, top + high]], boxes }];
  }
  const covers = [];
  for (const [cover, first, rows, columns, left, top, right, bottom] of tiles) {
    covers[cover] ||= { frames: [], boxes: [] };
    const near = (share) => Math.min(2, Math.max(-1, share)); // as in sepm/records/tiled_grid.py
    covers[cover].frames.push([left, top, right, bottom].map(near));
    const [wide, high] = [(right - left) / columns, (bottom - top) / rows];
    for (const token of dropped) {
      const row = Math.floor((token - first) / columns), column = (token - first) % columns;
      if (row < 0 || row >= rows) continue;
      const [x, y] = [left + column * wide, top + row * high];
      covers[cover].boxes.push([x, y, x + wide, y + high]);
    }
  }
  return covers;
}

// The view is the image and, where the model's input reaches beyond it, the padding. Further covers
// are small pictures below, but for those in the list.
function paint(canvas, side, image, covers) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const frames = covers.flatMap((cover) => cover.frames);
  const least = (i) => Math.min(0, ...frames.map((frame) => frame[i]));
  const most = (i) => Math.max(1, ...frames.map((frame) => frame[i]));
  const view = [least(0) * width, least(1) * height, most(2) * width, most(3) * height];
  const [wide, high] = [view[2] - view[0], view[3] - view[1]];
  const scale = side / Math.max(wide, high), small = scale * SMALL;
  const further = side === PICTURE ? covers.slice(1) : [];
  canvas.width = Math.round(wide * scale);
  canvas.height = Math.round(high * scale) + (further.length ? GAP + Math.round(high * small) : 0);
  const pen = canvas.getContext("2d");
  paintCover(pen, image, view, [0, 0], scale, covers[0].boxes);
  further.forEach((cover, i) => {
    const corner = [i * (wide * small + GAP), Math.round(high * scale) + GAP];
    paintCover(pen, image, view, corner, small, cover.boxes);
  });
}

function paintCover(pen, image, view, corner, scale, boxes) {
  const { naturalWidth: width, naturalHeight: height } = image;
  pen.setTransform(1, 0, 0, 1, ...corner);
  stripes(pen, Math.round((view[2] - view[0]) * scale), Math.round((view[3] - view[1]) * scale));
  pen.setTransform(scale, 0, 0, scale, corner[0] - view[0] * scale, corner[1] - view[1] * scale);
  pen.drawImage(image, 0, 0);
  if (!$("overlay").checked) return;
  pen.fillStyle = "rgba(238, 238, 238, 0.88)";
  pen.strokeStyle = "rgb(150, 150, 150)";
  pen.lineWidth = 0.5 / scale;
  for (const [left, top, right, bottom] of boxes) {
    const box = [left * width, top * height, (right - left) * width, (bottom - top) * height];
    pen.fillRect(...box);
    pen.strokeRect(...box);
  }
}

function stripes(pen, width, height) {
  pen.save();
  pen.beginPath();
  pen.rect(0, 0, width, height);
  pen.clip();
  pen.fillStyle = "rgb(235, 235, 235)";
  pen.fillRect(0, 0, width, height);
  pen.strokeStyle = "rgb(205, 205, 205)";
  pen.lineWidth = 2;
  for (let x = -height; x < width; x += 6) {
    pen.beginPath();
    pen.moveTo(x, height);
    pen.lineTo(x + height, 0);
    pen.stroke();
  }
  pen.restore();
}

// --- one sample -------------------------------------------------------------------------------

function drawSample() {
  const index = state.shown[state.selected];
  if (index === undefined) {
    $("sample").replaceChildren(element("p", "soft", "No sample passes these filters."));
    return;
  }
  const title = element("h3", "", group().ids[index]);
  const label = element("p", "", `label: ${group().classes[group().labels[index]][0]} `);
  const link = element("a", "", "link to this sample");
  link.href = address(true);
  label.append(link);
  const shown = [run(), other()].filter((one) => one && one.prediction[index] !== ABSENT);
  const drawn = picture(index, PICTURE, run());
  const about = drawn ? group().pictures[index].said[group().runs.indexOf(run())] : "";
  const tokens = about ? [element("p", "soft", about)] : [];
  $("sample").replaceChildren(title, ...(drawn ? [drawn] : []), ...tokens, label);
  const decisions = element("div", "decisions");
  decisions.append(...shown.map((one) => decision(one, index)));
  $("sample").append(decisions);
}

function decision(one, index) {
  const made = element("section"), parts = [element("h4", "", one.name)];
  parts.push(verdict(one, index, gate(one, index)));
  const coarse = one.coarse[index], words = one.texts[index] || [];
  if (coarse) {
    parts.push(element("h4", "soft", "coarse answer"));
    const [positive, negative] = DATA.coarse_options;
    parts.push(bar(positive, coarse[0], coarse[0] >= coarse[1]));
    parts.push(bar(negative, coarse[1], coarse[1] > coarse[0]));
  }
  const options = one.menus[one.offered[index]] || [];
  if (options.length) parts.push(element("h4", "soft", coarse ? "fine answer" : "answer"));
  options.forEach(([text, place], i) => {
    parts.push(bar(text, one.probs[index][i], place === one.prediction[index]));
  });
  if (options.length) parts.push(element("p", "soft", `margin ${fraction(margin(one, index) || 0)}`));
  for (const text of words) parts.push(element("pre", "", text === "" ? NOTHING : text));
  if (one.prompt[index].length) parts.push(queries(one, index));
  made.append(...parts);
  return made;
}

function queries(one, index) {
  const made = element("details");
  made.append(element("summary", "", "queries"));
  for (const prompt of one.prompt[index]) made.append(element("pre", "", one.prompts[prompt]));
  return made;
}

function bar(text, scaled, chosen) {
  const made = element("div", chosen ? "bar chosen" : "bar"), length = element("i");
  length.style.width = `${(100 * scaled) / DATA.scale}%`;
  const track = element("div");
  track.append(length);
  made.append(element("span", "", text), track, element("b", "", fraction(scaled)));
  return made;
}

// --- controls ---------------------------------------------------------------------------------

function fill(id, options, chosen) {
  $(id).replaceChildren(...options.map(([value, text]) => {
    const option = element("option", "", text);
    option.value = value;
    option.defaultSelected = String(value) === String(chosen);
    return option;
  }));
}

function fillControls() {
  const runs = group().runs.map((one, i) => [i, one.name]);
  const classes = group().classes.map((emotion, i) => [i, emotion[0]]);
  const noClass = [UNREAD, ERROR].map((code) => [code, group().no_class[code]]);
  fill("run", runs, runs.length > 1 ? 1 : 0);
  fill("other", [["", "no other run"], ...runs], runs.length > 1 ? 0 : "");
  fill("label", [["", "any"], ...classes], "");
  fill("prediction", [["", "any"], ...classes, ...noClass], "");
  fill("branch", [["", "any"], ...DATA.branches.map((name, i) => [i, name])], "");
  fill("outcome", [["", "any"], ...["right", "wrong", "unread", "error"].map((x) => [x, x])], "");
  fill("changed", [
    ["", "changed or not"], ["any", "changed"], ["gained", "gained: now right"],
    ["lost", "lost: now wrong"], ["other", "changed, as right as before"], ["same", "unchanged"],
  ], "");
  fill("sort", Object.entries(ORDERS).map(([value, [text]]) => [value, text]), "id");
}

const STEPS = {
  ArrowDown: () => state.selected + 1,
  ArrowUp: () => state.selected - 1,
  PageDown: () => state.selected + Math.floor(list.clientHeight / ROW_HEIGHT),
  PageUp: () => state.selected - Math.floor(list.clientHeight / ROW_HEIGHT),
  Home: () => 0,
  End: () => state.shown.length - 1,
};

// --- the address ------------------------------------------------------------------------------

const FIELDS = ["group", "run", "other", ...Object.keys(FILTERS), "sort"];
const CHECKS = ["pictured", "overlay"];

// Names instead of numbers, so that a link lasts as long as the runs are called the same.
const named = (option) => (/^-?\d+$/.test(option.value) ? option.textContent : option.value);

function address(withSample = state.chosen) {
  const kept = new URLSearchParams();
  for (const id of FIELDS) {
    const chosen = $(id).selectedOptions[0];
    if (!chosen.defaultSelected) kept.set(id, named(chosen) || "none");
  }
  if ($("search").value) kept.set("search", $("search").value);
  for (const id of CHECKS) {
    if ($(id).checked !== $(id).defaultChecked) kept.set(id, $(id).checked ? "yes" : "no");
  }
  const index = state.shown[state.selected];
  if (withSample && index !== undefined) kept.set("sample", group().ids[index]);
  return `#${kept}`;
}

function keepAddress() {
  const now = address();
  if (now === "#" && !location.hash.includes("=")) return; // a section's own address stays
  history.replaceState(null, "", now === "#" ? "#samples" : now);
}

function readAddress() {
  const linked = location.hash.includes("=");
  const kept = new URLSearchParams(linked ? location.hash.slice(1) : "");
  for (const id of FIELDS) {
    const isMeant = (one) => (kept.has(id) ? kept.get(id) === (named(one) || "none") : one.defaultSelected);
    const found = [...$(id).options].find(isMeant);
    if (found) found.selected = true;
    if (id === "group") fillControls();
  }
  $("search").value = kept.get("search") || "";
  for (const id of CHECKS) $(id).checked = kept.has(id) ? kept.get(id) === "yes" : $(id).defaultChecked;
  refresh(kept.get("sample"));
  if (linked) $("samples").scrollIntoView();
}

// --- tables and figures -----------------------------------------------------------------------

function sortable(table) {
  const body = table.tBodies[0], rows = [...body.rows];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = element("button");
    button.type = "button";
    button.title = "sort by this column";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { null: "ascending", ascending: "descending" }[head.getAttribute("aria-sort")];
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      if (next) head.setAttribute("aria-sort", next);
      body.append(...(next ? sorted(rows, column, next === "ascending" ? 1 : -1) : rows));
    });
  });
}

// By the number that a cell begins with, else by its text; cells without a number come last.
function sorted(rows, column, sign) {
  const text = (row) => row.cells[column].textContent;
  const number = (row) => parseFloat(text(row).replace(/^< /, ""));
  const numeric = rows.some((row) => !Number.isNaN(number(row)));
  if (!numeric) return [...rows].sort((a, b) => sign * text(a).localeCompare(text(b)));
  const rank = (row) => (Number.isNaN(number(row)) ? Infinity : sign * number(row));
  return [...rows].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

function enlargeable(figure) {
  const image = figure.querySelector("img"), button = element("button");
  button.type = "button";
  button.title = "enlarge";
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => {
    const [shown, text] = [enlarged.querySelector("img"), enlarged.querySelector("p")];
    shown.src = image.src;
    shown.alt = image.alt;
    shown.style.setProperty("--shape", image.naturalWidth / image.naturalHeight);
    text.textContent = image.alt;
    enlarged.showModal();
  });
}

const enlarged = $("enlarged");
enlarged.addEventListener("click", () => enlarged.close());
document.querySelectorAll("table").forEach(sortable);
document.querySelectorAll("figure").forEach(enlargeable);
const seen = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    target.classList.toggle("overflows", target.scrollWidth > target.clientWidth);
  }
});
document.querySelectorAll(".scroll").forEach((scroll) => seen.observe(scroll));

// --- start ------------------------------------------------------------------------------------

fill("group", DATA.groups.map((one, i) => [i, `${one.model} on ${one.dataset}`]), 0);
controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("reset", () => setTimeout(refresh));
$("search").addEventListener("input", () => refresh());
controls.addEventListener("change", (event) => {
  if (event.target.id === "search") return; // heard while it is typed
  if (event.target.id === "group") fillControls();
  if (event.target.id === "overlay") draw();
  else refresh();
});
list.addEventListener("scroll", () => requestAnimationFrame(drawList));
list.addEventListener("keydown", (event) => {
  if (!(event.key in STEPS)) return;
  event.preventDefault();
  select(STEPS[event.key]());
});
addEventListener("resize", drawList);
addEventListener("hashchange", () => location.hash.includes("=") && readAddress());
readAddress();
