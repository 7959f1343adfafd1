"""Reads deploy/ and compose.yaml and says what is wrong with them, one line each; exit code 1 when anything is.

Arguments: the repository, and every VALENCE_ variable that the executables know, separated by commas.
"""
import json
import pathlib
import re
import sys

import jsonschema
import kubernetes_validate
import yaml

ROOT = pathlib.Path(sys.argv[1])
KNOWN = set(sys.argv[2].split(","))
KUBERNETES = ROOT / "deploy/kubernetes"
VERSION = "1.34"
TOPICS = ("compute", "network", "storage", "telemetry", "scheduler")
STREAMS = {f"vl:{{b00}}:s:{topic}:{priority}" for topic in TOPICS for priority in ("high", "normal", "low")}
PROGRAMS = {"valence-api": 8181, "valence-worker": 9464, "valence-scheduler": 9465}
wrong = []


def need(holds, what):
    if not holds:
        wrong.append(what)


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text).group(1))


def documents():
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield path.relative_to(ROOT), document


def check_names(where, names):
    for name in names:
        need(not name.startswith("VALENCE_") or name in KNOWN, f"{where}: no executable knows {name}")


def check_kustomization():
    said = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    there = {str(p.relative_to(KUBERNETES)) for p in KUBERNETES.rglob("*.yaml")} - {"kustomization.yaml"}
    need(set(said["resources"]) == there, f"kustomization: lists {said['resources']}, there are {sorted(there)}")
    common = next(g for g in said["configMapGenerator"] if g["name"] == "valence")
    settings = dict(literal.split("=", 1) for literal in common["literals"])
    check_names("kustomization", settings)
    for generator in said["configMapGenerator"]:
        for file in generator.get("files", []):
            need((KUBERNETES / file).is_file(), f"kustomization: there is no {file}")
    return settings


def check_deployment(where, document, settings):
    pod = document["spec"]["template"]["spec"]
    need(pod["terminationGracePeriodSeconds"] > seconds(settings["VALENCE_GRACE"]), f"{where}: killed before its grace ends")
    secret = next(v["secret"] for v in pod["volumes"] if "secret" in v)
    given = [item["key"] for item in secret.get("items", [])]
    if document["metadata"]["name"] != "api":
        need(given == ["secret.key"], f"{where}: it is given more than the secret key: {given or 'all'}")
    for container in pod["containers"]:
        port = PROGRAMS.get(container["command"][0])
        need(port is not None, f"{where}: there is no executable {container['command']}")
        env = {e["name"]: e.get("value", "") for e in container["env"]}
        check_names(where, env)
        listens = [v for k, v in env.items() if k.endswith("_LISTEN")]
        need(listens == [f"0.0.0.0:{port}"], f"{where}: listens on {listens}")
        need(container["ports"] == [{"name": "http", "containerPort": port}], f"{where}: ports {container['ports']}")
        for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
            get = container[probe]["httpGet"]
            need(get == {"path": path, "port": "http"}, f"{where}: {probe} {get}")
        need("memory" in container["resources"]["limits"], f"{where}: no memory limit")


def check_kubernetes():
    settings = check_kustomization()
    schema = json.loads((ROOT / "tests/deployment/keda.schema.json").read_text())
    seen, targets, deployments = {"lag": [], "pending": []}, set(), set()
    for where, document in documents():
        kind = document["kind"]
        if kind == "Kustomization":
            continue
        if kind == "ScaledObject":
            for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
                wrong.append(f"{where}: {error.json_path}: {error.message}")
            targets.add(document["spec"]["scaleTargetRef"]["name"])
            queries = [t["metadata"]["query"] for t in document["spec"]["triggers"] if t["type"] == "prometheus"]
            need(len(queries) == 1, f"{where}: the delayed backlog is not looked at")
            for trigger in document["spec"]["triggers"]:
                said = trigger["metadata"]
                # KEDA asks from a namespace of its own, where a bare name is nobody's.
                at = said.get("address") or said["serverAddress"]
                need(re.search(r"\.valence\.svc:\d+$", at), f"{where}: {at} is not found from KEDA's namespace")
                if trigger["type"] == "redis-streams":
                    said = trigger["metadata"]
                    need(said["consumerGroup"] == "workers", f"{where}: group {said['consumerGroup']}")
                    seen["lag" if "lagCount" in said else "pending"].append(said["stream"])
            continue
        try:
            kubernetes_validate.validate(document, VERSION, strict=True)
        except Exception as error:  # It raises several sorts, and each is a finding.
            wrong.append(f"{where}: {kind}: {error}")
        if kind == "Deployment":
            deployments.add(document["metadata"]["name"])
            check_deployment(where, document, settings)
    for what, streams in seen.items():
        need(sorted(streams) == sorted(STREAMS), f"KEDA looks at the {what} of {sorted(streams)}")
    need(targets == {f"worker-{topic}" for topic in TOPICS}, f"KEDA scales {targets}")
    need(targets < deployments, f"KEDA scales {targets}, there are {deployments}")
    alike = {(KUBERNETES / f"workers/{topic}.yaml").read_text().replace(f"worker-{topic}", "worker-TOPIC")
             .replace(f":{topic}:", ":TOPIC:").replace(f'"{topic}"', '"TOPIC"') for topic in TOPICS}
    need(len(alike) == 1, "workers of two topics differ in more than the topic")


def check_compose():
    said = yaml.safe_load((ROOT / "compose.yaml").read_text())
    ours = {name: s for name, s in said["services"].items() if s.get("image") == "valence:latest"}
    need({"api", "worker", "scheduler", "podm-sim"} < set(ours), f"compose: ours are {sorted(ours)}")
    for name, service in ours.items():
        env = service.get("environment", {})
        check_names(f"compose {name}", env)
        if "VALENCE_GRACE" in env:
            need(seconds(service["stop_grace_period"]) > seconds(env["VALENCE_GRACE"]), f"compose {name}: killed too early")
    topics = {s["environment"].get("VALENCE_WORKER_TOPICS") for n, s in ours.items() if n.startswith("worker-")}
    need(topics == set(TOPICS), f"compose: workers of {topics}")
    need(set(ours["worker"]["environment"]["VALENCE_WORKER_TOPICS"].split(",")) == set(TOPICS), "compose: worker's topics")
    for service in said["services"].values():
        for port in service.get("ports", []):
            need(port.startswith("127.0.0.1:"), f"compose: {port} is open to everybody")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            need(not source.startswith("./") or (ROOT / source).exists(), f"compose: there is no {source}")


def check_systemd():
    for path in sorted((ROOT / "deploy/systemd").glob("*.service")):
        text = path.read_text()
        check_names(path.name, re.findall(r"^Environment=(\w+)=", text, re.M))
        program = re.search(r"^ExecStart=/usr/bin/(\S+)", text, re.M).group(1)
        need(program in PROGRAMS, f"{path.name}: there is no executable {program}")


check_kubernetes()
check_compose()
check_systemd()
print("\n".join(wrong) or "nothing is wrong")
sys.exit(1 if wrong else 0)
