"""The deployment files agree with the program, and with each other."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pricing_sync.cli.root import cli
from pricing_sync.demo.server import DemoServer
from pricing_sync.settings import Settings, load_settings
from pricing_sync.settings.load import _VARIABLES
from pricing_sync.sources.providers import built_in
from pricing_sync.version import VERSION
from pricing_sync.web.auth import Scope
from pricing_sync.web.probes import routes

from server_process import api

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "pricing-sync.service"
FILES = [
    *(ROOT / "Dockerfile", ROOT / "Procfile", ROOT / "railway.toml", ROOT / "render.yaml"),
    *(DEPLOY / "compose.yaml", DEPLOY / "kubernetes.yaml", UNIT),
]
#: Variables that other programs read.
FOREIGN = {
    *("PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_CACHE_DIR", "PIP_ROOT_USER_ACTION"),
    *("PYTHON_VERSION", "USER_ID", "RAILWAY_RUN_UID"),
    *("GF_SECURITY_ADMIN_PASSWORD", "GRAFANA_ADMIN_PASSWORD"),
    *("POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_USER"),
    # systemd's words for kinds of addresses
    *("AF_INET", "AF_INET6", "AF_UNIX"),
}
OURS = {
    *_VARIABLES.values(),
    *(name for provider in built_in().values() for name in provider.variables),
    *(n for provider in built_in().values() if provider.key for n in provider.key.variables),
}
FOLDER, TOML_FOLDER = "/var/lib/pricing-sync", "/etc/pricing-sync"
#: For responses that are open when the service stops, and for the end of the process.
MARGIN_SECONDS = 5


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each on one line."""
    text = re.sub(r"^#.*\n", "", read("Dockerfile"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line]


def of_dockerfile(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def environment() -> dict[str, str]:
    """What the image sets."""
    pairs = [pair.partition("=") for rest in of_dockerfile("ENV") for pair in shlex.split(rest)]
    return {name: value for name, _, value in pairs}


def compose() -> Any:
    return yaml.safe_load(read("deploy/compose.yaml"))


def kubernetes() -> dict[str, Any]:
    """The objects by their kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(read("deploy/kubernetes.yaml"))}


def pod() -> Any:
    return kubernetes()["Deployment"]["spec"]["template"]["spec"]


def railway() -> Any:
    return tomllib.loads(read("railway.toml"))


def render() -> Any:
    return yaml.safe_load(read("render.yaml"))["services"][0]


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text("utf-8"))
    return parser["Service"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_variable_that_a_file_names_is_read_by_a_program(file: Path) -> None:
    """A misspelt one would have no effect, or would stop the service."""
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", file.read_text("utf-8")))
    assert set() == named - OURS - FOREIGN


def test_the_settings_of_the_image_and_of_kubernetes_are_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service starts with them: it listens to other machines, and writes to the volume."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PRICING_SYNC_")]:
        monkeypatch.delenv(name)
    for name, value in environment().items():
        if name.startswith("PRICING_SYNC_"):
            monkeypatch.setenv(name, value)
    (file,) = kubernetes()["ConfigMap"]["data"].items()
    (tmp_path / file[0]).write_text(file[1])
    settings = load_settings()
    assert ("0.0.0.0", 8080) == (settings.host, settings.port)
    assert f"sqlite:///{FOLDER}/prices.db" == settings.database
    assert 4 == len(settings.providers)


def test_every_path_that_a_file_names_exists() -> None:
    """What is copied into the image is not ignored; what is mounted is there."""
    ignore = read(".dockerignore").splitlines()
    for rest in of_dockerfile("COPY"):
        if not rest.startswith("--from="):
            for name in rest.split()[:-1]:
                assert (ROOT / name).exists(), name
                assert f"!{name}" in ignore, name
    assert (ROOT / railway()["build"]["dockerfilePath"]).is_file()
    assert (ROOT / render()["dockerfilePath"]).is_file()
    mounts = [
        Path(volume.split(":")[0])
        for service in compose()["services"].values()
        for volume in service.get("volumes", ())
        if volume.startswith("./")
    ]
    assert mounts
    folders = {mount.parts[0] for mount in mounts if (DEPLOY / mount.parts[0]).is_dir()}
    for mount in mounts:
        if mount.parts[0] in folders and mount.name != "secrets":
            assert (DEPLOY / mount).exists(), mount


def test_all_files_agree_on_the_port() -> None:
    """The program's default."""
    port = Settings.model_fields["port"].default
    assert [str(port)] == of_dockerfile("EXPOSE")
    assert str(port) == environment()["PRICING_SYNC_PORT"]
    assert [f"127.0.0.1:{port}:{port}"] == compose()["services"]["pricing-sync"]["ports"]
    (container,) = pod()["containers"]
    (named,) = container["ports"]
    assert port == named["containerPort"]
    (service,) = kubernetes()["Service"]["spec"]["ports"]
    assert (port, named["name"]) == (service["port"], service["targetPort"])
    assert {"key": "PORT", "value": str(port)} in render()["envVars"]
    scraped = DEPLOY / "prometheus" / "prometheus.yml"
    if scraped.is_file():
        assert f"pricing-sync:{port}" in scraped.read_text("utf-8")


def test_all_files_agree_on_the_folders_and_the_user() -> None:
    """The database is on the volume; the settings are read from the working directory."""
    assert [FOLDER] == of_dockerfile("VOLUME")
    assert [TOML_FOLDER] == of_dockerfile("WORKDIR")[1:]
    (container,) = pod()["containers"]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {FOLDER, TOML_FOLDER, "/tmp"} == mounted
    assert f"prices:{FOLDER}" in compose()["services"]["pricing-sync"]["volumes"]
    assert FOLDER == railway()["deploy"]["requiredMountPath"] == render()["disk"]["mountPath"]
    assert FOLDER.endswith(f"/{unit()['StateDirectory']}")
    assert (
        f"PRICING_SYNC_DATABASE={environment()['PRICING_SYNC_DATABASE']}" == (unit()["Environment"])
    )
    assert TOML_FOLDER == unit()["WorkingDirectory"]
    (user,) = {rest.partition("=")[2] for rest in of_dockerfile("ARG") if "USER_ID" in rest}
    context = pod()["securityContext"]
    assert {int(user)} == {context[name] for name in ("runAsUser", "runAsGroup", "fsGroup")}


def commands() -> dict[str, list[str]]:
    """How each file starts the program."""
    shell = shlex.split(railway()["deploy"]["startCommand"])
    (container,) = pod()["containers"]
    return {
        "Dockerfile": json.loads(of_dockerfile("ENTRYPOINT")[0])
        + json.loads(of_dockerfile("CMD")[0]),
        "Procfile": shlex.split(read("Procfile").removeprefix("web: ")),
        "railway.toml": shlex.split(shell[2].removeprefix("exec ")),
        "kubernetes.yaml": ["pricing-sync", *container["args"]],
        UNIT.name: shlex.split(unit()["ExecStart"]),
    }


@pytest.mark.parametrize("file", commands())
def test_the_program_understands_how_it_is_started(file: str) -> None:
    """It serves; the setting `migrate` lets it bring the tables to its version before."""
    program, name, *options = commands()[file]
    assert "pricing-sync" == Path(program).name
    command = typer.main.get_command(cli)
    context = command.make_context("pricing-sync", [name])
    found, serve, _ = command.resolve_command(context, [name])  # type: ignore[attr-defined]
    serve.make_context(name, [option.replace("$PORT", "80") for option in options])
    assert "serve" == found
    assert Settings().migrate


def test_all_files_wait_for_readings_in_flight() -> None:
    """They kill the service only after it has had its time to stop."""
    least = Settings.model_fields["stop_seconds"].default + MARGIN_SECONDS
    assert least <= pod()["terminationGracePeriodSeconds"]
    grace = compose()["services"]["pricing-sync"]["stop_grace_period"]
    assert least <= int(grace.removesuffix("s"))
    assert least <= int(unit()["TimeoutStopSec"])
    assert least <= railway()["deploy"]["drainingSeconds"]
    assert least <= render()["maxShutdownDelaySeconds"]


def test_probes_are_routes_that_need_no_token() -> None:
    """And a database that is down restarts nothing."""
    public = {route.path for route in routes.declared if route.scope is Scope.PUBLIC}
    (container,) = pod()["containers"]
    probes = {name: container[name]["httpGet"]["path"] for name in container if "Probe" in name}
    assert public >= {*probes.values()}
    assert "/health" == probes["livenessProbe"]
    assert {"/ready"} == {railway()["deploy"]["healthcheckPath"], render()["healthCheckPath"]}


def health_check(port: int) -> int:
    """The exit code of the image's health check."""
    ((_, _, command),) = [rest.partition(" CMD ") for rest in of_dockerfile("HEALTHCHECK")]
    _, *arguments = json.loads(command)
    own = {"PRICING_SYNC_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, *arguments], env=own, stderr=subprocess.DEVNULL, check=False
    ).returncode


def test_the_health_check_of_the_image(tmp_path: Path) -> None:
    """It needs no curl, uses no proxy, and fails when nobody answers."""
    with DemoServer() as providers, api(tmp_path, providers) as service:
        port = int(service.url.rpartition(":")[2])
        assert 0 == health_check(port)
    assert health_check(port) != 0


def test_one_process_has_the_sqlite_file() -> None:
    """No file starts a second one, or a new one beside the old one."""
    spec = kubernetes()["Deployment"]["spec"]
    assert (1, "Recreate") == (spec["replicas"], spec["strategy"]["type"])
    assert (1, 0) == (railway()["deploy"]["numReplicas"], railway()["deploy"]["overlapSeconds"])
    assert 1 == render()["numInstances"]


def test_the_images_are_of_this_version() -> None:
    """A release changes the files too."""
    (container,) = pod()["containers"]
    image = f"pricing-sync:{VERSION}"
    assert image == container["image"] == compose()["services"]["pricing-sync"]["image"]


def pins(name: str) -> dict[str, str]:
    """Each package of a lock with its version, its markers and its hashes."""
    found = re.findall(r"^([\w.-]+)==((?:.*\\\n)+.*--hash=\S+)$", read(name), re.MULTILINE)
    return dict(found)


def test_the_image_has_the_packages_of_the_tests() -> None:
    """The same versions and hashes, and no tool of the tests."""
    image, tests = pins("deploy/image.lock"), pins("requirements.lock")
    assert {"fastapi", "uvicorn", "httpx", "hatchling"} <= image.keys()
    assert not {"pytest", "playwright", "mypy"} & image.keys()
    assert {} == {name: pin for name, pin in image.items() if tests.get(name) != pin}
