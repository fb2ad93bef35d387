"""Reads a Delta table as other engines see it and prints one JSON object.

    check.py TABLE_URL [--id COLUMN] [--option KEY=VALUE]...

`duckdb` reads through its own delta extension (delta_scan), `deltalake` through the Python package.
Each gives the number of rows, the number of distinct ids and the sum of the ids' FNV-1a hashes modulo
2**64, so that the caller compares them with what it knows to be in the table.
"""

import argparse
import glob
import json
import sys

import deltalake
import duckdb
import duckdb_ext


def fnv1a(data: bytes) -> int:
    """The 64-bit FNV-1a hash."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def summary(ids: list[str]) -> dict:
    """What the caller compares."""
    checksum = sum(fnv1a(i.encode()) for i in ids) % 2**64
    return {"rows": len(ids), "distinct": len(set(ids)), "checksum": checksum}


def with_deltalake(url: str, column: str, options: dict[str, str]) -> dict:
    """The table through the Python package `deltalake`."""
    table = deltalake.DeltaTable(url, storage_options=options)
    rows = deltalake.QueryBuilder().register("t", table).execute(f'SELECT "{column}" FROM t')
    ids = [value.as_py() for batch in rows for value in batch.column(0)]
    return {
        **summary(ids),
        "version": table.version(),
        "partition_columns": table.metadata().partition_columns,
        "columns": [field.name for field in table.schema().fields],
    }


def with_duckdb(url: str, column: str, options: dict[str, str]) -> dict:
    """The table through DuckDB's delta extension."""
    extensions = glob.glob(f"{list(duckdb_ext.__path__)[0]}/extensions/*/*/delta.duckdb_extension")
    connection = duckdb.connect()
    connection.load_extension(extensions[0])
    if options:
        raise SystemExit("DuckDB is asked for local tables only")
    rows = connection.sql(f"SELECT \"{column}\" FROM delta_scan('{url}')").fetchall()
    described = connection.sql(f"DESCRIBE SELECT * FROM delta_scan('{url}')").fetchall()
    return {**summary([row[0] for row in rows]), "columns": [row[0] for row in described]}


def main() -> None:
    """Parses the arguments and prints the answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--id", default="event_id", help="column that holds the id")
    parser.add_argument("--option", action="append", default=[], help="storage option KEY=VALUE")
    args = parser.parse_args()
    options = dict(option.split("=", 1) for option in args.option)
    answer = {"deltalake": with_deltalake(args.url, args.id, options)}
    if not options:
        answer["duckdb"] = with_duckdb(args.url, args.id, options)
    json.dump(answer, sys.stdout)
    print()


if __name__ == "__main__":
    main()
