"""A clip shown in a notebook plays, picture and sound."""


def test_clip_plays_with_sound(tiny_notebook):
    tiny_notebook.run("clip")
    video = tiny_notebook.page.locator("video")
    video.evaluate("video => void video.play()")
    tiny_notebook.wait_for("() => document.querySelector('video').currentTime > 0.3", "the clip to play")
    assert video.evaluate("video => video.webkitAudioDecodedByteCount") > 0
