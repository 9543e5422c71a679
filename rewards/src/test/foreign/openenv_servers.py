"""Serves two environments of OpenEnv for ForeignServersTest: an echo on port 8101, tools on 8102.

    pip install openenv==0.10.0
    python openenv_servers.py echo & python openenv_servers.py tools &
    TROUPE_FOREIGN=true mvn -pl rewards -am test -Dtest=ForeignServersTest \\
        -Dsurefire.failIfNoSpecifiedTests=false

Tried with openenv 0.10.0, fastmcp 3.4.11 and uvicorn 0.54.0.
"""
import sys
import time

import uvicorn
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.mcp_environment import MCPEnvironment
from openenv.core.env_server.mcp_types import CallToolAction, CallToolObservation
from fastmcp import FastMCP

class EchoAction(Action):
    message: str
class EchoObservation(Observation):
    echoed: str = ""
class EchoEnv(Environment):
    SUPPORTS_CONCURRENT_SESSIONS = True
    def __init__(self):
        super().__init__()
        self._s = State(episode_id="", step_count=0)
    def reset(self, seed=None, episode_id=None, **kw):
        self._s = State(episode_id=episode_id or "", step_count=0)
        return EchoObservation(echoed=f"ready seed={seed} kw={kw}", reward=0.0, done=False)
    def step(self, action, timeout_s=None, **kw):
        self._s.step_count += 1
        if action.message == "boom":
            raise RuntimeError("boom!")
        if action.message == "slow":
            time.sleep(5)
        if action.message == "big":
            return EchoObservation(echoed="x" * 3_000_000, reward=0.0, done=False)
        return EchoObservation(echoed=action.message, reward=0.5, done=action.message == "bye", metadata={"step": self._s.step_count})
    @property
    def state(self):
        return self._s

class Tools(MCPEnvironment):
    SUPPORTS_CONCURRENT_SESSIONS = True
    def __init__(self):
        mcp = FastMCP("tools")
        @mcp.tool
        def add(a: int, b: int) -> int:
            "Adds."
            return a + b
        @mcp.tool
        def fail(why: str) -> str:
            "Fails."
            raise ValueError(why)
        super().__init__(mcp)
        self._s = State(episode_id="", step_count=0)
    def reset(self, seed=None, episode_id=None, **kw):
        return Observation(reward=0.0, done=False)
    def _step_impl(self, action, timeout_s=None, **kw):
        return Observation(reward=0.0, done=False)
    @property
    def state(self):
        return self._s

if sys.argv[1] == "echo":
    app = create_fastapi_app(EchoEnv, EchoAction, EchoObservation, max_concurrent_envs=2)
    port = 8101
else:
    app = create_fastapi_app(Tools, CallToolAction, CallToolObservation, max_concurrent_envs=2)
    port = 8102
uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
