"""What the tests of the SQL engine share: one coordinator's engine, asked as the service asks."""

from __future__ import annotations

from pocket_impala.coordinator.contract import ImpalaError, SessionState
from pocket_impala.coordinator.engine import make_engine


class Lab:
    """An engine with one session."""

    def __init__(self, warehouse, **options):
        self.engine = make_engine(warehouse, **options)
        self.session = SessionState("ann")

    def job(self, sql, **overlay):
        """A planned job that has not run."""
        return self.engine.plan(sql, self.session, overlay)

    def run(self, sql, **overlay):
        """A job that has run."""
        job = self.job(sql, **overlay)
        job.run()
        return job

    def rows(self, sql, **overlay):
        """All rows of a statement, as tuples."""
        job = self.run(sql, **overlay)
        found = rows_of(job)
        job.close()
        return found

    def value(self, sql, **overlay):
        """The one value that a query returns."""
        ((found,),) = self.rows(sql, **overlay)
        return found

    def types(self, sql):
        """The types of a query's columns."""
        job = self.job(sql)
        job.close()
        return [column.type for column in job.columns]

    def names(self, sql):
        """The names of a query's columns."""
        job = self.job(sql)
        job.close()
        return [column.name for column in job.columns]

    def error(self, sql, **overlay):
        """The text with which a statement fails, planned or running."""
        try:
            self.rows(sql, **overlay)
        except ImpalaError as error:
            return str(error)
        raise AssertionError(f"no error: {sql}")

    def changed(self, sql):
        """How many rows a statement changed, by partition."""
        job = self.run(sql)
        job.close()
        return job.modified_rows


def rows_of(job, batch=1000):
    """Fetch to the end."""
    found = []
    while columns := job.fetch(batch):
        found.extend(zip(*columns, strict=True))
    return found
