"""The tables of the job store. Rows without a chunk were refused and carry their error from the start.

`jobs.refused` and `chunks.failed` count rows with errors, so that asking for progress reads no results.
"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    key TEXT UNIQUE,
    digest TEXT NOT NULL,
    options BLOB NOT NULL,
    version TEXT NOT NULL,
    rows INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    created REAL NOT NULL,
    finished REAL,
    cancelled INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_finished ON jobs (finished);
CREATE TABLE IF NOT EXISTS chunks (
    job TEXT NOT NULL,
    chunk INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    failed INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    lease REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (job, chunk)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    job TEXT NOT NULL,
    row INTEGER NOT NULL,
    chunk INTEGER,
    name TEXT,
    payload BLOB,
    error TEXT,
    result BLOB,
    PRIMARY KEY (job, row)
);
CREATE INDEX IF NOT EXISTS rows_chunk ON rows (job, chunk);
CREATE INDEX IF NOT EXISTS rows_error ON rows (job, row) WHERE error IS NOT NULL;
CREATE TABLE IF NOT EXISTS versions (version TEXT PRIMARY KEY, seen REAL NOT NULL);
"""
