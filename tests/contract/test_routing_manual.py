"""A person who is slow, absent, mistaken, or right about what we did not know; and runs that die meanwhile."""

import os
import re
import signal
import threading
import time
from datetime import timedelta
from functools import partial

import pytest

from migrator.model.errors import Stopped
from migrator.routing.contract import RouteConflict
from migrator.routing.errors import StateUnwritable
from migrator.routing.operator.change_sets import ChangeSets, TokenRefused, confirm
from migrator.routing.operator.manual import Unconfirmed
from tests.contract.places_manual import NAME, TOKEN, Console, Stop, manual_ground
from tests.contract.routing_places import A, C, D, die_at, ended, in_a_process

SOON = timedelta(seconds=0.5)


@pytest.fixture
def here():
    yield from manual_ground()


def ask_in_vain(here, flips) -> str:
    """Apply with nobody there; the token that was printed."""
    with pytest.raises(Unconfirmed):
        here.backend(person=False, patience=SOON).apply(flips)
    return token_in(here.printed[-1])


def token_in(text) -> str:
    found = TOKEN.search(text)
    assert found is not None
    return found.group(1)


def test_the_instructions_name_what_is_there_what_shall_be_there_and_the_token(here):
    routing = here.backend()
    routing.apply(routing.plan({A: here.new, D: here.new}))
    asked, done = here.printed
    assert asked.startswith("exchange: a person is needed for 2 entries. Exchange admin center, Mail flow.\n")
    assert f'  {A}: "{here.old}" -> "{here.new}"\n  {D}: (no entry) -> "{here.new}"\n' in asked
    assert re.fullmatch(r"[2-9A-HJKMNP-Z]{4}-[2-9A-HJKMNP-Z]{4}", token_in(asked))
    assert "--found ADDRESS=VALUE" in asked
    assert re.fullmatch(rf"exchange: change set {token_in(asked)} was confirmed by sato at .* UTC", done)


def test_a_confirmation_from_another_process_ends_the_waiting(here):
    routing = here.backend(person=False)
    flips = routing.plan({A: here.new})

    def person():
        while not here.printed:
            time.sleep(0.02)
        here.follow(here.printed[0], token_in(here.printed[0]))

    child = threading.Thread(target=person)
    child.start()
    assert routing.apply(flips).changed == (A,)
    child.join()
    assert here.answer(A) == here.new


def test_a_wrong_token_is_refused_and_those_that_wait_are_named(here):
    flips = here.backend().plan({A: here.new})
    token = ask_in_vain(here, flips)
    with pytest.raises(TokenRefused, match=f"a change set AAAA-AAAA; these wait: {token} of exchange"):
        confirm([here.sets()], "aaaa-aaaa", "sato")
    assert here.backend().read([A]) == {A: here.old}


def test_an_old_token_is_refused_and_what_became_of_it_is_said(here):
    routing = here.backend()
    routing.apply(routing.plan({A: here.new}))
    with pytest.raises(TokenRefused, match=r"was confirmed by sato at .* UTC; nothing waits there"):
        here.sets().confirm(token_in(here.printed[0]), "suzuki")


def test_the_same_change_asked_for_another_time_has_another_token(here):
    routing = here.backend()
    flips = routing.plan({A: here.new})
    for change in (flips, flips.reversed(), flips):
        routing.apply(change)
    first, _, third = (token_in(text) for text in here.printed[::2])
    assert first != third


def test_a_change_set_that_another_one_replaced_is_refused_and_nothing_of_it_is_believed(here):
    old = ask_in_vain(here, here.backend().plan({A: here.new, C: here.new}))
    new = ask_in_vain(here, here.backend().plan({A: here.stale}))
    with pytest.raises(TokenRefused, match=f"{old} of exchange was replaced by the change set {new}; waiting: {new}"):
        here.sets().confirm(old, "sato")
    assert here.backend().read([A, C]) == {A: here.old, C: here.old}


def test_a_stop_ends_the_waiting_and_says_how_to_resume(here):
    routing = here.backend(person=False)
    timer = threading.Timer(0.3, lambda: setattr(here.stop, "asked", True))
    timer.start()
    with pytest.raises(Stopped) as stopped:
        routing.apply(routing.plan({A: here.new}))
    token = token_in(here.printed[0])
    assert token in str(stopped.value) and f"migrator route confirm {token}" in stopped.value.remedy


def test_another_signal_to_stop_is_heeded_where_it_was_given(here):
    other = Stop()
    routing = here.backend(person=False).heeding(other)
    other.asked = True
    with pytest.raises(Stopped):
        routing.apply(routing.plan({A: here.new}))


def test_where_nobody_is_nobody_is_waited_for(here):
    routing = here.backend(person=False, patience=timedelta(hours=1)).unattended().heeding(Stop())
    with pytest.raises(Unconfirmed):
        routing.apply(routing.plan({A: here.new}))


def test_what_nobody_confirmed_is_asked_for_again_under_the_same_token(here):
    flips = here.backend().plan({A: here.new, D: here.new})
    token = ask_in_vain(here, flips)
    again = here.backend()
    assert again.plan({A: here.new, D: here.new}) == flips
    again.apply(flips)
    assert token_in(here.printed[-2]) == token
    assert here.answer(A) == here.new


def test_a_confirmation_that_nobody_waits_for_counts(here):
    flips = here.backend().plan({A: here.new})
    token = ask_in_vain(here, flips)
    here.follow(here.printed[-1], token)
    before = len(here.printed)
    assert here.backend().apply(flips).already == (A,)
    assert len(here.printed) == before


def test_what_may_have_been_done_is_taken_back_by_asking_for_it(here):
    """The person made the change and did not say so; then the wave goes back."""
    wanted = {A: here.new, D: here.new}
    ask_in_vain(here, here.backend().plan(wanted))
    here.set_console(A, here.new)
    back = here.backend()
    assert "may be" in back.evidence([A])[A]
    flips = back.plan({A: here.old, D: None, C: here.old})
    assert [flip.address for flip in flips.changes] == [A, D]
    back.apply(flips)
    assert f'{A}: "{here.new}" -> "{here.old}"' in here.printed[-2]
    assert (here.answer(A), here.answer(D)) == (here.old, None)
    assert here.backend().plan({A: here.old, D: None}).changes == ()


def test_an_entry_that_only_the_person_sees_to_be_different_is_a_conflict_and_nothing_is_changed(here):
    here.set_console(C, here.elsewhere)
    routing = here.backend()
    with pytest.raises(RouteConflict) as refused:
        routing.apply(routing.plan({A: here.new, C: here.new}))
    [conflict] = refused.value.conflicts
    assert (conflict.address, conflict.found) == (C, here.elsewhere)
    assert here.routes() == {A: here.old, C: here.elsewhere}
    assert here.backend().read([A, C]) == here.routes()
    assert here.backend().plan({A: here.old}).changes == ()


def test_a_refusal_for_no_reason_is_refused(here):
    token = ask_in_vain(here, here.backend().plan({A: here.new}))
    for value in (here.old, here.new):
        with pytest.raises(TokenRefused, match="that is no reason"):
            here.sets().confirm(token, "sato", {A: value})
    with pytest.raises(TokenRefused, match="is not in the change set"):
        here.sets().confirm(token, "sato", {C: here.elsewhere})
    here.sets().confirm(token, "sato")


def test_who_confirmed_and_when_is_shown_and_what_is_only_assumed(here):
    routing = here.backend()
    routing.apply(routing.plan({A: here.new}))
    said = routing.evidence([A, C])
    assert re.fullmatch(r"confirmed by sato at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said[A])
    assert said[C] == "assumed, never confirmed"


def test_what_waits_is_a_finding(here):
    token = ask_in_vain(here, here.backend().plan({A: here.new}))
    [finding] = here.backend().check()
    assert (finding.severity, token in finding.text, token in finding.remedy) == ("warning", True, True)


def test_of_two_who_confirm_at_once_one_is_taken_at_their_word(here):
    token = ask_in_vain(here, here.backend().plan({A: here.new}))
    people = [in_a_process(partial(here.sets().confirm, token, who)) for who in ("sato", "suzuki", "kato")]
    assert sorted(ended(one) for one in people) == [0, 1, 1]


def test_killed_at_any_step_the_next_run_asks_for_the_same_and_what_was_confirmed_stays(here):
    point, died = 0, True
    steps = {os: ("replace", "fsync", "open"), Console: ("follow",), ChangeSets: ("confirm", "ask")}
    while died:
        flips = here.backend().plan({A: here.new, D: here.new})
        printed = here.directory / "printed"
        printed.unlink(missing_ok=True)

        def work(point=point, flips=flips, printed=printed):
            die_at(point, steps)
            here.on_paper = printed
            here.backend().apply(flips)

        died = ended(in_a_process(work)) == -signal.SIGKILL
        routing, before = here.backend(), len(here.printed)
        routing.apply(flips)
        asked = [token_in(text) for text in here.printed[before:] if TOKEN.search(text)]
        if asked and printed.exists():
            assert asked == [token_in(printed.read_text())], point
        assert {a: here.answer(a) for a in (A, D)} == {A: here.new, D: here.new} == dict(routing.read([A, D]))
        routing.revert(flips)
        assert (here.answer(A), here.answer(D)) == (here.old, None)
        point += 1
    assert point > 20


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_that_was_being_written_is_never_seen_by_half(here, monkeypatch, step):
    routing = here.backend()
    routing.apply(routing.plan({A: here.new}))
    before = (here.state_directory / f"{NAME}.json").read_text()
    monkeypatch.setattr(os, step, full)
    with pytest.raises(StateUnwritable, match="No space"):
        here.sets().ask(routing.plan({A: here.old}))
    assert (here.state_directory / f"{NAME}.json").read_text() == before
    assert [each for each in here.state_directory.iterdir() if each.name.startswith(".")] == []


def full(*arguments):
    raise OSError(28, "No space left on device")
