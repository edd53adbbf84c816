"""Geometry of a convolution: its map, kernel, positions and pooling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Shapes of a convolutional layer; maps are flat with channels last: index (y * width + x) * channels + c.

    Parameters
    ----------
    height, width, channels : of the input map
    maps, kernel_height, kernel_width, stride : output channels and kernel
    padding : zeros on each side of the input map
    pool, pooling : side of the pooling windows, 1 for none, and "max" or "mean"; rows and columns of positions that do
        not fill a window are left out
    whole : whether they are computed all the same, as where positions have m, g and d

    Example
    -------
    >>> window = Window(28, 28, 1, 16, 5, 5, 1, 2, 2)
    >>> window.out_height, window.pooled_height, window.elements, window.fan_in
    (28, 14, 3136, 25)
    """

    height: int
    width: int
    channels: int
    maps: int
    kernel_height: int
    kernel_width: int
    stride: int
    padding: int
    pool: int
    pooling: str = "max"
    whole: bool = False

    @property
    def n_in(self) -> int:
        return self.height * self.width * self.channels

    @property
    def full_height(self) -> int:
        """Rows of positions at which the kernel fits; less than 1 where it does nowhere."""
        return (self.height + 2 * self.padding - self.kernel_height) // self.stride + 1

    @property
    def full_width(self) -> int:
        """Positions per row at which the kernel fits."""
        return (self.width + 2 * self.padding - self.kernel_width) // self.stride + 1

    @property
    def out_height(self) -> int:
        """OH, rows of positions that are computed."""
        return self.full_height if self.whole else self.pooled_height * self.pool

    @property
    def out_width(self) -> int:
        """OW, positions per row that are computed."""
        return self.full_width if self.whole else self.pooled_width * self.pool

    @property
    def positions(self) -> int:
        return self.out_height * self.out_width

    @property
    def pooled_height(self) -> int:
        return self.full_height // self.pool

    @property
    def pooled_width(self) -> int:
        return self.full_width // self.pool

    @property
    def elements(self) -> int:
        """E: what the next layer reads."""
        return self.pooled_height * self.pooled_width * self.maps

    @property
    def fan_in(self) -> int:
        """Taps of a kernel, in the order r = (dy * kernel_width + dx) * channels + c."""
        return self.kernel_height * self.kernel_width * self.channels

    @property
    def full_pairs(self) -> int:
        """Pairs (input, tap that falls on a position) if no input is zero: t of the contract at most."""
        sides = (
            (self.height, self.kernel_height, self.out_height),
            (self.width, self.kernel_width, self.out_width),
        )
        pairs = self.channels
        for side, kernel, positions in sides:
            pairs *= sum(
                0 <= position * self.stride + tap - self.padding < side
                for position in range(positions)
                for tap in range(kernel)
            )
        return pairs

    @property
    def winner_bits(self) -> int:
        """Bits of the place of a winner in its pooling window."""
        return (self.pool * self.pool - 1).bit_length()

    @property
    def pool_shift(self) -> int:
        """log2 of the positions that a mean takes; 0 without mean pooling."""
        return (self.pool * self.pool).bit_length() - 1 if self.pooling == "mean" else 0

    @property
    def takes_winners(self) -> bool:
        """Whether the sum of an element is the largest of several."""
        return self.pooling == "max" and self.pool > 1
