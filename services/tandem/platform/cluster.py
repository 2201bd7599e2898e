"""A cluster by its API server: JSON by path, the end of a log, one request to a port of a pod."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from ssl import SSLContext, VerifyFlags, VerifyMode, create_default_context
from typing import Any

import urllib3.exceptions
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tandem.domain.errors import ConfigurationError, Unauthenticated, UpstreamUnavailable
from tandem.platform.forwarding import ForwardingFailed, get
from tandem.platform.objects import Object

# Whose fields are those that we apply.
MANAGER = "tandem"
_CONNECT_S = 5.0
_READ_S = 20.0
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


class Refused(Exception):
    """The API server answered, and not with what was asked for: `status` is 403, 404 or another. Nothing lets it out."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Server:
    """An API server: its version, such as v1.34.4, and its clock, to the second."""

    version: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server, or a pod over a forwarded port, answered; `date` is empty where it told none."""

    status: int
    body: str
    date: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """How a port of a pod is reached through the API server by WebSocket; `ssl` is True where nothing is said."""

    url: str
    headers: Mapping[str, str]
    ssl: SSLContext | bool
    proxy: str | None


class Cluster:
    """Reads; only `apply` and `delete` write. Raises `UpstreamUnavailable` when no API server answers, `Unauthenticated` when it does not know who
    asks, `Refused` for any other answer than 200.
    """

    def __init__(self, api: client.ApiClient, namespace: str, context: str = "") -> None:
        self._api = api
        self.namespace = namespace
        self.context = context
        self.address = str(api.configuration.host)

    def read(self, path: str, *, metadata_only: bool = False, **query: str) -> Object:
        """The JSON at that path of the API. With `metadata_only` the server leaves everything else out of an object."""
        return self._json(self._get(path, query, _METADATA_ONLY if metadata_only else "application/json").body)

    def items(self, path: str, **query: str) -> tuple[Object, ...]:
        """The items of a list."""
        found = self._json(self._get(path, query, "application/json").body).get("items") or ()
        return tuple(found)

    def apply(self, path: str, wanted: Mapping[str, Any], *, dry_run: bool = False, force: bool = False) -> Object:
        """Make the object at that path so, by server-side apply; fields of other owners stay as they are.

        A field that another owner set otherwise is a conflict (`Refused`, 409), unless it is taken over by `force`; so is a
        `metadata.resourceVersion` that is not the object's any more. With `dry_run` nothing is stored.
        """
        query = [
            ("fieldManager", MANAGER),
            *([("dryRun", "All")] if dry_run else []),
            *([("force", "true")] if force else []),
        ]
        with _errors(self.address):
            request = self._api.param_serialize(
                "PATCH",
                path,
                query_params=query,
                header_params={"Accept": "application/json", "Content-Type": "application/apply-patch+yaml"},
                body=dict(wanted),
                auth_settings=["BearerToken"],
            )
            reply = self._api.call_api(*request, _request_timeout=(_CONNECT_S, _READ_S))
            body = bytes(reply.read() or b"").decode(errors="replace")
        if reply.status in {200, 201}:
            return self._json(body)
        raise _refusal(reply.status, body, self.address)

    def delete(self, path: str, *, seen: Object | None = None) -> None:
        """Have the object at that path gone, at once; one that is not there is gone already.

        With `seen` only as it was then: any change since is a conflict (`Refused`, 409).
        """
        as_seen = None
        if seen is not None:
            held = {key: seen["metadata"][key] for key in ("uid", "resourceVersion")}
            as_seen = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": held}
        with _errors(self.address):
            request = self._api.param_serialize(
                "DELETE",
                path,
                query_params=[("gracePeriodSeconds", "0")],
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=as_seen,
                auth_settings=["BearerToken"],
            )
            reply = self._api.call_api(*request, _request_timeout=(_CONNECT_S, _READ_S))
            body = bytes(reply.read() or b"").decode(errors="replace")
        if reply.status not in {200, 202, 404}:
            raise _refusal(reply.status, body, self.address)

    def log(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> str:
        """The end of what a container wrote."""
        query = {"container": container, "tailLines": str(lines)} | ({"previous": "true"} if previous else {})
        return self._get(f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query, "*/*").body

    def server(self) -> Server:
        """Who answers."""
        answer = self._get("/version", {}, "application/json")
        try:
            return Server(str(self._json(answer.body).get("gitVersion", "")), parsedate_to_datetime(answer.date))
        except ValueError as error:
            raise self._no_api_server() from error

    def ask(self, namespace: str, pod: str, port: int, path: str, *, timeout_s: float = 5.0) -> Answer:
        """GET at a pod's port, forwarded as kubectl does, so that no NetworkPolicy is in the way."""
        headers: dict[str, str] = {}
        self._api.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        try:
            said = get(self._api.configuration, headers, namespace, pod, port, path, timeout_s)
        except ForwardingFailed as error:
            raise Refused(error.status, error.message) from error
        return Answer(said.status, said.body)

    def way(self, namespace: str, pod: str, port: int) -> Way:
        """With credentials that are good now."""
        settings = self._api.configuration
        headers: dict[str, str] = {}
        self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        url = f"{settings.host}/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"
        return Way(url, headers, _ssl(settings), settings.proxy or None)

    def _get(self, path: str, query: Mapping[str, str], accept: str) -> Answer:
        with _errors(self.address):
            request = self._api.param_serialize(
                "GET",
                path,
                query_params=list(query.items()),
                header_params={"Accept": accept},
                auth_settings=["BearerToken"],
            )
            reply = self._api.call_api(*request, _request_timeout=(_CONNECT_S, _READ_S))
            body = bytes(reply.read() or b"").decode(errors="replace")
        if reply.status == 200:
            return Answer(reply.status, body, reply.headers.get("date") or "")
        raise _refusal(reply.status, body, self.address)

    def _json(self, body: str) -> Object:
        try:
            found = json.loads(body)
        except ValueError as error:
            raise self._no_api_server() from error
        return found if isinstance(found, dict) else {}

    def _no_api_server(self) -> UpstreamUnavailable:
        return UpstreamUnavailable(
            f"{self.address} answers, but not as a Kubernetes API server does.",
            hint="Check the server address of this context: kubectl config view --minify.",
        )


@contextmanager
def opened(kubeconfig: Path | None, context: str | None, namespace: str | None) -> Iterator[Cluster]:
    """The cluster of that context; without any the current one of KUBECONFIG or ~/.kube/config, or the one around this
    pod. Raises `ConfigurationError` when there is none.
    """
    settings = client.Configuration()
    name, chosen = _load(settings, kubeconfig, context)
    settings.retries = False
    with client.ApiClient(settings) as api:
        yield Cluster(api, namespace or chosen, name)


def _ssl(settings: client.Configuration) -> SSLContext | bool:
    if not settings.host.startswith("https"):
        return True
    context = create_default_context(cafile=settings.ssl_ca_cert)
    # Clusters' own authorities often lack what RFC 5280 asks for; kubectl takes them.
    context.verify_flags &= ~VerifyFlags.VERIFY_X509_STRICT
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    if not settings.verify_ssl:
        context.check_hostname, context.verify_mode = False, VerifyMode.CERT_NONE
    return context


def _load(settings: client.Configuration, kubeconfig: Path | None, context: str | None) -> tuple[str, str]:
    """Fills the settings in; returns the context's name and namespace."""
    file = None if kubeconfig is None else str(kubeconfig)
    try:
        config.load_kube_config(file, context, settings)
        contexts, active = config.list_kube_config_contexts(file)
    except config.ConfigException as error:
        if kubeconfig is None and context is None:
            return "", _load_around(settings, error)
        raise ConfigurationError(
            f"The cluster's configuration cannot be used: {_line(error)}",
            hint="kubectl config get-contexts lists the contexts there are.",
        ) from error
    except OSError as error:
        raise ConfigurationError(f"The kubeconfig cannot be read: {_line(error)}") from error
    except (ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"{file or 'KUBECONFIG'} is no kubeconfig.", hint="kubectl config view shows what kubectl makes of it."
        ) from error
    named = active if context is None else next(each for each in contexts if each["name"] == context)
    return str(named["name"]), str(named["context"].get("namespace") or "default")


def _load_around(settings: client.Configuration, missing: Exception) -> str:
    place = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    try:
        config.load_incluster_config(settings)
        return place.read_text(encoding="utf-8").strip()
    except (config.ConfigException, OSError) as error:
        raise ConfigurationError(
            f"No cluster is configured: {_line(missing)}",
            hint="Set KUBECONFIG, or pass --kubeconfig FILE or --context NAME.",
        ) from error


@contextmanager
def _errors(address: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise _refusal(error.status or 0, error.body or error.reason or "", address) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise UpstreamUnavailable(
            f"No Kubernetes API server answers at {address}: {_line(error)}",
            hint="Is the cluster up, the VPN on, the context right? kubectl config current-context tells the latter.",
        ) from error


def _refusal(status: int, body: str, address: str) -> Exception:
    try:
        said = str(json.loads(body).get("message", ""))
    except (ValueError, AttributeError):
        said = body[:200]
    if status == 401:
        return Unauthenticated(
            f"{address} does not accept this context's credentials.",
            hint="Log in again (aws eks update-kubeconfig, gcloud container clusters get-credentials, …).",
        )
    return Refused(status, said or f"status {status}")


def _line(error: Exception) -> str:
    reason: Any = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__
