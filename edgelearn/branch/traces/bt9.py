"""Traces of the 2016 Championship Branch Prediction: BT9, a graph of branches as text and the path through it.

A node is a branch. An edge leaves it taken or not taken and has the instructions up to the next branch. The path is
a long list of numbers of edges, and is read many lines at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import numpy as np

from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.branch.traces.columns import Columns
from edgelearn.branch.traces.compressed import LONGEST_LINE, open_bytes, quoted, readable, whole_lines
from edgelearn.errors import UserError

FIRST_LINE = b"BT9_SPA_TRACE_FORMAT"
NODES, EDGES, PATH = "BT9_NODES", "BT9_EDGES", "BT9_EDGE_SEQUENCE"
LARGEST_ID = 1 << 24


class Graph:
    """Hold what an edge of each number is: arrays[largest number + 1].

    Parameters
    ----------
    is_edge : whether there is an edge of the number; is_branch : whether it leaves a conditional branch
    pc, taken : of that branch; cost : int64, instructions of the edge, the branch included
    n_steps : length of the path after the counts of the edges, None where one has none
    """

    def __init__(self, nodes: dict[int, tuple[int, bool]], edges: dict[int, tuple[int, int, int, int | None]]) -> None:
        size = max(edges) + 1
        self.is_edge = np.zeros(size, np.bool_)
        self.is_branch = np.zeros(size, np.bool_)
        self.pc, self.taken = np.zeros(size, np.uint32), np.zeros(size, np.uint8)
        self.cost = np.zeros(size, np.int64)
        for number, (node, taken, instructions, _) in edges.items():
            pc, self.is_branch[number] = nodes[node]
            self.is_edge[number] = True
            self.pc[number], self.taken[number], self.cost[number] = pc, taken, instructions + 1
        steps = [steps for *_, steps in edges.values() if steps is not None]
        self.n_steps = sum(steps) if len(steps) == len(edges) else None


class Bt9(Reader):
    """Read a BT9 text; instructions are those of all edges of the path, one more each for the branch itself."""

    form = "CBP-2016 BT9 text, AArch64"
    pc_shift = 2

    def chunks(self) -> Iterator[Chunk]:
        """Yield the conditional branches of the path.

        Raises
        ------
        UserError : "FILE has no section ...", "FILE line N ...", "FILE is cut off ..."
        """
        with readable(self.path), open_bytes(self.path) as file:
            graph, number = self._read_graph(file)
            n_steps, count = 0, 0
            for first, text in whole_lines(self.path, file, number + 1):
                end = text.find(b"EOF")
                at_end = end >= 0
                path = self._read_path(graph, first, text[:end] if at_end else text)
                n_steps += len(path)
                counts = np.cumsum(graph.cost[path])
                counts += count
                count = int(counts[-1]) if len(counts) else count
                branch = graph.is_branch[path]
                path = path[branch]
                yield Chunk(graph.pc[path], graph.taken[path], counts[branch], count)
                if at_end:
                    while file.read(LONGEST_LINE):  # compressed data are checked when they are read to their end
                        pass
                    return
            if graph.n_steps is not None and n_steps < graph.n_steps:
                raise UserError(
                    f"{self.path} is cut off: its path ends after {n_steps:,} of {graph.n_steps:,} edges; copy it again"
                )

    def _read_graph(self, file: IO[bytes]) -> tuple[Graph, int]:
        """Read nodes and edges; return them and the number of the line on which the path is announced."""
        nodes: dict[int, tuple[int, bool]] = {}
        edges: dict[int, tuple[int, int, int, int | None]] = {}
        section, number = "", 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            cells = line.split(b"#", 1)[0].decode("latin-1").split()
            if not cells:
                continue
            if cells[0] in (NODES, EDGES, PATH):
                self._check_order(section, cells[0])
                section = cells[0]
                if section == PATH:
                    if not edges:
                        raise UserError(f"{self.path} has no edges below {EDGES}; copy it again")
                    return Graph(nodes, edges), number
                continue
            try:
                if section == NODES:
                    is_branch = "class:" in cells and "+CND" in cells[cells.index("class:") + 1]
                    nodes[self._id(cells, "NODE")] = (int(cells[2], 16) & 0xFFFFFFFF, is_branch)
                elif section == EDGES:
                    steps = int(cells[cells.index("traverse_cnt:") + 1]) if "traverse_cnt:" in cells else None
                    edge = int(cells[2]), {"N": 0, "T": 1}[cells[4]], int(cells[7]), steps
                    if edge[0] not in nodes:
                        raise UserError(
                            f"{self.path} line {number}: the edge leaves node {edge[0]}, which is not below {NODES}; "
                            "copy the file again"
                        )
                    edges[self._id(cells, "EDGE")] = edge
            except UserError:
                raise
            except (ValueError, IndexError, KeyError):
                wanted = (
                    "NODE number address ..."
                    if section == NODES
                    else "EDGE number from to T|N target target instructions"
                )
                raise UserError(
                    f"{self.path} line {number} '{quoted(' '.join(cells))}' cannot be read; write {wanted}"
                ) from None
        missing = {"": NODES, NODES: EDGES, EDGES: PATH}[section]
        raise UserError(f"{self.path} has no section {missing}: it is cut off or not whole; copy it again")

    def _check_order(self, section: str, found: str) -> None:
        wanted = {"": NODES, NODES: EDGES, EDGES: PATH}[section]
        if found != wanted:
            raise UserError(f"{self.path} has no section {wanted} before {found}; copy it again")

    @staticmethod
    def _id(cells: list[str], kind: str) -> int:
        number = int(cells[1])
        if cells[0] != kind or not 0 <= number < LARGEST_ID:
            raise ValueError
        return number

    def _read_path(self, graph: Graph, number: int, text: bytes) -> np.ndarray:
        """Read numbers of edges, one per line; `number` is that of the first line."""
        if not text:
            return np.empty(0, np.int64)
        columns = Columns(text, 1) if text.endswith(b"\n") else None
        path = columns.decimals(0) if columns is not None and columns.is_plain else None
        if path is None:
            path = self._one_by_one(number, text)
        if len(path) and int(path.max()) < len(graph.is_edge) and graph.is_edge[path].all():
            return path.astype(np.int64)
        for line, row in enumerate(text.split(b"\n"), number):
            cell = row.split(b"#", 1)[0].strip()
            if cell and not (int(cell) < len(graph.is_edge) and graph.is_edge[int(cell)]):
                raise UserError(
                    f"{self.path} line {line}: edge {int(cell)} is not below {EDGES}; the path takes known edges only"
                )
        return path

    def _one_by_one(self, number: int, text: bytes) -> np.ndarray:
        path = []
        for line, row in enumerate(text.split(b"\n"), number):
            cell = row.split(b"#", 1)[0].strip()
            if cell and not (cell.isdigit() and len(cell) < 19):
                given = quoted(row.decode("latin-1"))
                raise UserError(f"{self.path} line {line} '{given}' is no edge; give the number of one edge a line")
            if cell:
                path.append(int(cell))
        return np.array(path, np.int64)
