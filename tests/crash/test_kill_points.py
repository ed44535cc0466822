"""kill -9 at a choice of the points of a pass, a cutover and a rollback; `./dev torture` kills at all of them."""

from collections.abc import Callable, Iterator

import pytest

from tests.lab.scene import Scene
from tests.torture.points import chosen
from tests.torture.trial import Ground, Trial

pytestmark = pytest.mark.timeout(900)  # on a machine that is busy with other things

# Each test has servers of its own, so that they run side by side.
POINTS_OF_A_PASS = 14
POINTS_THERE_AND_BACK = 16
SHARES = 2
FIRST_CANARY = "before smtp"  # what comes before it in a cutover is a pass


@pytest.fixture
def ground(make_scene: Callable[..., Scene]) -> Iterator[Ground]:
    with Ground(make_scene({"victims": 50})) as ground:
        yield ground


def test_a_pass_killed_anywhere_loses_and_doubles_nothing(ground: Ground) -> None:
    labels = ground.trial("pass").reference().points
    for point in chosen(labels, POINTS_OF_A_PASS):
        ground.trial("pass").kill_at(point)
        assert ground.tally.clean, ground.tally.sentences()
    assert ground.tally.kills > POINTS_OF_A_PASS // 2  # a run may be through before its point


def test_deletions_that_are_mirrored_are_so_wherever_the_pass_is_killed(ground: Ground) -> None:
    labels = ground.trial("mirror").reference().points
    for label in ("before imap STORE", "after imap STORE", "after imap EXPUNGE"):
        ground.trial("mirror").kill_at(label)
        assert ground.tally.clean, ground.tally.sentences()
    last = len(labels) - labels[::-1].index("after imap EXPUNGE")
    ground.trial("mirror").kill_at(last, "after imap STORE")
    assert ground.tally.clean, ground.tally.sentences()
    assert ground.tally.kills == 5


@pytest.mark.parametrize("share", range(SHARES))
def test_a_cutover_and_its_rollback_killed_anywhere_lose_and_double_nothing_and_split_no_route(
    ground: Ground, share: int
) -> None:
    first = ground.trial("cutover")
    there = chosen(first.reference().points, POINTS_THERE_AND_BACK, after=FIRST_CANARY)
    first.turn_back()
    back = chosen(first.reference().points, POINTS_THERE_AND_BACK)
    for points in list(zip(there, back, strict=True))[share::SHARES]:
        there_and_back(ground.trial("cutover"), *points)
        assert ground.tally.clean, ground.tally.sentences()
    assert ground.tally.kills > POINTS_THERE_AND_BACK // SHARES


def test_a_cutover_killed_after_the_flip_can_be_rolled_back_instead(ground: Ground) -> None:
    labels = ground.trial("cutover").reference().points
    after_the_flip = len(labels) - 1 - labels[::-1].index("before run postfix")
    for point in (after_the_flip, "before imap EXPUNGE"):  # the latter: canaries lie on the target
        ground.trial("retreat").kill_at(point)
        assert ground.tally.clean, ground.tally.sentences()


def test_the_run_that_resumes_may_be_killed_as_well(ground: Ground) -> None:
    ground.trial("pass").kill_at("before imap APPEND", "after imap CREATE", "before imap APPEND")
    assert ground.tally.clean, ground.tally.sentences()
    assert ground.tally.kills == 3


def there_and_back(trial: Trial, there: int, back: int) -> None:
    """Killed on the way there, resumed and judged; then killed on the way back, resumed and judged."""
    trial.kill_at(there)
    trial.turn_back()
    trial.kill_at(back)
