"""Names of columns, outcomes and kinds of branches, as traces of different origin spell them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

PC, TAKEN, CONDITIONAL, KIND, BRANCH, TARGET, GAP, INSTRUCTIONS = (
    "pc", "taken", "conditional", "type", "is_branch", "target", "gap", "instructions"
)  # fmt: skip
UNCONDITIONAL = "unconditional"
ROLES: Mapping[str, tuple[str, ...]] = {  # the name of the role wins over its other names
    PC: (
        "pc", "ip", "address", "addr", "branchaddress", "branchaddr", "branchpc", "pcaddress", "programcounter",
        "instructionaddress", "instructionpointer", "instrpc", "instpc", "instaddr", "instraddr", "brpc", "braddr",
        "rip", "eip", "source", "sourceaddress", "srcaddr", "src", "from", "vaddr", "virtualaddress",
    ),
    TAKEN: (
        "taken", "outcome", "direction", "istaken", "branchtaken", "branchoutcome", "branchdirection", "result", "dir",
        "resolvedir", "actual", "actualoutcome", "tn", "nt", "takennottaken",
    ),
    CONDITIONAL: ("conditional", "iscond", "isconditional", "cond", "isconditionalbranch", "condbranch", "cnd"),
    KIND: (
        "type", "branchtype", "brtype", "optype", "class", "branchclass", "kind", "branchkind", "opcode", "mnemonic",
        "op", "opc",
    ),
    UNCONDITIONAL: (
        "unconditional", "isunconditional", "uncond", "isuncond", "call", "iscall", "return", "isreturn", "ret",
        "isret", "jump", "isjump", "indirect", "isindirect",
    ),
    BRANCH: ("isbranch", "branch"),
    TARGET: ("target", "targetaddress", "branchtarget", "targetaddr", "targ", "targetpc", "takentarget", "dest",
             "destination", "to"),
    GAP: (
        "gap", "instgap", "instructiongap", "instructionsbetween", "instsbetween", "nonbranch", "nonbranches",
        "nonbranchinstructions",
    ),
    INSTRUCTIONS: (
        "instructions", "instruction", "instr", "instrs", "insts", "inst", "instcount", "instrcount",
        "instructioncount", "icount", "ninstr", "ninst", "ninstructions",
        "numinstructions", "instret", "insn", "insns", "instnum",
    ),
}  # fmt: skip
CODES = ("opcode", "mnemonic", "op", "opc")
MANY = frozenset((UNCONDITIONAL,))  # roles of more than one column

OUTCOMES = {
    **dict.fromkeys(("1", "1.0", "t", "true", "taken", "y", "yes", "+1"), 1),
    **dict.fromkeys(("0", "0.0", "n", "f", "nt", "false", "nottaken", "no", "-1"), 0),
}
FLAGS = {name: value for name, value in OUTCOMES.items() if name not in ("taken", "nottaken", "nt", "+1", "-1")}

_CONDITIONAL_WORDS = frozenset(
    (
        "conditional", "cond", "cnd", "cbr", "bcc", "jcc", "condbr", "brcond", "condbranch", "branchcond",
        "b", "br", "branch", "c", "opcond",
    )
)  # fmt: skip
_OTHER_WORDS = frozenset(
    (
        "unconditional", "uncond", "ucd", "unc", "u", "jump", "jmp", "j", "call", "ret", "return", "r",
        "indirect", "ind", "ijump", "ijmp", "icall", "jal", "jalr", "jr", "bl", "blr", "direct", "dir",
        "other", "syscall", "callq", "retq", "jmpq", "goto",
    )
)  # fmt: skip
_CONDITIONAL_CODES = re.compile(
    r"j(n?[abceglopsz]|n?[abgl]e|p[eo]|e?cxz|rcxz)|loopn?[ez]?|b\.?(eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)"
    r"|[ct]bn?z|b(eq|ne|lt|ge|le|gt)(u|z)?|bgtu|bleu|c\.b(eqz|nez)|bltzal|bgezal"
)


def plain(name: str) -> str:
    """Return a name without case, spaces and marks.

    Example
    -------
    >>> plain(" Branch_PC"), plain("# taken?")
    ('branchpc', 'taken')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def roles_of(titles: Iterable[str]) -> dict[str, list[int]]:
    """Return the columns of each role.

    Raises
    ------
    ValueError : "has N columns for ROLE (NAMES)"

    Example
    -------
    >>> roles_of(["ip", "target", "Outcome"])
    {'pc': [0], 'taken': [2], 'target': [1]}
    """
    names = [plain(title) for title in titles]
    found = {}
    for role, known in ROLES.items():
        at = [k for k, name in enumerate(names) if name in known]
        exact = [k for k in at if names[k] == plain(role)]
        if exact and role not in MANY:
            at = exact
        if len(at) > 1 and role not in MANY:
            told = ", ".join(names[k] for k in at)
            raise ValueError(f"{len(at)} columns for '{role}' ({told})")
        if at:
            found[role] = at
    return found


def outcome(cell: str) -> int | None:
    """Return 1 for taken, 0 for not taken, None for other cells.

    Example
    -------
    >>> outcome("T"), outcome("not taken"), outcome("2")
    (1, 0, None)
    """
    cell = cell.strip().lower()
    return OUTCOMES.get(cell if cell[:1] in "+-" else re.sub("[ _-]", "", cell))


def conditional_code(cell: str) -> int | None:
    """Return the same for mnemonics, where b and br are jumps."""
    return 0 if cell.strip().lower() in ("b", "br", "c") else conditional(cell)


def flag(cell: str) -> int | None:
    """Return a yes or no as 1 or 0, None for anything else."""
    return FLAGS.get(cell.strip().lower())


def conditional(cell: str) -> int | None:
    """Return whether a kind of branch or an instruction is a conditional branch, None where the word is not known.

    Example
    -------
    >>> conditional("BRANCH_CONDITIONAL"), conditional("JMP+DIR+UCD"), conditional("jne"), conditional("3")
    (1, 0, 1, None)
    """
    text = cell.strip().lower()
    if _CONDITIONAL_CODES.fullmatch(text):
        return 1
    words = re.findall("[a-z]+", text)
    if re.search("[0-9]", text) or not words:
        return None
    joined = "".join(words)
    if any(word.startswith("uncond") or word in ("ucd", "non", "not") for word in words) or joined.startswith(
        "noncond"
    ):
        return 0
    if any(word.startswith("cond") or word in ("cnd", "jcc") for word in words) or joined in _CONDITIONAL_WORDS:
        return 1
    if any(word in _OTHER_WORDS or word in ("indirect", "call", "return") for word in words):
        return 0
    return None
