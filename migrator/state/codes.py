"""How flags, sets of UIDs and outcomes are written compactly, so that a message costs few bytes."""

from collections.abc import Iterable

from migrator.model.message import Flags, Grade, Outcome

_LETTER_OF = {"\\Answered": "A", "\\Deleted": "T", "\\Draft": "D", "\\Flagged": "F", "\\Seen": "S"}
_FLAG_OF = {letter: flag for flag, letter in _LETTER_OF.items()}

OUTCOME_CODES = {Outcome.COPIED: 0, Outcome.PRESENT: 1, Outcome.SKIPPED: 2, Outcome.FAILED: 3}
OUTCOMES = tuple(OUTCOME_CODES)
GRADE_CODES = {Grade.L0: 0, Grade.L1: 1, Grade.L2: 2, Grade.L3: 3, Grade.L4: 4}
GRADES = tuple(GRADE_CODES)

_flags_seen: dict[Flags, str] = {}
_texts_seen: dict[str, Flags] = {}
_REMEMBERED = 4096  # sets of flags; a folder of 20,000 messages has a dozen


def flags_text(flags: Flags) -> str:
    r"""System flags as sorted letters, then keywords: {"\Seen", "\Flagged", "$MDNSent"} is "FS $MDNSent"."""
    text = _flags_seen.get(flags)
    if text is None:
        letters = "".join(sorted(_LETTER_OF[flag] for flag in flags if flag in _LETTER_OF))
        text = " ".join([letters, *sorted(flag for flag in flags if flag not in _LETTER_OF)])
        _remember(flags, text)
    return text


def flags_of(text: str) -> Flags:
    """The flags that `flags_text` wrote."""
    flags = _texts_seen.get(text)
    if flags is None:
        letters, *keywords = text.split(" ")
        flags = frozenset([*(_FLAG_OF[letter] for letter in letters), *keywords])
        _remember(flags, text)
    return flags


def _remember(flags: Flags, text: str) -> None:
    if len(_flags_seen) >= _REMEMBERED:
        _flags_seen.clear()
        _texts_seen.clear()
    _flags_seen[flags] = text
    _texts_seen[text] = flags


def uids_text(uids: Iterable[int]) -> str:
    """UIDs in their order, runs written as ranges: (3, 4, 5, 9, 8) is "3:5,9,8"."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)


def uids_of(text: str) -> tuple[int, ...]:
    """The UIDs that `uids_text` wrote, in the same order."""
    uids: list[int] = []
    for run in text.split(",") if text else ():
        first, _, last = run.partition(":")
        uids.extend(range(int(first), int(last or first) + 1))
    return tuple(uids)
