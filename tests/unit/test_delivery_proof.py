"""The proof of delivery, on mailboxes in memory and an SMTP side that delivers by a route."""

import importlib
from contextlib import suppress
from typing import Any, cast

import pytest

from migrator.delivery import plan_canaries, tidy
from migrator.delivery.look import remove
from migrator.delivery.verdict import Place
from migrator.model.canary import CanaryState
from migrator.model.errors import Stopped
from migrator.model.names import FolderName, ServerName
from tests.unit.canary_world import BOXES, GATEWAY, LONG_AGO, OLD_MTA, Session, Stored, World


@pytest.fixture
def world(monkeypatch):
    made = World()
    module = importlib.import_module("migrator.delivery.proof")
    monkeypatch.setattr(module, "send", lambda *arguments: made.sending(*arguments))
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)
    return made


def test_every_canary_found_on_the_target_and_absent_on_the_source_is_proven_and_removed(world):
    proof = world.prove()
    assert proof.proven
    assert (proof.sent, proof.found, proof.misrouted, proof.unproven, proof.removed) == (6, 6, 0, 0, 6)
    assert world.left("new") == []


def test_a_canary_is_journalled_before_it_is_sent_and_with_its_verdict(world):
    seen = []

    def answers(canary):
        seen.append(canary.token in {c.token for c in world.journal})
        return CanaryState.SENT

    world.answers = answers
    proof = world.prove()
    assert seen == [True] * 6
    last = {canary.token: canary for canary in world.journal}
    assert set(last.values()) == set(proof.canaries)


def test_a_canary_is_found_in_any_folder(world):
    world.route = lambda canary: [("new", "迷惑メール")]
    assert world.prove().proven
    assert world.left("new") == []


def test_only_the_canary_is_removed(world):
    for box in BOXES:
        world.mail[box.address, ServerName("new")].deliver(None)
    world.route = lambda canary: world.mail[canary.address, "new"].deliver(None) and [("new", "INBOX")]
    assert world.prove().removed == 6
    assert [len(world.mail[box.address, "new"].folders["INBOX"]) for box in BOXES] == [3, 3, 3]


def test_mail_that_goes_to_both_servers_is_misrouted(world):
    world.route = lambda canary: [("new", "INBOX"), ("old", "INBOX")]
    proof = world.prove()
    assert (proof.found, proof.misrouted) == (0, 6)
    assert not proof.proven


def test_one_wrong_ingress_does_not_spoil_the_other(world):
    world.route = lambda canary: [("old" if canary.ingress == OLD_MTA else "new", "INBOX")]
    proof = world.prove()
    assert {c.state for c in proof.canaries if c.ingress == GATEWAY} == {CanaryState.PROVEN}
    assert {c.state for c in proof.canaries if c.ingress == OLD_MTA} == {CanaryState.MISROUTED}


def test_the_source_is_only_ever_examined(world):
    world.route = lambda canary: [("old", "INBOX")]
    world.prove()  # the session of "old" fails on SELECT
    assert len(world.left("old")) == 6


def test_a_copy_that_reaches_the_wrong_server_after_the_verdict_is_found_by_the_last_look(world, monkeypatch):
    module = importlib.import_module("migrator.delivery.proof")
    judge = module.judge

    def judged_then_a_copy_arrives(canary, *rest):
        verdict = judge(canary, *rest)
        if verdict.state is CanaryState.PROVEN and canary.state is not CanaryState.PROVEN:
            world.mail[canary.address, "old"].deliver(canary.token)
        return verdict

    monkeypatch.setattr(module, "judge", judged_then_a_copy_arrives)
    assert world.prove().misrouted == 6


def test_late_mail_is_waited_for_and_no_mail_is_unproven_at_the_deadline(world):
    world.route = lambda canary: []
    proof = world.prove(deadline=0.05)
    assert (proof.sent, proof.found, proof.unproven) == (6, 0, 6)
    assert all("not found on new" in canary.detail for canary in proof.canaries)


def test_a_temporary_refusal_is_sent_again_under_the_same_token(world):
    world.answers = lambda c: CanaryState.SENT if world.offered.count(c.token) > 2 else CanaryState.INTENDED
    proof = world.prove()
    assert proof.proven
    assert all(world.offered.count(canary.token) == 3 for canary in proof.canaries)


def test_an_ingress_that_keeps_canaries_waiting_is_told_of_once(world):
    waits = {GATEWAY: CanaryState.INTENDED}
    world.answers = lambda c: waits.get(c.ingress, CanaryState.SENT)
    world.prove(deadline=0.2)
    told = [note for note in world.notes if "does not take canaries yet" in note]
    assert [note.partition(" ")[0] for note in told] == [GATEWAY]


def test_what_was_accepted_twice_under_one_token_is_proven_and_removed_twice(world):
    world.route = lambda canary: [("new", "INBOX"), ("new", "INBOX")]
    proof = world.prove()
    assert (proof.found, proof.removed) == (6, 12)


def test_a_permanent_refusal_is_a_verdict(world):
    world.answers = lambda canary: CanaryState.REFUSED
    proof = world.prove()
    assert (proof.sent, proof.refused) == (0, 6)
    assert len(world.offered) == 6


@pytest.mark.parametrize("server", ["old", "new"])
def test_without_a_look_at_both_servers_nothing_is_proven(world, server):
    world.unreachable = {server}
    proof = world.prove(deadline=0.05)
    assert (proof.found, proof.unproven) == (0, 6)
    assert all(f"{server} is gone" in canary.detail for canary in proof.canaries)


def test_after_a_crash_the_canary_that_had_arrived_is_found_and_not_sent_again(world):
    plan = plan_canaries(BOXES, [GATEWAY], "target")
    for canary in plan.new:  # killed between the server's 250 and the journal
        world.deliver(canary)
    proof = world.prove(plan_canaries(BOXES, [GATEWAY], "target", plan.new))
    assert proof.proven
    assert proof.sent == 3
    assert world.offered == []


def test_after_a_crash_the_canary_that_had_not_been_sent_is_sent(world):
    plan = plan_canaries(BOXES, [GATEWAY], "target")
    proof = world.prove(plan_canaries(BOXES, [GATEWAY], "target", plan.new))
    assert proof.proven
    assert sorted(world.offered) == sorted(canary.token for canary in plan.new)


def test_after_a_crash_before_the_removal_what_was_proven_is_removed(world):
    proven = world.prove(ingresses=[GATEWAY], remove=False)
    assert len(world.left("new")) == 3
    again = world.prove(plan_canaries(BOXES, [GATEWAY], "target", proven.canaries))
    assert (again.found, again.removed) == (3, 3)
    assert world.left("new") == []
    assert len(world.offered) == 3


class Killed(BaseException):
    """The process is gone."""


def test_killed_before_or_after_any_journal_entry_or_sending_it_ends_proven_with_nothing_left(world):
    send = world.send
    for point in range(1, 40):
        journal: dict[str, Any] = {}
        steps = iter(range(1, 1000))

        def step(point=point, steps=steps):
            if next(steps) == point:
                raise Killed

        def put(canary, journal=journal, step=step):
            step()
            journal[canary.token] = canary
            step()

        def sends(canaries, smtp, envelope, step=step):
            for canary in send(canaries, smtp, envelope):  # delivered by now
                step()
                yield canary

        plan = plan_canaries(BOXES[:2], [GATEWAY], "target")
        world.put, world.sending = put, sends
        with suppress(Killed):
            world.prove(plan)
        known = tuple(journal.values())
        world.sending = send
        world.put = lambda canary, journal=journal: journal.update({canary.token: canary})
        again = world.prove(plan_canaries(BOXES[:2], [GATEWAY], "target", known))
        assert again.proven, point
        assert (world.left("new"), world.left("old")) == ([], []), point
        if next(steps) <= point:
            return
    raise AssertionError("there are more points than were tried")


def test_a_resumed_proof_finds_its_canary_in_a_large_folder_without_reading_old_mail(world):
    for _ in range(200):
        world.mail[BOXES[0].address, "new"].deliver(None, date=LONG_AGO)
    plan = plan_canaries(BOXES[:1], [GATEWAY], "target")
    world.deliver(plan.new[0])
    for _ in range(60):
        world.mail[BOXES[0].address, "new"].deliver(None, date=LONG_AGO)
    proof = world.prove(plan_canaries(BOXES[:1], [GATEWAY], "target", plan.new))
    assert proof.proven
    assert world.offered == []
    assert min(world.mail[BOXES[0].address, "new"].read) == 201


def test_a_resumed_proof_finds_its_canary_on_a_server_whose_clock_is_wrong(world):
    held = world.mail[BOXES[0].address, "new"]
    for _ in range(200):
        held.deliver(None, date=LONG_AGO)
    plan = plan_canaries(BOXES[:1], [GATEWAY], "target")
    held.deliver(plan.new[0].token, date=LONG_AGO)
    assert world.prove(plan_canaries(BOXES[:1], [GATEWAY], "target", plan.new)).proven
    assert world.offered == []


def test_a_message_that_is_no_canary_any_more_is_not_removed():
    held = Stored()
    for token in (None, "other", "t1"):
        held.deliver(token)
    wrong = {Place(FolderName("INBOX"), 1, uid): "t1" for uid in (1, 2, 3, 4)}
    elsewhere = {Place(FolderName("INBOX"), 2, 1): "t1"}  # another UIDVALIDITY
    assert remove(cast(Any, Session(held, True)), wrong | elsewhere) == 1
    assert sorted(held.folders["INBOX"]) == [1, 2]


def test_a_new_proof_reads_no_message_that_was_there_before(world):
    for _ in range(200):
        world.mail[BOXES[0].address, "new"].deliver(None)
        world.mail[BOXES[0].address, "old"].deliver(None, "下書き")
    assert world.prove().proven
    assert min(world.mail[BOXES[0].address, "new"].read) > 200
    assert world.mail[BOXES[0].address, "old"].read == []


def test_a_folder_that_may_not_be_opened_is_named_and_an_inbox_that_may_not_proves_nothing(world):
    plan = plan_canaries(BOXES[:1], [GATEWAY], "target")
    held = world.mail[BOXES[0].address, "new"]
    held.deliver(None, "共有")
    held.locked = {"共有"}
    proof = world.prove(plan_canaries(BOXES[:1], [GATEWAY], "target", plan.new))
    assert proof.proven
    assert proof.notes == ("u0@x.jp: not looked into on new: 共有",)
    world.mail[BOXES[0].address, "old"].locked = {"INBOX"}
    (canary,) = world.prove(plan_canaries(BOXES[:1], [GATEWAY], "target"), deadline=0.05).canaries
    assert canary.state is CanaryState.UNPROVEN
    assert "absence on old was not seen" in canary.detail


def test_a_stopped_proof_says_how_to_resume(world):
    world.route = lambda canary: []
    world.stopped = True
    with pytest.raises(Stopped) as stopped:
        world.prove()
    assert "again" in stopped.value.remedy


def test_where_messages_cannot_be_removed_by_uid_they_are_left_and_named(world):
    world.mail[BOXES[0].address, "new"].uidplus = False
    proof = world.prove(ingresses=[GATEWAY])
    assert (proof.found, proof.removed) == (3, 2)
    assert len(world.left("new")) == 1
    assert "u0@x.jp: canaries are left on new" in proof.notes[0]


def test_late_canaries_are_removed_where_they_were_expected(world):
    world.route = lambda canary: []
    late = world.prove(deadline=0.01).canaries
    world.route = lambda canary: [("new", "INBOX"), ("old", "INBOX")]
    for canary in late:
        world.deliver(canary)
    assert tidy(late, world.connect).removed == 6
    assert (world.left("new"), len(world.left("old"))) == ([], 6)
    assert tidy(late, world.connect).removed == 0
