"""Sends what python-valenceclient sends, and insists on what it insists on: JSON with every request, a bare list, `detail` in an error.

Arguments: the API's URL, a Pod Manager's URL, its password. Prints what each step gave as one JSON list.
"""

import json
import sys

import requests

COLUMNS = ("uuid", "name", "url", "driver", "status", "created_at", "updated_at")


class Refused(Exception):
    pass


def ask(method, path, body=None):
    answer = requests.request(method, sys.argv[1] + path, json={} if body is None else body, timeout=60)
    if answer.status_code >= 400:
        raise Refused(answer.json()["detail"])
    return answer.json()


def row(podm):
    return [podm[column] for column in COLUMNS]


basic = {"type": "basic", "auth_items": {"username": "admin", "password": sys.argv[3]}}
asked = {"name": "p", "url": sys.argv[2], "driver": "redfishv1", "authentication": [basic]}
steps = [[row(podm) for podm in ask("GET", "/v1/pod_managers")]]
made = row(ask("POST", "/v1/pod_managers", asked))
path = "/v1/pod_managers/" + made[0]
steps += [made, [row(podm) for podm in ask("GET", "/v1/pod_managers")], row(ask("GET", path))]
try:
    ask("POST", "/v1/pod_managers", asked)
except Refused as refused:
    steps.append(str(refused))
steps.append(ask("DELETE", path)["detail"])
try:
    ask("GET", path)
except Refused as refused:
    steps.append(str(refused))
steps.append(ask("GET", "/v1/pod_managers"))
print(json.dumps(steps))
