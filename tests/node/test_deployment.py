"""Image, compose file, monitoring and lock files: parsed, and held against the Makefile, the node and each other."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from prometheus_client import generate_latest

from testing.node_process import ROOT
from zevm.chain.blockchain import Chain
from zevm.chain.rules.genesis import load_default_genesis
from zevm.node.app import STOP_WITH_STATE_SECONDS
from zevm.node.metrics import Metrics
from zevm.node.settings import Settings
from zevm.rpc.limits import Limits
from zevm.storage.database import Database

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")
PACKAGES = ("node", "rpc", "covenant", "analysis", "contracts", "chain", "storage")


def _instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continuation lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def _values(word: str) -> list[str]:
    return [rest for name, rest in _instructions() if name == word]


def _compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def _recipe(target: str) -> list[str]:
    """The commands of a Makefile target."""
    match = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert match is not None, target
    return [line.strip().lstrip("@") for line in match[1].splitlines()]


def _service() -> ConfigParser:
    unit = ConfigParser(interpolation=None, comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy" / "systemd" / "zevm.service")
    return unit


def test_the_service_runs_what_make_run_runs() -> None:
    service = _service()["Service"]
    assert service["ExecStart"] == "/opt/zevm/.venv/bin/zevm run"
    names = [item.partition("=")[0] for item in service["Environment"].split() if item.startswith("ZEVM_")]
    assert names
    assert {name.removeprefix("ZEVM_").lower() for name in names} <= set(Settings.model_fields)
    assert int(service["TimeoutStopSec"]) > STOP_WITH_STATE_SECONDS
    assert int(service["LimitNOFILE"]) >= Limits().http_connections + Limits().websocket_connections


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_takes_the_service(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "systemd" / "zevm.service").read_text()
    unit = tmp_path / "zevm.service"
    unit.write_text(text.replace("/opt/zevm/.venv/bin/zevm", sys.executable))
    checked = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_image_installs_by_the_makefiles_own_target() -> None:
    runs = _values("RUN")
    assert runs[1] == "make install"
    assert "install" in (ROOT / "Makefile").read_text().split("\nrun: ")[1].split("\n")[0]
    assert _recipe("install") == ["scripts/venv.sh run"]
    # the first run prepares the compiler, the last the user; nothing else is installed
    assert [run.split()[0] for run in runs] == ["apt-get", "make", "useradd"]


def test_the_image_runs_what_make_run_runs() -> None:
    command = json.loads(_values("ENTRYPOINT")[0]) + json.loads(_values("CMD")[0])
    assert shlex.split(_recipe("run")[0])[1:3] == ["$(BIN)/zevm", "run"]
    assert command == ["zevm", "run"]
    assert "PATH=/opt/zevm/.venv/bin:$PATH" in _values("ENV")[0]


def test_the_images_python_is_supported() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    versions = {re.match(r"python:(3\.\d+)-slim", image)[1] for image in _values("FROM")}
    assert versions == {"3.11"}
    assert required == ">=3.11,<3.14"


def test_the_image_runs_without_privileges_on_a_volume() -> None:
    user = _values("USER")[0]
    assert user not in ("root", "0")
    order = [word for word, _ in _instructions()]
    assert order.index("USER") < order.index("ENTRYPOINT")
    volume = _values("VOLUME")[0]
    settings = dict(pair.split("=", 1) for pair in _values("ENV")[0].split())
    assert settings["ZEVM_DATADIR"].startswith(volume)
    assert settings["ZEVM_HOST"] == "0.0.0.0"
    assert _values("EXPOSE") == ["{0} {0}/udp".format(settings["ZEVM_PORT"])]
    assert settings["ZEVM_QUIC_HOST"] == "0.0.0.0"
    assert _values("STOPSIGNAL") == ["SIGTERM"]
    known = {f"ZEVM_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in settings if name.startswith("ZEVM_")} <= known


def test_the_image_asks_the_node_for_its_health() -> None:
    check = _values("HEALTHCHECK")[0]
    command = json.loads(check[check.index("[") :])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    assert "/health" in command[2]


def test_the_build_context_holds_what_the_build_needs() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    needed = ["pyproject.toml", "Makefile", "README.md", "LICENSE", "genesis.json", "scripts/venv.sh"]
    assert set(needed) <= set(allowed)
    assert {"zevm/**", *(f"{package}/**" for package in PACKAGES)} <= set(allowed)
    assert "requirements*.lock" in allowed


def test_compose_has_a_node_with_a_volume_and_a_health_check() -> None:
    compose = _compose()
    node = compose["services"]["node"]
    assert node["volumes"] == [f"chain:{_values('VOLUME')[0]}"]
    assert "chain" in compose["volumes"]
    assert all(port.startswith("127.0.0.1:") for service in compose["services"].values() for port in service["ports"])
    command = node["healthcheck"]["test"]
    assert command[:3] == ["CMD", "python", "-c"]
    compile(command[3], "healthcheck", "exec")
    known = {f"ZEVM_{name.upper()}" for name in Settings.model_fields}
    assert set(node["environment"]) <= known


def test_monitoring_stands_behind_a_profile() -> None:
    services = _compose()["services"]
    assert {name for name, service in services.items() if "profiles" not in service} == {"node"}
    assert services["prometheus"]["profiles"] == services["grafana"]["profiles"] == ["monitoring"]
    for service in services.values():
        assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in _compose()["volumes"]


def test_prometheus_asks_the_node_under_a_name_that_it_answers_to() -> None:
    scrape = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"][0]
    (target,) = scrape["static_configs"][0]["targets"]
    name, port = target.split(":")
    node = _compose()["services"][name]
    assert node["environment"]["ZEVM_ALLOW_HOST"] == name
    assert port == _values("EXPOSE")[0].split()[0]
    assert scrape["metrics_path"] == "/metrics"


def test_grafana_finds_the_data_source_and_the_dashboard() -> None:
    provisioning = ROOT / "deploy/grafana/provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"][0]
    provider = yaml.safe_load((provisioning / "dashboards/zevm.yml").read_text())["providers"][0]
    volumes = dict(volume.split(":")[:2] for volume in _compose()["services"]["grafana"]["volumes"])
    assert volumes["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert source["url"] == "http://prometheus:9090"
    for panel in _dashboard()["panels"]:
        assert panel["datasource"]["uid"] == source["uid"]


def _dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/zevm.json").read_text())
    return content


def test_the_dashboard_shows_metrics_that_the_node_has(tmp_path: Path) -> None:
    database = Database.open(None)
    chain = Chain(database, load_default_genesis())
    metrics = Metrics(chain, tmp_path)
    metrics.watch_connections(lambda: 0)
    metrics.called("eth_call", [], 0.1, None)
    names = set(re.findall(r"^([a-z_]+)", generate_latest(metrics.registry).decode(), flags=re.MULTILINE))
    chain.close()
    database.close()
    shown: set[str] = set()
    for panel in _dashboard()["panels"]:
        for target in panel["targets"]:
            shown |= set(re.findall(r"\b((?:zevm|process)_[a-z_]+)", target["expr"]))
    assert shown <= names
    assert len(shown) >= 12


@pytest.mark.parametrize("name", LOCKS)
def test_locks_have_versions_and_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"://|file:/|--index|--find-links|--extra|--trusted", text)
    requirements = re.findall(r"^([A-Za-z0-9][^\s]*)((?:.*\\\n)(?:\s+--hash=.*\n)+)", text, flags=re.MULTILINE)
    assert len(requirements) == len(re.findall(r"^[A-Za-z0-9]", text, flags=re.MULTILINE))
    for requirement, hashes in requirements:
        assert "==" in requirement, requirement
        assert "--hash=sha256:" in hashes, requirement


def _locked(name: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ROOT / name).read_text(), flags=re.MULTILINE)
    return {package.lower().replace("_", "-"): version for package, version in found}


def _project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return content


def test_direct_dependencies_are_locked_and_explained() -> None:
    project = _project()["project"]
    explained = (ROOT / "docs/dependencies.md").read_text()
    extras = dict(project["optional-dependencies"])
    development = extras.pop("dev")
    compilers = [line for name in ("zig", "vyper") for line in extras.pop(name)]
    run = [*project["dependencies"], *(line for name in ("cli", "web3", "zns", "quic") for line in extras.pop(name))]
    others = [line for lines in extras.values() for line in lines]
    for lock, requirements in {
        "requirements.lock": run,
        "requirements-dev.lock": [*run, *compilers, *others, *development],
    }.items():
        versions = _locked(lock)
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(versions[requirement.name.lower()], prereleases=True), requirement
            assert re.search(rf"\b{re.escape(requirement.name)}\b", explained), requirement
    assert all(re.fullmatch(r"[\w-]+==\S+", line) for line in [*compilers, *development])
    build = _project()["build-system"]["requires"]
    assert build == [f"setuptools=={_locked('requirements-build.lock')['setuptools']}"]


def test_the_locks_agree() -> None:
    runtime, development = _locked("requirements.lock"), _locked("requirements-dev.lock")
    assert {package: development[package] for package in runtime} == runtime


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert _project()["project"]["license"] == "Apache-2.0"
