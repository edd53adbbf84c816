"""A memory that counts: every word goes in or out through read() and write()."""

from typing import Any


class CountingMemory:
    """Nested lists of words behind two counted doors.

    `words` is the plain content, for setting up and for looking afterwards: using it counts nothing, so the
    oracle's loops must not. An address is one index per level of nesting.
    """

    def __init__(self, words: list[Any]) -> None:
        self.words = words
        self.reads = 0
        self.writes = 0

    def read(self, *address: int) -> int:
        self.reads += 1
        word: Any = self.words
        for index in address:
            word = word[index]
        return word

    def write(self, value: int, *address: int) -> None:
        self.writes += 1
        row: Any = self.words
        for index in address[:-1]:
            row = row[index]
        row[address[-1]] = value

    def blank(self, words: list[Any]) -> None:
        """New content without traffic: before a sample a buffer holds nothing, not zeros somebody wrote."""
        self.words = words
