"""The five answers of MLflow's REST API that a registered model takes; its artifacts are handed out by the server. Takes the port."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_RUN = "f00dfeed"
_VERSION = {"name": "support", "version": "7", "run_id": _RUN}
_READ = {"dataset": {"name": "support", "digest": "3"}}
_ANSWERS = {
    "/mlflow/registered-models/alias": {"model_version": _VERSION},
    "/mlflow/runs/get": {"run": {"inputs": {"dataset_inputs": [_READ]}}},
    "/mlflow/model-versions/get-download-uri": {"artifact_uri": "mlflow-artifacts:/0/f00dfeed/artifacts/model"},
    "/mlflow-artifacts/artifacts": {"files": [{"path": sys.argv[2], "is_dir": False, "file_size": 100_000_000}]},
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        found = _ANSWERS.get(asked.path.removeprefix("/api/2.0"))
        alias = parse_qs(asked.query).get("alias", ["champion"])
        known = found is not None and alias == ["champion"]
        body = json.dumps(found if known else {"message": f"there is no {self.path}"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), _Handler).serve_forever()
