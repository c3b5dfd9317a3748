"""A plain page that shows one widget on a fake model, without Jupyter: for pictures of it and quick tests of its view.

    python tests/browser/page.py timeline state.json timeline.png --theme dark --width 480

State is the widget's traits as JSON; bytes are {"$bytes": base64}. Messages, as [content, [bytes, ...]] pairs, are
delivered after the view has opened.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ltx_widgets.assets import STATIC, joined_module, joined_style

FAKE_MODEL = Path(__file__).parents[1] / "js" / "fake_model.mjs"
GALLERY = Path(__file__).with_name("gallery.mjs")

# What JupyterLab's two themes give to a widget, as far as the kit's style uses it.
THEMES = {
    "light": {"light": "true", "colours": ("#ffffff", "#ffffff", "#eeeeee", "rgba(0, 0, 0, 0.87)")},
    "dark": {"light": "false", "colours": ("#111111", "#212121", "#424242", "rgba(255, 255, 255, 1)")},
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{name}</title>
<style>
body {{ margin: 0; padding: 12px; background: {c[0]}; --jp-layout-color0: {c[0]}; --jp-layout-color1: {c[1]};
  --jp-layout-color2: {c[2]}; --jp-ui-font-color1: {c[3]}; }}
{css}
</style>
<body data-jp-theme-light="{light}">
<div id="widget"></div>
<script type="module">
{fake_model}
const load = (source) => import(URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }})));
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
const revive = (_key, value) => (value && typeof value === "object" && "$bytes" in value ? bytes(value.$bytes) : value);
const given = (id) => JSON.parse(document.getElementById(id).textContent, revive);
const model = createFakeModel(given("state"));
const {{ default: widget }} = await load(JSON.parse(document.getElementById("esm").textContent));
const close = await widget.render({{ model, el: document.getElementById("widget") }});
for (const [content, buffers] of given("messages")) model.receive(content, buffers);
window.ltx = {{ model, close, widget }};
</script>
<script type="application/json" id="esm">{esm}</script>
<script type="application/json" id="state">{state}</script>
<script type="application/json" id="messages">{messages}</script>
"""


def page_html(name: str, state: Mapping[str, Any], messages: Iterable[Any] = (), theme: str = "light") -> str:
    """The page; its script leaves window.ltx = {model, close, widget}."""
    return _page(name, joined_module(name), joined_style(name), state, messages, theme)


def gallery_html(theme: str = "light") -> str:
    """A page of all parts that widgets share, each in all its states."""
    style = joined_style("run_panel") + GALLERY.with_suffix(".css").read_text("utf-8")
    return _page("gallery", joined_module(os.path.relpath(GALLERY.with_suffix(""), STATIC)), style, {}, (), theme)


def _page(name: str, module: str, style: str, state: Mapping[str, Any], messages: Iterable[Any], theme: str) -> str:
    return _PAGE.format(
        name=name,
        css=style,
        c=THEMES[theme]["colours"],
        light=THEMES[theme]["light"],
        fake_model=FAKE_MODEL.read_text("utf-8").replace("export function", "function"),
        esm=_json(module),
        state=_json(dict(state)),
        messages=_json(list(messages)),
    )


def state_of(widget: Any) -> dict[str, Any]:
    """The widget's own traits as its browser side gets them, without its module and style."""
    return {name: value for name, value in widget.get_state().items() if not name.startswith("_")}


def chromium_path() -> str | None:
    """Debian's chromium if it is there; None leaves the choice to Playwright."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


def screenshot(html: str, path: str | Path, width_px: int = 960) -> None:
    """A picture of the whole page at a width, once the view has opened. Raises RuntimeError for errors on the page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"], timeout=180_000)
        page = browser.new_page(viewport={"width": width_px + 24, "height": 300})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_content(html, timeout=120_000)
        page.wait_for_function("window.ltx !== undefined", timeout=120_000)
        page.wait_for_timeout(300)
        page.screenshot(path=path, full_page=True, timeout=120_000)
        browser.close()
    if errors:
        raise RuntimeError("; ".join(errors))


def _json(value: object) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, default=_bytes).replace("<", "\\u003c")


def _bytes(value: object) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is no plain data")
    return {"$bytes": base64.b64encode(value).decode()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("state", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--theme", choices=THEMES, default="light")
    parser.add_argument("--width", type=int, default=960)
    asked = parser.parse_args()
    html = page_html(asked.name, json.loads(asked.state.read_text("utf-8")), theme=asked.theme)
    screenshot(html, asked.picture, asked.width)


if __name__ == "__main__":
    main()
