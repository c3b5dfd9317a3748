"""A clip shown in a notebook plays, picture and sound."""


def test_clip_plays_with_sound(tiny_notebook):
    page = tiny_notebook.page
    tiny_notebook.run("clip")
    video = page.locator("video")
    video.evaluate("video => video.play()")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.3")
    assert video.evaluate("video => video.webkitAudioDecodedByteCount") > 0
