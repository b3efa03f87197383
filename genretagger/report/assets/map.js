/* The map of a collection. What tests may ask of it, as window.genretagger:

   n              how many tracks there are;  name(i): what one is called
   place(i)       where it is drawn, in CSS pixels of the canvas
   select(i)      chooses a track, as a click does
   lit()          the tracks that are neither searched away nor of another colour than the chosen one
   draw()         draws at once, and returns the milliseconds that it took
   view           {x, y, scale}: the middle of what is seen, and how much larger than all it is */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  document.documentElement.classList.add("scripted");

  const n = data.name.length;
  const MOST_COLOURS = 14; // genres; the others are grey together
  const MOST_LISTED = 100;
  const [NEAR, FAR] = [1, 60]; // scale
  const SMALL = 2.5; // radius in pixels, below which a square will do
  const [MOUSE, FINGER] = [10, 22]; // pixels from a point that still mean it
  const STILL = 5; // pixels that a click may move

  const element = (tag, className, ...children) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };
  const bdi = (text, className = "") => element("bdi", className, text);
  const number = (value) => value.toLocaleString("en");

  const folderOf = (i) => data.folders[data.folder[i]];
  const genresOf = (i) => data.genres[data.genre[i]];
  const artistOf = (i) => data.artists[data.artist[i]];
  const heardOf = (i) =>
    Array.from({ length: data.n_strongest }, (_, k) => {
      const at = i * data.n_strongest + k;
      return `${data.vocabulary[data.strongest[at]]} ${(data.heard[at] / 100).toFixed(2)}`;
    }).join(", ");

  // colours: a category for each track, and a list of {name, n}; the last may be grey

  const ranked = (names) => {
    const counts = new Map();
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name);
  };
  const byName = (names) => {
    const common = ranked(names.filter((name) => name !== data.none)).slice(0, MOST_COLOURS);
    const at = new Map(common.map((name, k) => [name, k]));
    const rest = [...new Set(names)].some((name) => name !== data.none && !at.has(name));
    const categories = common.map((name) => ({ name }));
    if (rest) categories.push({ name: "other genres", grey: true });
    if (names.includes(data.none)) categories.push({ name: data.none, grey: true });
    const [other, none] = [common.length, categories.length - 1];
    return { of: names.map((name) => at.get(name) ?? (name === data.none ? none : other)), categories };
  };
  const indices = Array.from({ length: n }, (_, i) => i);
  const COLOURED = {
    group: () => ({
      of: data.group,
      categories: data.groups.map((name, g) => ({ name: `${g + 1} ${name}` })),
    }),
    genre: () => byName(indices.map((i) => genresOf(i)[0] ?? data.none)),
    heard: () => byName(indices.map((i) => data.vocabulary[data.strongest[i * data.n_strongest]])),
  };
  let [mode, category, categories, only] = ["group", [], [], null];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // hues a golden angle apart differ from all before; every second one is deeper
  const colour = (k) => {
    if (categories[k].grey) return dark.matches ? "#6b7480" : "#98a0aa";
    const light = (dark.matches ? 66 : 48) - (k % 2 ? 12 : 0);
    return `hsl(${(210 + k * 137.508) % 360} 68% ${light}%)`;
  };

  // search

  const texts = indices.map((i) =>
    [data.name[i], folderOf(i), artistOf(i), ...genresOf(i)].join("\n").toLocaleLowerCase(),
  );
  const isMatch = new Uint8Array(n).fill(1);
  let isSearching = false;
  const search = () => {
    const words = byId("search").value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    isSearching = words.length > 0;
    for (let i = 0; i < n; i++) isMatch[i] = words.every((word) => texts[i].includes(word));
  };
  const isLit = (i) => isMatch[i] && (only === null || category[i] === only);
  const lit = () => indices.filter(isLit);

  // the drawing: a point is a small picture, made once for each colour; the many points of a large
  // collection are squares, which a processor alone draws twenty times as fast

  const canvas = byId("map");
  const context = canvas.getContext("2d");
  const view = { x: data.side / 2, y: data.side / 2, scale: 1 };
  let [width, height, density, chosen, sprites] = [0, 0, 1, -1, []];
  const perUnit = () => ((Math.min(width, height) - 40) / data.side) * view.scale;
  const left = (i) => (data.place[2 * i] - view.x) * perUnit() + width / 2;
  const top = (i) => (view.y - data.place[2 * i + 1]) * perUnit() + height / 2;
  const radius = () => Math.min(7, (n > 5000 ? 1.8 : n > 800 ? 2.6 : 4) * Math.sqrt(view.scale) ** 0.7);
  const fills = () => [...categories.map((_, k) => colour(k)), dark.matches ? "#343a44" : "#dde0e5"];
  const sprite = (fill, r) => {
    const made = document.createElement("canvas");
    made.width = made.height = Math.ceil(2 * r * density) + 2;
    const pen = made.getContext("2d");
    pen.fillStyle = fill;
    pen.beginPath();
    pen.arc(made.width / 2, made.width / 2, r * density, 0, 2 * Math.PI);
    pen.fill();
    return made;
  };
  let spritesOf = "";
  const makeSprites = () => {
    const wanted = `${mode} ${dark.matches} ${density} ${radius().toFixed(1)}`;
    if (wanted === spritesOf) return;
    spritesOf = wanted;
    sprites = fills().map((fill) => sprite(fill, radius()));
  };
  const middles = () => {
    const of = categories.map(() => [[], []]);
    for (let i = 0; i < n; i++) {
      of[category[i]][0].push(data.place[2 * i]);
      of[category[i]][1].push(data.place[2 * i + 1]);
    }
    const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    return of.map((both) => both.map(median));
  };
  let labels = [];
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const drawPoints = (isIn, of) => {
    const [per, half] = [perUnit() * density, sprites[0].width / 2];
    const [x0, y0] = [width * density / 2 - view.x * per - half, height * density / 2 + view.y * per - half];
    const [right, bottom] = [canvas.width, canvas.height];
    const [isSmall, size, squares] = [radius() < SMALL, Math.round(2 * radius() * density), fills()];
    for (let i = 0; i < n; i++) {
      if (!isIn(i)) continue;
      const [x, y] = [x0 + data.place[2 * i] * per, y0 - data.place[2 * i + 1] * per];
      if (x < -20 || y < -20 || x > right || y > bottom) continue;
      if (!isSmall) {
        context.drawImage(sprites[of(i)], x | 0, y | 0);
        continue;
      }
      context.fillStyle = squares[of(i)];
      context.fillRect(x | 0, y | 0, size, size);
    }
  };
  const draw = () => {
    const began = performance.now();
    makeSprites();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const isAll = !isSearching && only === null;
    if (!isAll) drawPoints((i) => !isLit(i), () => categories.length);
    drawPoints(isAll ? () => true : isLit, (i) => category[i]);
    context.setTransform(density, 0, 0, density, 0, 0);
    if (mode === "group") drawNumbers();
    if (chosen >= 0) {
      context.beginPath();
      context.arc(left(chosen), top(chosen), radius() + 4, 0, 2 * Math.PI);
      context.lineWidth = 2.5;
      context.strokeStyle = style("--text");
      context.stroke();
    }
    return performance.now() - began;
  };
  const drawNumbers = () => {
    context.font = "650 15px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 4;
    context.lineJoin = "round";
    context.strokeStyle = style("--panel");
    context.fillStyle = style("--text");
    labels.forEach(([x, y], g) => {
      const at = [(x - view.x) * perUnit() + width / 2, (view.y - y) * perUnit() + height / 2];
      context.strokeText(g + 1, ...at);
      context.fillText(g + 1, ...at);
    });
  };
  let isDue = false;
  const redraw = () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      draw();
    });
  };
  const fit = () => {
    const box = canvas.getBoundingClientRect();
    [width, height, density] = [box.width, box.height, devicePixelRatio];
    [canvas.width, canvas.height] = [Math.round(width * density), Math.round(height * density)];
    redraw();
  };

  // moving and pointing

  const zoom = (factor, x = width / 2, y = height / 2) => {
    const before = perUnit();
    view.scale = Math.min(FAR, Math.max(NEAR, view.scale * factor));
    const change = 1 / before - 1 / perUnit();
    view.x += (x - width / 2) * change;
    view.y -= (y - height / 2) * change;
    redraw();
  };
  const move = (dx, dy) => {
    const clamp = (value) => Math.min(data.side, Math.max(0, value));
    view.x = clamp(view.x - dx / perUnit());
    view.y = clamp(view.y + dy / perUnit());
    redraw();
  };
  const whole = () => {
    Object.assign(view, { x: data.side / 2, y: data.side / 2, scale: 1 });
    redraw();
  };
  const nearest = (x, y, reach) => {
    let [best, found] = [reach * reach, -1];
    for (let i = 0; i < n; i++) {
      const [dx, dy] = [left(i) - x, top(i) - y];
      const away = dx * dx + dy * dy;
      if (away < best && isLit(i)) [best, found] = [away, i];
    }
    return found;
  };
  const tip = byId("tip");
  const point = (x, y) => {
    const i = nearest(x, y, MOUSE);
    tip.hidden = i < 0;
    if (i < 0) return;
    tip.replaceChildren(bdi(data.name[i]));
    tip.style.left = `${Math.max(0, Math.min(x + 12, width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${y + 16 + tip.offsetHeight > height ? y - tip.offsetHeight - 8 : y + 16}px`;
  };
  const pointers = new Map();
  let travelled = 0;
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { gap: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (pointers.size === 1) travelled = 0;
    tip.hidden = true;
  });
  canvas.addEventListener("pointermove", (event) => {
    const from = pointers.get(event.pointerId);
    if (!from) {
      if (event.pointerType === "mouse") point(event.offsetX, event.offsetY);
      return;
    }
    const before = pointers.size === 2 ? spread() : null;
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    travelled += Math.hypot(event.offsetX - from.x, event.offsetY - from.y);
    if (before) {
      const after = spread();
      zoom(after.gap / Math.max(1, before.gap), after.x, after.y);
      move(after.x - before.x, after.y - before.y);
    } else if (travelled > STILL) {
      move(event.offsetX - from.x, event.offsetY - from.y);
    }
  });
  const lift = (event) => {
    const isClick = pointers.size === 1 && travelled <= STILL && event.type === "pointerup";
    pointers.delete(event.pointerId);
    if (!isClick) return;
    const found = nearest(event.offsetX, event.offsetY, event.pointerType === "mouse" ? MOUSE : FINGER);
    if (found >= 0) select(found);
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
    },
    { passive: false },
  );
  const STEP = 60; // pixels
  const KEYS = {
    ArrowLeft: () => move(STEP, 0),
    ArrowRight: () => move(-STEP, 0),
    ArrowUp: () => move(0, STEP),
    ArrowDown: () => move(0, -STEP),
    "+": () => zoom(1.4),
    "=": () => zoom(1.4),
    "-": () => zoom(1 / 1.4),
    0: whole,
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  byId("closer").addEventListener("click", () => zoom(1.4));
  byId("farther").addEventListener("click", () => zoom(1 / 1.4));
  byId("whole").addEventListener("click", () => {
    byId("search").value = "";
    only = null;
    whole();
    refresh();
  });

  // sound, where a server gives it

  const sound = element("audio", "");
  sound.preload = "none";
  const player = element("button", "button", "Play");
  player.type = "button";
  const trouble = element("p", "note");
  const ask = async (address) => {
    const reply = await fetch(address);
    const found = await reply.json();
    if (!reply.ok) throw new Error(found.error);
    return found;
  };
  const play = async (i) => {
    trouble.textContent = "";
    try {
      const { starts_s } = await ask(`tracks/${i}`);
      if (i !== chosen) return; // another one was clicked meanwhile
      // where the middle of what is heard begins
      const start_ms = Math.round(1000 * starts_s[starts_s.length >> 1]);
      sound.src = `tracks/${i}/sound/${start_ms}.wav`;
      await sound.play();
    } catch (error) {
      if (i === chosen && error.name !== "AbortError") trouble.textContent = error.message;
    }
  };
  player.addEventListener("click", () => {
    if (!sound.paused) sound.pause();
    else play(chosen);
  });
  for (const name of ["play", "pause", "ended", "emptied"]) {
    sound.addEventListener(name, () => {
      player.textContent = sound.paused ? "Play" : "Stop";
    });
  }

  // what is said beside the map

  const detail = byId("detail");
  const select = (i, isQuiet = false) => {
    chosen = i;
    const facts = [
      ["artist", artistOf(i) || "not known"],
      ["folder", folderOf(i)],
      ["genre", genresOf(i).join("; ") || "none"],
      ["heard", heardOf(i)],
      ["group", `${data.group[i] + 1}, sure ${(data.sureness[i] / 100).toFixed(2)}`],
    ];
    const list = element("dl", "", ...facts.flatMap(([what, text]) => [element("dt", "", what), element("dd", "", bdi(text))]));
    const parts = [element("h2", "", bdi(data.name[i])), list];
    detail.replaceChildren(...parts, ...(data.served ? [player, trouble] : []));
    detail.hidden = false;
    if (data.served && !isQuiet) {
      sound.pause();
      play(i);
    }
    redraw();
  };
  const bring = (i) => {
    Object.assign(view, { x: data.place[2 * i], y: data.place[2 * i + 1], scale: Math.max(view.scale, 3) });
    select(i);
  };
  const showLegend = () => {
    const counts = categories.map(() => 0);
    for (let i = 0; i < n; i++) counts[category[i]] += isMatch[i];
    const rows = categories.map(({ name }, k) => {
      const swatch = element("i", "");
      swatch.style.background = colour(k);
      const row = element("button", "", swatch, bdi(name), element("span", "", number(counts[k])));
      row.type = "button";
      row.ariaPressed = String(only === k);
      row.addEventListener("click", () => {
        only = only === k ? null : k;
        refresh();
        byId("legend").children[k].firstChild.focus();
      });
      return element("li", "", row);
    });
    byId("legend").replaceChildren(...rows);
  };
  const showMatches = () => {
    const found = isSearching ? lit() : [];
    byId("matches").hidden = !isSearching;
    const rows = found.slice(0, MOST_LISTED).map((i) => {
      const row = element("button", "", bdi(data.name[i]), bdi(folderOf(i), "folder"));
      row.type = "button";
      row.addEventListener("click", () => bring(i));
      return element("li", "", row);
    });
    if (found.length > MOST_LISTED) rows.push(element("li", "note", `and ${number(found.length - MOST_LISTED)} more`));
    byId("matches").firstElementChild.replaceChildren(...rows);
    const n_lit = isSearching ? found.length : indices.reduce((sum, i) => sum + isLit(i), 0);
    byId("shown").textContent = n_lit === n ? `${number(n)} tracks` : `${number(n_lit)} of ${number(n)} tracks`;
  };
  const refresh = () => {
    search();
    showLegend();
    showMatches();
    redraw();
  };
  const recolour = () => {
    mode = byId("colour").value;
    ({ of: category, categories } = COLOURED[mode]());
    only = null;
    spritesOf = "";
    labels = mode === "group" ? middles() : [];
    refresh();
  };
  byId("colour").addEventListener("change", recolour);
  byId("search").addEventListener("input", refresh);
  for (const link of document.querySelectorAll(".typical button")) {
    link.addEventListener("click", () => {
      bring(Number(link.dataset.id));
      canvas.scrollIntoView({ block: "nearest" });
    });
  }
  dark.addEventListener("change", () => {
    showLegend();
    redraw();
  });
  new ResizeObserver(fit).observe(canvas);
  document.body.append(sound);
  recolour();

  window.genretagger = { n, name: (i) => data.name[i], place: (i) => [left(i), top(i)], select, lit, draw, view };
})();
