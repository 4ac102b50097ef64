// Makes the pages livelier. Every page works without it.
"use strict";

(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const one = (selector, root = document) => root.querySelector(selector);

  // On a phone a table's row is a block: each cell says which column it is of.
  const labelCells = (root) => {
    for (const table of all("table.rows", root)) {
      const labels = all("thead th", table).map((cell) => (cell.querySelector(".hidden") ? "" : cell.textContent.trim()));
      for (const row of all("tbody tr", table)) {
        Array.from(row.cells).forEach((cell, index) => {
          if (index > 0 && labels[index]) cell.dataset.label = labels[index];
        });
      }
    }
  };

  // Clocks: "3 min ago" stays true while the page is open.
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const span = (seconds) => {
    const parts = [];
    let left = Math.floor(seconds);
    for (const [size, name] of units) {
      const count = Math.floor(left / size);
      left %= size;
      if (count > 0) parts.push(`${count} ${name}`);
      if (parts.length === 2 || (parts.length === 1 && size <= 60)) break;
    }
    return parts.join(" ");
  };
  const tick = () => {
    for (const time of all("time[datetime]")) {
      const away = (Date.parse(time.dateTime) - Date.now()) / 1000;
      const words = Math.abs(away) < 1 ? "now" : away > 0 ? `in ${span(away)}` : `${span(-away)} ago`;
      if (time.textContent !== words) time.textContent = words;
    }
  };

  // What is still on its way is fetched again until it has arrived.
  const refresh = async () => {
    const part = one("[data-refresh]");
    if (!part) return;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
    if (answer && answer.ok && !answer.redirected) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = fresh.getElementById(part.id);
      const open = all("details[open]", part).length > 0;
      if (found && !open && !part.contains(document.activeElement) && found.innerHTML !== part.innerHTML) {
        part.replaceWith(found);
        labelCells(document);
        const [before, now] = [one("h1 .badge"), one("h1 .badge", fresh)];
        if (before && now) before.replaceWith(now);
      }
    }
    setTimeout(refresh, 1500);
  };

  // Rows: j and k move, Enter opens.
  const rows = () => all("[data-rows] tbody tr");
  const move = (step) => {
    const list = rows();
    if (list.length === 0) return;
    const at = list.findIndex((row) => row.classList.contains("chosen"));
    const next = list[Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + step))];
    list.forEach((row) => row.classList.remove("chosen"));
    next.classList.add("chosen");
    const link = one("[data-open]", next);
    if (link) link.focus();
  };

  const keys = [["/", "Search by id"], ["?", "These keys"], ["j k", "Next and previous row"], ["Enter", "Open the row"], ["r", "Retry the delivery"], [".", "Live on and off"]];
  const showKeys = () => {
    const dialog = one("#keys");
    if (!dialog) return;
    const list = one("dl", dialog);
    const ways = all("nav [data-key]").map((way) => [`g ${way.dataset.key}`, way.textContent]);
    list.replaceChildren(...keys.concat(ways).flatMap(([key, text]) => {
      const [name, value] = [document.createElement("dt"), document.createElement("dd")];
      const shown = document.createElement("kbd");
      shown.textContent = key;
      name.append(shown);
      value.textContent = text;
      return [name, value];
    }));
    dialog.showModal();
  };

  let going = false;
  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (going) {
      going = false;
      const way = one(`nav [data-key="${CSS.escape(event.key)}"]`);
      if (way) way.click();
      return;
    }
    const act = {
      "/": () => one(".find input")?.focus(),
      "?": showKeys,
      g: () => { going = true; setTimeout(() => { going = false; }, 1500); },
      j: () => move(1),
      k: () => move(-1),
      r: () => one("[data-retry]")?.click(),
      ".": () => toggleLive(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // Live: says how many are new, and never moves the rows by itself.
  let live = true;
  const toggleLive = () => { live = !live; const note = one("[data-live]"); if (note && !live) note.hidden = true; };
  const look = async () => {
    const note = one("[data-live]");
    if (!note) return;
    if (live && document.visibilityState === "visible") {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
      if (answer && answer.ok && !answer.redirected) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const known = new Set(all("[data-rows] [data-open]").map((link) => link.href));
        const count = all("[data-rows] [data-open]", fresh).filter((link) => !known.has(link.href)).length;
        note.hidden = count === 0;
        if (count > 0) {
          const link = document.createElement("a");
          link.className = "button primary";
          link.href = location.href;
          link.textContent = `${count} new`;
          note.replaceChildren(link);
        }
      }
    }
    setTimeout(look, 3000);
  };

  // Dragging over a chart shows that time alone. A click on a column is a link already.
  for (const chart of all("[data-zoom] svg.chart")) {
    const [since, until] = [Date.parse(chart.dataset.since), Date.parse(chart.dataset.until)];
    let from = null;
    let mark = null;
    const share = (event) => {
      const box = chart.getBoundingClientRect();
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    };
    chart.addEventListener("dragstart", (event) => event.preventDefault());
    chart.addEventListener("pointerdown", (event) => { if (event.button === 0) from = share(event); });
    chart.addEventListener("pointermove", (event) => {
      if (from === null || Math.abs(share(event) - from) < 0.01) return;
      if (!mark) {
        chart.setPointerCapture(event.pointerId);
        mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        mark.setAttribute("class", "drag");
        mark.setAttribute("height", "120");
        chart.append(mark);
      }
      mark.setAttribute("x", String(Math.min(from, share(event)) * 720));
      mark.setAttribute("width", String(Math.abs(share(event) - from) * 720));
    });
    chart.addEventListener("pointerup", (event) => {
      const [start, end] = [from, share(event)];
      from = null;
      if (!mark || start === null) return;
      const at = (place) => new Date(since + place * (until - since)).toISOString().replace(/\.\d+Z$/, "Z");
      location.href = `/console?since=${at(Math.min(start, end))}&until=${at(Math.max(start, end))}`;
    });
    chart.addEventListener("click", (event) => { if (mark) event.preventDefault(); }, true);
  }

  // The example follows the chosen type.
  for (const choice of all("select[data-examples]")) {
    choice.addEventListener("change", () => {
      const text = document.getElementById(choice.dataset.examples);
      if (text) text.value = choice.selectedOptions[0].dataset.example ?? "";
    });
  }
  // A secret that is shown once can be copied with one click.
  for (const shown of all("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    const name = shown.dataset.copy || "Copy";
    button.textContent = name;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(shown.textContent);
      button.textContent = "Copied";
    });
    (shown.closest("details") ?? shown).after(button);
  }
  one("form[data-send-now]")?.submit();
  labelCells(document);
  tick();
  setInterval(tick, 1000);
  setTimeout(refresh, 700);
  setTimeout(look, 3000);
})();
