"""Two runners on one mailbox; `./dev torture races` runs fifty of each."""

from collections.abc import Callable, Iterator

import pytest

from tests.lab.scene import Scene
from tests.torture.judge import Tally
from tests.torture.races import Track

RACES = 4


@pytest.fixture(params=[False, True], ids=["one database", "two workspaces"])
def track(make_scene: Callable[..., Scene], request: pytest.FixtureRequest) -> Iterator[Track]:
    with Track(make_scene({"racers": 5 * RACES}), Tally(), apart=request.param) as track:
        yield track


def test_of_two_runners_one_works_and_the_other_is_refused_with_the_holders_name_and_nothing_is_doubled(
    track: Track,
) -> None:
    for _ in range(RACES):
        track.race()
        assert track.tally.clean, track.tally.sentences()


def test_when_a_runner_is_killed_another_takes_over_and_finishes_its_work(track: Track) -> None:
    track.take_over()
    assert track.tally.clean, track.tally.sentences()
    assert track.tally.kills == 1
