"""The tables by which runs were carried out, as a journal keeps them under their hashes."""

from __future__ import annotations

import json

from popheal.journal.database import Database
from popheal.journal.tables_before import tables_before
from popheal.tables.stored import table_from_json
from popheal.tables.table import Procedure


def read_tables(database: Database) -> dict[str, Procedure]:
    """Every table that is kept, by its hash.

    One that this popheal can't understand any more is not among them.
    """
    if database.has_table("procedure"):
        rows = database.read("SELECT hash, data FROM procedure")
        with database.read_as_written():
            kept = {key: json.loads(text) for key, text in rows}
    else:
        kept = tables_before()  # an older file, opened only to be read
    found = {key: table_from_json(data) for key, data in kept.items()}
    return {key: table for key, table in found.items() if table and table.hash == key}
