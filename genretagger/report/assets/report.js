/* The page that the report is, and that the review serves.

   What it offers to a script that comes after it (review.js), as window.genretagger:

   rows           every row, index = id: {id, state, name, folder, old: [..], now: [..], genres: [..],
                  p: [14 whole numbers, 1/1000] or null, confidence: number or null, reason}; state "written"
                  is shown as what it is now, and not as what it is to become
   genres         the 14 names;  thresholds: 14 whole numbers, 1/1000, or null
   table          the Tabulator instance, once "ready"; a new one after the layout has changed
   current        the row under the cursor, or null: it is one of those that the filters show
   select(id)     moves the cursor;  step(n): n rows on in what the filters show
   isSeen()       whether the current row is on the screen, in the list or in detail;  look(): bring it there
   filtered()     the rows that the filters show, in the order shown
   refreshRow(id, patch)   changes a row, and redraws it wherever it is shown
   refresh()      redraws what is shown, after many rows were changed by hand
   on(name, f)    "ready"(), "select"(row or null), "filter"(rows), "change"(row)
   columns        definitions of columns that come before ours; {wide: true}: not on narrow screens
   filters        functions row -> boolean, asked beside ours; applyFilters() when their answer changes
   keys           {"y": f(event)}, while no input has the focus;  help: [["y", "accept"], ..]
   announce(text) says it to a screen reader
   isTouch        whether a finger points here, and there are no keys to speak of
   el             {toolbar, fields, detail, slot, banner}: slot and banner are never touched here

   columns, filters, keys, help and on() are for the time before "ready", when every script has run. */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  document.documentElement.classList.add("scripted");

  const ROW_PX = { wide: 60, narrow: 112 };
  const NARROW_PX = 720;
  const TEXTS_PX = 1080; // narrower lists leave texts to the detail panel
  const SIDE_BY_SIDE_PX = 700; // as in report.css
  const PAGE = 10; // rows

  const best = (p, genres) => {
    const of = genres.map((g) => data.genres.indexOf(g)).filter((i) => i >= 0);
    return Math.max(...(of.length ? of.map((i) => p[i]) : p)) / 1000;
  };
  // a column of text is all said in html.py: every [key, title] of data.texts is shown, found and printed
  const at = Object.fromEntries(data.columns.map((column, i) => [column, i]));
  const rows = data.rows.map((line, id) => {
    const [genres, p] = [data.values[line[at.genres]], line[at.p]];
    const row = {
      id,
      state: data.states[line[at.state]],
      name: line[at.name],
      folder: data.folders[line[at.folder]],
      old: data.values[line[at.old]],
      now: data.values[line[at.now]],
      genres,
      p,
      confidence: p && best(p, genres),
      counted: data.counted[line[at.now]],
      before: data.counted[line[at.old]],
    };
    for (const [key] of data.texts) row[key] = line[at[key]];
    return row;
  });
  const textsOf = (row) => data.texts.map(([key]) => row[key]);
  const words = Object.fromEntries(data.states.map((state, i) => [state, data.words[i]]));

  // small things

  const element = (tag, className, ...children) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  };
  const bdi = (text, className = "") => element("bdi", className, text);
  const svg = (tag, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const plural = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
  const joined = (values) => values.join("; ");
  const probability = (p, digits = 2) => (p / 1000).toFixed(digits);
  const later = (f, ms) => {
    let timer;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(f, ms);
    };
  };
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  // what cells show

  const pill = (state) => element("span", `pill pill-${state}`, words[state]);

  // a name may break behind what joins its words, and is set smaller where it is long
  const LONG = 30; // characters: two lines of the narrowest column
  const nameOf = (row) => {
    const parts = row.name.split(/(?<=[_.])(?=[^_.])/).flatMap((part, i) => (i ? [element("wbr", ""), part] : [part]));
    return element("bdi", row.name.length > LONG ? "long" : "", ...parts);
  };
  const track = (row) => element("div", "track", nameOf(row), element("div", "folder", bdi(row.folder)));

  const genresOf = (row) => {
    const old = row.old.length ? bdi(joined(row.old), "old") : element("span", "none", "none");
    if (joined(row.old) === joined(row.now)) return element("div", "genres", old);
    const now = bdi(joined(row.now) || "none", "new");
    if (row.state === "written") return element("div", "genres", now, " was ", old);
    return element("div", "genres", old, " → ", now);
  };

  const N_STRONGEST = 3;
  const ranked = (p) => p.map((value, i) => [value, i]).sort((a, b) => b[0] - a[0]);
  const strongest = (row) =>
    ranked(row.p)
      .slice(0, N_STRONGEST)
      .map(([p, i]) => `${data.genres[i]} ${probability(p)}`)
      .join(", ");

  // the three best genres, a line each: few elements a row, whatever is heard, since a screenful of
  // rows is drawn anew in every frame of fast scrolling
  const [LINE, BAR_AT, BAR_LONG, BARS_WIDE] = [16, 94, 84, 212];
  const isOver = (p, i) => data.thresholds !== null && p >= data.thresholds[i];
  const along = (p) => BAR_AT + (p / 1000) * BAR_LONG;
  const bars = (row) => {
    if (!row.p) return element("span", "none", "not heard");
    const best = ranked(row.p).slice(0, N_STRONGEST);
    const high = N_STRONGEST * LINE;
    const path = (over) =>
      best
        .map(([p, i], n) => (isOver(p, i) === over ? `M${BAR_AT} ${n * LINE + 4}H${along(p).toFixed(1)}v9H${BAR_AT}z` : ""))
        .join("");
    const needed = data.thresholds
      ? best.map(([, i], n) => `M${along(data.thresholds[i]).toFixed(1)} ${n * LINE + 2}v13`).join("")
      : "";
    const texts = best.flatMap(([p, i], n) => {
      const at = { y: n * LINE + 12.5, class: isOver(p, i) ? "passes" : "" };
      return [
        svg("text", { ...at, x: 0 }, data.genres[i]),
        svg("text", { ...at, x: BARS_WIDE, "text-anchor": "end" }, probability(p)),
      ];
    });
    return svg(
      "svg",
      { class: "bars", role: "img", "aria-label": strongest(row), width: BARS_WIDE, height: high },
      svg("path", { class: "room", d: best.map((_, n) => `M${BAR_AT} ${n * LINE + 4}h${BAR_LONG}v9h-${BAR_LONG}z`).join("") }),
      svg("path", { class: "under", d: path(false) }),
      svg("path", { class: "over", d: path(true) }),
      svg("path", { class: "threshold", d: needed }),
      ...texts,
    );
  };

  // the list of tracks

  const cell = (make) => (tabulatorCell) => make(tabulatorCell.getData());
  const compare = (key) => (a, b, rowA, rowB) => {
    const [x, y] = [key(rowA.getData()), key(rowB.getData())];
    return typeof x === "number" && typeof y === "number" ? x - y : collator.compare(x, y);
  };
  const columns = {
    state: {
      title: "State",
      field: "state",
      width: 102,
      formatter: cell((row) => pill(row.state)),
      sorter: compare((row) => data.states.indexOf(row.state)),
    },
    name: {
      title: "Track",
      field: "name",
      minWidth: 160,
      widthGrow: 4,
      formatter: cell(track),
      tooltip: (_, of) => bdi(of.getData().name), // text alone: a string would be taken as HTML
      sorter: compare((row) => row.name),
    },
    now: {
      title: "Genre",
      field: "now",
      minWidth: 150,
      widthGrow: 3,
      formatter: cell(genresOf),
      sorter: compare((row) => joined(row.now)),
    },
    heard: {
      title: "Heard",
      field: "confidence",
      width: BARS_WIDE + 20,
      formatter: cell(bars),
      sorter: compare((row) => row.confidence ?? -1),
      headerSortStartingDir: "desc",
    },
    narrow: {
      title: "Track",
      field: "id",
      formatter: cell((row) =>
        element(
          "div",
          "stacked",
          track(row),
          element("div", "line", pill(row.state), genresOf(row)),
          element("div", "text", row.p && row.state !== "failed" ? `heard: ${strongest(row)}` : textsOf(row).join(" · ")),
        ),
      ),
    },
  };
  const textColumns = data.texts.map(([key, title]) => ({
    title,
    field: key,
    minWidth: 200,
    widthGrow: 6,
    formatter: cell((row) => element("div", "text", row[key])),
    sorter: compare((row) => row[key]),
  }));
  const ORDERS = [
    ["id asc", "as found"],
    ["confidence desc", "most confident first"],
    ["confidence asc", "least confident first"],
    ["name asc", "track"],
    ["now asc", "genre"],
    ["state asc", "state"],
    ...data.texts.map(([key, title]) => [`${key} asc`, title.toLowerCase()]),
  ];

  const listeners = {};
  const fire = (name, ...what) => (listeners[name] ?? []).forEach((f) => f(...what));
  const api = {
    rows,
    genres: data.genres,
    thresholds: data.thresholds,
    table: null,
    current: null,
    columns: [],
    filters: [],
    keys: {},
    help: [],
    isTouch: matchMedia("(pointer: coarse)").matches,
    el: { toolbar: byId("actions"), fields: byId("fields-slot"), detail: byId("detail"), slot: byId("detail-slot"), banner: byId("banner") },
    on: (name, f) => (listeners[name] ??= []).push(f),
    announce: (text) => {
      byId("live").textContent = text;
    },
  };
  window.genretagger = api;

  let shown = rows; // what the filters show, in the order shown
  let place = new Map(); // from id to its place there
  let layout = ""; // "narrow", "wide" or "wide with texts"
  let order = ["id", "asc"];
  let [isReady, isBuilt] = [false, false]; // a table may be built anew, when the layout changes

  const layoutFor = (width) =>
    width < NARROW_PX ? "narrow" : width < TEXTS_PX ? "wide" : "wide with texts";
  const columnsFor = (of) => {
    const own = api.columns.filter((column) => of !== "narrow" || !column.wide);
    const { state, name, now, heard, narrow } = columns;
    if (of === "narrow") {
      // what the list is put in order by, it must have, shown or not
      const hidden = [state, name, now, heard, ...textColumns].map((c) => ({ ...c, visible: false }));
      return [...own, narrow, ...hidden];
    }
    const texts = textColumns.map((c) => ({ ...c, visible: of !== "wide" }));
    return [...own, state, name, now, heard, ...texts];
  };

  const build = () => {
    layout = layoutFor(byId("tracks").clientWidth);
    const isNarrow = layout === "narrow";
    const before = byId("tracks").querySelector(".tabulator-tableholder")?.scrollTop ?? 0;
    const rowBefore = api.table ? api.table.options.rowHeight : 1;
    isBuilt = false;
    api.table?.destroy();
    const table = new Tabulator("#tracks", {
      data: rows,
      index: "id",
      height: "100%",
      layout: "fitColumns",
      rowHeight: ROW_PX[isNarrow ? "narrow" : "wide"],
      headerVisible: !isNarrow,
      keybindings: false,
      headerSortTristate: true,
      columnDefaults: { resizable: !isNarrow },
      columns: columnsFor(layout),
      placeholder: "No track is left. Change the filters, or show all.",
      initialFilter: [{ field: matches, type: {} }],
      initialSort: order[0] === "id" ? [] : [{ column: order[0], dir: order[1] }],
      rowFormatter: (row) => dress(row.getElement(), row.getData()),
    });
    api.table = table;
    table.on("tableBuilt", () => {
      prepare(table, byId("tracks"), "Tracks", rows.length);
      look();
      const holder = byId("tracks").querySelector(".tabulator-tableholder");
      holder.scrollTop = (before / rowBefore) * table.options.rowHeight;
      isBuilt = true;
      if (api.current) scrollTo(api.current.id);
      if (!isReady) {
        isReady = true;
        fire("ready");
      }
    });
    const lookSoon = later(look, 0); // Tabulator tells before it has done it
    table.on("dataFiltered", lookSoon);
    table.on("dataSorted", (sorters) => {
      order = sorters.length ? [sorters[0].field, sorters[0].dir] : order[0] === "id" ? order : ["id", "asc"];
      byId("order").value = order.join(" ");
      lookSoon();
    });
    table.on("rowClick", (_, row) => {
      select(row.getData().id);
      openDetail();
    });
  };

  // what Tabulator leaves to do for keyboard and screen reader
  const prepare = (table, grid, label, nRows) => {
    grid.tabIndex = 0;
    grid.setAttribute("aria-label", label);
    grid.setAttribute("aria-rowcount", String(nRows));
    grid.querySelector(".tabulator-tableholder").setAttribute("role", "rowgroup");
    grid.querySelector(".tabulator-table").setAttribute("role", "none");
    for (const column of table.getColumns()) {
      const head = column.getElement();
      if (!head.classList.contains("tabulator-sortable")) continue;
      head.tabIndex = 0;
      head.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        head.querySelector(".tabulator-col-content").click();
      });
    }
  };

  const dress = (drawn, row) => {
    drawn.id = `row-${row.id}`;
    const isCurrent = api.current === row;
    drawn.classList.toggle("current", isCurrent);
    drawn.setAttribute("aria-selected", String(isCurrent));
    drawn.setAttribute("aria-rowindex", String((place.get(row.id) ?? 0) + 1));
  };

  const look = () => {
    if (!api.table) return;
    shown = api.table.getData("active");
    place = new Map(shown.map((row, i) => [row.id, i]));
    const all = shown.length === rows.length ? "" : ` of ${rows.length.toLocaleString("en")}`;
    byId("shown").textContent = `${shown.length.toLocaleString("en")}${all} ${rows.length === 1 ? "track" : "tracks"}`;
    byId("reset").hidden = !isFiltered();
    if (api.current && !place.has(api.current.id)) select(null);
    if (!byId("by-folder").hidden) showFolders();
    fire("filter", shown);
  };

  // the cursor

  const holder = () => byId("tracks").querySelector(".tabulator-tableholder");
  const intoView = (id) => {
    const drawn = byId(`row-${id}`);
    if (!drawn) return;
    const view = holder();
    const { top } = view.getBoundingClientRect();
    const row = drawn.getBoundingClientRect();
    if (row.top < top) view.scrollTop -= top - row.top;
    else view.scrollTop += Math.max(0, row.bottom - top - view.clientHeight);
  };
  const scrollTo = (id, tries = 8) => {
    if (!isBuilt) return;
    const near = place.get(id) / Math.max(1, place.size);
    if (byId(`row-${id}`)) {
      intoView(id);
    } else if (tries === 8) {
      // Tabulator guesses the heights of rows that it has not drawn: go near, then look again
      holder().scrollTop = near * (holder().scrollHeight - holder().clientHeight);
    } else {
      api.table.scrollToRow(id, "center", true).catch(() => {});
    }
    // what comes into sight is drawn a frame later, and can move the rest then
    if (tries) requestAnimationFrame(() => api.current?.id === id && scrollTo(id, tries - 1));
  };
  const select = (id) => {
    const before = api.current;
    api.current = rows[id] ?? null;
    for (const row of [before, api.current]) {
      // also one that was drawn once and is out of sight: Tabulator shows it again as it is
      const drawn = row && api.table.getRow(row.id);
      if (drawn) dress(drawn.getElement(), row);
    }
    if (api.current) {
      scrollTo(id);
      byId("tracks").setAttribute("aria-activedescendant", `row-${id}`);
    } else {
      byId("tracks").removeAttribute("aria-activedescendant");
      closeDetail();
    }
    showDetail();
    fire("select", api.current);
  };
  // keys act on what is seen: the list if it is on the screen, and in it the rows that are
  const isOnScreen = (box) => box.bottom > 40 && box.top < innerHeight - 40;
  const isSeen = () => {
    if (!api.current || byId("tracks").hidden) return false;
    if (!api.el.detail.hidden && isOnScreen(api.el.detail.getBoundingClientRect())) return true;
    const row = byId(`row-${api.current.id}`)?.getBoundingClientRect();
    const view = holder().getBoundingClientRect();
    return !!row && row.bottom > view.top + 1 && row.top < view.bottom - 1 && isOnScreen(row);
  };
  const toList = () => {
    const { top, bottom } = byId("tracks").parentElement.getBoundingClientRect();
    if (top > innerHeight / 2 || bottom < innerHeight / 2) document.querySelector(".work").scrollIntoView();
  };
  const bring = () => {
    view("tracks");
    toList();
    if (api.current) scrollTo(api.current.id);
  };
  const step = (n) => {
    if (!shown.length) return;
    toList();
    const at = place.get(api.current?.id) ?? (n > 0 ? -1 : 0);
    const [first, last] = [holder().scrollTop, holder().scrollTop + holder().clientHeight].map(
      (px) => px / api.table.options.rowHeight,
    );
    const isAway = Math.abs(n) === 1 && api.el.detail.hidden && (at + 1 < first || at > last);
    const to = isAway ? Math.ceil(first) : at + n;
    select(shown[Math.max(0, Math.min(shown.length - 1, to))].id);
  };

  const refreshRow = (id, patch) => {
    const row = Object.assign(rows[id], patch);
    row.counted = countedAs(row.now);
    delete row.text;
    if (byId(`row-${id}`)) api.table.getRow(id).reformat();
    if (api.current === row) showDetail();
    countTiles();
    fire("change", row);
  };
  const refresh = () => {
    for (const row of api.table.getRows("visible")) row.reformat();
    if (api.current) showDetail();
    countTiles();
  };
  const lower = new Map(data.genres.map((genre) => [genre.toLowerCase(), genre]));
  const countedAs = (values) => {
    const known = data.values.findIndex((value) => joined(value) === joined(values));
    if (known >= 0) return data.counted[known];
    const split = (texts, separator) => texts.flatMap((text) => text.split(separator));
    const parts = [...data.separators].reduce(split, values).map((part) => part.trim()).filter(Boolean);
    return [...new Set(parts.map((part) => lower.get(part.toLowerCase()) ?? data.other))];
  };

  // one track in detail

  // heard and needed, with a third digit where two do not tell them apart
  const apart = (p, i) => {
    const needed = data.thresholds?.[i] ?? null;
    if (needed === null) return [probability(p), ""];
    const digits = p !== needed && probability(p) === probability(needed) ? 3 : 2;
    return [probability(p, digits), probability(needed, digits)];
  };
  const heardTable = (row) => {
    const body = element("tbody", "");
    for (const [p, i] of ranked(row.p)) {
      const genre = element("th", "", data.genres[i]);
      genre.scope = "row";
      const drawing = svg("svg", { class: "bar", "aria-hidden": "true" });
      drawing.append(
        svg("rect", { class: "room", width: "100%", y: 3, height: 10 }),
        svg("rect", { class: isOver(p, i) ? "over" : "under", width: `${p / 10}%`, y: 3, height: 10 }),
      );
      if (data.thresholds) {
        const x = `${data.thresholds[i] / 10}%`;
        drawing.append(svg("line", { class: "threshold", x1: x, x2: x, y1: 0, y2: 16 }));
      }
      body.append(
        element(
          "tr",
          isOver(p, i) ? "passes" : "",
          genre,
          element("td", "", drawing),
          ...apart(p, i).map((shown) => element("td", "", shown)),
        ),
      );
    }
    const heads = ["Genre", "", "Heard", data.thresholds ? "Needed" : ""].map((title) => {
      const head = element(title ? "th" : "td", "", title);
      if (title) head.scope = "col";
      return head;
    });
    return element("table", "heard", element("thead", "", element("tr", "", ...heads)), body);
  };

  const showDetail = () => {
    const row = api.current;
    const text = byId("detail-text");
    text.replaceChildren();
    if (!row) return;
    const close = element("button", "button close", "Close");
    close.type = "button";
    close.addEventListener("click", closeDetail);
    const folder = data.root + row.folder;
    text.append(
      element("div", "detail-head", element("h2", "", nameOf(row)), close),
      element("p", "folder", bdi(folder)),
      element("p", "outcome", pill(row.state), genresOf(row)),
      ...textsOf(row).map((text) => element("p", "text", text)),
    );
    if (row.p) text.append(heardTable(row));
  };
  const openDetail = () => {
    if (!api.current || !api.el.detail.hidden) return;
    api.el.detail.hidden = false;
    showDetail();
    fit();
  };
  // on a small screen list and detail share it, one above the other
  const fit = () => {
    if (innerWidth < SIDE_BY_SIDE_PX) document.querySelector(".split").scrollIntoView({ block: "end" });
    requestAnimationFrame(() => api.current && scrollTo(api.current.id));
  };
  const closeDetail = () => {
    if (api.el.detail.contains(document.activeElement)) byId("tracks").focus();
    api.el.detail.hidden = true;
  };

  // filters

  const wanted = { states: new Set(), words: [], genre: "", folder: "", least: null, most: null, pick: null };
  // a folder by its whole name is that one and those below it; part of a name is any that has it
  const folders = new Set(data.folders);
  const isIn = (folder, name) =>
    folders.has(name)
      ? folder === name || folder.startsWith(`${name}/`)
      : folder.toLowerCase().includes(name.toLowerCase());
  function matches(row) {
    if (wanted.states.size && !wanted.states.has(row.state)) return false;
    if (wanted.pick && !wanted.pick(row)) return false;
    if (wanted.genre && !row.counted.includes(wanted.genre)) return false;
    if (wanted.folder && !isIn(row.folder, wanted.folder)) return false;
    if (wanted.least !== null && !(row.confidence >= wanted.least && row.p)) return false;
    if (wanted.most !== null && !(row.confidence <= wanted.most && row.p)) return false;
    if (wanted.words.length) {
      row.text ??= [row.name, row.folder, ...row.old, ...row.now, ...textsOf(row), words[row.state]]
        .join("\n")
        .toLowerCase();
      if (!wanted.words.every((word) => row.text.includes(word))) return false;
    }
    return api.filters.every((filter) => filter(row));
  }
  const applyFilters = () => {
    const number = (id) => (byId(id).value === "" ? null : Number(byId(id).value));
    wanted.words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    wanted.genre = byId("genre").value;
    wanted.folder = byId("folder").value;
    wanted.least = number("least");
    wanted.most = number("most");
    const pressed = document.querySelectorAll('.tile[data-state]:not([data-state=""])[aria-pressed="true"]');
    wanted.states = new Set([...pressed].map((tile) => tile.dataset.state));
    document.querySelector('.tile[data-state=""]').ariaPressed = String(!wanted.states.size);
    const folded = [...byId("fields").querySelectorAll("input, select:not(#order)")].filter((field) => field.value);
    byId("more").textContent = folded.length ? `Filters: ${folded.length}` : "Filters";
    api.table?.setFilter(matches);
  };
  const isFiltered = () => shown.length < rows.length || !!wanted.pick || wanted.states.size > 0;
  const reset = () => {
    for (const id of ["search", "genre", "folder", "least", "most"]) byId(id).value = "";
    for (const field of byId("fields-slot").querySelectorAll("select")) field.value = "";
    for (const tile of document.querySelectorAll(".tile[data-state]")) tile.ariaPressed = "false";
    pick(null);
  };

  // a number shows the tracks that it counts

  const last = 9; // of the bins of confidence
  const PICKS = {
    before: (genre) => (row) => row.before.includes(genre),
    after: (genre) => (row) => row.counted.includes(genre),
    together: (genres) => (row) =>
      data.genres.filter((genre) => row.counted.includes(genre)).join(" + ") === genres,
    confidence: (bin) => (row) => row.p && Math.min(Math.floor(row.confidence * 10), last) === Number(bin),
    unheard: () => (row) => !row.p,
    failure: (kind) => {
      const ids = new Set(data.failures[kind]);
      return (row) => ids.has(row.id);
    },
  };
  const nameOfPick = (button) => {
    const { pick: which } = button.dataset;
    const row = button.closest("tr")?.querySelector("th").textContent ?? "not heard";
    return ["before", "after", "confidence"].includes(which) ? `${row}, ${which}` : row;
  };
  // it stays beside the list while the charts are folded: a tile, a filter and it count together
  const pick = (button) => {
    wanted.pick = button && PICKS[button.dataset.pick](button.dataset.value);
    for (const other of document.querySelectorAll("button.number")) other.ariaPressed = String(other === button);
    byId("picked").hidden = !button;
    byId("picked").textContent = button ? `${nameOfPick(button)} ✕` : "";
    applyFilters();
  };
  const showOnly = (act) => {
    act();
    view("tracks");
    toList();
    byId("tracks").focus({ preventScroll: true });
  };
  const countTiles = later(() => {
    const counts = new Map();
    for (const row of rows) counts.set(row.state, (counts.get(row.state) ?? 0) + 1);
    for (const tile of document.querySelectorAll('.tile:not([data-state=""])')) {
      tile.querySelector("b").textContent = (counts.get(tile.dataset.state) ?? 0).toLocaleString("en");
    }
  }, 50);
  const setOrder = (value) => {
    order = value.split(" ");
    if (order[0] === "id") api.table.clearSort();
    else api.table.setSort(...order);
  };

  // folders, and where their tracks disagree

  let folderTable = null;
  const foldersShown = () => {
    const found = new Map();
    for (const row of shown) {
      if (!found.has(row.folder)) found.set(row.folder, new Map());
      const genre = joined(row.now) || data.none;
      const counts = found.get(row.folder);
      counts.set(genre, (counts.get(genre) ?? 0) + 1);
    }
    return [...found].map(([folder, counts]) => {
      const ranked = [...counts].sort((a, b) => b[1] - a[1] || collator.compare(a[0], b[0]));
      const tagged = ranked.filter(([genre]) => genre !== data.none);
      const n = ranked.reduce((sum, [, some]) => sum + some, 0);
      const nTagged = tagged.reduce((sum, [, some]) => sum + some, 0);
      ranked.sort((a, b) => (a[0] === data.none) - (b[0] === data.none));
      return { folder, ranked, n, differ: tagged.length ? nTagged - tagged[0][1] : 0, main: tagged[0]?.[0] ?? "" };
    });
  };
  const sharesOf = ({ ranked, n }) => {
    const drawing = svg("svg", { class: "shares", "aria-hidden": "true" });
    let x = 0;
    ranked.forEach(([genre, some], i) => {
      const width = (100 * some) / n;
      const level = genre === data.none ? "none" : Math.min(i, 4);
      drawing.append(svg("rect", { class: `share-${level}`, x: `${x}%`, width: `${width}%`, height: 10 }));
      x += width;
    });
    const texts = ranked.map(([genre, some]) => `${genre}\u00a0${some}`); // no line begins with a number
    const nTagged = ranked.filter(([genre]) => genre !== data.none).length;
    const most = areFoldersNarrow() ? 3 : 5;
    const text = bdi("");
    text.title = texts.join("\n");
    if (nTagged > most + 1) texts.splice(most, nTagged - most, `${nTagged - most}\u00a0more`);
    text.textContent = texts.join(" · ");
    return element("div", "folder-genres", drawing, text);
  };
  const areFoldersNarrow = () => layoutFor(byId("by-folder").clientWidth) === "narrow";
  const showFolders = () => {
    const found = foldersShown();
    const isNarrow = areFoldersNarrow();
    if (folderTable && isNarrow === byId("by-folder").classList.contains("narrow")) {
      folderTable.replaceData(found);
      return;
    }
    folderTable?.destroy();
    byId("by-folder").classList.toggle("narrow", isNarrow);
    const number = { hozAlign: "right", headerHozAlign: "right", headerSortStartingDir: "desc" };
    folderTable = new Tabulator("#by-folder", {
      data: found,
      index: "folder",
      height: "100%",
      layout: "fitColumns",
      rowHeight: ROW_PX[isNarrow ? "narrow" : "wide"],
      keybindings: false,
      columnDefaults: { resizable: false },
      columns: [
        {
          title: "Folder",
          field: "folder",
          minWidth: 120,
          widthGrow: 2,
          sorter: compare((of) => of.folder),
          formatter: cell((of) => {
            const open = element("button", "link", bdi(of.folder));
            open.type = "button";
            open.title = "Show its tracks";
            return open;
          }),
        },
        { title: "Tracks", field: "n", width: 100, visible: !isNarrow, ...number },
        { title: isNarrow ? "Differ" : "Tracks that differ", field: "differ", width: isNarrow ? 90 : 180, ...number },
        {
          title: "Genres",
          field: "ranked",
          minWidth: 120,
          widthGrow: 3,
          sorter: compare((of) => of.main),
          formatter: cell(sharesOf),
        },
      ],
      initialSort: [{ column: "differ", dir: "desc" }],
      placeholder: "No track is left. Change the filters, or show all.",
    });
    folderTable.on("rowClick", (_, row) => {
      byId("folder").value = row.getData().folder;
      view("tracks");
      applyFilters();
    });
    folderTable.on("tableBuilt", () => {
      prepare(folderTable, byId("by-folder"), "Folders", found.length);
    });
  };
  const view = (which) => {
    const [isFolders, wasFolders] = [which === "folders", byId("tracks").hidden];
    byId("tracks").hidden = isFolders;
    byId("by-folder").hidden = !isFolders;
    byId("view-tracks").ariaPressed = String(!isFolders);
    byId("view-folders").ariaPressed = String(isFolders);
    if (isFolders) {
      select(null);
      showFolders();
    } else if (wasFolders) {
      api.table.redraw();
    }
  };
  const stepFolders = (n) => {
    const open = [...byId("by-folder").querySelectorAll(".link")];
    const to = open.indexOf(document.activeElement) + n;
    open[Math.max(0, Math.min(open.length - 1, to))]?.focus();
  };

  // keys

  const KEYS = [
    ["j, k", "next, previous track"],
    ["↓, ↑, Page Down, Page Up, Home, End", "the same and farther, in the list"],
    ["Enter", "the track in detail"],
    ["/", "search"],
    ["Esc", "close, or leave the search"],
    ["?", "these keys"],
  ];
  const showHelp = () => {
    byId("help-keys").replaceChildren(
      ...[...api.help, ...KEYS].flatMap(([key, what]) => [
        element("dt", "", ...key.split(", ").flatMap((k, i) => [i ? " " : "", element("kbd", "", k)])),
        element("dd", "", what),
      ]),
    );
    byId("help").showModal();
  };
  const inList = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    PageDown: () => step(PAGE),
    PageUp: () => step(-PAGE),
    Home: () => step(-Infinity),
    End: () => step(Infinity),
    Enter: () => {
      if (!api.current) step(1);
      openDetail();
    },
  };
  const isTracks = () => !byId("tracks").hidden;
  const anywhere = {
    j: () => (isTracks() ? step(1) : stepFolders(1)),
    k: () => (isTracks() ? step(-1) : stepFolders(-1)),
    "/": () => byId("search").focus(),
    "?": showHelp,
    Escape: () => (isTracks() ? closeDetail() : view("tracks")),
  };
  const onKey = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
    const on = event.target;
    if (on.matches("input, select, textarea, [contenteditable]")) {
      if (event.key === "Escape" && on.closest(".toolbar")) byId("tracks").focus();
      return;
    }
    const isList = isTracks() && (on === byId("tracks") || on.closest(".tabulator-tableholder"));
    const f = api.keys[event.key] ?? anywhere[event.key] ?? (isList ? inList[event.key] : undefined);
    if (!f) return;
    event.preventDefault();
    f(event);
  };

  // print every row that the filters show: those beyond the screen are not in the page otherwise

  const forPrint = () => {
    const titles = ["State", "Track", "Genre", "Heard", ...data.texts.map(([, title]) => title)];
    const heads = titles.map((title) => element("th", "", title));
    const body = document.createDocumentFragment();
    let folder = null;
    for (const row of shown) {
      if (row.folder !== folder) {
        folder = row.folder;
        const head = element("th", "", bdi(folder));
        head.colSpan = heads.length;
        body.append(element("tr", "", head));
      }
      const texts = [words[row.state], bdi(row.name), genresOf(row), row.p ? strongest(row) : "", ...textsOf(row)];
      body.append(element("tr", "", ...texts.map((text) => element("td", "", text))));
    }
    byId("print").replaceChildren(
      element("p", "", byId("shown").textContent),
      element("table", "", element("thead", "", element("tr", "", ...heads)), element("tbody", "", body)),
    );
  };
  addEventListener("beforeprint", forPrint);
  addEventListener("afterprint", () => byId("print").replaceChildren());

  // start, when the scripts after this one have run

  Object.assign(api, { select, step, isSeen, look: bring, refreshRow, refresh, applyFilters, filtered: () => shown });
  const option = (value, text) => {
    const made = element("option", "", text);
    made.value = value;
    return made;
  };
  document.addEventListener("DOMContentLoaded", () => {
    byId("genre").append(...[...data.genres, data.other, data.none].map((genre) => option(genre, genre)));
    byId("order").append(...ORDERS.map(([value, text]) => option(value, text)));
    byId("folders").append(...data.folders.slice(0, 1000).map((folder) => option(folder, "")));
    const soon = later(applyFilters, 150);
    for (const id of ["search", "folder", "least", "most"]) byId(id).addEventListener("input", soon);
    byId("genre").addEventListener("input", applyFilters);
    byId("order").addEventListener("input", (event) => setOrder(event.target.value));
    byId("reset").addEventListener("click", reset);
    byId("picked").addEventListener("click", () => pick(null));
    byId("view-tracks").addEventListener("click", () => view("tracks"));
    byId("view-folders").addEventListener("click", () => view("folders"));
    byId("all-keys").addEventListener("click", showHelp);
    byId("more").addEventListener("click", () => {
      const isOpen = document.querySelector(".toolbar").classList.toggle("more");
      byId("more").ariaExpanded = String(isOpen);
    });
    for (const tile of document.querySelectorAll(".tile")) {
      tile.addEventListener("click", () => {
        if (!tile.dataset.state) {
          showOnly(reset);
          return;
        }
        tile.ariaPressed = String(tile.ariaPressed !== "true");
        showOnly(applyFilters);
      });
    }
    for (const button of document.querySelectorAll("button.number")) {
      button.addEventListener("click", () => showOnly(() => pick(button.ariaPressed === "true" ? null : button)));
    }
    document.addEventListener("keydown", onKey);
    build();
    new ResizeObserver(
      later(() => {
        const width = byId("tracks").clientWidth;
        if (!width || layoutFor(width) === layout) return;
        const isNarrow = layout === "narrow";
        if (isNarrow || layoutFor(width) === "narrow") build();
        else {
          layout = layoutFor(width);
          api.table.setColumns(columnsFor(layout));
          prepare(api.table, byId("tracks"), "Tracks", rows.length);
        }
      }, 60),
    ).observe(byId("tracks"));
    new ResizeObserver(
      later(() => {
        const box = byId("by-folder");
        if (box.clientWidth && areFoldersNarrow() !== box.classList.contains("narrow")) showFolders();
      }, 60),
    ).observe(byId("by-folder"));
  });
})();
