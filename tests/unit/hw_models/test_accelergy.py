"""Action counts that are written, energy tables that are read, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from edgelearn.errors import UserError
from edgelearn.network.spec import design
from edgelearn.network.traffic import traffic
from edgelearn.rules import RULES
from hw_models.compare.accelergy import (
    actions,
    area_with,
    price_with,
    read_art,
    read_ert,
    read_names,
    write_action_counts,
    write_architecture,
)
from hw_models.engine.schedule import assume, worked
from hw_models.processor import Memory, find_processor

ENGINE = find_processor("engine-28nm")
SPARSE = find_processor("engine-28nm-32-lanes")


def network(rule="bp", **options):
    spec = design((20, 12, 8, 4), rule, **options)
    return spec, assume(spec, input_density=0.5, hidden_density=0.75, update_density=0.5)


def ert(tmp_path, text):
    path = tmp_path / "ERT.yaml"
    path.write_text(text)
    return path


def tables_of(counts, energy=1.0, version=0.3):
    """Return an ERT with one entry for each count."""
    listed = {}
    for component, action in counts:
        listed.setdefault(component, []).append({"name": action, "arguments": None, "energy": energy})
    tables = [{"name": component, "actions": entries} for component, entries in listed.items()]
    return yaml.safe_dump({"ERT": {"version": version, "tables": tables}})


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("engine", [ENGINE, SPARSE], ids=lambda engine: engine.name)
def test_counts_are_those_of_schedule_and_traffic(rule, engine):
    spec, activity = network(rule)
    counts = actions(spec, activity, engine)
    work = worked(spec, activity, engine.skips_zero_inputs, engine.update_skip)
    plan, counted = engine.schedule(spec, work), traffic(spec, work)

    assert counts["edgelearn.engine", "cycle"] == plan.total_cycles
    reads = {
        name: sum(plan.reads[role].sum() for role in plan.reads if role in memory.holds)
        for name, memory in engine.memories.items()
    }
    if rule == "bp":
        reads["weights"] += plan.reads["transposed"].sum()
    writes = {
        name: sum(plan.writes[role].sum() for role in plan.writes if role in memory.holds)
        for name, memory in engine.memories.items()
    }
    for action, expected in (("read", reads), ("write", writes)):
        found = {
            name: counts[f"edgelearn.{name}", action] for name in expected if (f"edgelearn.{name}", action) in counts
        }
        assert found == pytest.approx({name: n for name, n in expected.items() if n})
    macs = sum(counted.total(name) for name in ("forward_macs", "signal_macs", "update_macs"))
    assert (
        counts["edgelearn.mac", "mac_random"] == macs + 24 * work.n_samples
    )  # one bias for each of 12 + 8 + 4 neurons


def test_dense_counts_by_hand():
    spec = design((20, 12, 4), "bp")
    activity = assume(spec)
    counts = {key: count / activity.n_samples for key, count in actions(spec, activity, ENGINE).items()}
    forward, update, transposed = 20 * 12 + 12 * 4 + 16, 20 * 12 + 12 * 4 + 16, 12 * 4  # 16 biases
    assert counts["edgelearn.weights", "read"] == forward + update + transposed
    assert counts["edgelearn.weights", "write"] == update
    assert counts["edgelearn.mac", "mac_random"] == forward + update + transposed
    alone = actions(spec, activity, ENGINE, learning=False)
    assert alone["edgelearn.weights", "read"] == forward * activity.n_samples
    assert alone["edgelearn.mac", "mac_random"] == forward * activity.n_samples
    assert ("edgelearn.weights", "write") not in alone


def test_what_never_acts_is_left_out_and_generators_are_counted():
    plain = actions(*network("dfa"), ENGINE)
    assert all(plain.values())
    assert not {"edgelearn.random_generator", "edgelearn.feedback_generator"} & {name for name, _ in plain}
    spec, activity = network("dfa", rounding="stochastic", feedback_format="lfsr")
    counts = actions(spec, activity, ENGINE)
    counted = traffic(spec, worked(spec, activity, ENGINE.skips_zero_inputs, ENGINE.update_skip))
    assert counts["edgelearn.random_generator", "draw"] == counted.total("random_draws")
    assert counts["edgelearn.feedback_generator", "step"] == counted.total("lfsr_steps")
    assert not any(name == "edgelearn.feedback" for name, _ in counts)


@pytest.mark.parametrize("rule", RULES)
def test_files_have_the_schema_and_no_other_key(tmp_path, rule):
    path = tmp_path / "action_counts.yaml"
    spec, activity = network(rule)
    counts = write_action_counts(path, spec, activity, SPARSE)
    head, *body = path.read_text().splitlines()
    samples = activity.n_samples
    assert (
        head
        == f"# edgelearn: {rule}, learned, net 20-12-8-4, processor engine-28nm-32-lanes, {samples} samples; all of them together"
    )
    content = yaml.safe_load("\n".join(body))
    assert set(content) == {"action_counts"}
    assert set(content["action_counts"]) == {"version", "local"}
    assert content["action_counts"]["version"] == 0.3
    found = {}
    for component in content["action_counts"]["local"]:
        assert set(component) == {"name", "action_counts"}
        for entry in component["action_counts"]:
            assert set(entry) == {"name", "counts"}
            assert isinstance(entry["counts"], (int, float))
            assert isinstance(entry["counts"], int) or not entry["counts"].is_integer()
            found[component["name"], entry["name"]] = entry["counts"]
    assert found == counts
    assert [path.name for path in tmp_path.iterdir()] == ["action_counts.yaml"]


def test_inference_says_so_and_the_same_counts_give_the_same_bytes(tmp_path):
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    for path in (a, b):
        write_action_counts(path, *network(), ENGINE, learning=False)
    assert a.read_bytes() == b.read_bytes()
    assert ": inference only, net " in a.read_text()
    with pytest.raises(UserError, match="cannot write"):
        write_action_counts(tmp_path / "missing" / "a.yaml", *network(), ENGINE)


def test_only_engines_have_actions():
    with pytest.raises(
        UserError, match=r"processor cortex-m4 is no engine but a microcontroller: .* --processor engine-28nm"
    ):
        actions(*network(), find_processor("cortex-m4"))


@pytest.mark.parametrize("name", ["mac", "engine", "a.b", "a[0]", ""])
def test_memories_whose_names_would_clash_are_refused(name):
    memories = dict(ENGINE.memories)
    memories[name] = memories.pop("weights")
    with pytest.raises(UserError, match=r"memory '.*' of engine-28nm cannot be named in action counts; use letters"):
        actions(*network(), ENGINE.model_copy(update={"memories": memories}))


def test_one_memory_may_hold_many_roles():
    spec, activity = network("bp")
    apart = actions(spec, activity, ENGINE)
    holds = tuple(role for memory in ENGINE.memories.values() for role in memory.holds)
    one = Memory(kind="sram", cell="itrs-lstp", holds=holds)
    together = actions(spec, activity, ENGINE.model_copy(update={"memories": {"all": one}}))
    for action in ("read", "write"):
        parts = [n for (name, of), n in apart.items() if of == action]
        assert together["edgelearn.all", action] == pytest.approx(sum(parts))


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0.3, 0.4, "0.3"])
@pytest.mark.parametrize(("unit", "factor"), [("fJ", 1e-3), ("pJ", 1), ("nJ", 1e3)])
def test_every_component_is_priced(tmp_path, version, unit, factor):
    counts = actions(*network("bp", rounding="stochastic"), ENGINE)
    path = ert(tmp_path, tables_of(counts, 2.5, version))
    table = read_ert(path, unit)
    assert price_with(table, counts) == pytest.approx({key: 2.5 * factor * count for key, count in counts.items()})
    assert str(table) == f"ERT.yaml (version {version}, energies read in {unit})"
    assert read_ert(path).unit == "pJ"


def test_version_two_is_a_mapping(tmp_path):
    text = """
    ERT:
      tables:
        edgelearn.weights:
          read:
          - {arguments: {active_banks: 2, address_delta: 0, data_delta: 0}, energy: 9}
          - {arguments: {active_banks: 0, address_delta: 1, data_delta: 1}, energy: 3}
          - {arguments: {active_banks: 1, address_delta: 1, data_delta: 1}, energy: 4}
          - {arguments: {active_banks: 2, address_delta: 0, data_delta: 1}, energy: 7}
          idle: {arguments: null, energy: 0}
        edgelearn.mac:
          mac_random: {arguments: null, energy: 0.5}
      version: 0.2
    """
    table = read_ert(ert(tmp_path, text))
    assert table.version == "0.2"
    assert table.energies_pj == {"edgelearn.weights": {"read": 4, "idle": 0}, "edgelearn.mac": {"mac_random": 0.5}}


@pytest.mark.parametrize(
    ("entries", "energy"),
    [
        (
            "{name: read, arguments: {data_delta: 1, address_delta: 1}, energy: 8}, {name: read, arguments: null, energy: 2}",
            2,
        ),
        ("{name: read, energy: 2}, {name: read, arguments: {data_delta: 1}, energy: 8}", 2),
        (
            "{name: read, arguments: {data_delta: 1, address_delta: 0}, energy: 6}, {name: read, arguments: {data_delta: 0, address_delta: 0}, energy: 7}",
            6,
        ),
        ("{name: read, arguments: {flag: 1}, energy: 6}, {name: read, arguments: {flag: 0}, energy: 7}", 7),
        ("{name: read, energy: 1e-3}", 1e-3),
    ],
)
def test_which_of_several_energies_is_taken(tmp_path, entries, energy):
    text = f"ERT: {{version: 0.3, tables: [{{name: e, actions: [{entries}]}}]}}"
    assert read_ert(ert(tmp_path, text)).energies_pj["e"]["read"] == energy


@pytest.mark.parametrize(
    ("listed", "wanted", "covered"),
    [
        ("edgelearn.lane[0..3].mac[1..2]", "edgelearn.lane[3].mac[1]", True),
        ("edgelearn.lane[0..3].mac[1..2]", "edgelearn.lane[4].mac[1]", False),
        ("edgelearn.lane[0..3].mac[1..2]", "edgelearn.lane[0].mac[0]", False),
        ("edgelearn.mac[1..1]", "edgelearn.mac", True),
        ("edgelearn.mac", "edgelearn.mac[7]", True),
        ("edgelearn[0..1].mac", "edgelearn.mac[0]", False),
        ("edgelearn.mac[0..9]", "edgelearn.mac[2..3]", True),
        ("edgelearn.mac[5]", "edgelearn.mac[5]", True),
        ("edgelearn.macs[0..9]", "edgelearn.mac[0]", False),
    ],
)
def test_ranges_cover_instances(tmp_path, listed, wanted, covered):
    table = read_ert(ert(tmp_path, tables_of([(listed, "mac_random")], 2)))
    counts = {(wanted, "mac_random"): 3}
    if covered:
        assert price_with(table, counts) == {(wanted, "mac_random"): 6}
    else:
        with pytest.raises(UserError, match=r"component .* is not known"):
            price_with(table, counts)


def test_what_a_table_lacks_is_named(tmp_path):
    table = read_ert(ert(tmp_path, tables_of([("edgelearn.mac", "mac_random"), ("edgelearn.weights", "read")])))
    with pytest.raises(
        UserError,
        match=r"ERT.yaml: component 'edgelearn.weight' is not known; known: edgelearn.mac, edgelearn.weights. Did you mean 'edgelearn.weights'\?",
    ):
        price_with(table, {("edgelearn.weight", "read"): 1})
    with pytest.raises(UserError, match=r"ERT.yaml: edgelearn.mac action 'mac' is not known; known: mac_random"):
        price_with(table, {("edgelearn.mac", "mac"): 1})
    halves = tables_of([("edgelearn.mac[0..3]", "mac_random"), ("edgelearn.mac[4..7]", "mac_random")])
    with pytest.raises(
        UserError,
        match=r"several components stand for 'edgelearn.mac': edgelearn.mac\[0..3\], edgelearn.mac\[4..7\]; keep one",
    ):
        price_with(read_ert(ert(tmp_path, halves)), {("edgelearn.mac", "mac_random"): 1})


ENTRY = "{{version: 0.3, tables: [{{name: e, actions: [{}]}}]}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "key 'ERT' is missing"),
        ("ART: {version: 0.3, tables: []}", "key 'ERT' is missing"),
        ("[1, 2]", "key 'the top of the file': a list must be a mapping of names"),
        ("ERT:", "key 'ERT.version' is missing"),
        ("ERT: {tables: []}", "key 'ERT.version' is missing"),
        ("ERT: {version: 0.3}", "key 'ERT.tables' is missing"),
        ("ERT: {version: 0.5, tables: []}", "version 0.5 is not known; known: 0.2, 0.3, 0.4"),
        ("ERT: {version: 0.1, tables: []}", "version 0.1 is not known; known: 0.2, 0.3, 0.4"),
        ("ERT: {version: 0.3, tables: []}", "key 'ERT.tables' is empty; it must name components"),
        ("ERT: {version: 0.3, tables: {a: b}}", "key 'ERT.tables': a mapping must be a list"),
        ("ERT: {version: 0.2, tables: [a]}", "key 'ERT.tables': a list must be a mapping of names"),
        ("ERT: {version: 0.2, tables: {e: [a]}}", "key 'ERT.tables.e': a list must be a mapping of names"),
        ("ERT: {version: 0.2, tables: {e: {read: 3}}}", "key 'ERT.tables.e.read': 3 must be a mapping of names"),
        ("ERT: {version: 0.2, tables: {e: {read: [{energy: 1}, {}]}}}", "key 'ERT.tables.e.read[1].energy' is missing"),
        ("ERT: {version: 0.2, tables: {7: {}}}", "key 'ERT.tables.7': 7 must be a name"),
        ("ERT: {version: 0.3, tables: [{actions: []}]}", "key 'ERT.tables[0].name' is missing"),
        ("ERT: {version: 0.3, tables: [{name: 3, actions: []}]}", "key 'ERT.tables[0].name': 3 must be a name"),
        ("ERT: {version: 0.3, tables: [{name: e}]}", "key 'ERT.tables[0].actions' is missing"),
        ("ERT: {version: 0.3, tables: [{name: e, actions: }]}", "key 'ERT.tables[0].actions': nothing must be a list"),
        ("ERT: {version: 0.3, tables: [{name: e, actions: []}, {name: e, actions: []}]}", "key 'ERT.tables[1]': component 'e' stands there twice; keep one"),
        ("ERT: " + ENTRY.format("{energy: 1}"), "key 'ERT.tables[0].actions[0].name' is missing"),
        ("ERT: " + ENTRY.format("{name: r}"), "key 'ERT.tables[0].actions[0].energy' is missing"),
        ("ERT: " + ENTRY.format("read"), "key 'ERT.tables[0].actions[0]': 'read' must be a mapping of names"),
        ("ERT: " + ENTRY.format("{name: r, energy: -1}"), "key 'ERT.tables[0].actions[0].energy': -1 must be zero or more"),
        ("ERT: " + ENTRY.format("{name: r, energy: much}"), "key 'ERT.tables[0].actions[0].energy': 'much' must be a number"),
        ("ERT: " + ENTRY.format("{name: r, energy: true}"), "key 'ERT.tables[0].actions[0].energy': True must be a number"),
        ("ERT: " + ENTRY.format("{name: r, energy: .nan}"), "key 'ERT.tables[0].actions[0].energy': nan must be a number"),
        ("ERT: " + ENTRY.format("{name: r, energy: .inf}"), "key 'ERT.tables[0].actions[0].energy': inf must be a number"),
        ("ERT: " + ENTRY.format("{name: r, energy: }"), "key 'ERT.tables[0].actions[0].energy': nothing must be a number"),
        ("ERT: " + ENTRY.format(f"{{name: r, energy: {'9' * 400}}}"), "must be a number"),
    ],
)  # fmt: skip
def test_mistakes_in_a_table_name_file_and_key(tmp_path, text, message):
    path = ert(tmp_path, text)
    with pytest.raises(UserError) as error:
        read_ert(path)
    assert str(error.value).startswith(f"energy table {path}: ")
    assert str(error.value).endswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ERT: {version: 0.3, tables: [", "no YAML, line 1: "),
        (b"ERT:\n  version: 0.3\n tables: []\n", "no YAML, line 3: "),
        (b"a: !!python/object/apply:os.getcwd []", "no YAML, line 1: "),
        (b"a: 2001-99-99", "no YAML"),
        (b"a: !!bool maybe", "no YAML"),
        (b"a: \x07", "no YAML"),
        (b"\xff\xfe\x00", "no YAML"),
        (b"[" * 20_000, "no YAML"),
    ],
)
def test_files_that_are_no_yaml(tmp_path, content, message):
    path = tmp_path / "ERT.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_ert(path)
    assert str(error.value).startswith(f"energy table {path} cannot be read: {message}")
    assert str(error.value).endswith("; give the ERT.yaml that Accelergy writes")
    assert "\n" not in str(error.value)


def test_every_truncated_file_is_refused_or_a_whole_smaller_table(tmp_path):
    counts = actions(*network("drtp"), ENGINE)
    whole = tables_of(counts, 2)
    for length in np.linspace(0, len(whole) - 1, 60, dtype=int):
        try:
            table = read_ert(ert(tmp_path, whole[:length]))
        except UserError:
            continue
        assert set(table.energies_pj) <= {component for component, _ in counts}


def test_files_and_units_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_ert(tmp_path / "ERT.yaml")
    with pytest.raises(UserError, match="cannot be read: it is a folder"):
        read_ert(tmp_path)
    with pytest.raises(UserError, match=r"energy unit 'pj' is not known; known: fJ, nJ, pJ"):
        read_ert(tmp_path / "ERT.yaml", "pj")


# --- tables with names of their own ------------------------------------------------------------------------

OWN = """
ERT:
  version: '0.4'
  tables:
  - name: system.weights_sram[1..1]
    actions:
    - {name: read, arguments: {}, energy: 2.0}
    - {name: update, arguments: {}, energy: 3.0}
  - name: system.pe[0..3].mac
    actions:
    - {name: compute, arguments: {}, energy: 0.2}
  - name: system.pe[0..3].scratch
    actions:
    - {name: read_random, energy: 0.5}
    - {name: write_random, energy: 0.25}
"""
COUNTS = {
    ("edgelearn.weights", "read"): 10, ("edgelearn.weights", "write"): 4, ("edgelearn.scratch", "read"): 3,
    ("edgelearn.mac", "mac_random"): 100, ("edgelearn.engine", "cycle"): 50, ("edgelearn.random_generator", "draw"): 7,
}  # fmt: skip


def test_names_of_another_table_are_mapped(tmp_path):
    table, notes = read_ert(ert(tmp_path, OWN)), []
    names = read_names(["weights=system.weights_sram", "edgelearn.random_generator=none"])
    assert price_with(table, COUNTS, names, notes) == {
        ("edgelearn.weights", "read"): 20.0, ("edgelearn.weights", "write"): 12.0,
        ("edgelearn.scratch", "read"): 1.5, ("edgelearn.mac", "mac_random"): 20.0,
    }  # fmt: skip
    assert "edgelearn.engine cycle: not in the table, no energy" in notes
    assert "edgelearn.random_generator draw: no energy" in notes
    assert "edgelearn.mac mac_random: system.pe[0..3].mac compute" in notes
    more = read_names(
        ["weights=system.weights_sram", "random_generator=none", "scratch.read=system.pe.scratch:write_random"]
    )
    assert price_with(table, COUNTS, more)["edgelearn.scratch", "read"] == 0.75
    for entries, message in (
        ([], "component 'edgelearn.weights' is not known; .* Or give --ert-map weights=NAME"),
        (["weights=system.weights"], "component 'system.weights' is not known"),
        (["weights=system.pe.mac:write"], "edgelearn.weights action 'write' is not known"),
    ):
        with pytest.raises(UserError, match=message):
            price_with(table, COUNTS, read_names(entries))


@pytest.mark.parametrize("entry", ["weights", "=x", "weights=", "weights=:"])
def test_a_map_that_is_none(entry):
    with pytest.raises(UserError, match=r"write OURS=THEIRS, as in weights=system.weights_sram"):
        read_names([entry])


def test_a_map_of_components_that_are_none():
    engine = find_processor("engine-28nm")
    with pytest.raises(UserError, match="name map: component 'wieghts' is not known"):
        read_names(["wieghts=a"], engine)
    with pytest.raises(UserError, match="stands there twice"):
        read_names(["weights=a", "edgelearn.weights=b"], engine)


def test_areas_of_all_instances(tmp_path):
    path = tmp_path / "ART.yaml"
    lines = "".join(f"  - {{name: chip.{name}, area: 10.5}}\n" for name in find_processor("engine-28nm").memories)
    path.write_text(f"ART:\n  version: 0.4\n  tables:\n{lines}  - {{name: 'chip.pe[0..3].mac', area: 2}}\n")
    areas = area_with(read_art(path), find_processor("engine-28nm"))
    assert areas["edgelearn.mac"] == 8
    assert areas["edgelearn.weights"] == 10.5
    path.write_text("ART:\n  version: 0.4\n  tables:\n  - {name: chip.mac, area: -2}\n")
    with pytest.raises(UserError, match=r"area table .*: key 'ART.tables\[0\].area': -2 must be zero or more"):
        read_art(path)


def test_an_architecture_names_the_components_of_the_counts(tmp_path):
    spec = design((12, 9, 5), rule="bp", rounding="stochastic")
    engine = find_processor("engine-28nm-32-lanes")
    write_architecture(tmp_path / "a.yaml", spec, engine)
    (top,) = yaml.safe_load((tmp_path / "a.yaml").read_text())["architecture"]["subtree"]
    names = {f"{top['name']}.{part['name']}".replace("[0..31]", "") for part in top["local"]}
    assert {*(f"edgelearn.{name}" for name in engine.memories), "edgelearn.mac", "edgelearn.engine"} <= names
    assert top["attributes"]["technology"] == "28nm"


def test_names_in_the_file_of_a_processor(tmp_path, capsys, monkeypatch):
    from edgelearn.cli import main
    from hw_models.processor import FOLDER

    own = (FOLDER / "engine-28nm.toml").read_text()
    own += '\n[accelergy]\nweights = "system.weights_sram"\nmac.mac_random = "system.pe[0..3].mac:compute"\nrandom_generator = "none"\n'
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text(own)
    engine = find_processor("own.toml")
    names = {
        "weights": ("system.weights_sram", None),
        "mac.mac_random": ("system.pe[0..3].mac", "compute"),
        "random_generator": None,
    }
    assert read_names([], engine) == names
    assert read_names(["edgelearn.weights=a", "engine=none"], engine) == names | {
        "weights": ("a", None),
        "engine": None,
    }
    table = "\n".join(f"- {{name: '{name}', actions: [{{name: {action}, energy: 2}}, {{name: write, energy: 1}}]}}" for name, action in (
        ("system.weights_sram", "read"), ("system.pe[0..3].mac", "compute"), *((f"x.{memory}", "read") for memory in engine.memories if memory != "weights"),
        ("feedback_generator", "step")))  # fmt: skip
    ert(tmp_path, f"ERT:\n  version: 0.4\n  tables:\n{table}".replace("\n- ", "\n  - "))
    command = ["cost", "--rule", "drtp", "--net", "20-12-4", "--ert", "ERT.yaml", "--processor"]
    assert main([*command, "engine-28nm"]) == 2
    assert "component 'edgelearn.weights' is not known" in capsys.readouterr().err
    assert main([*command, "own.toml"]) == 0
    assert "edgelearn.weights read: system.weights_sram read" not in (out := " ".join(capsys.readouterr().out.split()))
    assert "edgelearn.activations read: x.activations read" in out
    for line, message in (
        ('wieghts = "a"', "name map: component 'wieghts' is not known"),
        ("weights = 3", "accelergy.weights"),
    ):
        (tmp_path / "own.toml").write_text(f"{own.partition('[accelergy]')[0]}[accelergy]\n{line}\n")
        assert main([*command, "own.toml"]) == 2
        assert message in capsys.readouterr().err
