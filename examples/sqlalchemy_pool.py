"""
A pool of connections that spreads over the coordinators.

IMPALA_HA_HOSTS=127.0.0.1,127.0.0.2,127.0.0.3 python examples/sqlalchemy_pool.py
"""

from collections import Counter
from contextlib import ExitStack

from sqlalchemy import create_engine, text

engine = create_engine("impala+ha://", pool_size=6)
where = Counter()
with ExitStack() as stack:
    for _ in range(6):
        session = stack.enter_context(engine.connect())
        session.execute(text("SELECT 1")).scalar_one()
        where[str(session.connection.dbapi_connection.coordinator)] += 1
for coordinator, connections in sorted(where.items()):
    print(f"{coordinator} has {connections} connections")
engine.dispose()
