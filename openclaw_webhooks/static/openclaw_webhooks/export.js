"use strict";

// Shows how far an export is. Without this script the links download as they are: nothing depends on it.
// A file of its own, so that a content security policy needs no exception for it.

const LINE_FEED = 10;
const REDRAW_MS = 200;

function countLines(bytes) {
  let count = 0;
  for (const byte of bytes) {
    if (byte === LINE_FEED) count += 1;
  }
  return count;
}

async function readAll(response, tell) {
  const reader = response.body.getReader();
  const chunks = [];
  let rows = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks;
    chunks.push(value);
    rows += countLines(value);
    tell(rows);
  }
}

function save(chunks, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(chunks, { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function showProgress(box, total) {
  const bar = box.querySelector("progress");
  const text = box.querySelector("[role=status]");
  const format = new Intl.NumberFormat(document.documentElement.lang || "en");
  bar.max = Math.max(total, 1);
  let drawnAt = 0;
  return (rows, isLast) => {
    const now = Date.now();
    if (!isLast && now - drawnAt < REDRAW_MS) return;
    drawnAt = now;
    bar.value = Math.min(rows, bar.max);
    text.textContent = `${format.format(Math.min(rows, total))} of ${format.format(total)} calls`;
  };
}

async function exportCalls(link, box) {
  const stop = new AbortController();
  const button = box.querySelector("button");
  button.onclick = () => stop.abort();
  button.hidden = false;
  box.hidden = false;
  const text = box.querySelector("[role=status]");
  text.textContent = "Counting";
  try {
    const response = await fetch(link.href, { signal: stop.signal, credentials: "same-origin" });
    if (!response.ok || response.redirected) throw new Error(`the server answered ${response.status}`);
    const total = Number(response.headers.get("X-Total-Calls"));
    const tell = showProgress(box, total);
    const chunks = await readAll(response, tell);
    tell(total, true);
    save(chunks, response.headers.get("Content-Type"), link.dataset.name);
    text.textContent += ": done";
  } catch (error) {
    text.textContent = error.name === "AbortError" ? "Stopped" : `Not exported: ${error.message}`;
  } finally {
    button.hidden = true;
  }
}

const box = document.querySelector("[data-export-progress]");
for (const link of document.querySelectorAll("a[data-name]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    void exportCalls(link, box);
  });
}
