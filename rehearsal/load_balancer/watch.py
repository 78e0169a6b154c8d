"""What is in the cluster, kept up to date by a list and a watch for each kind."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from rehearsal.load_balancer.api import Api, ApiError
from rehearsal.load_balancer.objects import Json, Key, at, items, key, text

_LOG: Final = logging.getLogger("watch")
_WATCH_SECONDS: Final = 120


@final
@dataclass(frozen=True, kw_only=True)
class World:
    """The objects of each kind that the controller looks at."""

    classes: Mapping[Key, Json]
    parameters: Mapping[Key, Json]
    ingresses: Mapping[Key, Json]
    services: Mapping[Key, Json]
    slices: Mapping[Key, Json]
    pods: Mapping[Key, Json]
    bindings: Mapping[Key, Json]


PATHS: Final[Mapping[str, str]] = {
    "classes": "/apis/networking.k8s.io/v1/ingressclasses",
    "parameters": "/apis/elbv2.k8s.aws/v1beta1/ingressclassparams",
    "ingresses": "/apis/networking.k8s.io/v1/ingresses",
    "services": "/api/v1/services",
    "slices": "/apis/discovery.k8s.io/v1/endpointslices",
    "pods": "/api/v1/pods",
    "bindings": "/apis/elbv2.k8s.aws/v1beta1/targetgroupbindings",
}


@final
class Watches:
    """Threads that follow the cluster; `changed` is set whenever something is different."""

    def __init__(self, api: Api, changed: threading.Event) -> None:
        self._api = api
        self._changed = changed
        self._lock = threading.Lock()
        self._objects: dict[str, dict[Key, Json]] = {}

    def start(self) -> None:
        """Begin to follow. The threads end with the program."""
        for kind, path in PATHS.items():
            threading.Thread(target=self._follow, args=(kind, path), name=f"watch-{kind}", daemon=True).start()

    def world(self) -> World | None:
        """What is known now; None until each kind has been listed once."""
        with self._lock:
            if len(self._objects) < len(PATHS):
                return None
            return World(**{kind: dict(objects) for kind, objects in self._objects.items()})

    def _follow(self, kind: str, path: str) -> None:
        pause = 0.1
        while True:
            try:
                version = self._list(kind, path)
                pause = 0.1
                self._watch(kind, path, version)
            except ApiError as error:
                if error.status == 404:
                    # The kind is unknown until the chart has brought its definition.
                    self._replace(kind, {})
                    pause = 0.2
                elif error.status != 410:
                    _LOG.warning("%s: %s", kind, error)
            except Exception as error:  # noqa: BLE001 - a watch that ends for whatever reason is begun again
                _LOG.warning("%s: %s; trying again in %.1f s", kind, error or type(error).__name__, pause)
            threading.Event().wait(pause)
            pause = min(pause * 2, 2.0)

    def _list(self, kind: str, path: str) -> str:
        answer = self._api.request("GET", path)
        self._replace(kind, {key(found): found for found in items(answer, "items")})
        return text(answer, "metadata", "resourceVersion")

    def _replace(self, kind: str, objects: dict[Key, Json]) -> None:
        with self._lock:
            same = self._objects.get(kind) == objects
            self._objects[kind] = objects
        if not same:
            self._changed.set()

    def _watch(self, kind: str, path: str, version: str) -> None:
        while True:
            query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={_WATCH_SECONDS}&resourceVersion={version}"
            for event in self._api.lines(f"{path}?{query}", _WATCH_SECONDS + 10.0):
                what, found = text(event, "type"), at(event, "object")
                if what not in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}:
                    _LOG.info("%s: listed again after %s", kind, text(found, "message") or what)
                    return
                version = text(found, "metadata", "resourceVersion")
                if what == "BOOKMARK":
                    continue
                with self._lock:
                    if what == "DELETED":
                        self._objects[kind].pop(key(found), None)
                    else:
                        self._objects[kind][key(found)] = found
                self._changed.set()
