"""Background jobs that outlive the process: kept in SQLite, run in chunks by any free worker of the machine."""
