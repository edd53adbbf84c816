"""Traces of the 2016 Championship Branch Prediction: BT9, a graph of branches as text and the path through it.

A node is a branch. An edge leaves it taken or not taken and has the instructions up to the next branch. The path is
a long list of numbers of edges, and is read many lines at once.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import IO, NamedTuple

import numpy as np

from edgelearn.branch.traces.chunk import Chunk, Reader
from edgelearn.branch.traces.columns import Columns
from edgelearn.data.compressed import LONGEST_LINE, open_bytes, quoted, readable, whole_lines
from edgelearn.errors import UserError

FIRST_LINE = b"BT9_SPA_TRACE_FORMAT"
NODES, EDGES, PATH = "BT9_NODES", "BT9_EDGES", "BT9_EDGE_SEQUENCE"
LARGEST_ID = 1 << 24


class Edge(NamedTuple):
    """Way from a branch to the next: source, outcome, target address, instructions in between, passes of the path."""

    node: int
    taken: int
    target: int | None
    instructions: int
    steps: int | None


class Graph:
    """Hold what an edge of each number is: arrays[largest number + 1].

    Parameters
    ----------
    is_edge : whether there is an edge of the number; is_branch : whether it leaves a conditional branch
    pc, taken : of that branch; cost : int64, instructions of the edge, the branch included
    backward : whether the branch, where taken, goes back; 0 where no edge tells
    n_steps : length of the path after the counts of the edges, None where one has none
    """

    def __init__(self, nodes: dict[int, tuple[int, bool]], edges: dict[int, Edge]) -> None:
        size = max(edges) + 1
        self.is_edge = np.zeros(size, np.bool_)
        self.is_branch = np.zeros(size, np.bool_)
        self.pc, self.taken = np.zeros(size, np.uint64), np.zeros(size, np.uint8)
        self.backward = np.zeros(size, np.uint8)
        self.cost = np.zeros(size, np.int64)
        targets = {edge.node: edge.target for edge in edges.values() if edge.taken and edge.target is not None}
        for number, edge in edges.items():
            pc, self.is_branch[number] = nodes[edge.node]
            self.is_edge[number] = True
            self.pc[number], self.taken[number], self.cost[number] = pc, edge.taken, edge.instructions + 1
            self.backward[number] = targets.get(edge.node, pc + 1) <= pc
        steps = [edge.steps for edge in edges.values() if edge.steps is not None]
        self.n_steps = sum(steps) if len(steps) == len(edges) else None


class Bt9(Reader):
    """Read a BT9 text; instructions are those of all edges of the path, one more each for the branch itself."""

    form = "CBP-2016 BT9 text, AArch64"
    pc_shift = 2
    has_targets = True

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
                yield Chunk(graph.pc[path], graph.taken[path], counts[branch], count, graph.backward[path])
                if at_end:
                    while file.read(LONGEST_LINE):  # compressed data are checked when they are read to their end
                        pass
                    break
            else:
                told = "" if graph.n_steps is None else f" after {n_steps:,} of {graph.n_steps:,} edges"
                raise UserError(f"{self.path} is cut off: its path ends{told}, without EOF; copy it again")
            if graph.n_steps is not None and abs(n_steps - graph.n_steps) > 1:  # published ones count the end too
                raise UserError(
                    f"{self.path} is damaged: its path has {n_steps:,} edges and traverse_cnt {graph.n_steps:,}; "
                    "copy it again"
                )

    def _read_graph(self, file: IO[bytes]) -> tuple[Graph, int]:
        """Read nodes and edges; return them and the number of the line on which the path is announced."""
        nodes: dict[int, tuple[int, bool]] = {}
        edges: dict[int, Edge] = {}
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
                    if not 0 <= int(cells[2], 16) < 1 << 64:
                        raise ValueError
                    nodes[self._new_id(cells, "NODE", nodes, number)] = (int(cells[2], 16), is_branch)
                elif section == EDGES:
                    steps = int(cells[cells.index("traverse_cnt:") + 1]) if "traverse_cnt:" in cells else None
                    target = int(cells[5], 16) if cells[5].lower().startswith("0x") else None
                    edge = Edge(int(cells[2]), {"N": 0, "T": 1}[cells[4]], target, int(cells[7]), steps)
                    if not 0 <= edge.instructions < 1 << 40 or not 0 <= (steps or 0) < 1 << 60:
                        raise UserError(
                            f"{self.path} line {number}: edge {quoted(cells[1])} has {edge.instructions:,} instructions"
                            f"{'' if steps is None else f' and traverse_cnt {steps:,}'}; counts are whole numbers "
                            "from 0: copy the file again"
                        )
                    if edge.node not in nodes:
                        raise UserError(
                            f"{self.path} line {number}: the edge leaves node {edge.node}, which is not below {NODES}; "
                            "copy the file again"
                        )
                    edges[self._new_id(cells, "EDGE", edges, number)] = edge
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

    def _new_id(self, cells: list[str], kind: str, known: Container[int], line: int) -> int:
        number = int(cells[1])
        if cells[0] != kind or not 0 <= number < LARGEST_ID:
            raise ValueError
        if number in known:
            raise UserError(f"{self.path} line {line}: {kind} {number} stands there twice; copy the file again")
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
