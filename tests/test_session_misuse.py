"""A session that is used wrongly says so, at once, and can run again."""

import threading
import traceback

import pytest

from ltx_nb.request import ClipRequest, Sampling

REQUEST = ClipRequest("a ball", width=32, height=32, num_frames=9, sampling=Sampling(num_inference_steps=2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"request": 5}, "request is a int; give a ClipRequest, or use a verb such as text_to_video"),
        ({"request": "a ball"}, "request is a str; give a ClipRequest"),
        ({"request": REQUEST, "on_step": 5}, "on_step is a int; give a function that takes a StepEvent, or None"),
    ],
)
def test_what_is_no_request_or_no_function_is_a_type_error(random_session, arguments, message):
    with pytest.raises(TypeError, match=message):
        random_session.run(**arguments)


def test_guidance_by_a_block_that_there_is_not_names_those_there_are(random_session):
    message = (
        r"spatio_temporal_guidance_blocks=\(1, 28\) names 28, and the transformer of tiny has blocks 0 to 5; "
        r"its own: \(3,\)"
    )
    sampling = Sampling(num_inference_steps=2, stg_scale=1.0, spatio_temporal_guidance_blocks=(1, 28))
    with pytest.raises(ValueError, match=message):
        random_session.run(REQUEST.replace(sampling=sampling), progress=False)


def test_a_run_within_a_run_is_an_error_and_no_deadlock(random_session):
    with pytest.raises(RuntimeError, match="the session runs already, and this is called from within"):
        random_session.run(REQUEST, progress=False, on_step=lambda event: random_session.run(REQUEST))
    assert random_session.run(REQUEST, progress=False).num_frames == 9


def test_a_run_of_another_thread_waits(random_session):
    made = []

    def run_beside(event):
        if not made:
            made.append(threading.Thread(target=lambda: made.append(random_session.run(REQUEST, progress=False))))
            made[0].start()

    random_session.run(REQUEST, progress=False, on_step=run_beside)
    made[0].join()
    assert made[1].num_frames == 9


def test_what_on_step_raises_comes_out_as_it_is_and_once(random_session, capfd, caplog):
    cause = KeyError("cause")

    def fail(event):
        raise LookupError("mine") from cause

    with pytest.raises(LookupError, match="mine") as caught:
        random_session.run(REQUEST, progress=False, on_step=fail)
    assert caught.value.__cause__ is cause
    assert any(frame.name == "fail" for frame in traceback.extract_tb(caught.value.__traceback__))
    assert "mine" not in caplog.text + "".join(capfd.readouterr())
    assert random_session.run(REQUEST, progress=False).num_frames == 9
