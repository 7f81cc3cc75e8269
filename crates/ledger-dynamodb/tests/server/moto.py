"""moto's DynamoDB with the isolation that AWS documents: one request after the other.

moto serves requests on threads, and neither checks a transaction's conditions nor takes a failed one back in isolation
from the others. It also copies its whole table for every item of a transaction, which a copy of its structure does as
well: items are replaced, never changed in place. Prints the port that the system picked.
"""

import collections
import copy
import threading

from moto.dynamodb import models
from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


class Copies:
    """Stands in for the module `copy` where moto saves a table: once a request, before the first write."""

    saved = {}

    copy = staticmethod(copy.copy)

    @staticmethod
    def deepcopy(value):
        if not isinstance(value, Table):
            return copy.deepcopy(value)
        if id(value) in Copies.saved:
            return Copies.saved[id(value)]
        twin = Copies.saved[id(value)] = copy.copy(value)
        twin.items = collections.defaultdict(dict, {key: dict(items) for key, items in value.items.items()})
        return twin


models.copy = Copies
one_at_a_time = threading.Lock()
application = DomainDispatcherApplication(create_backend_app)


def serialized(environ, start_response):
    with one_at_a_time:
        Copies.saved.clear()
        return list(application(environ, start_response))


server = make_server("127.0.0.1", 0, serialized, threaded=True)
print(server.port, flush=True)
server.serve_forever()
