"""The one service that all rehearsals share: started by the first, stopped when the last is over."""

import functools
import tempfile
from pathlib import Path

from rehearsal.chain import Validator
from rehearsal.service import Cloud, Service

STACK = "rehearsal"
_started = []


@functools.cache
def stage():
    """Chain, cloud and service, running."""
    folder = tempfile.TemporaryDirectory()
    _started.append(folder.cleanup)
    chain = Validator(Path(folder.name))
    _started.append(chain.stop)
    cloud = Cloud()
    _started.append(cloud.stop)
    service = Service(STACK, chain, Path(folder.name))
    _started.append(service.stop)
    cloud.record()
    service.start_function()
    service.start_listener()
    return chain, cloud, service


def close():
    """Stops what was started, the last first."""
    while _started:
        _started.pop()()
