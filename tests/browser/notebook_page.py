"""One notebook in one browser tab: fill, run, look at, ask its kernel. The same for JupyterLab and Notebook 7.

Knows Playwright and the front ends' `window.jupyterapp`; knows nothing of our widgets. Nothing here waits for ever, and
what gives up says what it waited for.
"""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path
from typing import Any

import nbformat
from nbformat import v4
from playwright.sync_api import BrowserContext, Locator
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from browser.server import Server

PATHS = {"lab": "/lab/tree/{}?reset", "notebook": "/notebooks/{}"}
SCREENSHOTS = Path(__file__).parents[2] / "outputs" / "screenshots"
# What a front end takes to load, or a kernel to import torch and run the tiny model, on two busy cores.
LONG_S = 240
# What a widget, or a kernel that has nothing else to do, takes to answer there.
TIMEOUT_S = 60
POLL_MS = 50
VIEWPORT = {"width": 1280, "height": 1200}  # px

# What Notebook 7 reports while it starts, on an empty notebook too.
EXPLAINED_ERRORS = (
    "Cannot read properties of undefined (reading 'schema')",
    "Command 'filebrowser:open-path' not registered",
)

# The splash screen covers the notebook while a front end starts or changes its theme.
KERNEL_IS_IDLE = """() => {
    if (document.getElementById("jupyterlab-splash")) return false;
    const panel = window.jupyterapp?.shell.currentWidget;
    const session = panel?.sessionContext;
    return Boolean(panel?.context?.isReady && session?.isReady && session.session?.kernel?.status === "idle");
}"""

# Before anything else runs in the page.
COUNT_OBJECT_URLS = """
    window.liveObjectURLs = new Set();
    const { createObjectURL, revokeObjectURL } = URL;
    URL.createObjectURL = (content) => {
        const url = createObjectURL(content);
        window.liveObjectURLs.add(url);
        return url;
    };
    URL.revokeObjectURL = (url) => {
        window.liveObjectURLs.delete(url);
        revokeObjectURL(url);
    };
"""

REPLACE_CELLS = """(sources) => {
    const { model } = window.jupyterapp.shell.currentWidget.content;
    const cells = sources.map((source) => ({ cell_type: "code", source, metadata: { trusted: true }, outputs: [] }));
    model.sharedModel.transact(() => {
        model.sharedModel.deleteCellRange(0, model.sharedModel.cells.length);
        model.sharedModel.insertCells(0, cells);
    });
}"""

RUN_ALL_CELLS = """async () => {
    const { commands, shell } = window.jupyterapp;
    await commands.execute("notebook:run-all-cells");
    const { model } = shell.currentWidget.content;
    const outputs = [...model.cells].flatMap((cell) => cell.outputs.toJSON());
    return outputs.filter((output) => output.output_type === "error").map((output) => output.traceback.join("\\n"));
}"""

CELL_TYPES = "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((cell) => cell.type)"

ASK_KERNEL = """async ([code, expression]) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const request = { code, user_expressions: { value: expression }, store_history: false };
    const reply = (await kernel.requestExecute(request).done).content;
    return reply.status === "ok" ? reply.user_expressions.value : reply;
}"""

RUN_COMMAND = "async ([id, options]) => { await window.jupyterapp.commands.execute(id, options); }"

THEME_IS_SHOWN = """(isLight) =>
    document.body.dataset.jpThemeLight === String(isLight) && !document.getElementById("jupyterlab-splash")
"""

DIALOGS = "() => [...document.querySelectorAll('.jp-Dialog')].map((dialog) => dialog.innerText)"


class NotebookPage:
    """A notebook of `server`, open in a tab of its own, with a kernel of its own.

    `page` is Playwright's; `errors` are what the browser's console reported as such, but for EXPLAINED_ERRORS.
    """

    def __init__(self, browser: BrowserContext, server: Server, frontend: str):
        self.frontend = frontend
        self.errors: list[str] = []
        self._server = server
        self._url = server.url + PATHS[frontend].format("test.ipynb")
        self.page = browser.new_page()
        self.page.set_default_timeout(TIMEOUT_S * 1000)
        self.page.add_init_script(COUNT_OBJECT_URLS)
        self.page.on(
            "console",
            lambda message: message.type == "error" and self._note(f"{message.text} ({message.location.get('url')})"),
        )
        self.page.on("pageerror", lambda error: self._note(error.stack or error.message))
        self.start()

    def start(self) -> None:
        """Opens an empty notebook with a fresh kernel."""
        self.page.goto("about:blank")  # a front end that is open would tell of the loss of its kernel
        self._server.stop_kernels()
        kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        empty = v4.new_notebook(cells=[v4.new_code_cell()], metadata={"kernelspec": kernelspec})
        nbformat.write(empty, self._server.folder / "test.ipynb")
        self._load()

    def run(self, *sources: str) -> None:
        """Makes these the notebook's code cells, runs them and waits for the last.

        Raises AssertionError with the traceback of a cell that fails.
        """
        self.page.evaluate(REPLACE_CELLS, sources)  # awaits nothing
        self.run_again()

    def run_again(self) -> None:
        """Runs the cells that are there; as `run`."""
        for traceback in self.wait_for(RUN_ALL_CELLS, "the notebook's cells to run", timeout_s=LONG_S):
            raise AssertionError(traceback)

    def value(self, expression: str, code: str = "", timeout_s: float = TIMEOUT_S) -> Any:
        """The value of a Python expression in the kernel, after running `code` there; it travels as JSON.

        Raises AssertionError with the exception's name and text if either fails.
        """
        asked = [code, f"__import__('json').dumps({expression})"]
        answer = self.wait_for(ASK_KERNEL, f"the kernel's answer to {expression}", asked, timeout_s)
        if answer["status"] != "ok":
            raise AssertionError(f"{code}\n{expression}: {answer['ename']}: {answer['evalue']}")
        return json.loads(ast.literal_eval(answer["data"]["text/plain"]))

    def wait_for(self, function: str, what: str, arg: Any = None, timeout_s: float = TIMEOUT_S) -> Any:
        """What a JavaScript function returns in the page, once that is true, or what its promise brings.

        Raises AssertionError with `what` was waited for, and with the text of a dialog that is open.
        """
        try:
            return self.page.wait_for_function(function, arg=arg, timeout=timeout_s * 1000).json_value()
        except PlaywrightTimeout:
            raise AssertionError(f"waited {timeout_s} s for {what}; {self._obstacle()}") from None

    def _obstacle(self) -> str:
        """What may have kept the page from going on."""
        try:
            dialogs = self.page.wait_for_function(DIALOGS, timeout=POLL_MS * 100).json_value()
        except PlaywrightTimeout:
            return "the page itself does not answer"
        return f"open dialogs: {dialogs}; errors in the console: {self.errors}"

    def wait_until(self, expression: str) -> None:
        """Returns once a Python expression is true in the kernel. Raises AssertionError after TIMEOUT_S."""
        give_up_at = time.monotonic() + TIMEOUT_S
        while not self.value(f"bool({expression})"):
            if time.monotonic() > give_up_at:
                raise AssertionError(f"not true in the kernel after {TIMEOUT_S} s: {expression}; {self._obstacle()}")
            self.page.wait_for_timeout(POLL_MS)

    def cell_types(self) -> list[str]:
        """'code', 'markdown' or 'raw' of every cell."""
        return self.page.evaluate(CELL_TYPES)

    def reload(self) -> None:
        """Saves the notebook and loads the page anew; the kernel goes on."""
        self._command("docmanager:save")
        self._load()

    def set_theme(self, name: str) -> None:
        """`name` is 'light' or 'dark'. It stays for the tests that follow."""
        self._command("apputils:change-theme", {"theme": f"JupyterLab {name.capitalize()}"})
        self.wait_for(THEME_IS_SHOWN, f"the {name} theme", name == "light")

    def screenshots(self, of: Locator, name: str) -> None:
        """Keeps pictures of an element in both themes: SCREENSHOTS/NAME-THEME-FRONTEND.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        # What is taller than the notebook's part of the page would be cut off.
        self.page.set_viewport_size(VIEWPORT | {"height": round(of.bounding_box()["height"]) + VIEWPORT["height"]})
        for theme in ("dark", "light"):
            self.set_theme(theme)
            of.screenshot(path=SCREENSHOTS / f"{name}-{theme}-{self.frontend}.png")
        self.page.set_viewport_size(VIEWPORT)

    def held(self) -> dict[str, int]:
        """What the page holds on to after collecting garbage: `heap` in bytes, DOM `nodes`, their `listeners`,
        `object_urls`."""
        developer_tools = self.page.context.new_cdp_session(self.page)
        developer_tools.send("Performance.enable")
        developer_tools.send("HeapProfiler.collectGarbage")
        metrics = {one["name"]: one["value"] for one in developer_tools.send("Performance.getMetrics")["metrics"]}
        developer_tools.detach()
        return {
            "heap": metrics["JSHeapUsedSize"],
            "nodes": metrics["Nodes"],
            "listeners": metrics["JSEventListeners"],
            "object_urls": self.page.evaluate("() => window.liveObjectURLs.size"),
        }

    def _load(self) -> None:
        self.page.goto(self._url, timeout=LONG_S * 1000)
        self.wait_for(KERNEL_IS_IDLE, "the notebook with an idle kernel", timeout_s=LONG_S)

    def _command(self, name: str, options: dict[str, str] | None = None) -> None:
        self.wait_for(RUN_COMMAND, f"the command {name}", [name, options or {}])

    def _note(self, error: str) -> None:
        if not any(known in error for known in EXPLAINED_ERRORS):
            self.errors.append(error)
