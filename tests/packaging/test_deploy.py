"""The files of a deployment name settings, flags, verbs, figures and files that there are."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml  # type: ignore[import-untyped]

from tocsin.cli import COMMANDS
from tocsin.config import PREFIX, Settings, check_half, load_settings

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "docs/examples/cluster"
COMPOSE = ROOT / "compose.yaml"
KUBERNETES = CLUSTER / "kubernetes.yaml"
NAMES = get_type_hints(Settings)
TEXTS = [COMPOSE, KUBERNETES, ROOT / "Dockerfile", CLUSTER / "haproxy.cfg"]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(KUBERNETES.read_text()))


def given(environment: dict[str, str], words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the verb and the settings' values of a process, as text."""
    values = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if PREFIX in name}
    verb, flags = words[0], " ".join(words[1:])
    for name, value in re.findall(r"--([a-z-]+)[= ]([^ ]+)", flags):
        values[name.replace("-", "_")] = value
    return verb, values


def processes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every process of ours in the files: where, its verb and its settings."""
    for name, service in compose()["services"].items():
        if service.get("image") == "tocsin":
            environment = {
                key: re.sub(r"\$\{[^}]*?(:-([^}]*))?\}", r"\2", v) for key, v in service["environment"].items()
            }
            yield f"compose {name}", *given(environment, service["command"])
    objects = kubernetes()
    shared: dict[str, str] = {}
    for each in objects:
        if each["kind"] in ("ConfigMap", "Secret"):
            shared |= each.get("data") or each["stringData"]
    for each in objects:
        if each["kind"] not in ("StatefulSet", "Job"):
            continue
        container = each["spec"]["template"]["spec"]["containers"][0]
        environment = shared | {entry["name"]: entry.get("value", "1") for entry in container.get("env", ())}
        words = container.get("args") or shlex.split(container["command"][2].replace("$((512 + POD_INDEX))", "512"))[2:]
        yield f"kubernetes {each['metadata']['name']}", *given(environment, words)


PROCESSES = list(processes())


def test_there_is_what_a_cluster_needs() -> None:
    verbs = [(where.split()[0], verb) for where, verb, _ in PROCESSES]
    assert verbs.count(("compose", "gateway")) == 2
    assert verbs.count(("compose", "api")) == 2
    assert {"redis", "postgres", "balancer"} <= compose()["services"].keys()
    assert {("kubernetes", "gateway"), ("kubernetes", "api"), ("kubernetes", "db")} <= set(verbs)


@pytest.mark.parametrize(("where", "verb", "values"), PROCESSES, ids=[where for where, _, _ in PROCESSES])
def test_a_process_has_a_verb_and_settings_that_are_taken(where: str, verb: str, values: dict[str, Any]) -> None:
    assert verb in COMMANDS
    assert values["database"].startswith("postgresql://")
    settings = load_settings(environ={PREFIX + name.upper(): value for name, value in values.items()})
    assert values.keys() <= NAMES.keys()
    if verb in ("api", "gateway"):
        check_half(settings, verb)


@pytest.mark.parametrize("kind", ["compose", "kubernetes"])
def test_no_two_nodes_have_a_number_or_a_name_in_common(kind: str) -> None:
    ours = [values for where, verb, values in PROCESSES if where.startswith(kind) and verb in ("api", "gateway")]
    assert len({values["node_number"] for values in ours}) == len(ours)
    if kind == "compose":
        assert len({values["node_id"] for values in ours}) == len(ours)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = {name.lower() for name in re.findall(rf"\b{PREFIX}([A-Z_]+)\b", path.read_text())}
    assert named - {"config"} <= NAMES.keys()


def test_pods_have_longer_to_end_than_a_drain_takes() -> None:
    found = {each["metadata"]["name"]: each for each in kubernetes() if each["kind"] == "StatefulSet"}
    drain_s = int(kubernetes()[0]["data"]["TOCSIN_DRAIN_SPREAD_MS"]) / 1000
    pod = found["gateway"]["spec"]["template"]["spec"]
    hook = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= int(hook[1]) + drain_s + 5
    budgets = {each["metadata"]["name"] for each in kubernetes() if each["kind"] == "PodDisruptionBudget"}
    assert budgets == found.keys()
    for service in compose()["services"].values():
        if service.get("image") == "tocsin" and service["command"] == ["gateway"]:
            grace_s = int(service["stop_grace_period"].removesuffix("s"))
            assert grace_s >= int(service["environment"]["TOCSIN_DRAIN_SPREAD_MS"]) / 1000 + 5


def test_what_compose_mounts_is_there() -> None:
    mounts = [volume for each in compose()["services"].values() for volume in each.get("volumes", ())]
    ours = [volume.split(":")[0] for volume in mounts if volume.startswith("./")]
    assert ours
    assert all((ROOT / path).is_file() for path in ours)


def test_what_the_dockerfile_copies_goes_to_the_builder() -> None:
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = [source.rstrip("/") for line in copies for source in line.split()]
    assert sources
    for source in sources:
        assert source.split("/")[0] in admitted
        assert (ROOT / source).exists()


def test_the_redis_of_compose_is_one_that_the_bus_takes() -> None:
    command = compose()["services"]["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert command[command.index("--appendonly") + 1] == "yes"


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no haproxy here")
def test_haproxy_takes_its_configuration() -> None:
    done = subprocess.run(["haproxy", "-c", "-f", CLUSTER / "haproxy.cfg"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_runbook_has_every_alert_and_names_settings_and_figures_that_exist() -> None:
    text = (ROOT / "docs/operate.md").read_text()
    rules = yaml.safe_load((CLUSTER / "alerts.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert alerts == set(re.findall(r"^\| (Tocsin\w+) \|", text, re.MULTILINE))
    flags = {flag.replace("-", "_") for flag in re.findall(r"`--([a-z-]+)", text)} - {"build_arg"}
    assert flags <= NAMES.keys()
    settings = {name.lower() for name in re.findall(rf"\b{PREFIX}([A-Z_]+)\b", text)}
    assert settings <= NAMES.keys()
    verbs = set(re.findall(r"`tocsin ([a-z]+)", text))
    assert verbs <= COMMANDS.keys()
