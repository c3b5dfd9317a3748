// What the theme and Sphinx leave out of a page for who has no mouse or does not see it.

// Figures keep a size in which they can be read; Sphinx names them by their files.
for (const figure of document.querySelectorAll(".cell_output > img")) {
  const box = document.createElement("div");
  box.className = "ltx-figure";
  figure.replaceWith(box);
  box.append(figure);
  figure.alt = "Figure that the cell above draws";
  figure.decode().then(
    () => {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    },
    () => {}, // what cannot be shown needs no scrolling
  );
}

// What scrolls sideways can be scrolled by keys.
for (const box of document.querySelectorAll("pre, .table-wrapper, div.math")) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}

// Landmarks have names.
for (const [place, name] of Object.entries({ ".sidebar-drawer": "Pages", ".toc-drawer": "On this page" })) {
  document.querySelector(place)?.setAttribute("aria-label", name);
}

// The lines of a long signature are no list of definitions.
for (const list of document.querySelectorAll("dt.sig dl")) {
  const lines = document.createElement("div");
  lines.className = "ltx-signature";
  for (const one of [...list.children]) {
    const line = document.createElement("div");
    line.append(...one.childNodes);
    lines.append(line);
  }
  list.replaceWith(lines);
}
