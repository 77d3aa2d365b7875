import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest

from vitrina.demo.traffic import give_feedback, send
from vitrina.errors import ServiceError


@pytest.fixture
def service():
    """A server that answers every message with its last word, flags 'poem', and refuses 'broken'."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append((self.path, body))
            text = body.get("text", "")
            answer = {
                "request_id": text,
                "label": text.split()[-1] if text else "",
                "confidence": 0.9,
                "version": "1",
                "out_of_scope": "poem" in text,
            }
            content = json.dumps(answer).encode()
            self.send_response(422 if "broken" in text else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()


def test_accuracy_counts_labels_and_flags(service):
    messages = pd.DataFrame(
        [
            {"text": "about a refund", "intent": "refund"},
            {"text": "about a refund", "intent": "order"},
            {"text": "write a poem", "intent": "out_of_scope"},
            {"text": "a poem on refund", "intent": "refund"},
        ]
    )
    answers = send(service[0], messages)
    assert len(answers.rows) == 4
    assert answers.accuracy == 0.5


def test_true_labels_are_posted_for_every_request(service):
    url, received = service
    answers = send(url, pd.DataFrame([{"text": "my order", "intent": "status"}]))
    assert give_feedback(url, answers) == 1
    assert received[-1] == ("/feedback", {"request_id": "my order", "label": "status"})


def test_a_refusal_is_one_sentence(service):
    with pytest.raises(ServiceError, match="answered 422 to /classify"):
        send(service[0], pd.DataFrame([{"text": "broken", "intent": "x"}]))


def test_a_service_that_is_gone_is_one_sentence():
    with pytest.raises(ServiceError, match="did not answer /classify"):
        send("http://127.0.0.1:9", pd.DataFrame([{"text": "hi", "intent": "x"}]))
