/* What the review adds to the page: decisions, sound, the timeline, Apply and Undo.

   Rows get: answer ("accepted", "rejected" or ""), edited, written, problem; and the state "written"
   once they are. The server has the say: each decision is saved in the plan before its row is drawn
   anew. */
"use strict";
(() => {
  const page = window.genretagger;
  const { rows, el } = page;
  const base = location.pathname; // ends with the token and a slash
  let isReady = false;
  let now = { waiting: 0, undoable: 0, running: false, what: "", done: 0, total: 0, failed: 0, error: "", plan: "" };

  const element = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (name === "onclick") made.addEventListener("click", value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };
  // who clicked with a mouse goes on with the keys of the list, not of the button
  const button = (text, key, f, kind = "") => {
    const made = element("button", { type: "button", class: `button ${kind}` }, text);
    if (key) made.append(" ", element("kbd", { "aria-hidden": "true" }, key));
    made.addEventListener("click", (event) => {
      f();
      if (event.detail > 0 && !document.querySelector("dialog[open]") && !form.contains(document.activeElement)) {
        document.getElementById("tracks").focus();
      }
    });
    return made;
  };

  // the server

  const ask = async (path, wish) => {
    let reply;
    try {
      reply = await fetch(base + path, wish && { method: "POST", body: JSON.stringify(wish) });
    } catch {
      throw new Error(
        "genretagger does not answer; what you decide now is not saved. Start it again: " +
          `genretagger review ${now.plan}`,
      );
    }
    const answer = await reply.json();
    if (!reply.ok) throw new Error(answer.error);
    return answer;
  };
  const complain = (error) => {
    trouble.textContent = error.message;
    trouble.hidden = false;
    page.announce(error.message);
  };
  const send = async (what, wish) => {
    try {
      const answer = await ask(`do/${what}`, wish);
      trouble.hidden = true;
      take(answer);
      return answer;
    } catch (error) {
      complain(error);
      return null;
    }
  };

  const take = (answer) => {
    const { rows: changed, ...rest } = answer;
    now = rest;
    for (const row of changed) Object.assign(rows[row.id], row);
    // a few are drawn one by one, which leaves the list where it is
    if (changed.length > 50) page.refresh();
    else for (const row of changed) page.refreshRow(row.id, {});
    draw();
  };

  // decisions

  const open = (row) => row && !row.written;
  const marks = (row) => {
    if (row.problem) return ["!", "problem", row.problem];
    if (row.written) return ["●", "written", "written"];
    if (row.answer === "rejected") return ["✗", "rejected", "rejected"];
    if (row.answer === "accepted") return row.edited ? ["✎", "accepted", "edited and accepted"] : ["✓", "accepted", "accepted"];
    return ["", "open", "not decided"];
  };
  // what was decided by hand is left alone where more is decided at once: scope is "line", "album"
  // or "shown"
  const decide = async (ids, answer, scope = "line") => {
    const before = page.current;
    const kept = before?.state === "keep" && answer === "accepted" ? before.now.join("; ") : "";
    const reply = await send("decide", { ids, answer, scope });
    if (!reply) return;
    const verb = answer === "accepted" ? "accepted" : "rejected";
    if (scope === "line" && !reply.rows.length && !reply.left) {
      if (answer === "accepted" && before && !before.written) {
        startEdit();
        say(`${before.name}: no genre was heard for sure; name it.`);
      }
      return;
    }
    if (scope === "line") {
      if (reply.left) say(`${before.name} has what was heard already: nothing to write.`);
      else if (kept) say(`${before.name}: ${before.now.join("; ")} in place of ${kept}.${page.isTouch ? "" : " Press u to take that back."}`);
      else page.announce(`${before.name} ${verb}`);
      if (page.current === before) page.step(1);
    } else {
      const passed = ids.length - reply.rows.length - reply.left;
      const parts = [`${reply.rows.length} ${verb}`];
      if (reply.left) parts.push(`${reply.left} decided by hand left as ${reply.left === 1 ? "it is" : "they are"}`);
      if (passed) parts.push(`${passed} passed over: nothing to write there`);
      say(`${parts.join("; ")}.${reply.rows.length && !page.isTouch ? " Press u to take that back." : ""}`);
    }
  };
  // a key acts on a track that is seen; one that is not is shown first
  const seen = (f) => () => {
    if (!page.current) return;
    if (page.isSeen()) f();
    else {
      page.look();
      say(`This is ${page.current.name}: press again.`);
    }
  };
  const one = (answer) => () => page.current && decide([page.current.id], answer);
  const album = (answer) => () => {
    if (!page.current) return;
    const { folder } = page.current;
    decide(rows.filter((row) => row.folder === folder).map((row) => row.id), answer, "album");
  };
  const shown = (answer) => () => decide(page.filtered().map((row) => row.id), answer, "shown");
  const takeBack = async () => {
    const reply = await send("take-back", {});
    if (!reply) return;
    say(reply.rows.length ? `Taken back: ${reply.rows.length === 1 ? rows[reply.rows[0].id].name : `${reply.rows.length} decisions`}` : "There is nothing to take back.");
    if (reply.rows.length === 1) page.select(reply.rows[0].id);
  };

  // editing

  const input = element("input", { id: "review-genres", autocomplete: "off", spellcheck: "false", "aria-describedby": "review-why" });
  const why = element("p", { id: "review-why", class: "why", role: "alert" });
  const names = element("div", { class: "names", role: "group", "aria-label": "Genres" });
  for (const genre of page.genres) {
    const name = element("button", { type: "button", class: "name", onclick: () => toggle(genre) }, genre);
    names.append(name);
  }
  const form = element(
    "form",
    { class: "edit", hidden: true },
    element("label", { for: "review-genres" }, "Genres, separated by commas"),
    input,
    names,
    element("div", { class: "row" }, element("button", { class: "button primary" }, "Save ", element("kbd", { "aria-hidden": "true" }, "Enter")), button("Cancel", "Esc", () => endEdit())),
    why,
  );
  const parts = () => input.value.split(/[;,]/).map((part) => part.trim()).filter(Boolean);
  const toggle = (genre) => {
    const has = parts();
    input.value = (has.includes(genre) ? has.filter((part) => part !== genre) : [...has, genre]).join(", ");
    pressed();
    input.focus();
  };
  const pressed = () => {
    for (const name of names.children) name.setAttribute("aria-pressed", String(parts().includes(name.textContent)));
  };
  let edited = null;
  const startEdit = () => {
    if (!open(page.current)) return;
    edited = page.current;
    input.value = edited.now.join(", ").replaceAll("; ", ", ");
    why.textContent = "";
    form.hidden = false;
    pressed();
    input.focus();
    input.select();
    form.scrollIntoView({ block: "nearest" }); // with Save, below
  };
  const endEdit = () => {
    form.hidden = true;
    edited = null;
    document.getElementById("tracks").focus();
  };
  input.addEventListener("input", pressed);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      endEdit();
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const row = edited;
    if (!row) return;
    try {
      take(await ask("do/edit", { id: row.id, genres: input.value }));
      page.announce(`${row.name}: ${row.now.join("; ")}`);
      endEdit();
      if (page.current === row) page.step(1);
    } catch (error) {
      why.textContent = error.message;
    }
  });

  // sound

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const sound = element("audio", { preload: "none" });
  const places = element("div", { class: "row", role: "group", "aria-label": "Excerpts" });
  let heard = { id: -1, starts_s: [] };
  let excerpt = 0;
  const places_of = async (row) => {
    if (heard.id !== row.id) {
      const found = await ask(`tracks/${row.id}`);
      if (page.current !== row) return null;
      heard = { id: row.id, ...found };
    }
    return heard;
  };
  const playAt = (start_s) => {
    sound.src = `${base}tracks/${page.current.id}/sound/${Math.round(1000 * start_s)}.wav`;
    sound.play().catch(() => {});
  };
  const play = async (n) => {
    const row = page.current;
    if (!row) return;
    try {
      const found = await places_of(row);
      if (!found) return;
      if (!found.duration_s) throw new Error(`${row.name}: there is no sound in it`);
      excerpt = Math.min(n, found.starts_s.length - 1);
      drawPlaces();
      playAt(found.starts_s[excerpt]);
    } catch (error) {
      complain(error);
    }
  };
  const playOrPause = () => {
    if (!sound.paused) sound.pause();
    else if (sound.src && heard.id === page.current?.id && !sound.ended) sound.play().catch(() => {});
    else play(heard.id === page.current?.id ? excerpt : 0);
  };
  sound.addEventListener("ended", () => {
    if (excerpt + 1 < heard.starts_s.length) play(excerpt + 1);
  });
  sound.addEventListener("error", async () => {
    if (!sound.src || !page.current) return;
    const reply = await fetch(sound.src).catch(() => null);
    if (reply && !reply.ok) complain(new Error(`${page.current.name}: ${(await reply.json()).error}`));
  });
  const player = button("Play", "Space", playOrPause);
  const playing = () => {
    player.firstChild.textContent = sound.paused ? "Play" : "Pause";
    player.setAttribute("aria-pressed", String(!sound.paused));
  };
  for (const name of ["play", "pause", "ended", "emptied"]) sound.addEventListener(name, playing);
  const drawPlaces = () => {
    places.replaceChildren(
      ...heard.starts_s.map((start_s, n) => {
        const made = button(clock(start_s), n < 9 ? String(n + 1) : "", () => play(n));
        made.setAttribute("aria-pressed", String(n === excerpt));
        return made;
      }),
    );
  };

  // the timeline

  const picture = element("div", { class: "timeline", hidden: true });
  const dataUrl = (blob) =>
    new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.onerror = () => reject(reader.error);
      reader.readAsDataURL(blob);
    });
  let drawn = -1; // the track whose timeline is shown, or being made
  const closeTimeline = () => {
    if (picture.querySelector("progress")) send("stop-hearing", {});
    picture.hidden = true;
    drawn = -1;
  };
  const image = async (row, told, shape, query) => {
    const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const reply = await fetch(`${base}tracks/${row.id}/heard/${theme}.png?${[shape, ...query].join("&")}`);
    if (!reply.ok) throw new Error((await reply.json()).error);
    const made = element("img", { alt: `Genres over the track: ${told.story}`, src: await dataUrl(await reply.blob()) });
    made.addEventListener("click", (event) => {
      if (!told[shape]) return;
      const [left, top, right, bottom] = told[shape];
      const part = (event.offsetX / made.clientWidth - left) / (right - left);
      const down = event.offsetY / made.clientHeight;
      if (part >= 0 && part <= 1 && down >= top && down <= bottom) {
        playAt(Math.max(0, Math.min(part * told.duration_s, told.duration_s - 1)));
      }
    });
    return made;
  };
  const bringIntoDetail = () => {
    el.detail.scrollTop += picture.getBoundingClientRect().top - el.detail.getBoundingClientRect().top;
  };
  // tells how far it is until the server has answered
  const withProgress = async (what, answer) => {
    const bar = element("progress", { max: 1, value: 0, "aria-label": what });
    const stop = button("Stop", page.isTouch ? "" : "t", closeTimeline);
    picture.replaceChildren(element("p", { role: "status" }, what), element("div", { class: "row" }, bar, stop));
    bringIntoDetail();
    const look = setInterval(() => ask("heard").then(({ share }) => { bar.value = share; }, () => {}), 300);
    try {
      return await answer;
    } finally {
      clearInterval(look);
    }
  };
  const timeline = async () => {
    const row = page.current;
    if (!row) return;
    if (drawn === row.id) closeTimeline();
    else await showTimeline(row, []);
  };
  const showTimeline = async (row, query) => {
    drawn = row.id;
    picture.hidden = false;
    const what = query.length ? "Asking what moved it …" : "Listening to the whole track …";
    try {
      const told = await withProgress(what, ask(`tracks/${row.id}/heard?${query.join("&")}`));
      const [narrow, wide] = [await image(row, told, "narrow", query), await image(row, told, "wide", query)];
      if (drawn !== row.id) return;
      const big = element("dialog", { class: "big", "aria-label": "Timeline" }, innerWidth < 700 ? narrow.cloneNode() : wide, button("Close", "Esc", () => big.close()));
      big.addEventListener("close", () => document.getElementById("tracks").focus());
      const enlarge = button("Enlarge", "T", () => big.showModal());
      enlarge.classList.add("enlarge");
      const why = button("What moved it", "", () => showTimeline(row, ["why"]));
      const buttons = element("div", { class: "row" }, enlarge, ...(query.length ? [] : [why]));
      picture.replaceChildren(narrow, element("p", {}, "Click into the curves to hear that place."), buttons, big);
      bringIntoDetail();
    } catch (error) {
      if (drawn === row.id) picture.replaceChildren(element("p", { role: "alert" }, error.message));
    }
  };
  const enlarge = () => picture.querySelector(".enlarge")?.click();

  // Apply and Undo

  const question = element("dialog", { class: "question" });
  document.body.append(question, sound);
  question.addEventListener("close", () => document.getElementById("tracks").focus());
  const confirm = (text, verb, f) => {
    if (question.open) return;
    const yes = element("button", { type: "button", class: "button primary", autofocus: true, onclick: () => { question.close(); f(); } }, verb);
    const no = element("button", { type: "button", class: "button", onclick: () => question.close() }, "Cancel");
    question.replaceChildren(element("p", {}, text), element("div", { class: "row" }, yes, no));
    question.showModal();
    yes.focus();
  };
  const files = (n) => `${n.toLocaleString("en")} ${n === 1 ? "file" : "files"}`;
  const run = async (what) => {
    if (await send(what, {})) watch();
  };
  const apply = () => {
    if (now.running) return;
    if (!now.waiting) say("Nothing is accepted yet: y accepts, e edits.");
    else confirm(`Write genres into ${files(now.waiting)}? Undo takes it back.`, "Write", () => run("apply"));
  };
  const undo = () => {
    if (now.running) return;
    if (!now.undoable) say("Nothing is written that could be taken back.");
    else confirm(`Take back what was written into ${files(now.undoable)}?`, "Take back", () => run("undo"));
  };
  const watch = async () => {
    try {
      for (;;) {
        now = { ...now, ...(await ask("progress")) };
        draw();
        if (!now.running) break;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
      take(await ask("decided"));
    } catch (error) {
      complain(error);
      return;
    }
    const failed = now.failed ? `, ${now.failed} failed (marked !)` : "";
    const verb = now.what === "apply" ? "written" : "taken back";
    if (now.error) complain(new Error(now.error));
    else say(`${files(now.done - now.failed)} ${verb}${failed}.${now.what === "apply" && now.undoable ? " Undo takes it back." : ""}`);
  };

  const said = element("p", { class: "said", role: "status" });
  const trouble = element("p", { class: "trouble", role: "alert", hidden: true });
  const meter = element("progress", { hidden: true, "aria-label": "Progress" });
  const applyButton = button("Apply", "w", apply, "primary");
  const undoButton = button("Undo", "U", undo);
  const stopButton = button("Stop", "", () => send("stop", {}));
  el.banner.append(said, meter, stopButton, trouble);
  const say = (text) => {
    said.textContent = text;
  };
  const which = element("select", { "aria-label": "Decisions" });
  for (const [value, text] of [["", "any decision"], ["open", "not decided"], ["accepted", "accepted"], ["rejected", "rejected"], ["written", "written"], ["problem", "with a problem"]]) {
    which.append(element("option", { value }, text));
  }
  which.addEventListener("change", () => page.applyFilters());
  page.filters.push((row) => !which.value || marks(row)[1] === which.value);
  el.fields.append(
    element("label", { class: "field" }, element("span", {}, "Decision"), which),
    button("Accept shown", "+", shown("accepted")),
    button("Reject shown", "-", shown("rejected")),
  );
  el.toolbar.append(button("Take back", "u", takeBack), undoButton, applyButton);

  const draw = () => {
    applyButton.firstChild.textContent = `Apply ${now.waiting.toLocaleString("en")}`;
    undoButton.firstChild.textContent = `Undo ${now.undoable.toLocaleString("en")}`;
    applyButton.disabled = now.running || !now.waiting;
    undoButton.disabled = now.running || !now.undoable;
    stopButton.hidden = meter.hidden = !now.running;
    meter.max = now.total || 1;
    meter.value = now.done;
    if (now.running) say(`${now.what === "apply" ? "Writing" : "Taking back"}: ${now.done} of ${files(now.total)}`);
  };

  // the page

  const state = element("p", { class: "verdict" });
  const acceptButton = button("Accept", "y", one("accepted"), "primary");
  el.slot.append(
    state,
    element("div", { class: "row" }, acceptButton, button("Reject", "n", one("rejected")), button("Edit", "e", startEdit)),
    form,
    element("div", { class: "row" }, player, places),
    element("div", { class: "row" }, button("Timeline", "t", timeline), button("Accept album", "Y", album("accepted")), button("Reject album", "N", album("rejected"))),
    picture,
  );
  const drawState = (row) => {
    const [mark, kind, text] = marks(row);
    state.className = `verdict verdict-${kind}`;
    state.textContent = `${mark} ${text}`.trim();
    acceptButton.firstChild.textContent = row.state === "keep" ? "Take what was heard" : "Accept";
  };

  page.columns.push({
    title: "✓",
    titleFormatter: () => element("span", { title: "Decision" }, "✓"),
    field: "answer",
    width: 40,
    hozAlign: "center",
    headerSort: false,
    formatter: (cell) => {
      const [mark, kind, text] = marks(cell.getRow().getData());
      return element("span", { class: `mark mark-${kind}`, title: text, role: "img", "aria-label": text }, mark);
    },
  });
  Object.assign(page.keys, {
    " ": seen(playOrPause),
    y: seen(one("accepted")),
    n: seen(one("rejected")),
    e: seen(startEdit),
    u: takeBack,
    t: seen(timeline),
    T: seen(enlarge),
    Y: seen(album("accepted")),
    N: seen(album("rejected")),
    "+": shown("accepted"),
    "-": shown("rejected"),
    w: apply,
    U: undo,
  });
  for (let n = 1; n < 10; n += 1) page.keys[String(n)] = seen(() => play(n - 1));
  page.help.push(
    ["Space", "play the excerpts, pause"],
    ["1 2 3", "play that excerpt"],
    ["y", "accept, and go on; where the genre is kept, take what was heard"],
    ["n", "reject, and go on"],
    ["e", "edit the genres"],
    ["u", "take the last decision back"],
    ["Y N", "accept, reject the whole album or folder, but what was decided by hand"],
    ["+ -", "accept, reject all that the filters show, but what was decided by hand"],
    ["t", "timeline of the whole track; stop it"],
    ["T", "enlarge the timeline"],
    ["w", "apply: write what is accepted"],
    ["U", "undo: take the last writing back"],
  );
  // a button that has the focus gets its own keys, and so does a dialog
  document.addEventListener(
    "keydown",
    (event) => {
      const isButton = event.target.closest?.("button, summary, a");
      if (question.open || document.querySelector("dialog.big[open]") || (isButton && (event.key === " " || event.key === "Enter"))) {
        event.stopPropagation();
      }
    },
    true,
  );
  page.on("select", (row) => {
    if (!row) return;
    if (heard.id !== row.id) {
      sound.removeAttribute("src");
      sound.load();
      playing();
      heard = { id: -1, starts_s: [] };
      excerpt = 0;
      drawPlaces();
    }
    if (drawn !== row.id) closeTimeline();
    if (edited !== row) form.hidden = true;
    drawState(row);
    if (el.detail.hidden && innerWidth >= 700) el.detail.hidden = false;
  });
  page.on("filter", (rows) => {
    if (isReady && !page.current && rows.length) page.select(rows[0].id);
  });
  page.on("change", (row) => row === page.current && drawState(row));
  page.on("ready", async () => {
    try {
      take(await ask("decided"));
      const next = rows.find((row) => !row.answer && !row.written && row.state === "change");
      say(rows.some((row) => row.answer) ? "Decisions are saved in the plan as you make them; this goes on where it stopped." : "Decisions are saved in the plan as you make them. Nothing is written before Apply.");
      document.getElementById("tracks").focus({ preventScroll: true });
      isReady = true;
      if (rows.length) page.select((next ?? rows[0]).id);
      if (now.running) watch();
    } catch (error) {
      complain(error);
    }
  });
  for (const row of rows) Object.assign(row, { answer: "", edited: false, written: false, problem: "" });
})();
