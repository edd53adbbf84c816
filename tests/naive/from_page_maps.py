"""Networks that begin with convolutions, built from docs/arithmetic.md alone: sections 3a, 4a, 5a and 7."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .from_page import PAGE, FromPage, Ints
from .page import formula, sat, shr


class Maps(NamedTuple):
    """A convolution by the letters of section 3a."""

    M: int
    K_h: int
    K_w: int
    s: int = 1
    p: int = 0
    P: int = 1
    mean: bool = False


class Geometry:
    """Positions, windows and elements of a convolution of an H x W x C map."""

    def __init__(self, maps: Maps, H: int, W: int, C: int, teach: str = "elements") -> None:
        self.maps, names = maps, maps._asdict() | {"H": H, "W": W, "C": C}
        rows, columns = PAGE.find("3a", r"FH = (floor.*? \+ 1) FW = (floor.*? \+ 1)\n")
        self.FH, self.FW = (int(formula(text)(**names)) for text in (rows, columns))
        rows, columns, elements = PAGE.find("3a", r"PH = (floor\(FH / P\)) PW = (floor\(FW / P\)) E = (.*)\n")
        self.PH, self.PW = (int(formula(text)(**names, FH=self.FH, FW=self.FW)) for text in (rows, columns))
        rows, columns = PAGE.find("3a", r"OH = (PH P) OW = (PW P)\n")
        self.OH, self.OW = (int(formula(text)(**names, PH=self.PH, PW=self.PW)) for text in (rows, columns))
        PAGE.find("3a", r"with teach = positions \(section 4a\) they are: there OH = FH and OW = FW\.")
        if teach == "positions":
            self.OH, self.OW = self.FH, self.FW
        self.E = int(formula(elements)(**names, PH=self.PH, PW=self.PW))
        self.I = int(formula(PAGE.find("3a", r"so I = (.*?) weights a map")[0])(**names))
        (y_of, x_of) = PAGE.find("3a", r"over dy, dx, c of x\[(s y.*?), (s x.*?), c\] \* w\[o, r\]")
        axes = [np.arange(n) for n in (self.OH, self.OW, maps.K_h, maps.K_w, C)]
        y, x, dy, dx, c = np.meshgrid(*axes, indexing="ij")
        y, x = (formula(text)(**names, y=y, x=x, dy=dy, dx=dx) for text in (y_of, x_of))
        index, tap = (
            PAGE.find("3a", r"index (\(y W \+ x\) C \+ c) of an input"),
            PAGE.find("3a", r"tap r = (\(.*?\) C \+ c)"),
        )
        places = np.where(
            (y >= 0) & (y < H) & (x >= 0) & (x < W), formula(index[0])(y=y, x=x, c=c, W=W, C=C), H * W * C
        )
        assert (formula(tap[0])(**names, dy=dy, dx=dx, c=c)[0, 0].ravel() == np.arange(self.I)).all()
        self.inputs = places.reshape(self.OH, self.OW, self.I)  # H W C stands for the zeros of the padding
        self.n_in = H * W * C

    def unfold(self, x: Ints) -> Ints:
        """x[s y + dy - p, s x + dx - p, c] by (y, x, r)."""
        return np.append(x, 0)[self.inputs]

    def windows(self, z: Ints) -> Ints:
        """z of each pooling window in raster order, [PH, PW, M, P^2]; positions beyond PH P and PW P are left out."""
        P = self.maps.P
        inside = z[: self.PH * P, : self.PW * P].reshape(self.PH, P, self.PW, P, self.maps.M)
        return inside.transpose(0, 2, 4, 1, 3).reshape(self.PH, self.PW, self.maps.M, P * P)

    def acting(self, windows: Ints) -> Ints:
        """The inverse of `windows`, zero elsewhere: [OH, OW, M]."""
        P = self.maps.P
        d = np.zeros((self.OH, self.OW, self.maps.M), np.int64)
        inside = windows.reshape(self.PH, self.PW, self.maps.M, P, P).transpose(0, 3, 1, 4, 2)
        d[: self.PH * P, : self.PW * P] = inside.reshape(self.PH * P, self.PW * P, self.maps.M)
        return d

    @property
    def mean_bits(self) -> int:
        return int(math.log2(self.maps.P**2)) if self.maps.mean else 0


class MapsFromPage(FromPage):
    """A network of convolutions and dense layers; `rates` of kernels and everything left out are the page's defaults."""

    def __init__(
        self,
        rule: str,
        shape: tuple[int, int, int],
        maps: Sequence[Maps],
        dense: Sequence[int],
        kind: str = "element",
        teach: str = "elements",
        kernel_bias: bool = False,
        **given: Any,
    ) -> None:
        self.kind, self.teach, self.kernel_bias = kind, teach, kernel_bias
        self.geometry: list[Geometry | None] = []
        for one in maps:
            found = Geometry(one, *shape, teach)
            self.geometry.append(found)
            shape = (found.PH, found.PW, one.M)
        first = [one for one in self.geometry if one]
        self.geometry += [None] * len(dense)
        self.z: dict[int, Ints] = {}
        self.winners: dict[int, Ints] = {}
        super().__init__(rule, [first[0].n_in, *(one.E for one in first), *dense], **given)
        PAGE.find(7, r"Maps without a bias have no bias word; arrays of words hold zeros in its place\.")
        if not kernel_bias:
            self.bias = [
                words if here is None else 0 * words for words, here in zip(self.bias, self.geometry, strict=True)
            ]
        PAGE.find(7, r"Maps without a bias have no bias word; arrays of words hold zeros in its place\.")
        PAGE.find(7, r"Kernels have no bias, feedback is of the kind element, and teaching is by elements\.")
        if not kernel_bias:
            self.bias = [
                words if here is None else 0 * words for words, here in zip(self.bias, self.geometry, strict=True)
            ]
        self.rates = [rate - self._less(k) for k, rate in enumerate(self.rates)]

    def _less(self, k: int) -> int:
        """Exponents of two by which kernels learn more slowly than dense layers of their rule."""
        of_labels, of_errors, of_maps = PAGE.numbers(
            7,
            r"hidden rate of their rule under the signals delta and local error, (\d+) exponents below it under the target "
            r"and the signed target, (\d+) below under the error and its sign, (\d+) below with map feedback, and never",
        )
        taught = self.taught[k]
        if self.geometry[k] is None or taught is None or taught.takes_delta or taught.reads_out:
            return 0
        from_label = "target_c" in taught.text  # s_c is written with target_c, too
        return of_maps if self.kind == "map" else of_labels if from_label else of_errors

    def _weight_shape(self, k: int) -> tuple[int, int]:
        here = self.geometry[k - 1]
        PAGE.find(7, r"A kernel has a row per map, (\[M, K_h K_w C\]) \(section 3a\), and I = K_h K_w C\.")
        return (here.maps.M, here.I) if here else super()._weight_shape(k)

    def _feedback_shape(self, k: int) -> tuple[int, int]:
        here, above = self.geometry[k - 1], self.geometry[k] if k < self.K else None
        rows, columns = super()._feedback_shape(k)
        if here is None or not rows:
            return rows, columns
        texts = PAGE.find(
            7, r"Of a convolution O = (E) \(feedback element\), (.*?) \(teach = positions\) or (M) \(feedback map\)"
        )
        if self._kind(k) == "layerwise":
            return (above.maps.M, above.I) if above else (rows, here.E)
        text = texts[2] if self.kind == "map" else texts[1] if self._at_positions(k) else texts[0]
        return rows, int(formula(text)(E=here.E, OH=here.OH, OW=here.OW, M=here.maps.M))

    def _at_positions(self, k: int) -> bool:
        here = self.geometry[k - 1]
        return here is not None and self.teach == "positions" and here.maps.P > 1

    # section 3a

    def _sums(self, k: int, x: Ints) -> Ints:
        here = self.geometry[k - 1]
        if here is None:
            return super()._sums(k, x)
        bias = self._one(k) * shr(self.bias[k - 1], self.r_bias[k - 1]) if self.kernel_bias else 0
        self.z[k] = here.unfold(x) @ self._view(k).T + bias
        windows = here.windows(self.z[k])
        PAGE.find("3a", r"the largest z of the window, the first in raster order of those that are equal;")
        PAGE.find("3a", r"mean pooling: u\[Y, X, o\] = the sum of all z of the window")
        self.winners[k] = windows.argmax(axis=-1)
        return np.asarray(windows.sum(-1) if here.maps.mean else windows.max(-1)).ravel()

    def _mean_bits(self, k: int) -> int:
        here = self.geometry[k - 1]
        PAGE.find("3a", r"s_z = A \+ \(b - 1\) - e - 5 \+ log2 P\^2 with a mean, without the last term otherwise")
        return here.mean_bits if here else 0

    # section 4a

    def _gates(self, k: int, q: Ints) -> Ints:
        if not self._at_positions(k):
            return super()._gates(k, q)
        (index,) = PAGE.find(
            "4a", r"where q = (sat\(rn\(z, A \+ \(b-1\) - e - 5\), -128, 127\)): the pooling has no part"
        )
        q = formula(index)(z=self.z[k], A=self._A(k), b=self.b, e=self.e[k - 1])
        return super()._gates(k, np.asarray(q).ravel())

    def _modulator(self, k: int, taught: Any, e: Ints, target: Ints, d_next: Ints) -> Ints:
        m = super()._modulator(k, taught, e, target, d_next)
        here = self.geometry[k - 1]
        if here is None or taught.feedback != "direct" or self.kind != "map":
            return m
        PAGE.find("4a", r"rows of B have an entry per map: m\[Y, X, o\] = m\[o\], computed once")
        return np.tile(m, (here.OH * here.OW) if self._at_positions(k) else here.PH * here.PW)

    def _acting(self, k: int, d: Ints) -> Ints:
        """d where it acts, [OH, OW, M]."""
        here = self.geometry[k - 1]
        assert here is not None
        if self._at_positions(k):
            return d.reshape(here.OH, here.OW, here.maps.M)
        PAGE.find("4a", r"With a maximum d acts at the position of the winner, all others of the window have d = 0;")
        PAGE.find("4a", r"with a mean it acts at every position of the window, with 1 / P\^2 of its value")
        places = np.arange(here.maps.P**2)
        acts = here.maps.mean | (self.winners[k][..., None] == places)
        return here.acting(np.where(acts, d.reshape(here.PH, here.PW, here.maps.M, 1), 0))

    def _from_above(self, k: int, d_next: Ints, matrix: Ints) -> tuple[Ints, int]:
        above = self.geometry[k] if k < self.K else None
        if above is None:
            return super()._from_above(k, d_next, matrix)
        PAGE.find("4a", r"sum over \(Y', X', o\), r of d_next\[Y', X', o\] \* B\[o, r\], s_m\)")
        PAGE.find(
            "4a", r"with s Y' \+ dy - p = y and s X' \+ dx - p = x, where d_next is the d that acts at the position"
        )
        PAGE.find("4a", r"With a mean in the layer above s_m is larger by log2 P\^2 of that layer\.")
        sums = np.zeros(above.n_in + 1, np.int64)
        np.add.at(sums, above.inputs, self._acting(k + 1, d_next) @ matrix)
        return sums[:-1], above.mean_bits

    def _n_next(self, k: int) -> int:
        above = self.geometry[k] if k < self.K else None
        if above is None:
            return super()._n_next(k)
        PAGE.find("4a", r"with f = (rint\(log2\(sqrt\(6 / \(K_h K_w M_next\)\)\)\))")
        PAGE.find("4a", r"counts K_h K_w M_next products of a convolution above")
        return above.maps.K_h * above.maps.K_w * above.maps.M

    def _largest_mean_bits(self) -> int:
        PAGE.find("4a", r"2\^\(max\(20, b - 1 - e\) \+ log2 P\^2 of a mean above\)")
        takers = zip(self.taught, self.geometry[1:], strict=False)
        return max((above.mean_bits for one, above in takers if one and one.takes_delta and above), default=0)

    def n_d(self, k: int) -> int:
        here, n_d = self.geometry[k - 1], super().n_d(k)
        if here is None:
            return n_d
        (fits,) = PAGE.find("4a", r"(FH FW x_max \(2\^\(n_d - 1\) - 1\) \+ 2\^29 < 2\^31)\n")
        (largest,) = PAGE.numbers("4a", r"x_max the largest input \(the highest level, else (\d+)\)")
        x_max = self._one(1) if k == 1 else largest
        while not formula(fits)(FH=here.FH, FW=here.FW, x_max=x_max, n_d=n_d):
            n_d -= 1
        return n_d

    # section 5a

    def _update(self, k: int, x: Ints, d: Ints) -> None:
        here = self.geometry[k - 1]
        if here is None:
            super()._update(k, x, d)
            return
        if not d.any():
            return
        taught, r = self.taught[k - 1], self.r_bias[k - 1]
        assert taught is not None
        PAGE.find("5a", r"halvings \(\+ log2 P\^2 with a mean and teach = elements\), cut to 30")
        shift = self.k(
            A=self._A(k), D=taught.M, rate=self.rates[k - 1], e=self.e[k - 1], b=self.b, r=r, halvings=self.halvings
        ) + (0 if self._at_positions(k) else here.mean_bits)
        acting = self._acting(k, d)
        maps = np.flatnonzero(acting.any(axis=(0, 1)))  # the words of other maps are neither read nor written
        sums = np.tensordot(acting, here.unfold(x), ([0, 1], [0, 1]))[maps]
        if self.masks[k - 1] == "bias":
            sums = sums[:, :0]
        n = sums.shape[1]
        if self.kernel_bias:
            sums = np.column_stack([sums, self._one(k) * acting.sum((0, 1))[maps]])
        PAGE.find(
            "5a",
            r"one for each tap r = 0\.\.K_h K_w C - 1 in ascending order, whatever its G, then one for the bias if",
        )
        rand8 = self._bytes(sums.shape[1], maps) if self.rounding == "stochastic" else None
        v = self._steps(min(shift, self.k_max), r, sums, np.int64(1), rand8)
        lowest, highest = (int(limit(b=self.b, r=r)) for limit in (self.lowest, self.highest))
        floor = self._floor(k)
        if n:
            self.W[k - 1][maps] = sat(self.W[k - 1][maps] + v[:, :n], lowest if floor is None else floor, highest)
        if self.kernel_bias:
            self.bias[k - 1][maps] = sat(self.bias[k - 1][maps] + v[:, n], lowest, highest)
