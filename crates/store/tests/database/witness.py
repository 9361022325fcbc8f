"""Reads a database with Python's sqlite3, which shares no code with the program under test.

usage: witness.py dump PATH           what it holds
       witness.py same DUMP_FILE PATH whether PATH still holds every row and object of the dump; the version table aside
       witness.py schema PATH         every object's definition
       witness.py sql PATH SQL        runs SQL, prints the rows
"""
import json
import os
import sqlite3
import sys


def dump(db):
    db.text_factory = bytes
    tables = {}
    names = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for name, sql in names:
        name = name.decode()
        if name == "schema_version" or sql.lower().startswith(b"create virtual"):
            continue
        columns = [row[1].decode() for row in db.execute(f'PRAGMA table_info("{name}")')]
        tables[name] = {"columns": columns, "rows": rows_of(db, name, columns)}
    objects = {
        f"{kind.decode()} {name.decode()}": sql.decode() if sql else None
        for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master WHERE tbl_name != 'schema_version'")
    }
    return {"tables": tables, "objects": objects}


def rows_of(db, name, columns):
    listed = ", ".join(f'"{column}"' for column in columns)
    return sorted(repr(row) for row in db.execute(f'SELECT {listed} FROM "{name}"'))


def as_text(held):
    return json.dumps(held)


def connect(path):
    # Without side files nobody is writing: then leave none behind either.
    alone = not os.path.exists(path + "-wal") and not os.path.exists(path + "-journal")
    quoted = "".join(f"%{byte:02x}" for byte in path.encode())
    return sqlite3.connect(f"file:{quoted}" + ("?immutable=1" if alone else ""), uri=True)


def same(held, path):
    db = connect(path)
    db.text_factory = bytes
    check = db.execute("PRAGMA integrity_check").fetchall()
    if check != [(b"ok",)]:
        return f"integrity: {check}"
    for name, table in held["tables"].items():
        if rows_of(db, name, table["columns"]) != table["rows"]:
            return f"rows of {name} differ"
    now = dump(db)["objects"]
    for name, sql in held["objects"].items():
        ours = name.split(" ", 1)[1].lower().startswith("idx_") or name == "table enforcement_log"
        # Ours are compared with what they must be; the user's own with what they were.
        if not ours and (name not in now or now[name] != sql):
            return f"{name} differs: {now.get(name)}"
    return None


def main():
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "dump":
        print(as_text(dump(connect(arguments[0]))))
    elif verb == "same":
        with open(arguments[0], encoding="utf-8") as file:
            difference = same(json.load(file), arguments[1])
        if difference:
            sys.exit(difference)
    elif verb == "schema":
        for name, sql in sorted(dump(connect(arguments[0]))["objects"].items()):
            print(name, "=", sql)
    elif verb == "sql":
        db = connect(arguments[0])
        for row in db.execute(arguments[1]):
            print("|".join("" if value is None else str(value) for value in row))


if __name__ == "__main__":
    main()
