"""Serves NeMo-Gym's own example of a counter for ForeignServersTest, on port 8103.

    pip install nemo-gym==0.7.0
    python nemo_gym_server.py &

NeMo-Gym 0.7.0 wants Python 3.13. Under 3.11 it was tried with pip's --ignore-requires-python; of
its dependencies those that only report (wandb, mlflow and the like) may be missing.
"""
import sys
from unittest.mock import MagicMock

import uvicorn

for name in ("wandb", "mlflow", "mlflow.entities", "anthropic", "snakeviz"):
    try:
        __import__(name)
    except ImportError:
        sys.modules[name] = MagicMock()

from nemo_gym.server_utils import ServerClient
from resources_servers.example_session_state_mgmt.app import (
    StatefulCounterResourcesServer,
    StatefulCounterResourcesServerConfig,
)

config = StatefulCounterResourcesServerConfig(
    host="127.0.0.1", port=8103, entrypoint="app.py", domain="other", name="counter"
)
server = StatefulCounterResourcesServer(
    config=config, server_client=MagicMock(spec=ServerClient)
)
app = server.setup_webserver()
server.setup_liveness(app)
uvicorn.run(app, host="127.0.0.1", port=8103, log_level="warning", http="httptools")
