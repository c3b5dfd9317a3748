"""The prompt in a real front end: what is typed reaches the kernel's request, what is refused is said."""

import re

import pytest
from fake_service import FakeService, serving
from playwright.sync_api import expect

from browser.page import page_html, state_of
from ltx_widgets import Prompt

WITH_TOKENIZER = """
class Tokenizer:
    def count(self, text):
        return len(text.split()) + 1  # as one that ends the text with a token of its own

    def unknown(self, text):
        return [word for word in text.split() if word == "zyx"]

prompt = Prompt(tokenizer=Tokenizer())
prompt
"""


@pytest.fixture
def prompt(notebook):
    notebook.run("from ltx_widgets import Prompt\nprompt = Prompt()\nprompt")
    widget = notebook.page.locator(".ltx-prompt")
    widget.wait_for()
    return widget


def test_typed_prompt_reaches_the_request(notebook, prompt):
    prompt.get_by_label("Prompt", exact=True).fill("a red ball bounces")
    notebook.wait_until("prompt.request.prompt == 'a red ball bounces'")


def test_request_from_the_kernel_is_shown(notebook, prompt):
    notebook.value("None", code="prompt.request = prompt.request.replace(prompt='a blue square slides', seed=11)")
    expect(prompt.get_by_label("Prompt", exact=True)).to_have_value("a blue square slides")
    expect(prompt.get_by_label("Seed", exact=True)).to_have_value("11")


def test_request_from_the_kernel_leaves_what_is_being_typed(notebook, prompt):
    seed = prompt.get_by_label("Seed", exact=True)
    seed.press("Control+a")
    seed.press_sequentially("77")  # and neither Enter nor Tab
    notebook.value("None", code="prompt.request = prompt.request.replace(prompt='a blue square slides', seed=11)")
    expect(prompt.get_by_label("Prompt", exact=True)).to_have_value("a blue square slides")
    expect(seed).to_have_value("77")
    seed.press("Tab")
    notebook.wait_until("prompt.request.seed == 77")


def test_enter_gives_a_number_and_begins_a_line(notebook, prompt):
    seed = prompt.get_by_label("Seed", exact=True)
    seed.fill("77")
    seed.press("Enter")
    notebook.wait_until("prompt.request.seed == 77")
    words = prompt.get_by_label("Prompt", exact=True)
    words.fill("a ball")
    words.press("Enter")
    words.press_sequentially("falls")
    expect(words).to_have_value("a ball\nfalls")


def test_parts_join_into_the_prompt(notebook, prompt):
    prompt.get_by_role("button", name="Parts").click()
    prompt.get_by_label("sound", exact=True).fill("It thumps")
    prompt.get_by_label("action", exact=True).fill("A red ball bounces")
    notebook.wait_until("prompt.request.prompt == 'A red ball bounces. It thumps.'")


def test_seconds_become_the_nearest_legal_length(notebook, prompt):
    seconds = prompt.get_by_label("Length in seconds")
    seconds.fill("1")
    seconds.press("Tab")
    notebook.wait_until("prompt.request.num_frames == 25")
    expect(seconds).to_have_value("1.042")


def test_words_and_tokens_are_counted_and_unknown_ones_named(notebook, prompt):
    notebook.run(WITH_TOKENIZER)
    prompt.get_by_label("Prompt", exact=True).fill("a red zyx bounces")
    expect(prompt).to_contain_text("4 of 200 words, 5 tokens")
    expect(prompt.get_by_role("status")).to_have_text("The model does not know: zyx")


def test_last_prompt_is_taken_again(notebook, prompt):
    text = prompt.get_by_label("Prompt", exact=True)
    for words in ("a red ball bounces", "a blue square slides"):
        text.fill(words)
        notebook.wait_until(f"prompt.request.prompt == {words!r}")
        notebook.value("None", code="prompt.remember()")
    last = prompt.get_by_label("Last prompts")
    expect(last.get_by_role("option")).to_have_count(3)
    last.select_option("a red ball bounces")
    notebook.wait_until("prompt.request.prompt == 'a red ball bounces'")
    expect(text).to_have_value("a red ball bounces")


def test_refused_value_is_said_and_changes_nothing(notebook, prompt):
    before = notebook.value("prompt.request.to_json()")
    seed = prompt.get_by_label("Seed", exact=True)
    seed.fill("-5")
    seed.press("Tab")
    prompt.get_by_role("alert").filter(has_text="seed").wait_for()
    assert notebook.value("prompt.request.to_json()") == before


def test_what_cannot_be_is_marked_where_it_was_typed_and_reaches_no_request(notebook, prompt):
    """Typing goes through states that are no numbers, such as an empty field: the length stays what it was."""
    rate, seed = prompt.get_by_label("Frames per second"), prompt.get_by_label("Seed", exact=True)
    rate.fill("")
    rate.press("Tab")
    seed.fill("-5")
    seed.press("Tab")
    notebook.wait_until("set(prompt.invalid) == {'frame_rate', 'seed'}")
    for field, reason in ((rate, "this is empty; it was 24.0"), (seed, "seed=-5 is too small; the least is 0")):
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(prompt.get_by_role("alert").filter(has_text=reason)).to_be_visible()
    rate.fill("24")
    rate.press("Tab")
    notebook.wait_until("set(prompt.invalid) == {'seed'}")
    seed.press("Escape")
    notebook.wait_until("not prompt.invalid")
    expect(seed).to_have_value("0")
    expect(prompt.get_by_label("Length in seconds")).to_have_value("2.042")
    assert notebook.value("[prompt.request.num_frames, prompt.request.frame_rate, prompt.request.seed]") == [49, 24, 0]


def test_a_prompt_that_another_took_the_place_of_comes_back(notebook, prompt):
    text = prompt.get_by_label("Prompt", exact=True)
    text.fill("a green triangle hums")
    notebook.wait_until("prompt.request.prompt == 'a green triangle hums'")
    notebook.value("None", code="prompt.request = prompt.request.replace(prompt='a blue square slides', seed=11)")
    expect(text).to_have_value("a blue square slides")
    prompt.get_by_role("button", name="Bring back the prompt").click()
    notebook.wait_until("(prompt.request.prompt, prompt.request.seed) == ('a green triangle hums', 0)")
    expect(text).to_have_value("a green triangle hums")


def test_generate_by_key_is_sent_after_the_answer_to_what_was_typed(browser):
    """Two messages may reach two threads of the kernel, of which the second may be the faster."""
    page = browser.new_page()
    page.set_content(page_html("prompt", state_of(Prompt(generate=print))))
    text = page.get_by_role("textbox", name="Prompt", exact=True)
    text.fill("a red ball bounces")
    text.press("Control+Enter")
    sent = "() => window.ltx.model.sent.map(({ content }) => content.type)"
    assert page.evaluate(sent) == ["edit"]
    page.evaluate(
        "() => window.ltx.model.receive({ ...window.ltx.model.sent[0].content, type: 'edited', accepted: true })"
    )
    assert page.evaluate(sent) == ["edit", "generate"]
    page.close()


def test_reload_finds_the_prompt(notebook, prompt):
    prompt.get_by_label("Prompt", exact=True).fill("a green triangle hums")
    notebook.wait_until("prompt.request.prompt == 'a green triangle hums'")
    notebook.reload()
    expect(prompt.get_by_label("Prompt", exact=True)).to_have_value("a green triangle hums")


def test_looks(notebook, prompt):
    prompt.get_by_label("Prompt", exact=True).fill("a red ball bounces in a dark room, with a low thump each time")
    notebook.screenshots(prompt, "prompt")


def test_a_lora_is_put_on_with_its_strength_and_its_word(notebook):
    bells = {"path": "bells.safetensors", "trigger": "RINGING"}
    edges = {"path": "edges.safetensors", "follows_reference": True}
    notebook.run(f"from ltx_widgets import Prompt\nprompt = Prompt(loras={[bells, edges]})\nprompt")
    widget = notebook.page.locator(".ltx-prompt")
    widget.get_by_label("Prompt", exact=True).fill("a ball")
    opener = widget.get_by_role("button", name="LoRAs")
    expect(opener).to_contain_text("none")
    opener.click()
    listed = widget.get_by_role("group", name="LoRAs")
    listed.get_by_label("Use bells.safetensors").check()
    notebook.wait_until("prompt.chosen_loras == [('bells.safetensors', 1.0)]")
    listed.get_by_label("Strength of bells.safetensors").fill("0.5")
    notebook.wait_until("prompt.chosen_loras == [('bells.safetensors', 0.5)]")
    listed.get_by_role("button", name="RINGING").click()
    notebook.wait_until("prompt.request.prompt == 'RINGING a ball'")
    expect(opener).to_contain_text("bells 0.5")
    expect(listed).to_contain_text("follows a reference")
    listed.get_by_label("Use bells.safetensors").uncheck()
    notebook.wait_until("prompt.chosen_loras == []")


def test_a_chat_model_on_this_machine_writes_a_prompt_out(notebook, walk_in_lab):
    """The button asks the endpoint, what was changed is seen, the request keeps both prompts, undo takes it back."""
    with serving(FakeService()) as service:
        service.chat = "A brown dog runs along a beach. It barks."
        notebook.run(
            "import ltx_nb\nfrom ltx_widgets import Prompt\n"
            f"enhance = lambda prompt: ltx_nb.enhance_prompt(prompt, '{service.url}/v1', 'small')\n"
            "prompt = Prompt(ltx_nb.ClipRequest('A dog runs.'), enhance=enhance)\nprompt"
        )
        widget = notebook.page.locator(".ltx-prompt")
        widget.get_by_role("button", name="2 hints").click()
        expect(widget.get_by_role("listitem")).to_have_text([re.compile("^length: "), re.compile("^sound: ")])
        notebook.page.keyboard.press("Escape")
        widget.get_by_role("button", name="Write out").click()
        expect(widget.get_by_label("Prompt", exact=True)).to_have_value(service.chat)
        expect(widget.locator("ins")).to_have_text(["brown", "runs along a beach. It barks."])
        expect(widget.locator("del")).to_have_text(["runs."])
        notebook.screenshots(widget, "prompt_written_out")
        both = "[prompt.request.prompt, prompt.request.written_prompt]"
        assert notebook.value(both) == [service.chat, "A dog runs."]
        widget.get_by_role("button", name="Bring back").click()
        notebook.wait_until(f"{both} == ['A dog runs.', None]")
        expect(widget.get_by_label("What was changed")).to_be_hidden()
