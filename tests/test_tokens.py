"""Questions about prompts to the tiny model's own tokenizer."""


def test_tokens_are_counted_with_the_special_ones(random_session):
    assert random_session.tokens.count(" a red ball ") == 1 + 3  # <bos>


def test_unknown_words_come_in_order_as_often_as_they_occur(random_session):
    assert random_session.tokens.unknown(" A red zebra on the moon, zebra.") == ["zebra", "moon", "zebra"]
    assert random_session.tokens.unknown("a red ball") == []


def test_what_has_no_room_is_named(random_session):
    assert random_session.tokens.beyond(" a red ball bounces", 3) == "ball bounces"
    assert random_session.tokens.beyond("a red ball", 4) == ""
