"""Sends what python-valenceclient sends, and insists on what it insists on.

One requests session with the client's User-agent; JSON asked for and announced with every request, GET and DELETE included, whose body is an
empty object (older versions) or none (newer ones); paths without a slash at the end, joined to the URL; no token. A list is a bare array and
a row an object, both read by columns; an error is JSON with `detail`.

Arguments: the API's URL, a Pod Manager's URL, its password. Prints what each step gave as one JSON object.
"""

import json
import sys
import urllib.parse

import requests

COLUMNS = ("uuid", "name", "url", "driver", "status", "created_at", "updated_at")
HEADERS = {"User-agent": "python-valenceclient", "Content-Type": "application/json", "Accept": "application/json"}
PODMS = "/v1/pod_managers"


class Refused(Exception):
    pass


session = requests.Session()
session.trust_env = False


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    url = urllib.parse.urljoin(sys.argv[1], path)
    answer = session.request(method, url, headers=dict(HEADERS), data=data, timeout=60)
    if answer.status_code >= 400:
        raise Refused(f"{answer.status_code} {answer.json()['detail']}")
    assert "application/json" in answer.headers["Content-Type"]
    return answer.json()


def refusal(*args):
    try:
        return ask(*args)
    except Refused as refused:
        return str(refused)


def row(podm):
    assert isinstance(podm, dict), podm
    return [podm[column] for column in COLUMNS]


def rows(body=None):
    podms = ask("GET", PODMS, body)
    assert isinstance(podms, list), podms
    return [row(podm) for podm in podms]


basic = {"type": "basic", "auth_items": {"username": "admin", "password": sys.argv[3]}}
asked = {"name": "p", "url": sys.argv[2], "driver": "redfishv1", "authentication": [basic]}
steps = {"empty": rows(), "made": row(ask("POST", PODMS, asked))}
path = f"{PODMS}/{steps['made'][0]}"
for form, body in (("", None), (" with {}", {})):
    steps["list" + form] = rows(body)
    steps["show" + form] = row(ask("GET", path, body))
steps["again"] = refusal("POST", PODMS, asked)
steps["incomplete"] = refusal("POST", PODMS, {"name": "q", "url": "http://q"})
steps["renamed"] = row(ask("PATCH", path, {"name": "q", "driver": "redfishv1", "authentication": [basic]}))
steps["deleted"] = ask("DELETE", path, {})["detail"]
steps["gone"] = refusal("GET", path)
remade = f"{PODMS}/{ask('POST', PODMS, asked)['uuid']}"
steps["deleted without {}"] = ask("DELETE", remade)["detail"]
steps["nobody"] = refusal("DELETE", remade)
steps["left"] = rows()
print(json.dumps(steps))
