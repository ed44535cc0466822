"""MX records as routing values: one spelling for what means the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model.mx import Exchange, parse, spell, spell_new

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=2, max_size=4).map(lambda labels: ".".join(labels) + ".")
RECORDS = st.sets(st.builds(Exchange, st.integers(0, 65535), HOSTS), min_size=1, max_size=5)


@given(RECORDS, st.randoms(use_true_random=False))
def test_order_case_and_final_dots_do_not_matter(records, random):
    written = [f"{each.preference} {each.host.rstrip('.') if random.random() < 0.5 else each.host}" for each in records]
    random.shuffle(written)
    text = ", ".join(part.upper() if random.random() < 0.5 else part for part in written)
    assert parse(text) == tuple(sorted(records))
    assert parse(spell(parse(text))) == parse(text)


def test_the_spelling_is_by_preference_then_by_name():
    assert spell(parse("20 B.x.jp,10 c.x.jp., 10 a.x.jp ,10 a.X.jp.")) == "10 a.x.jp., 10 c.x.jp., 20 b.x.jp."


def test_a_name_in_another_script_is_its_ascii_form():
    assert spell_new("10 メール.例え.jp") == "10 xn--4dkua4c.xn--r8jz45g.jp."


@pytest.mark.parametrize(
    "text", ["", "mx.example.co.jp", "10", "x mx.example.co.jp", "65536 mx.example.co.jp", "10 a b"]
)
def test_what_is_no_record_is_refused(text):
    with pytest.raises(ValueError, match="not MX records"):
        parse(text)


def test_records_that_a_server_may_hold_are_read_though_nobody_should_write_them():
    for text in ("0 .", "10 localhost.", "10 10.0.0.1."):
        assert spell(parse(text)) == text
        with pytest.raises(ValueError, match=r"not the full name|never an address"):
            spell_new(text)
