"""The language model that the notebooks talk to: that of VITRINA_LLM_URL, or else a rehearsal started here.

The rehearsal is `transformers serve` with the tiny Granite of `vitrina llm tiny`: it all works, its words mean nothing.
"""

from __future__ import annotations

import atexit
import os
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from vitrina.llm.endpoint import Endpoint
from vitrina.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]


def home() -> Path:
    """Where the notebooks keep what they make: `.vitrina` of the repository, unless VITRINA_HOME says otherwise."""
    os.environ.setdefault("VITRINA_HOME", str(ROOT / ".vitrina"))
    return load_settings().home


@cache
def endpoint() -> Endpoint:
    """Where to ask; the first call may start the server, which ends with the notebook."""
    if load_settings().llm_url is not None:
        return Endpoint.from_settings(first_token_timeout=60, total_timeout=300)
    sys.path.insert(0, str(ROOT))
    from tests.llm_server import LLMServer, tiny_granite_folder

    models = home() / "notebooks"
    models.mkdir(parents=True, exist_ok=True)
    state = TemporaryDirectory()
    server = LLMServer(tiny_granite_folder(models), Path(state.name)).start()
    atexit.register(state.cleanup)
    atexit.register(server.stop)
    print("VITRINA_LLM_URL is not set: a tiny Granite was started here. Its words mean nothing.")
    return Endpoint(url=server.url, model=server.model, first_token_timeout=60, total_timeout=300)
